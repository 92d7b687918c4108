"""What lessons and the grader share: call the student's function, check what it gives, use it afterwards.

A check runs where the notebook runs or, in grading, in a process of its own: `student` sends plain values and
takes plain values (see `shrinklab.wire`), so the same lines work in both.

>>> def halve(x):
...     return x / 2
>>> with check("halve", points=2) as earned:
...     expect(student("halve", 3.0), 1.5, hint="Divide by two.", id="three")
...     expect(student("halve", 5.0), 2.0, hint="Halves keep their fraction.", id="five")
✓ three
✗ five: Halves keep their fraction.
    got 2.5, expected 2.0
halve: 1 of 2 right, 1 of 2 points
>>> earned.points
1.0
"""

import contextlib
import hashlib
import math
import sys
from contextvars import ContextVar
from dataclasses import dataclass, field

import torch

from shrinklab.calls import Call, NotWritten, StudentError, perform, receive, request
from shrinklab.compare import difference
from shrinklab.errors import need
from shrinklab.progress import note
from shrinklab.refs import Ref
from shrinklab.written import expectations

__all__ = ["Call", "CheckResult", "Expectation", "NotWritten", "Ref", "StudentError", "backend", "check",
           "enter_grading", "expect", "fresh", "ref", "results", "service", "student", "student_call", "use"]


@dataclass(frozen=True)
class Expectation:
    """One line of a check: its id, whether it held, and the hint that helps when it did not."""

    id: str
    passed: bool
    hint: str


@dataclass(frozen=True)
class CheckResult:
    """What a check gave. points: 0 to max_points; message: why it stopped early, or ""; unreached: ids of the
    expectations that were not looked at because of that."""

    name: str
    points: float
    max_points: float
    expectations: tuple[Expectation, ...]
    message: str = ""
    unreached: tuple[str, ...] = ()

    @property
    def passed(self):
        return self.points == self.max_points


@dataclass
class _Session:
    """Where the calls go, which check is open, and what the checks have given so far."""

    backend: object = None
    results: dict = field(default_factory=dict)
    passed_with: dict = field(default_factory=dict)
    open: object = None
    seed: int = 0


_notebook = _Session()
_session = ContextVar("session", default=None)
_grading = False


def _current():
    return _session.get() or _notebook


@contextlib.contextmanager
def backend(connection, seed=0):
    """Send the calls inside the block to `connection`, an object with `.call(name, args, kwargs) -> Call`; None
    is the notebook's own namespace.

    It raises StudentError when the student's code gave no value (`shrinklab.calls.receive` does). Results start
    empty; read them with `results()` before the block ends. seed: what `fresh` draws from. Values and messages of the
    student's code are printed only when `connection.reveal` is true: hidden inputs could be read off them.
    """
    token = _session.set(_Session(connection, seed=seed))
    try:
        yield connection
    finally:
        _session.reset(token)


class _Local:
    """The notebook's own namespace: the same road as in grading, without leaving the process."""

    reveal = True

    def __init__(self, namespace):
        self.namespace = namespace

    def call(self, name, args, kwargs):
        response = perform(self.namespace, request(name, args, kwargs))
        print(response["printed"], end="")
        return receive(response, name)


def ref(name):
    """Name something too large to send, a network, a split or a library function; each side resolves it.

    >>> ref("mnist/validation[:256]")
    Ref(name='mnist/validation[:256]')
    """
    return Ref(name)


def fresh():
    """A torch.Generator for hidden inputs that differ from submission to submission; for checks, inside one.

    In grading it starts from the submission's own seed, which the grader records, so that a regrade asks the same; in
    a notebook always from the same one. Two checks, and two calls in one check, get different numbers.

    >>> with check("anything", points=1):
    ...     first, second = torch.rand(1, generator=fresh()), torch.rand(1, generator=fresh())
    ...     expect(bool(first == second), False, hint="They differ.")
    ✓ anything-1
    anything: 1 of 1 right, 1 of 1 points
    """
    session = _current()
    need(session.open is not None, "fresh stands outside a check", "each check has inputs of its own",
         "call it between the lines of a check", RuntimeError)
    session.open.drawn += 1
    words = f"{session.seed} {session.open.name} {session.open.drawn}"
    start = int.from_bytes(hashlib.sha256(words.encode()).digest()[:7], "big")
    return torch.Generator().manual_seed(start)


def student(name, *args, **kwargs):
    """The value of the student's function `name` for these arguments; of a variable (an answer), its value.

    Arguments and value may be what `shrinklab.wire.encode` knows. Raises StudentError when there is no value;
    inside a check that ends the check with a line that says why.
    """
    return _call(name, args, kwargs, sys._getframe(1).f_globals).value


