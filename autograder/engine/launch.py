"""How a student's process is started on its own: a new Python, few variables of the environment, its own session."""

import contextlib
import os
import signal
import subprocess
import sys


def environment(folder):
    """The variables that a student's process gets: no keys or tokens of the grader's, and one thread."""
    keep = ("PATH", "PYTHONPATH", "SYSTEMROOT", "LANG", "LC_ALL", "SHRINKLAB_DATA", "MPLCONFIGDIR", "HOME")
    return {name: os.environ[name] for name in keep if name in os.environ} | {
        "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "IPYTHONDIR": folder}


def command(*options):
    """The words that start a worker; -P keeps the folder it starts in off its import path."""
    return [sys.executable, "-P", "-m", "autograder.engine.worker", *options]


def wind_up(popen, *streams):
    """Close a process's streams, and give it a moment to end by itself."""
    for stream in streams:
        with contextlib.suppress(OSError):
            stream.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        popen.wait(0.5)


class Alone:
    """A process started for this notebook: works everywhere, takes about two seconds."""

    def __init__(self, folder):
        self._popen = subprocess.Popen(command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder,
                                       stderr=subprocess.DEVNULL, env=environment(folder),
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
        wind_up(self._popen, self.writer, self.reader)
        self.kill()
        return self._popen.wait()
