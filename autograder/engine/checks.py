"""Run a check cell on the grader's side, with the student's functions in their own process. Fails closed."""

import ast
import contextlib
import io
import linecache
import logging
import math
import numbers
import warnings
from dataclasses import dataclass

from autograder.cells import grade_id, name, plain_python, points
from autograder.engine.watch import Late, Watched, within
from shrinklab import exercise

log = logging.getLogger(__name__)

BROKEN = ("This check could not be finished on the grader's side, so it counts 0 for now. "
          "Please tell your instructor.")
OWN_SECONDS = 60
LATE = ("This check was stopped: it worked too long on what came back, so it counts 0. Is what your code gives as "
        "small as the task says? If it is, please tell your instructor.")


@dataclass(frozen=True)
class Checked:
    """What a check cell gave. score: 0.0 to its points; text: for the student; result: a CheckResult."""

    score: float
    text: str
    result: exercise.CheckResult


class Checks:
    """The namespace in which an instructor's checks run: made by the setup cells, one copy for each check.

    setup: cells of the instructor's notebook. Raises RuntimeError when one fails: that is the lesson's fault.
    """

    def __init__(self, setup):
        self._namespace = {"__name__": "__main__"}
        for cell in setup:
            label = f"<{grade_id(cell) or 'setup'}>"
            try:
                with _quiet():
                    _execute(plain_python(cell["source"]), self._namespace, label)
            except Exception as error:
                raise RuntimeError(
                    f"the setup cell {label} fails on the grader's side ({type(error).__name__}: {error}); "
                    "it must run in a new kernel; run the lesson's notebook.") from error

    def run(self, cell, student, seed=0):
        """Run one check cell of the instructor's notebook against a `Student`; returns a `Checked`. seed: what its
        hidden inputs are drawn from (`shrinklab.exercise.fresh`)."""
        highest, value, found = points(cell), None, []
        watched = Watched(student)
        with exercise.backend(watched, seed), _quiet() as text:
            try:
                value = within(OWN_SECONDS, watched, lambda: _execute(
                    cell["source"], dict(self._namespace), f"<{grade_id(cell)}>"))
            except Late:
                student.close()  # it may have been stopped between a question and its answer
                print(LATE)
            except Exception:
                log.exception("the check %s failed on the grader's side", grade_id(cell))
                print(BROKEN)
            found = list(exercise.results().values())
            for sentence in student.borrowed(name(cell)):
                print(sentence)
        score = _score(value, highest)
        if score is None:
            score = 0.0
            # Where its hidden tests are not here, a check withholds its score; it is 0 all the same.
            withheld = "BEGIN HIDDEN TESTS" not in cell["source"] and value is None and found
            told = withheld or any(line in text.getvalue() for line in (BROKEN, LATE))
            text.write("" if told else f"{BROKEN}\n")
            log.log(logging.DEBUG if withheld else logging.WARNING,
                    "the check %s gave no score between 0 and %g", grade_id(cell), highest)
        first = found[0] if found else None
        result = exercise.CheckResult(name(cell) or grade_id(cell) or "", score, highest,
                                      tuple(e for one in found for e in one.expectations),
                                      first.message if first else text.getvalue().strip(),
                                      tuple(id for one in found for id in one.unreached))
        return Checked(score, text.getvalue(), result)


def _score(value, highest):
    number = isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if number and 0 <= value <= highest else None


def _execute(source, namespace, label):
    """Run a source as a cell: the value of its last line comes back."""
    linecache.cache[label] = (len(source), None, source.splitlines(keepends=True), label)
    tree = ast.parse(source, label)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, label, "exec", dont_inherit=True), namespace)
    return eval(compile(ast.Expression(last.value), label, "eval"), namespace) if last else None


@contextlib.contextmanager
def _quiet():
    text, noise = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(noise), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield text
