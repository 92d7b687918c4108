"""The box around a student's code: what it can see and use, as arguments for bubblewrap.

One box holds one process for one submission: nothing in it is shared with another.
"""

import functools
import itertools
import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import shrinklab
from autograder.engine import syscalls
from shrinklab.errors import need

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store")
SETTINGS = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "fonts", "localtime")
HOME, GIVEN, LIBRARY = "/sandbox/home", "/sandbox/given", "/sandbox/library"
SHARED_MEMORY = 64 * 2**20
UIDS = itertools.count(os.getpid())
MIB = 2**20


@dataclass(frozen=True)
class Box:
    """The limits of a box. memory: bytes of address space of one process; processes: with threads; file: bytes of one
    file; disk: bytes of the home folder, and as much of /tmp; cpu: seconds of one process. hidden: folders that
    must not be seen even where they lie inside Python's own, as the course may."""

    memory: int = 3 * 1024 * MIB
    processes: int = 128
    file: int = 128 * MIB
    disk: int = 256 * MIB
    cpu: int = 660
    hidden: tuple[Path, ...] = ()

    def start(self, folder):
        """Start a process in a box of its own. folder: its files are copied into the box's home."""
        from autograder.engine.boxed import Boxed
        return Boxed(self, folder)

    def command(self, folder, filter_handle, uid=None):
        """The words that start the student's process in this box.

        folder: given to the student; filter_handle: a descriptor to read the filter of system calls from; uid: of the
        process, where the grader is root.
        """
        rights = [] if uid is None else ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        return [find(), "--die-with-parent", "--new-session", "--unshare-ipc", "--unshare-pid", "--unshare-net",
                "--unshare-uts", "--unshare-cgroup-try", "--hostname", "box", "--cap-drop", "ALL", *rights,
                "--seccomp", str(filter_handle), *self._files(folder), "--chdir", HOME, "--", sys.executable, "-I",
                "-S", f"{LIBRARY}/autograder/engine/enter.py", json.dumps(self._order(uid))]

    def _files(self, folder):
        """Read-only: the system, Python, the library, the engine. To write: home, /tmp and /dev/shm, none of them
        large. A folder comes before what lies in it, as bubblewrap needs it."""
        seen = [Path(path) for path in SYSTEM if os.path.exists(path)] + _python()
        # A link to Python's folder is a folder in the box, so what to hide is looked for behind it.
        hidden = {one / path.resolve().relative_to(one.resolve()) for path in self.hidden for one in seen
                  if str(one) not in SYSTEM or not one.is_symlink() if path.resolve().is_relative_to(one.resolve())}
        # Of a folder that is both, the empty one comes second and wins.
        placed = [(path, _shown(path)) for path in seen] + [(path, ["--tmpfs", str(path)]) for path in hidden]
        placed += [(Path("/tmp"), _space("/tmp", self.disk))]
        words = [word for path, words in sorted(placed, key=lambda one: len(one[0].parts)) for word in words]
        words += [word for path in hidden for word in ("--remount-ro", str(path))]
        for name in SETTINGS:
            words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
        return [*_open_way([path for path, _ in placed]), *words, *_library(), "--ro-bind", str(folder), GIVEN,
                *_space(HOME, self.disk), "--proc", "/proc", "--dev", "/dev", *_space("/dev/shm", SHARED_MEMORY),
                "--remount-ro", "/dev", "--remount-ro", "/"]

    def _order(self, uid):
        limits = {"RLIMIT_CORE": 0, "RLIMIT_NOFILE": 512, "RLIMIT_MSGQUEUE": 0, "RLIMIT_MEMLOCK": 0,
                  "RLIMIT_CPU": self.cpu, "RLIMIT_FSIZE": self.file, "RLIMIT_NPROC": self.processes,
                  "RLIMIT_AS": self.memory}
        environment = {"PATH": "/usr/bin:/bin", "HOME": HOME, "TMPDIR": "/tmp", "USER": "student", "LANG": "C.UTF-8",
                       "PYTHONPATH": LIBRARY, "PYTHONDONTWRITEBYTECODE": "1", "MPLBACKEND": "agg",
                       "MPLCONFIGDIR": f"{HOME}/.matplotlib", "IPYTHONDIR": f"{HOME}/.ipython",
                       "OMP_NUM_THREADS": "1"}
        return {"uid": uid, "limits": limits, "given": GIVEN, "home": HOME, "environment": environment,
                "command": [sys.executable, "-P", "-m", "autograder.engine.worker", "--boxed"]}


def find():
    """The path of bubblewrap's program, or None."""
    return shutil.which("bwrap")


def need_box():
    """Raise RuntimeError, with the fix, where a student's code cannot be boxed on this computer."""
    why = _why_not(find())
    need(not why, why, "a class is graded with each student's code in a sandbox",
         "install bubblewrap, or grade with --trust-students", RuntimeError)


def free_uid():
    """A user number for the process in a box where the grader is root, of no user of this computer; otherwise None."""
    if os.geteuid():
        return None
    import pwd
    taken = {user.pw_uid for user in pwd.getpwall()}
    return next(uid for uid in (61184 + number % 4000 for number in UIDS) if uid not in taken)


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


def _python():
    """The folders of this Python. One that holds the user's home would show too much: it is left out, and the box then
    does not start."""
    found = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent}
    return [path for path in found if path != Path("/") and not Path.home().is_relative_to(path)]


def _open_way(paths):
    """Folders above what is shown, which any user may pass: those that bubblewrap makes itself are its own user's."""
    above = {parent for path in [*paths, Path(LIBRARY, "autograder"), Path("/etc/fonts")] for parent in path.parents}
    inside = {path for path in above if any(path.is_relative_to(one) for one in paths)}
    return [word for path in sorted(above - inside - {Path("/")}, key=lambda one: len(one.parts))
            for word in ("--dir", str(path))] + ["--dir", f"{LIBRARY}/autograder"]


def _shown(path):
    if path.is_symlink():
        return ["--symlink", os.readlink(path), str(path)] if str(path) in SYSTEM else [
            "--ro-bind", str(path.resolve()), str(path)]
    return ["--ro-bind", str(path), str(path)]


def _space(path, size):
    return ["--perms", "1777", "--size", str(size), "--tmpfs", path]


def _library():
    """The library, and of the grader only its engine: submissions and the gradebook lie in the same folder."""
    grader = Path(__file__).resolve().parent.parent
    places = {Path(shrinklab.__file__).resolve().parent: "shrinklab"} | {
        grader / name: f"autograder/{name}" for name in ("__init__.py", "cells.py", "engine")}
    return [word for path, name in places.items() for word in ("--ro-bind", str(path), f"{LIBRARY}/{name}")]
