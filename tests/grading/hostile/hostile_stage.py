"""Runs inside the outer sandbox: grades one course with one of the two graders, and writes down what was seen.

python hostile_stage.py ROOT SIDE SECONDS; the evidence is left in ROOT/evidence.json.
"""

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from hostile_target import NAME, SECRETS, places

OURS = ["--Execute.timeout=5", "--ExecuteApart.total_seconds=20", "--ExecuteApart.memory_mib=1600",
        "--ExecuteApart.disk_mib=64", "--ExecuteApart.file_mib=32"]
STOCK = ["--Execute.timeout=5"]  # instead of 30: everything else is nbgrader's default
MARK = "left-by-"
# What Jupyter and matplotlib write into a home folder that they have not seen yet.
USUAL = ("home/.config/jupyter/migrated", "home/.ipython/profile_default/startup/README", "home/.cache/")


def main(root, side, seconds):
    root = Path(root)
    place = places(root, side)
    heard, before = _listen(), _tree(root)
    environment = os.environ | {"HOME": str(root / "home"), "ACCESS_TOKEN": SECRETS["token"], "TMPDIR": "/tmp",
                                "JUPYTER_PLATFORM_DIRS": "1", "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    Path("/dev/shm/hostile-shared").write_text(SECRETS["shared"], encoding="utf-8")
    codes, log = [], ""
    for words in [["autograde", NAME, *(OURS if side == "ours" else STOCK)], ["generate_feedback", NAME]]:
        code, said = _run([sys.executable, "-m", "nbgrader", *words], root, environment, seconds)
        codes, log = [*codes, code], log + said
    time.sleep(0.3)
    changed = [name for name in _difference(before, _tree(root)) if not _put_aside(root, name)]
    evidence = {"codes": codes, "log": log[-200_000:], "heard": sorted(heard), "left": _left(),
                "changed": changed, "points": _points(place["GRADEBOOK"])}
    (root / "evidence.json").write_text(json.dumps(evidence), encoding="utf-8")


def _run(command, root, environment, seconds):
    """Run a command in a session of its own; ends it, alone, when it is late."""
    with open("/tmp/log", "a+b") as log:
        start = log.tell()
        process = subprocess.Popen(command, cwd=root, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                   start_new_session=True)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = "late"
        log.seek(start)
        return code, log.read().decode(errors="replace")


def _listen():
    """Listeners on the loopback and on an abstract socket; the set of what they were told fills as they hear."""
    heard = set()
    tcp, udp = socket.create_server(("127.0.0.1", 40_001)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 40_002))
    local = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    local.bind("\0hostile-listener")
    local.listen()

    def accept(server):
        while True:
            connection, _ = server.accept()
            with contextlib.suppress(OSError), connection:
                connection.settimeout(2)
                heard.add(connection.recv(100).decode(errors="replace"))

    def receive():
        while True:
            heard.add(udp.recv(100).decode(errors="replace"))
    for work, words in ((accept, [tcp]), (accept, [local]), (receive, [])):
        threading.Thread(target=work, args=words, daemon=True).start()
    return heard


def _tree(root):
    """{path: digest} of what grading has no business to change."""
    skipped = ("gradebook.db", "autograded", "feedback", "evidence.json", "set_aside", ".ipynb_checkpoints")
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if path.is_file() and not path.is_symlink() and not any(part.startswith(skipped) for part in name.parts):
            found[str(name)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _difference(before, after):
    return sorted(name for name in before.keys() | after.keys()
                  if before.get(name) != after.get(name) and not name.startswith(USUAL))


def _put_aside(root, name):
    """Whether intake did it, and says so to the student: it moved a file of a submission out of nbgrader's way, or put
    a notebook there that says that none was handed in."""
    *_, step, student, lesson, file = ("", *Path(name).parts) if name.count("/") > 2 else ("",) * 4
    return step == "submitted" and (
        file == "no-notebook.ipynb" or (root / "autograder" / "set_aside" / student / lesson / file).exists())


def _left():
    """The marks in the command lines of processes that are still there."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().decode(errors="replace").split("\0")
            found |= {word.removeprefix(MARK) for word in words if word.startswith(MARK)}
    return sorted(found)


def _points(gradebook):
    """{student: automatic points} as the gradebook has them."""
    from nbgrader.api import Gradebook
    with contextlib.suppress(Exception), Gradebook(f"sqlite:///{gradebook}") as book:
        return {one.student.id: one.score for one in book.assignment_submissions(NAME)}
    return {}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
