"""The student's side of one grading: their process, and how to go on when their code ended it."""

import time

from autograder.engine.process import Stopped, Worker
from shrinklab import calls

RESTARTS = 4


class Student:
    """Runs a student's cells and answers a check's calls; a backend for `shrinklab.exercise.backend`.

    When a cell or a call ends the process or takes longer than `seconds`, it has failed, and the next one gets a
    new process, in which the cells that went well before have run again. total: seconds for everything.
    files: copied beside the student's code.
    """

    reveal = False

    def __init__(self, *, seconds, total, files=()):
        self.seconds, self.files = seconds, files
        self._end = time.monotonic() + total
        self._total = total
        self._worker, self._done, self._started = None, [], 0

    def run(self, source):
        """Run one cell; returns its notebook outputs. Raises Stopped when it ended the process."""
        reply = self._ask({"op": "run", "source": source})
        self._done.append(source)
        return reply.get("outputs")

    def call(self, name, args, kwargs):
        """Call a function of the student; returns a `shrinklab.calls.Call` or raises StudentError."""
        message = calls.request(name, args, kwargs)
        try:
            return calls.receive(self._ask({"op": "call", "message": message}).get("response"))
        except Stopped as stopped:
            raise calls.StudentError(f"{name}: {stopped}") from None
        except calls.WireError:
            raise calls.StudentError(f"{name}: what came back could not be read.") from None

    def close(self):
        """End the student's process."""
        if self._worker:
            self._worker.close()
            self._worker = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def _ask(self, request):
        try:
            if self._worker is None:
                self._restart()
            return self._worker.ask(request, self._left())
        except Stopped:
            self.close()
            raise

    def _restart(self):
        if self._started > RESTARTS:
            raise Stopped("The notebook's code ended its process too often, so the rest was not run.")
        self._started += 1
        self._worker = Worker(self.files)
        for source in self._done:
            self._worker.ask({"op": "run", "source": source}, self._left())

    def _left(self):
        left = self._end - time.monotonic()
        if left <= 0:
            raise Stopped(f"The notebook used up its {self._total:.0f} s, so the rest was not run.")
        return min(self.seconds, left)
