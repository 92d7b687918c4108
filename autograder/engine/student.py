"""The student's side of one grading: their process, and how to go on when their code ended it."""

import contextlib
import time

from autograder.engine.process import Stopped, Worker
from shrinklab import calls

RESTARTS = 4
TABLES = 40
SHARE = 0.5


class Student:
    """Runs a student's cells and answers a check's calls; a backend for `shrinklab.exercise.backend`.

    When a cell or a call ends the process or takes longer than `seconds`, it has failed, and the next one gets a
    new process, in which the cells that went well before have run again. total: seconds for everything; cells that
    are not graded get half of it, and four new processes: what goes wrong in them costs no exercise its points.
    A check is called when all cells have run and what they showed is kept: its hidden inputs would stand in a later
    cell's output. `mark` and `rewind` let it find the names as they were at its place.
    files: copied beside the student's code; box: an `engine.box.Box` or `engine.warmbox.WarmBox`
    that holds each process.
    """

    reveal = False

    def __init__(self, *, seconds, total, files=(), box=None):
        self.seconds, self.files, self.box = seconds, files, box
        self._end = time.monotonic() + total
        self._total, self._extra = total, total * SHARE
        # What the process has to run: (source, graded), or (None, number of a mark); and how much of it has run.
        self._worker, self._done, self._ran, self._started = None, [], 0, 0
        self._mark = None
        self._borrowed = set()
        self.worked = 0.0  # seconds that their process took for cells and calls
        self.tables = iter(range(TABLES))  # the outputs that may still come as HTML
        self.services = {}  # what a check may ask for by name besides calls; see `shrinklab.exercise.service`

    def run(self, source, *, graded=True):
        """Run one cell; returns its notebook outputs. Raises Stopped when it ended the process.

        graded: whether exercises need it, as they need the setup and the cells that students have to fill in.
        """
        reply = self._ask({"op": "run", "source": source}, graded)
        self._done.append((source, graded))
        self._ran += 1
        return reply.get("outputs")

    def mark(self):
        """Remember which names are bound to what after the cells so far; returns a number for `rewind`."""
        number = sum(source is None for source, _ in self._done)
        self._done.append((None, number))
        if self._worker:
            with contextlib.suppress(Stopped):
                self._catch_up(len(self._done))
        return number

    def rewind(self, number):
        """Let the calls from now on find the names as they were at a mark, and no cell after it."""
        self._mark = number

    def borrowed(self, name):
        """A sentence, in a list, when the function of this name was the library's own; an empty list otherwise.

        It repeats nothing of what the student's process says: a hidden input could be in it.
        """
        return [f"Note: {name} is the library's own function under another name."] if name in self._borrowed else []

    def call(self, name, args, kwargs):
        """Call a function of the student; returns a `shrinklab.calls.Call` or raises StudentError."""
        request = {"op": "call", "message": calls.request(name, args, kwargs), "mark": self._mark}
        try:
            called = calls.receive(self._ask(request).get("response"), name)
        except Stopped as stopped:
            raise calls.StudentError(f"{name}: {stopped}") from None
        except calls.WireError:
            raise calls.StudentError(f"{name}: what came back could not be read.") from None
        if called.library:
            self._borrowed.add(name)
        return called

    def close(self):
        """End the student's process."""
        if self._worker:
            self._worker.close()
            self._worker = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def _ask(self, request, graded=True):
        if not graded:
            self._extra_left()
        if self._worker is None:
            self._start()
        marks = [place for place, (source, mark) in enumerate(self._done) if source is None and mark == self._mark]
        self._catch_up(marks[0] + 1 if marks else len(self._done))
        return self._send(request, graded)

    def _send(self, request, graded):
        limit, started = self._left() if graded else self._extra_left(), time.monotonic()
        try:
            return self._worker.ask(request, limit)
        except Stopped:
            self.close()
            raise
        finally:
            self.worked += time.monotonic() - started
            if not graded:
                self._extra -= time.monotonic() - started

    def _start(self):
        self._started += 1
        self._worker, self._ran = Worker(self.files, box=self.box), 0

    def _catch_up(self, until):
        """Run again what went well before in an earlier process, up to a place in `_done`."""
        while self._ran < until:
            source, graded = self._done[self._ran]
            self._ran += 1
            if source is None:
                self._send({"op": "mark", "mark": graded}, True)
            elif graded or not self._extra_over():
                try:
                    self._send({"op": "run", "source": source}, graded)
                except Stopped:
                    if graded:
                        raise
                    until -= 1
                    del self._done[self._ran - 1]
                    self._start()

    def _left(self):
        left = self._end - time.monotonic()
        if left <= 0:
            raise Stopped(f"The notebook used up its {self._total:.0f} s, so the rest was not run.")
        return min(self.seconds, left)

    def _extra_left(self):
        if why := self._extra_over():
            raise Stopped(why)
        return min(self._left(), self._extra)

    def _extra_over(self):
        """Why cells that are not graded run no more; "" while they do."""
        if self._extra <= 0:
            return (f"The cells that are not graded used up their {self._total * SHARE:.0f} s, so only the exercises "
                    "were run after that.")
        if self._started > RESTARTS + (self._worker is not None):
            return "The notebook's code ended its process too often, so only the exercises were run after that."
        return ""
