"""The box around a student's code: its limits, and the words that make bubblewrap start it.

One box holds one process for one submission (`Box.start`), or one process of ours that forks each submission into
namespaces of its own (`engine.warmbox`): nothing is shared with another submission.
"""

import functools
import json
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from autograder.engine import syscalls, view
from shrinklab.errors import need

FILES = 20_000  # in one folder: each takes memory of the kernel, also an empty one
MIB = 2**20
# What our own process in a box of a root grader may do: make the submissions' namespaces, then give up all of it.
MAKER = ("SYS_ADMIN", "NET_ADMIN", "SETUID", "SETGID", "SETPCAP", "KILL")


@dataclass(frozen=True)
class Box:
    """The limits of a box. memory: bytes of address space of one process, and of memory that all of them together
    hold; processes: with threads; file: bytes of one file; disk: bytes of the home folder, and as much of /tmp; cpu:
    seconds of one process. hidden: folders that must not be seen even where they lie inside Python's own, as the
    course may. shows_test: whether the data sets' test splits are there. warm: fork from a process that has torch
    imported, one for all boxes with these limits that this process of the grader starts (`engine.warmbox.kept`)."""

    memory: int = 3 * 1024 * MIB
    processes: int = 128
    file: int = 128 * MIB
    disk: int = 256 * MIB
    cpu: int = 660
    hidden: tuple[Path, ...] = ()
    shows_test: bool = True
    warm: bool = False

    def start(self, folder):
        """Start a process in a box of its own. folder: its files are copied into the box's home."""
        from autograder.engine import boxed, container
        from autograder.engine.warmbox import kept
        need_box()
        if self.warm:
            return kept(replace(self, warm=False, shows_test=True)).start(folder, without_test=not self.shows_test)
        return (boxed.Boxed if has_bubblewrap() else container.Contained)(self, folder)

    def without_test(self):
        """The same, for processes that must not see the test split's images and labels."""
        return replace(self, shows_test=False)

    def command(self, folder, filter_handle, uid=None):
        """The words that start the student's process in this box.

        folder: given to the student; filter_handle: a descriptor to read the filter of system calls from; uid: of the
        process, where the grader is root.
        """
        # The first process that is the grader's own user and not root is out of reach as number 1 only.
        rights = ["--as-pid-1"] if uid is None else _rights("SETUID", "SETGID")
        files = [] if self.shows_test else [word for cover in view.covers() for word in ("--ro-bind", *cover)]
        return [*self._start_of(folder), *files, *view.closed(), *rights, "--seccomp", str(filter_handle),
                *_enter(self.order(uid))]

    def order(self, uid, *, hangup=False):
        """What `engine.enter` does in this box. hangup: end also when the grader's end of its input is closed."""
        return {"uid": uid, "limits": self._limits(), "given": view.GIVEN, "home": view.HOME,
                "environment": self._environment(),
                "most": self._most(folders=(view.HOME, "/tmp", "/dev/shm"), hangup=hangup),
                "command": [sys.executable, "-P", "-m", "autograder.engine.worker", "--boxed"]}

    def warm_command(self, folder, uid=None):
        """The words that start our own process in this box, to fork the students' from. uid: for a first trial."""
        spaces = {view.HOME: self.disk, "/tmp": self.disk, "/dev/shm": view.SHARED_MEMORY}
        shown, covers = view.cards(), view.covers()
        inside = [[what.replace(str(shown), view.COVERS), over] for what, over in covers]
        nested = {"uid": uid, "limits": self._limits(), "given": view.GIVEN, "home": view.HOME, "spaces": spaces,
                  "most": self._most(), "covers": inside}
        order = {"uid": None, "limits": {"RLIMIT_CORE": 0}, "given": view.GIVEN, "home": view.HOME, "most": None,
                 "environment": self._environment(),
                 "command": [sys.executable, "-P", "-m", "autograder.engine.nested", json.dumps(nested)]}
        rights = [] if uid is None else _rights(*MAKER)
        return [*self._start_of(folder), "--ro-bind", str(shown), view.COVERS, *view.closed(), *rights, *_enter(order)]

    def _start_of(self, folder):
        return [find(), "--die-with-parent", "--new-session", "--unshare-ipc", "--unshare-pid", "--unshare-net",
                "--unshare-uts", "--unshare-cgroup-try", "--hostname", "box", "--cap-drop", "ALL",
                *view.words(self.hidden, self.disk, folder)]

    def _limits(self):
        return {"RLIMIT_CORE": 0, "RLIMIT_NOFILE": 512, "RLIMIT_MSGQUEUE": 0, "RLIMIT_MEMLOCK": 0,
                "RLIMIT_CPU": self.cpu, "RLIMIT_FSIZE": self.file, "RLIMIT_NPROC": self.processes,
                "RLIMIT_AS": self.memory}

    def _most(self, folders=(), hangup=False):
        return {"memory": self.memory, "files": FILES, "folders": folders, "hangup": hangup}

    def _environment(self):
        return {"PATH": "/usr/bin:/bin", "HOME": view.HOME, "TMPDIR": "/tmp", "USER": "student", "LANG": "C.UTF-8",
                "PYTHONPATH": view.LIBRARY, "PYTHONDONTWRITEBYTECODE": "1", "MPLBACKEND": "agg",
                "MPLCONFIGDIR": f"{view.HOME}/.matplotlib", "IPYTHONDIR": f"{view.HOME}/.ipython",
                "OMP_NUM_THREADS": "1"}


def find():
    """The path of bubblewrap's program, or None."""
    return shutil.which("bwrap")


def need_box():
    """Raise RuntimeError, with the fix, where a student's code cannot be boxed on this computer."""
    from autograder.engine import container  # here: it starts what this module describes
    if why := _why_not(find()):
        also = container.why_not(container.find())
        need(not also, f"{why}, and {also}", "a class is graded with each student's code in a sandbox",
             "install bubblewrap, or grade with --trust-students", RuntimeError)


def has_bubblewrap():
    """Whether boxes are made by bubblewrap here; otherwise they are containers."""
    return not _why_not(find())


@functools.cache
def _why_not(program):
    """Why there can be no box; "" where there can. It is tried once."""
    if sys.platform != "linux" or not program:
        return "bubblewrap (the program bwrap) is not on this computer"
    if not syscalls.known():
        return f"the sandbox has no filter of system calls for a processor of type {platform.machine()}"
    tried = subprocess.run([program, "--unshare-net", "--unshare-pid", "--size", "65536", "--tmpfs", "/sandbox",
                            "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--", "/bin/sh", "-c", ":"],
                           capture_output=True, text=True, check=False, env={})
    said = (tried.stderr.strip().splitlines() or ["it says nothing"])[-1]
    return f"bubblewrap 0.7 or later does not work on this computer ({said})" if tried.returncode else ""


def _rights(*names):
    return [word for name in names for word in ("--cap-add", f"CAP_{name}")]


def _enter(order):
    return ["--chdir", view.HOME, "--", sys.executable, "-I", "-S", f"{view.LIBRARY}/autograder/engine/enter.py",
            json.dumps(order)]
