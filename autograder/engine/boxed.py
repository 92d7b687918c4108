"""One student's process in a box: started, killed and ended with everything that it started."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from autograder.engine import syscalls
from autograder.engine.box import free_uid, need_box
from autograder.engine.channel import ChannelError, receive

STARTING = 120


class Boxed:
    """A process in a box of its own, with a new Python. Raises RuntimeError when it does not start: that is never
    the student's fault, whose code it has not read yet."""

    # bubblewrap dies with the thread that started it: this one lives as long as the grader.
    _starter = ThreadPoolExecutor(1, "box")

    def __init__(self, box, folder):
        need_box()
        _give(folder, uid := free_uid())
        filter_handle, writer = os.pipe()
        with open(writer, "wb") as stream, open(filter_handle, "rb"):
            stream.write(syscalls.program())
            stream.close()
            # No variable of the grader's: the first process in the box would show them in /proc.
            self._popen = self._starter.submit(
                subprocess.Popen, box.command(folder, filter_handle, uid), stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={}, pass_fds=[filter_handle],
                start_new_session=True).result()
        self.reader, self.writer = self._popen.stdout, self._popen.stdin
        self._await_start()

    def _await_start(self):
        watch = threading.Timer(STARTING, self.kill)
        watch.start()
        try:
            receive(self.reader)
        except ChannelError:
            self.kill()
            said = self._popen.stderr.read().decode(errors="replace")
            self.end()
            raise RuntimeError(f"the sandbox could not start; its last words:\n{said[-4000:]}") from None
        finally:
            watch.cancel()
            self._popen.stderr.close()

    def kill(self):
        """End all processes in the box: the kernel does, when bubblewrap's first one in it dies."""
        self._popen.kill()

    def end(self):
        for stream in (self.writer, self.reader):
            with contextlib.suppress(OSError):
                stream.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(0.5)
        self.kill()
        code = self._popen.wait()
        # bubblewrap tells a signal that ended the process as a shell does.
        return 128 - code if code > 128 and code - 128 in signal.valid_signals() else code


def _give(folder, uid):
    """Let the process in the box read its folder, with matplotlib's list of fonts in it: making one takes seconds."""
    import matplotlib
    import matplotlib.font_manager  # noqa: F401
    fonts = Path(folder) / ".matplotlib"
    fonts.mkdir(exist_ok=True)
    for path in Path(matplotlib.get_cachedir()).glob("fontlist-*.json"):
        shutil.copyfile(path, fonts / path.name)
    if uid is not None:
        for path in (Path(folder), *Path(folder).rglob("*")):
            os.chown(path, uid, uid)
