"""The student's side of one grading: their process, and how to go on when their code ended it."""

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
    files: copied beside the student's code; box: an `engine.box.Box` or `engine.warmbox.WarmBox`
    that holds each process.
    """

    reveal = False

    def __init__(self, *, seconds, total, files=(), box=None):
        self.seconds, self.files, self.box = seconds, files, box
        self._end = time.monotonic() + total
        self._total, self._extra = total, total * SHARE
        self._worker, self._done, self._started = None, [], 0
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
        return reply.get("outputs")

    def borrowed(self, name):
        """A sentence, in a list, when the function of this name was the library's own; an empty list otherwise.

        It repeats nothing of what the student's process says: a hidden input could be in it.
        """
        return [f"Note: {name} is the library's own function under another name."] if name in self._borrowed else []

    def call(self, name, args, kwargs):
        """Call a function of the student; returns a `shrinklab.calls.Call` or raises StudentError."""
        message = calls.request(name, args, kwargs)
        try:
            called = calls.receive(self._ask({"op": "call", "message": message}).get("response"))
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
            self._restart()
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

    def _restart(self):
        self._started += 1
        self._worker = Worker(self.files, box=self.box)
        for cell in list(self._done):
            source, graded = cell
            if not graded and self._extra_over():
                continue
            try:
                self._ask({"op": "run", "source": source}, graded)
            except Stopped:
                if graded:
                    raise
                self.close()
                self._done.remove(cell)
                self._restart()
                return

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
