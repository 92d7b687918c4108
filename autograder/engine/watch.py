"""A time limit for what a check does itself, between its calls of the student's functions.

A call ends with the student's process. The check's own lines run in the grader, on whatever came back; they run in a
thread, so that the grader goes on when they do not end.
"""

import contextvars
import ctypes
import threading
import time
from functools import partial


class Late(BaseException):
    """Ends a check that runs too long. No Exception: `with check(...)` swallows those."""


class Watched:
    """A backend for `shrinklab.exercise` that passes calls on, and counts the seconds outside of them.

    Its services are the backend's own; they have limits of their own, so their seconds do not count either.
    """

    def __init__(self, backend):
        self.reveal = getattr(backend, "reveal", False)
        self._backend = backend
        self.services = {name: partial(self._apart, work) for name, work in getattr(backend, "services", {}).items()}
        self._own, self._since = 0.0, time.monotonic()

    def call(self, name, args, kwargs):
        return self._apart(self._backend.call, name, args, kwargs)

    def _apart(self, work, *args):
        self._own, self._since = self.own_seconds, None
        try:
            return work(*args)
        finally:
            self._since = time.monotonic()

    @property
    def own_seconds(self):
        since = self._since
        return self._own + (time.monotonic() - since if since is not None else 0.0)


def within(seconds, watched, work):
    """What `work()` returns or raises; Late when more than `seconds` went by outside the calls of `watched`.

    work runs in a thread of its own. A late one is ended at its next line of Python, and not waited for.
    """
    done = []
    thread = threading.Thread(target=contextvars.copy_context().run, args=(_record, work, done), daemon=True)
    thread.start()
    while thread.is_alive() and (left := seconds - watched.own_seconds) > 0:
        thread.join(left)
    if not done:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(Late))
        raise Late
    value, error = done[0]
    if error is not None:
        raise error
    return value


def _record(work, done):
    try:
        done.append((work(), None))
    except Late:
        pass
    except BaseException as error:
        done.append((None, error))
