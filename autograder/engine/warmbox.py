"""A box in which torch is imported once: each submission starts there as a fork, in namespaces of its own.

    with WarmBox(Box()) as warm:
        for files in submissions:
            with Worker(files, box=warm) as worker:
                ...

A `WarmBox` goes wherever a `Box` goes: `Worker(box=…)`, `Student(box=…)`, `run_notebook(box=…)`. It may be used from
several threads; processes that are alive at the same time do not see each other.
"""

import atexit
import functools
import logging
import os
import threading
from types import SimpleNamespace

from autograder.engine import view
from autograder.engine.box import has_bubblewrap
from autograder.engine.channel import ChannelError
from autograder.engine.warmserver import Nested, Server

_kept = {}
log = logging.getLogger(__name__)


class WarmBox:
    """Starts students' processes as forks of one that waits in a box. box: the `engine.box.Box` with the limits.

    Where the system does not let namespaces be made inside a box, `start` gives each submission a box and a Python of
    its own, as `Box.start` does, and `why_not` says why. A warm process that is gone is started again.
    """

    def __init__(self, box):
        self.box, self.why_not = box, ""
        self._server, self._lock = None, threading.Lock()

    def start(self, folder, *, without_test=False):
        """Start a process. folder: its files are copied into the process's home. without_test: hide the test split.

        Raises RuntimeError when it does not start.
        """
        for attempt in range(2):
            server = self._running()
            if server is None:
                return (self.box.without_test() if without_test else self.box).start(folder)
            try:
                return Nested(server, folder, without_test)
            except ChannelError as error:
                self._forget(server)
                if attempt:
                    raise RuntimeError(f"the sandbox's warm process ended twice ({error})") from error
        return None

    def without_test(self):
        """The same, for processes that must not see the test split's images and labels."""
        return SimpleNamespace(start=functools.partial(self.start, without_test=True), without_test=self.without_test)

    def close(self):
        """End the warm process and all that it started; safe to call again."""
        with self._lock:
            if self._server:
                self._server.close()
            self._server = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def _running(self):
        with self._lock:
            if not has_bubblewrap():
                self.why_not = "it needs bubblewrap"
            elif any(map(view.in_tmp, view.python())):
                self.why_not = "this course's Python lies in /tmp, of which each submission has its own"
            if self._server is None and not self.why_not:
                server = Server(self.box)
                if server.why_not:
                    server.close()
                    self.why_not = server.why_not
                    log.warning("each submission starts a new Python, which takes seconds: %s", self.why_not)
                else:
                    self._server = server
            return self._server

    def _forget(self, server):
        with self._lock:
            server.close()
            if self._server is server:
                self._server = None


def kept(box):
    """The warm box of this process for a `Box`: kept until another is asked for, or the process ends."""
    if _kept.get("for") != (os.getpid(), box):
        # One that a fork inherited is its parent's to close.
        if _kept and _kept["for"][0] == os.getpid():
            _kept["warm"].close()
        _kept.update({"for": (os.getpid(), box), "warm": WarmBox(box)})
    return _kept["warm"]


@atexit.register
def _close_kept():
    if _kept and _kept["for"][0] == os.getpid():
        _kept["warm"].close()
