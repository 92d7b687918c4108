"""The grader's side of the student's process: start it, ask it, and end it with all that it started."""

import itertools
import shutil
import signal
import tempfile
import threading
from pathlib import Path

from autograder.engine.channel import ChannelError, receive, send
from autograder.engine.enter import OVER
from autograder.engine.launch import Alone
from autograder.engine.warm import FORKS, Forked

CRASHES = [getattr(signal, name) for name in ("SIGSEGV", "SIGABRT", "SIGFPE") if hasattr(signal, name)]


class Stopped(Exception):
    """The student's process is gone. The text is a sentence for the student."""


class Worker:
    """One student's process, in a folder of its own. Use as a context manager, or call `close`.

    files: paths that are copied into its folder. box: an `engine.box.Box` or `engine.warmbox.WarmBox` to start it in.
    Without one, warm: fork it from a process that has torch imported, where the system can (POSIX); otherwise it is
    started anew.
    """

    def __init__(self, files=(), *, warm=FORKS, box=None):
        self.folder = Path(tempfile.mkdtemp(prefix="shrinklab-"))
        for file in files:
            shutil.copy(file, self.folder)
        try:
            self._process = (box.start if box else Forked if warm else Alone)(str(self.folder))
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        self._boxed = box is not None
        self._numbers = itertools.count()
        self._why = None

    def ask(self, request, seconds):
        """Send one request and wait for its reply.

        Raises Stopped when the process is late, ends, or breaks the protocol; it is then closed.
        """
        if self._why:
            raise Stopped(self._why)
        number = next(self._numbers)
        late = threading.Event()
        watch = threading.Timer(seconds, lambda: (late.set(), self._process.kill()))
        watch.start()
        try:
            send(self._process.writer, {"id": number} | request)
            reply = receive(self._process.reader)
            if not isinstance(reply, dict) or reply.get("id") != number:
                raise ChannelError("the reply does not belong to the request")
            return reply
        except ChannelError as error:
            watch.cancel()
            self._why = f"It ran longer than {seconds:.0f} s and was stopped." if late.is_set() else None
            self.close(str(error))
            raise Stopped(self._why) from error
        finally:
            watch.cancel()

    def close(self, reason="it was ended"):
        """End the process, everything in its group, and remove its folder. Safe to call again."""
        code = self._process.end()
        self._why = self._why or (OVER.get(code) if self._boxed else None) or _explain(code, reason)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def _explain(code, reason):
    # An exit code, or a signal of one's own choice, could carry a hidden input to whoever reads this.
    if code is not None and -code in CRASHES:
        return f"It ended the whole Python process ({signal.Signals(-code).name}), so nothing more could run."
    if code is not None and -code != signal.SIGKILL:
        return "It ended the whole Python process, so nothing more could run."
    return f"The process that ran it had to be stopped: {reason}."
