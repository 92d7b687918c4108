"""One student's process in a box: started, killed and ended with everything that it started."""

import os
import shutil
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from autograder.engine import syscalls
from autograder.engine.channel import ChannelError, receive
from autograder.engine.launch import wind_up
from autograder.engine.uids import Claim

STARTING = 120
# bubblewrap dies with the thread that started it: this one lives as long as the grader.
_starters = [ThreadPoolExecutor(1, "box")]
if hasattr(os, "register_at_fork"):  # threads do not survive a fork
    os.register_at_fork(after_in_child=lambda: _starters.__setitem__(0, ThreadPoolExecutor(1, "box")))


class Boxed:
    """A process in a box of its own, with a new Python. Raises RuntimeError when it does not start: that is never
    the student's fault, whose code it has not read yet."""

    def __init__(self, box, folder):
        self._claim = Claim()
        give_fonts(folder)
        give(folder, self._claim.number)
        self._popen = self._start(box, folder)
        self.reader, self.writer = self._popen.stdout, self._popen.stdin
        self._await_start()

    def _start(self, box, folder):
        filter_handle, writer = os.pipe()
        with open(writer, "wb") as stream, open(filter_handle, "rb"):
            stream.write(syscalls.program())
            stream.close()
            return spawn(box.command(folder, filter_handle, self._claim.number), stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, pass_fds=[filter_handle])

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
        wind_up(self._popen, self.writer, self.reader)
        self.kill()
        code = told(self._popen.wait())
        self._claim.free()
        return code


def spawn(command, **handles):
    """Start bubblewrap. No variable of the grader's: the first process in the box would show them in /proc."""
    return _starters[0].submit(subprocess.Popen, command, stderr=subprocess.PIPE, env={}, start_new_session=True,
                               **handles).result()


def told(code):
    """The exit code as Python gives it: a box tells a signal that ended the process as a shell does.

    >>> told(139), told(3)
    (-11, 3)
    """
    return 128 - code if code > 128 and code - 128 in signal.valid_signals() else code


def give_fonts(folder):
    """Put matplotlib's list of fonts into a folder: making one takes seconds."""
    import matplotlib
    import matplotlib.font_manager  # noqa: F401
    fonts = Path(folder) / ".matplotlib"
    fonts.mkdir(exist_ok=True)
    for path in Path(matplotlib.get_cachedir()).glob("fontlist-*.json"):
        shutil.copyfile(path, fonts / path.name)


def give(folder, uid):
    """Let the process in the box read its folder."""
    if uid is not None:
        for path in (Path(folder), *Path(folder).rglob("*")):
            os.chown(path, uid, uid)
