"""What a process in a box sees of the computer's files, as words for bubblewrap."""

import atexit
import functools
import json
import os
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path

import shrinklab

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store")
SETTINGS = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "fonts", "localtime")
HOME, GIVEN, LIBRARY, COVERS = "/sandbox/home", "/sandbox/given", "/sandbox/library", "/sandbox/covers"
SHARED_MEMORY = 64 * 2**20
TMP = Path("/tmp")


def words(hidden, disk, folder):
    """Read-only: the system, Python, the library, the engine. To write: home, /tmp and /dev/shm, none of them large.

    hidden: folders that must not be seen even inside Python's own; disk: bytes of home and of /tmp; folder: seen as
    /sandbox/given. A folder comes before what lies in it, as bubblewrap needs it.
    """
    seen, hidden = [*map(Path, system()), *python()], hidden_places(hidden)
    # Of a folder that is both, the empty one comes second and wins.
    placed = [(path, _shown(path)) for path in seen] + [(path, ["--tmpfs", str(path)]) for path in hidden]
    placed += [(TMP, _space(str(TMP), disk))]
    # Where the course lies in /tmp: the way to it goes through the box's own /tmp, made before.
    placed += [(path, ["--dir", str(path)]) for path in sorted({parent for one in seen for parent in one.parents})
               if in_tmp(path) and not any(path.is_relative_to(one) for one in seen)]
    made = [word for path, words in sorted(placed, key=lambda one: len(one[0].parts)) for word in words]
    made += [word for path in hidden for word in ("--remount-ro", str(path))]
    for name in SETTINGS:
        made += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    made += [word for path, place in library() for word in ("--ro-bind", str(path), place)]
    return [*_open_way([path for path, _ in placed]), *made, "--ro-bind", str(folder), GIVEN,
            *_space(HOME, disk), "--proc", "/proc", "--dev", "/dev", *_space("/dev/shm", SHARED_MEMORY)]


def closed():
    """Words that come last: what is left of the box's own folders cannot be written."""
    return ["--remount-ro", "/dev", "--remount-ro", "/"]


def system():
    """The system's folders that this computer has, as strings."""
    return [path for path in SYSTEM if os.path.exists(path)]


def hidden_places(hidden):
    """Where folders that must not be seen would be seen inside others."""
    # A link to Python's folder is a folder in the box, so what to hide is looked for behind it.
    seen = [*map(Path, system()), *python()]
    return {one / path.resolve().relative_to(one.resolve()) for path in hidden for one in seen
            if str(one) not in SYSTEM or not one.is_symlink() if path.resolve().is_relative_to(one.resolve())}


def covers():
    """The test splits' files in the box, each with what is shown instead: [[path outside, path in the box], …].

    The images are covered with nothing, the labels with a card that has none.
    """
    package = Path(shrinklab.__file__).resolve().parent
    copies = {package: Path(LIBRARY, "shrinklab")}
    for folder in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        if (installed := Path(folder, "shrinklab")).is_dir():
            copies[installed] = installed
    return [[shown, str(place / path.relative_to(own))] for own, place in copies.items()
            for path in sorted(own.glob("datasets/*/*")) if (shown := _cover(path))]


def _cover(path):
    if path.name.startswith("test-"):
        return "/dev/null"
    return str(cards() / f"{path.parent.name}.json") if path.name == "card.json" else ""


@functools.cache
def cards():
    """A folder of data cards that know no test split, made once for this process."""
    folder = Path(tempfile.mkdtemp(prefix="shrinklab-cards-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    for path in Path(shrinklab.__file__).resolve().parent.glob("datasets/*/card.json"):
        card = json.loads(path.read_text(encoding="utf-8"))
        del card["splits"]["test"]
        copy = folder / f"{path.parent.name}.json"
        copy.write_text(json.dumps(card), encoding="utf-8")
        copy.chmod(0o644)
    return folder


def python():
    """The folders of this Python. One that holds the user's home would show too much: it is left out, and the box then
    does not start."""
    found = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent}
    return [path for path in found if path != Path("/") and not Path.home().is_relative_to(path)]


def in_tmp(path):
    """Whether a path lies in /tmp, of which each process in a box has its own."""
    return path != TMP and path.is_relative_to(TMP)


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


def library():
    """The library, and of the grader only its engine, since submissions and the gradebook lie in the same folder: pairs
    of a path and its place in the box."""
    grader = Path(__file__).resolve().parent.parent
    places = {Path(shrinklab.__file__).resolve().parent: "shrinklab"} | {
        grader / name: f"autograder/{name}" for name in ("__init__.py", "cells.py", "engine")}
    return [(path, f"{LIBRARY}/{name}") for path, name in places.items()]
