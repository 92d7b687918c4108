"""Run submissions through a grader in an outer sandbox that shows one course and nothing else of the machine."""

import contextlib
import json
import os
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hostile_attacks import hand_in, hand_in_honestly
from hostile_target import copy_course, neighbour, places

import shrinklab
from autograder.engine import box

REPOSITORY = Path(__file__).resolve().parents[3]
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
ETC = ("passwd", "group", "nsswitch.conf", "ld.so.cache", "alternatives", "fonts", "localtime", "mime.types")
LATE = 60, 12  # seconds of a batch, and for each attack more


def why_not():
    """Why the attacks cannot be run on this computer; "" where they can."""
    try:
        box.need_box()
    except RuntimeError as error:
        return str(error)
    tried = subprocess.run([*outer("/tmp", "ours"), *inner()], capture_output=True, text=True, check=False)
    return f"a sandbox in a sandbox does not start here: {tried.stderr.strip()}" if tried.returncode else ""


def outer(root, side):
    """The words that start a program in the outer sandbox. root: the course, the only place to write beside /tmp.

    Ours starts sandboxes of its own in it, and keeps the rights for that; stock nbgrader's students get none.
    """
    words = ["bwrap", "--die-with-parent", "--new-session", "--unshare-pid", "--unshare-net", "--unshare-ipc",
             "--unshare-uts", "--cap-add" if side == "ours" and not os.geteuid() else "--cap-drop", "ALL"]
    for path in map(Path, SYSTEM):
        if path.exists():
            words += ["--symlink", os.readlink(path), str(path)] if path.is_symlink() else ["--ro-bind", path, path]
    for name in ETC:
        words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    words += ["--tmpfs", "/tmp", "--proc", "/proc", "--dev", "/dev"]
    shown = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent,
             Path(shrinklab.__file__).parent.parent, REPOSITORY / "autograder", Path(__file__).parent}
    for path in sorted(shown, key=lambda one: len(one.parts)):
        words += ["--ro-bind", path, path]
    return [*map(str, words), "--bind", str(root), str(root), "--chdir", str(root), "--clearenv"]


def inner():
    """A program that needs what our sandbox needs."""
    return ["--", "bwrap", "--unshare-pid", "--unshare-net", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev",
            "--", "/bin/sh", "-c", ":"]


class Seen:
    """What was seen of one batch. root: the course as it was left; side: "ours" or "stock"."""

    def __init__(self, root, side):
        self.root, self.side = Path(root), side
        path = self.root / "evidence.json"
        self.evidence = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def __getattr__(self, name):
        """codes, log, heard, left, changed or points; empty when the stage itself was ended."""
        empty = {"log": "", "points": {}}.get(name, [])
        return self.evidence[name] if self.evidence else empty

    def files(self, student, step):
        """Paths of a student's files in the folder of a step, "FEEDBACK" or "AUTOGRADED"."""
        folder = places(self.root, self.side)[step] / student
        return [path for path in sorted(folder.rglob("*")) if path.is_file()] if folder.is_dir() else []

    def page(self, student):
        """All text that goes back to a student."""
        return "\n".join(path.read_bytes().decode(errors="replace") for path in self.files(student, "FEEDBACK"))


def run_batch(made, released, side, root, attacks):
    """Grade a course with these attacks, an honest student before and one after them, and their twins."""
    copy_course(made, side, root)
    released = released[side]
    for attack in attacks:
        hand_in(attack, released, root, side)
    for student in ("aa-honest", "zz-honest"):
        hand_in_honestly(student, neighbour(released), root, side)
    for solved in {(), *(attack.solved for attack in attacks)}:
        hand_in_honestly("twin-" + ("-".join(solved) or "none"), released, root, side, *solved)
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "LANG": "C.UTF-8",
                   "PYTHONPATH": os.pathsep.join(map(str, (Path(shrinklab.__file__).parent.parent, REPOSITORY))),
                   "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(root / "home")}
    words = [word for pair in environment.items() for word in ("--setenv", *pair)]
    late = LATE[0] + LATE[1] * len(attacks)
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run([*outer(root, side), *words, "--", sys.executable, str(Path(__file__).with_name(
            "hostile_stage.py")), str(root), side, str(late)], capture_output=True, check=False, timeout=2 * late,
            preexec_fn=_limits)
    return Seen(root, side)


def run_all(made, released, folder, attacks, proved, jobs=2):
    """Run attacks with ours, and those in `proved` with stock nbgrader too. Returns ({id: Seen of stock's run}, {id:
    Seen of ours}). jobs: batches at a time."""
    folder, calm = Path(folder), [attack for attack in proved if not attack.alone]
    batches = [("ours", attacks[part::jobs]) for part in range(jobs)]
    batches += [("stock", [attack]) for attack in proved if attack.alone]
    batches += [("stock", calm[part::jobs]) for part in range(jobs) if calm[part::jobs]]
    with ThreadPoolExecutor(jobs) as pool:
        seen = list(pool.map(lambda one: run_batch(made, released, one[1][0], folder / str(one[0]), one[1][1]),
                             enumerate(batches)))
    found = {"ours": {}, "stock": {}}
    for (side, held), one in zip(batches, seen, strict=True):
        found[side] |= {attack.id: one for attack in held}
    return found["stock"], found["ours"]


def _limits():
    """For all in the outer sandbox: no file above 700 MB, no core files."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (700 * 10**6,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