def student_call(name, *args, **kwargs):
    """Like `student`, but gives the whole `Call`: value, arguments after the call, printed text."""
    call = _call(name, args, kwargs, sys._getframe(1).f_globals)
    if call.arguments is None:
        raise StudentError(f"{name} put something into its arguments that cannot be checked.")
    return call


def service(name):
    """What the grader offers a check besides calls, by name; None in the reader's own notebook.

    >>> service("capstone")
    """
    return getattr(_current().backend, "services", {}).get(name)


def _call(name, args, kwargs, namespace):
    session = _current()
    call = (session.backend or _Local(namespace)).call(name, args, kwargs)
    if session.open:
        session.open.printed = call.printed
        if session.open.name == name:
            session.open.borrowed |= {*call.borrows, call.library.rpartition(".")[2]} & session.open.library
        if session.open.answer and session.open.name == name and _empty(call.value):
            raise NotWritten(f"{name} is not answered yet.")
    return call


class check:
    """Context manager around the expectations of one exercise; see the top of this module.

    points: what the check is worth, above 0; all_or_nothing: no partial credit (a faulty function to be mended
    meets some expectations from the start); graded_on: how many expectations the grader's version has, hidden
    ones included: where the block has fewer, it says so and promises no points; answer: the check of one answer of
    that name, which is not answered while it is empty; library: names of the library's functions that the exercise
    asks to write: a function that calls one of them earns nothing. An error of the student's code inside the block
    ends the block with a readable line, and what was not reached counts as failed: the number of expectations is
    read from the block's source. After the block `.points` is the score (None where hidden expectations are missing and
    nothing failed: it would look like the grade) and `.result` a CheckResult.
    """

    def __init__(self, name, points, *, all_or_nothing=False, graded_on=0, answer=False, library=()):
        number = isinstance(points, int | float) and not isinstance(points, bool)
        need(number and 0 < points < math.inf, f"points is {points!r}", "a check is worth more than 0 points",
             "write for example points=2")
        self.name, self.max_points, self.all_or_nothing, self.graded_on = name, points, all_or_nothing, graded_on
        self.answer, self.library, self.borrowed = answer, set(library), set()
        self.points, self.result, self.found, self.printed, self.session = 0.0, None, [], "", _current()
        self.drawn = 0

    def __enter__(self):
        frame = sys._getframe(1)
        self.namespace = frame.f_globals
        self.written = expectations(frame.f_code.co_filename, frame.f_lineno)
        self.outer, self.session.open = self.session.open, self
        self.session.results.pop(self.name, None)
        return self

    @property
    def reveal(self):
        return self.session.backend is None or bool(getattr(self.session.backend, "reveal", False))

    def __exit__(self, kind, error, trace):
        self.session.open = self.outer
        if error is not None and not isinstance(error, Exception):
            return False
        self._close(error, trace.tb_lineno if trace else 0)
        return True

    def _close(self, error, line):
        message = "" if error is None else self._explain(error)
        reached = None if isinstance(error, NotWritten) else self._stopped_at(error, line)
        if reached:
            self.found.append(Expectation(reached.id or f"{self.name}-{len(self.found) + 1}", False, reached.hint))
            message += f"\n    {self.found[-1].id}: {reached.hint}"
        unreached = () if error is None or isinstance(error, NotWritten) else self._unreached()
        total = max(len(self.written), len(self.found) + (error is not None and not reached))
        if self.borrowed:
            self._refuse_borrowed()
        right = sum(one.passed for one in self.found)
        share = right / total if total and not isinstance(error, NotWritten) else 0.0
        if self.borrowed or (self.all_or_nothing and share < 1):
            share = 0.0
        self.points = round(share * self.max_points, 2)
        self.result = CheckResult(self.name, self.points, self.max_points, tuple(self.found), message, unreached)
        self.session.results[self.name] = self.result
        self.session.passed_with[self.name] = _code(self.namespace.get(self.name))
        if message:
            print(message)
        for one in unreached:
            print(f"… {one}: not looked at, because the check ended above")
        print(f"{self.name}: {self._score(right, total)}")
        if not _grading and self.session.backend is None:
            note(self.name, 0 if self.borrowed else right, total)
        if right == total < self.graded_on and not self.borrowed:
            self.points = None  # the cell ends with this value: a full score here would pass for the grade

    def _refuse_borrowed(self):
        """The first thing to mend: the answer is the library's."""
        hint = (f"{self.name} calls the library's own {' and '.join(sorted(self.borrowed))}. Here you are asked to "
                "write it yourself; the library's may be used after the check.")
        self.found.insert(0, Expectation("library", False, hint))
        print(f"✗ library: {hint}")

    def _stopped_at(self, error, line):
        """The expectation whose value the student's code failed to give: its hint may tell what it did not expect."""
        if not isinstance(error, StudentError):
            return None
        return next((one for one in self.written if one.first <= line <= one.last), None)

    def _unreached(self):
        """The ids of the expectations behind the last one that was looked at."""
        return tuple(one.id or f"{self.name}-{number}" for number, one in enumerate(self.written, 1)
                     if number > len(self.found))

    def _score(self, right, total):
        """The closing line. Without the hidden expectations it promises no points; an answer is only readable."""
        if not total or (self.answer and right == total < self.graded_on):
            start = "your answer can be read; " if total else ""
            worth = f"{self.max_points:g} point{'s' if self.max_points != 1 else ''}"
            return f"{start}up to {worth}; what is right is told when it is graded"
        score = f"{right} of {total} right, {self.points:g} of {self.max_points:g} points"
        if self.graded_on > total and not self.borrowed:
            hidden = self.graded_on - total
            score = f"{right} of {total} right here; {hidden} hidden one{'s' * (hidden != 1)} when it is graded"
        return score + (" (all or nothing)" if self.all_or_nothing else "")

    def _explain(self, error):
        if isinstance(error, StudentError):
            told = error if self.reveal else error.public
            return f"… {told} (0 points)" if isinstance(error, NotWritten) else f"✗ {told}"
        told = f"{type(error).__name__}: {error}" if self.reveal else type(error).__name__
        return f"✗ The check could not use what came back ({told}). Compare its type with the docstring."

    def waits(self, needs):
        """Whether the expectation with the id `needs` did not hold, so that what builds on it earns nothing."""
        held = {one.id: one.passed for one in self.found}
        need(needs is None or needs in held, f"needs is {needs!r}", f"the ids so far are {', '.join(held) or 'none'}",
             "name an expectation above this one", RuntimeError)
        return needs is not None and not held[needs]

    def skip(self, hint, id, needs):
        self.found.append(Expectation(id or f"{self.name}-{len(self.found) + 1}", False, hint))
        print(f"… {self.found[-1].id}: looked at when {needs} holds")

    def add(self, problem, hint, id):
        id = id or f"{self.name}-{len(self.found) + 1}"
        self.found.append(Expectation(id, problem is None, hint))
        if problem is None:
            print(f"✓ {id}")
            return
        print(f"✗ {id}: {hint}")
        if problem.startswith("got None") and self.printed.strip():
            problem = "got None: the function prints its result; return it instead"
        plain = problem == "got False, expected True"  # says nothing that the hint does not
        if problem.startswith("got None") or (self.reveal and not plain):
            print(f"    {problem}")


