"""The grader's side of the student's process: start it, ask it, and end it with all that it started."""

import atexit
import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from pathlib import Path

from autograder.engine.channel import ChannelError, receive, send

STARTING = 120
FORKS = hasattr(os, "fork") and hasattr(socket, "send_fds")


class Stopped(Exception):
    """The student's process is gone. The text is a sentence for the student."""


class Worker:
    """One student's process, in a folder of its own. Use as a context manager, or call `close`.

    files: paths that are copied into its folder. warm: fork it from a process that has torch imported, where
    the system can (POSIX); otherwise it is started anew.
    """

    def __init__(self, files=(), *, warm=FORKS):
        self.folder = Path(tempfile.mkdtemp(prefix="shrinklab-"))
        for file in files:
            shutil.copy(file, self.folder)
        self._process = (_Forked if warm else _Alone)(str(self.folder))
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
        self._why = self._why or _explain(code, reason)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def _explain(code, reason):
    if code is not None and code < 0 and -code != signal.SIGKILL:
        return f"It ended the whole Python process ({signal.Signals(-code).name}), so nothing more could run."
    if code is not None and code >= 0:
        return f"It ended the whole Python process (exit code {code}), so nothing more could run."
    return f"The process that ran it had to be stopped: {reason}."


def _environment(folder):
    keep = ("PATH", "PYTHONPATH", "SYSTEMROOT", "LANG", "LC_ALL", "SHRINKLAB_DATA", "MPLCONFIGDIR", "HOME")
    return {name: os.environ[name] for name in keep if name in os.environ} | {
        "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "IPYTHONDIR": folder}


def _command(*options):
    return [sys.executable, "-P", "-m", "autograder.engine.worker", *options]


class _Alone:
    """A process started for this notebook: works everywhere, takes about two seconds."""

    def __init__(self, folder):
        self._popen = subprocess.Popen(_command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder,
                                       stderr=subprocess.DEVNULL, env=_environment(folder),
                                       start_new_session=os.name == "posix")
        self.reader, self.writer = self._popen.stdout, self._popen.stdin

    def kill(self):
        if os.name == "posix":
            with contextlib.suppress(OSError):
                os.killpg(self._popen.pid, signal.SIGKILL)
        else:
            subprocess.run(["taskkill", "/F", "/T", "/PID", str(self._popen.pid)],
                           capture_output=True, check=False)

    def end(self):
        for stream in (self.writer, self.reader):
            with contextlib.suppress(OSError):
                stream.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(0.5)
        self.kill()
        return self._popen.wait()


class _Forked:
    """A fork of the warm parent: starts in tens of milliseconds."""

    def __init__(self, folder):
        with contextlib.ExitStack() as stack:
            ours, theirs = map(stack.enter_context, socket.socketpair())
            self._parent, self._pid = _WarmParent.fork(theirs.fileno(), folder)
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


class _WarmParent:
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
                    return parent, parent.order({"fork": folder}, handle)
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
            self._popen = subprocess.Popen(_command("--warm"), stdin=theirs, stdout=subprocess.DEVNULL,
                                           stderr=self._log, cwd=self._folder, start_new_session=True,
                                           env=_environment(self._folder))
        self._finish = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        atexit.register(self.close)
        self._control.settimeout(STARTING)
        if self._control.recv(16) != b"ready":
            self._log.seek(0)
            message = self._log.read().decode(errors="replace")
            self.close()
            raise RuntimeError(f"the student's process could not start; its last words:\n{message[-4000:]}")

    def order(self, order, handle=None):
        try:
            handles = [] if handle is None else [handle]
            socket.send_fds(self._control, [json.dumps(order).encode()], handles)
            answer = self._control.recv(64)
        except OSError as error:
            raise ChannelError("the warm process is gone") from error
        if not answer:
            raise ChannelError("the warm process is gone")
        return int(answer)

    def reap(self, pid):
        with self.lock, contextlib.suppress(ChannelError):
            return self.order({"reap": pid})
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
