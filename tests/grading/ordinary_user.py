"""Run a command as a user of no name and no rights, where the tests run as root: python ordinary_user.py WORDS…

Python may lie in root's home, which nobody else may enter: in a mount namespace of its own that folder gives way to one
that holds nothing but Python.
"""

import os
import stat
import sys
import tempfile
from pathlib import Path

from autograder.engine import kernel

USER = 65533


def open_way(folder):
    """Let every user reach a folder, in this process's mount namespace only."""
    closed = [parent for parent in folder.parents if not parent.stat().st_mode & stat.S_IXOTH]
    if not closed:
        return
    kept = tempfile.mkdtemp()
    kernel.mount(str(folder), kept, None, kernel.BIND)
    kernel.mount("tmpfs", str(closed[-1]), "tmpfs", 0, "mode=755")
    folder.mkdir(parents=True)
    kernel.mount(kept, str(folder), None, kernel.BIND)


def main(words):
    kernel.unshare(kernel.NEW_FILES)
    kernel.mount(None, "/", None, kernel.ALL_BELOW | kernel.PRIVATE)
    for folder in {Path(sys.base_prefix), Path(sys.executable).resolve().parents[1]}:
        open_way(folder)
    home = tempfile.mkdtemp()
    os.chown(home, USER, USER)
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)
    os.umask(0o022)
    os.execve(words[0], words, os.environ | {"HOME": home, "MPLCONFIGDIR": home, "TMPDIR": home})


if __name__ == "__main__":
    main(sys.argv[1:])
