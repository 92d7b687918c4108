"""The grader's side of a warm process in a box, and of the processes that it forks there."""

import base64
import contextlib
import json
import shutil
import signal
import socket
import tempfile
import threading
from pathlib import Path

from autograder.engine.boxed import give_fonts, spawn, told
from autograder.engine.channel import ChannelError, receive, send
from autograder.engine.uids import Claim
from autograder.engine.warm import order

STARTING = 120


class Server:
    """The warm process: its control socket, its folder, and bubblewrap around it.

    why_not: why it cannot fork submissions on this computer, or "". Raises RuntimeError when it does not start at all.
    """

    def __init__(self, box):
        self.lock = threading.Lock()
        self._folder, self._claim = tempfile.mkdtemp(prefix="shrinklab-warm-"), Claim()
        give_fonts(self._folder)
        for path in (Path(self._folder), *Path(self._folder).rglob("*")):
            path.chmod(0o755)  # for each submission's user; nothing of a student's lies there
        self.control, theirs = socket.socketpair()
        with theirs:
            self._popen = spawn(box.warm_command(self._folder, self._claim.number), stdin=theirs)
        self.control.settimeout(STARTING)
        self.why_not = self._first_words()

    def _first_words(self):
        try:
            said = json.loads(self.control.recv(8192))
            if said["ready"]:
                return ""
            return said["why"].strip().splitlines()[-1]
        except (OSError, ValueError):
            self._popen.kill()
            said = self._popen.stderr.read().decode(errors="replace").strip()
            self.close()
            raise RuntimeError(f"the sandbox could not start; its last words:\n{said[-4000:]}") from None
        finally:
            self._popen.stderr.close()
            self._claim.free()

    def order(self, asked, handle=None):
        with self.lock:
            return order(self.control, asked, handle)

    def close(self):
        self.control.close()
        self._popen.kill()
        self._popen.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


class Nested:
    """A student's process in namespaces of its own, inside the warm process's box."""

    def __init__(self, server, folder, covered):
        self._server, self._claim, self._code = server, Claim(), None
        self._socket, theirs = socket.socketpair()
        self.reader = self.writer = self._socket.makefile("rwb")
        try:
            with theirs:
                self._guard = server.order({"uid": self._claim.number, "covered": covered}, theirs.fileno())
        except BaseException:
            self._close()
            raise
        self._await_start(folder)

    def _await_start(self, folder):
        files = {path.name: base64.b64encode(path.read_bytes()).decode() for path in Path(folder).iterdir()}
        self._socket.settimeout(STARTING)
        try:
            send(self.writer, {"files": files})
            said = receive(self.reader)
        except ChannelError:
            self.end()
            raise
        self._socket.settimeout(None)
        if "ready" not in said:
            self.end()
            raise RuntimeError(f"the sandbox could not start; its last words:\n{said.get('why')}")

    def kill(self):
        """End all processes of the namespaces: the kernel does, when the first one in them dies."""
        self._finish(at_once=True)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def end(self):
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._finish(at_once=False)
        self._close()
        return told(self._code)

    def _finish(self, *, at_once):
        with self._server.lock:
            if self._code is None:
                try:
                    self._code = order(self._server.control, {"end": self._guard, "at_once": at_once})
                except ChannelError:
                    self._server.control.close()  # a late answer must not be taken for that of another order
                    self._code = -signal.SIGKILL

    def _close(self):
        with contextlib.suppress(OSError):
            self.reader.close()
        self._socket.close()
        self._claim.free()