def expect(actual, expected=True, *, hint, id=None, needs=None, rtol=1e-5, atol=1e-6, dtype=None):
    """Compare, print ✓ or ✗ with the hint, and record it in the open check. Never raises
    for what a student may hand over.

    Numbers and arrays are compared by shape and within `atol + rtol * abs(expected)`, whatever the dtype
    unless dtype is given; strings without regard to case. See `shrinklab.compare.difference`.
    atol and rtol do not apply when both values are whole numbers or bools by their type: those have to be equal. For
    a tolerance between whole numbers write the expected one as a float, 785.0.
    id: names the expectation in the grader's records; unique in a check. needs: the id of one above that must
    hold before this one is looked at: that nothing was changed is no merit of a function that does nothing.
    """
    opened = _current().open
    need(opened is not None, "expect stands outside a check", "it records its result in the check around it",
         'indent it under: with check("name", points=1) as earned:', RuntimeError)
    if opened.waits(needs):
        opened.skip(hint, id, needs)
        return
    try:
        problem = difference(actual, expected, rtol=rtol, atol=atol, dtype=dtype)
    except Exception as error:
        problem = f"the value could not be compared ({type(error).__name__}: {error})"
    opened.add(problem, hint, id)


def results():
    """The CheckResults so far, {name: CheckResult}, of the last run of each; inside `backend`, of that block."""
    return dict(_current().results)


def enter_grading():
    """From now on `use` in this process gives only the student's own functions; the grader's workers call it."""
    global _grading
    _grading = True


def use(name, otherwise):
    """The student's own function `name` once its check has passed in this session; until then `otherwise`,
    the library's, with a line that says so. In grading always the student's own.

    A function that was changed after its check passed has to pass again.
    """
    namespace, session = sys._getframe(1).f_globals, _current()
    own, result = namespace.get(name), session.results.get(name)
    if _grading:
        need(callable(own), f"{name} does not exist", "in grading a lesson uses the student's own function",
             f"write {name}", NameError)
        return own
    if callable(own) and result and result.passed and session.passed_with.get(name) == _code(own):
        print(f"Using your own {name}.")
        return own
    again = " again" if result and result.passed else ""
    library = getattr(otherwise, "__name__", "version")
    print(f"Until {name} passes its check{again}, this cell uses the library's {library}.")
    return otherwise


def _empty(answer):
    return answer is None or (isinstance(answer, str | list | tuple) and not "".join(map(str, answer)).strip())


def _code(function):
    return getattr(function, "__code__", function)
