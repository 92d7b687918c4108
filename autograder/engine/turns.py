"""Who computes on this machine: submissions side by side, or one measurement alone. The locks hold between processes,
where the system has such (POSIX)."""

import contextlib
import os
import tempfile
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


@contextlib.contextmanager
def locked(path):
    """Wait until no other process holds the lock of this file; it is made where it is missing.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, locked(f"{folder}/one"):
    ...     print("alone")
    alone
    """
    with open(path, "a") as file:
        _lock(file, "LOCK_EX")
        try:
            yield
        finally:
            _lock(file, "LOCK_UN")  # not by closing alone: a child of this process may have the file as well


class Turns:
    """Submissions that compute, and measurements of time that want the machine for themselves.

    Any number of processes are `working()`. One that wants to be `alone()` waits until the others have finished what
    they work on; who comes meanwhile waits at the gate. Its own work does not count, so that two that want to be alone
    do not wait for each other.
    """

    def __init__(self, place):
        self._gate, self._room, self._own = f"{place}.gate", f"{place}.room", None

    @contextlib.contextmanager
    def working(self):
        """While a submission computes. One at a time in a process; within another one it is the same work."""
        if self._own:
            yield
            return
        with open(self._room, "a") as self._own:
            self._enter()
            try:
                yield
            finally:
                _lock(self._own, "LOCK_UN")
                self._own = None

    @contextlib.contextmanager
    def alone(self):
        """While something is measured; inside `working()` or not."""
        if self._own:
            _lock(self._own, "LOCK_UN")
        try:
            with locked(self._gate), locked(self._room):
                yield
        finally:
            if self._own:
                self._enter()

    def _enter(self):
        with locked(self._gate):
            _lock(self._own, "LOCK_SH")


def _lock(file, how):
    if fcntl:
        fcntl.flock(file, getattr(fcntl, how))


TURNS = Turns(Path(tempfile.gettempdir()) / f"shrinklab-measuring-{os.getuid() if hasattr(os, 'getuid') else 0}")
