"""A parent process that has imported torch and forks the students' processes in tens of milliseconds."""

import atexit
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import weakref

from autograder.engine.channel import ChannelError
from autograder.engine.launch import command, environment

STARTING = 120
FORKS = hasattr(os, "fork") and hasattr(socket, "send_fds")


class Forked:
    """A fork of the warm parent: starts in tens of milliseconds."""

    def __init__(self, folder):
        with contextlib.ExitStack() as stack:
            ours, theirs = map(stack.enter_context, socket.socketpair())
            self._parent, self._pid = WarmParent.fork(theirs.fileno(), folder)
            self._socket = ours.dup()
        self.reader = self.writer = self._socket.makefile("rwb")
        self._code = None
        self._ended = False

    def kill(self):
        with contextlib.suppress(OSError):
            os.killpg(self._pid, signal.SIGKILL)
        # A process that left the group may still hold the other end: our read must end all the same.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def end(self):
        if not self._ended:
            self._ended = True
            self.kill()
            with contextlib.suppress(OSError):
                self.reader.close()
            self._socket.close()
            self._code = self._parent.reap(self._pid)
        return self._code


class WarmParent:
    """The process that has torch imported. One for the life of the grader, started again when it is gone."""

    current = None
    lock = threading.Lock()

    @classmethod
    def fork(cls, handle, folder):
        with cls.lock:
            for attempt in range(2):
                parent = cls.current or cls()
                cls.current = parent
                try:
                    return parent, order(parent._control, {"fork": folder}, handle)
                except ChannelError:
                    parent.close()
                    cls.current = None
                    if attempt:
                        raise
        return None

    def __init__(self):
        self._folder = tempfile.mkdtemp(prefix="shrinklab-warm-")
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._control, theirs = socket.socketpair()
        with theirs:
            self._popen = subprocess.Popen(command("--warm"), stdin=theirs, stdout=subprocess.DEVNULL,
                                           stderr=self._log, cwd=self._folder, start_new_session=True,
                                           env=environment(self._folder))
        self._finish = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        atexit.register(self.close)
        self._control.settimeout(STARTING)
        if self._control.recv(16) != b"ready":
            self._log.seek(0)
            message = self._log.read().decode(errors="replace")
            self.close()
            raise RuntimeError(f"the student's process could not start; its last words:\n{message[-4000:]}")

    def reap(self, pid):
        with self.lock, contextlib.suppress(ChannelError):
            return order(self._control, {"reap": pid})
        return None

    def close(self):
        self._control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(5)
        if self._popen.poll() is None:
            self._popen.kill()
            self._popen.wait()
        self._log.close()
        self._finish()


def order(control, asked, handle=None):
    """Send an order to a warm process, with a descriptor or none; returns the number that it answers.

    Raises ChannelError when it is gone.
    """
    try:
        socket.send_fds(control, [json.dumps(asked).encode()], [] if handle is None else [handle])
        answer = control.recv(64)
    except OSError as error:
        raise ChannelError("the warm process is gone") from error
    if not answer:
        raise ChannelError("the warm process is gone")
    return int(answer)
