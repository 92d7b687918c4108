"""The sandbox of a class's grading: each attack also succeeds without it, so that its failure proves something."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import NAME, TinyCourse, with_sources

from autograder.__main__ import main
from autograder.authoring.expand import expand
from autograder.authoring.source import read_lesson
from autograder.engine import Worker, box, run_notebook
from autograder.engine.box import MIB, Box

ROOT = Path(__file__).resolve().parents[2]
RIGHT = {"scores": "def scores(weight):\n    return weight.abs()", "answer_1": 'answer_1 = "b"'}
DONE = "done" + "!"  # so that no error's traceback, which shows the source, says it


def why_not():
    try:
        box.need_box()
    except RuntimeError as error:
        return str(error)
    return ""


pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is a sandbox")
READ = "print('done' + '!', len(open({path!r}, 'rb').read()))"
ATTACKS = {
    "reading the solutions": READ.replace("path", "solutions"),
    "reading another submission": READ.replace("path", "other"),
    "reading the gradebook": READ.replace("path", "gradebook"),
    "writing the gradebook": "open({gradebook!r}, 'r+b').close()\nprint('done' + '!')",
    "writing into the library": "import os, shrinklab\npath = os.path.join(shrinklab.__path__[0], 'attack.tmp')\n"
                                "open(path, 'w').close()\nos.unlink(path)\nprint('done' + '!')",
    "reaching a listener": "import socket\nsocket.create_connection(('127.0.0.1', {port}), 5)\nprint('done' + '!')",
    "reading the grader's environment": (
        "import glob\nfor path in glob.glob('/proc/*/environ'):\n    try:\n"
        "        if b'SHRINKLAB_TEST=a-token' in open(path, 'rb').read(): print('done' + '!')\n"
        "    except OSError: pass"),
    "killing the grader": "import os\nos.kill({pid}, 9)\nprint('done' + '!')",
    "400 processes": (
        "import os, signal, time\nmade = []\ntry:\n    for _ in range(400):\n        child = os.fork()\n"
        "        if not child:\n            time.sleep(30)\n            os._exit(0)\n        made.append(child)\n"
        "finally:\n    for child in made: os.kill(child, signal.SIGKILL)\n"
        "    for child in made: os.waitpid(child, 0)\nprint('done' + '!')"),
    "3 GB of memory": "kept = bytearray(3 * 10**9)\nprint('done' + '!')\ndel kept",
    "a file of 600 MB": "with open('large', 'wb') as file:\n    file.truncate(600 * 10**6)\nprint('done' + '!')",
    "memory that is no process's": "import os\nos.close(os.memfd_create('hoard'))\nprint('done' + '!')",
    "tracing": "import ctypes\nif ctypes.CDLL(None).ptrace(0, 0, 0, 0) == 0: print('done' + '!')",
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """What the attacks aim at: a course with a solution, a submission and a gradebook, a listener, a process."""
    course = TinyCourse(tmp_path_factory.mktemp("attacked"))
    other = course.submit("other", with_sources(course.released, **RIGHT))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield {"course": course, "other": str(other), "gradebook": str(course.root / "autograder" / "gradebook.db"),
               "solutions": str(course.root / "solutions" / NAME / f"{NAME}.ipynb"),
               "port": listener.getsockname()[1]}


@pytest.fixture
def grader():
    """Stands for the grader: a process with a token in its environment."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE,
                          env={"SHRINKLAB_TEST": "a-token"}) as process:
        time.sleep(0.2)
        yield process
        process.kill()


@pytest.fixture(scope="module")
def boxed():
    with Worker(box=Box()) as worker:
        yield worker


def run(worker, source):
    shown = worker.ask({"op": "run", "source": source}, 120)["outputs"]
    return "".join(str(one.get("text") or one.get("evalue") or "") for one in shown)


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_succeeds_outside_and_fails_inside(stage, grader, boxed, attack):
    source = ATTACKS[attack].format(**stage, pid=grader.pid) if "{" in ATTACKS[attack] else ATTACKS[attack]
    assert DONE not in run(boxed, source)
    assert grader.poll() is None
    assert run(boxed, "print('on')") == "on\n"
    with Worker() as outside:
        assert DONE in run(outside, source)


def test_the_students_user_is_not_root_and_cannot_become_it(boxed):
    said = run(boxed, "import os\nprint(os.getuid() != 0 or open('/proc/self/uid_map').read().split()[1] != '0')\n"
                      "print([l for l in open('/proc/self/status') if l.startswith(('CapEff', 'NoNewPrivs'))])\n"
                      "os.setuid(0)")
    assert "CapEff:\\t0000000000000000" in said
    assert "NoNewPrivs:\\t1" in said
    assert os.getuid() or "not permitted" in said


def test_the_disk_is_limited_over_all_files(boxed):
    said = run(boxed, "for number in range(6):\n    with open(f'part{number}', 'wb') as file:\n"
                      "        for _ in range(100): file.write(bytes(10**6))\nprint('done' + '!')")
    assert DONE not in said
    assert "No space left" in said
    run(boxed, "import glob, os\nfor path in glob.glob('part*'): os.unlink(path)")


@pytest.mark.parametrize("folder", ["/", "/dev", "/usr", "/etc", "/sandbox", "/sandbox/library", "/proc/sys/kernel"])
def test_nothing_else_can_be_written(boxed, folder):
    assert DONE not in run(boxed, f"open('{folder}/x', 'w').close()\nprint('done' + '!')")


def test_what_is_seen_of_the_course_is_the_library_and_the_engine(boxed):
    parts = run(boxed, "import os\nprint(*os.listdir('/sandbox/library'), *os.listdir('/sandbox/library/autograder'))")
    assert set(parts.split()) == {"shrinklab", "autograder", "__init__.py", "cells.py", "engine"}


def test_a_course_inside_pythons_own_folder_is_hidden():
    inside = Path(sys.prefix) / "share"
    assert os.listdir(inside)
    with Worker(box=Box(hidden=(inside,))) as worker:
        assert run(worker, f"import os\nprint(os.listdir({str(inside)!r}))") == "[]\n"


def test_two_boxes_do_not_see_each_others_files_or_processes(boxed):
    run(boxed, "import subprocess, sys\nopen('/tmp/mine', 'w').close()\nopen('/dev/shm/mine', 'w').close()\n"
               "kept = subprocess.Popen([sys.executable, '-c', 'input()', 'a-mark'], stdin=subprocess.PIPE)")
    look = ("import glob\nprint([path for path in glob.glob('/proc/[0-9]*/cmdline') if b'a-mark' in "
            "open(path, 'rb').read()], glob.glob('/tmp/mine'), glob.glob('/dev/shm/mine'))")
    with Worker(box=Box()) as other:
        assert run(other, look) == "[] [] []\n"
    assert run(boxed, look).count("mine") == 2
    assert run(boxed, look).count("/proc/") == 1
    run(boxed, "kept.kill(); kept.wait()")


@pytest.mark.parametrize("held", [None, Box()], ids=["outside", "boxed"])
def test_a_process_left_behind_is_gone_after_grading(held):
    mark = f"left-{os.getpid()}-{time.monotonic_ns()}"
    with Worker(box=held) as worker:
        run(worker, "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)', "
                    f"'{mark}'], start_new_session=True)")
        assert _running(mark)
    left = _running(mark, for_seconds=3)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert bool(left) == (held is None)


def test_a_box_ends_when_the_grader_is_killed():
    mark = f"grader-{os.getpid()}-{time.monotonic_ns()}"
    code = ("import sys, time\nfrom autograder.engine import Worker\nfrom autograder.engine.box import Box\n"
            "w = Worker(box=Box())\nw.ask({'op': 'run', 'source': 'import subprocess, sys; "
            f"subprocess.Popen([sys.executable, \"-c\", \"import time; time.sleep(60)\", "
            f"\"{mark}\"], start_new_session=True)'}}, 60)\n"
            "print('on', flush=True)\ntime.sleep(60)")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as grader:
        assert grader.stdout.readline() == "on\n"
        assert len(_running(mark)) >= 1
        grader.kill()
    assert not [pid for pid in _running(mark, for_seconds=3) if pid != grader.pid]


@pytest.mark.parametrize(("source", "says"), [
    ("def scores(weight):\n    while True: pass", "longer than 3 s"),
    ("def scores(weight):\n    import os; os._exit(3)", "exit code 3"),
    ("def scores(weight):\n    import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    ("def scores(weight):\n    return bytearray(3 * 10**9)", "MemoryError"),
], ids=["loop", "exit", "crash", "memory"])
def test_what_fails_in_the_box_is_told_as_outside_and_the_rest_goes_on(tiny, source, says):
    notebook = with_sources(tiny.released, **RIGHT | {"scores": source})
    graded = run_notebook(notebook, pristine=tiny.solution, seconds=3, box=Box())
    assert graded.points == 1
    assert says in str([cell.get("outputs") for cell in graded.notebook["cells"]])


def test_an_honest_notebook_earns_the_same_inside_and_outside(tiny):
    files = [tiny.root / "course" / NAME / "practice.yml"]
    inside, outside = (run_notebook(tiny.solution, files=files, box=held) for held in (Box(), None))
    assert inside == outside
    assert inside.points == 3


def test_lesson_04_earns_the_same_inside_and_outside():
    from nbformat.v4 import new_notebook
    lesson = new_notebook(cells=expand(read_lesson(ROOT / "solutions" / "04_magnitude_pruning.py")))
    inside, outside = (run_notebook(lesson, box=held) for held in (Box(), None))
    assert [one.points for one in inside.results] == [one.points for one in outside.results]
    assert inside.points == inside.max_points > 0


def test_nbgraders_own_command_grades_in_the_box_with_the_limits_of_its_settings(stage):
    course = stage["course"]
    look = (f"import os, resource\nprint(os.path.exists({stage['gradebook']!r}), "
            "resource.getrlimit(resource.RLIMIT_AS))\n")
    course.submit("looker", with_sources(course.released, **RIGHT | {"scores": look + RIGHT["scores"]}))
    course.nbgrader("autograde", NAME, "--student", "looker", "--ExecuteApart.memory_mib=2000")
    assert course.score("looker") == (3, 3)
    shown = str([cell.get("outputs") for cell in course.graded("looker").cells])
    assert f"False ({2000 * MIB}, {2000 * MIB})" in shown


@pytest.fixture
def no_box(monkeypatch, tmp_path):
    """A search path without bubblewrap."""
    monkeypatch.setenv("PATH", str(tmp_path))


def test_without_bubblewrap_a_class_is_not_graded(stage, no_box, capsys):
    course = stage["course"]
    for words in (["grade", "90"], ["grade-demo", "90"]):
        assert main(["--root", str(course.root), *words]) == 1
        said = capsys.readouterr().err
        assert "bubblewrap (the program bwrap) is not on this computer" in said
        assert "install bubblewrap, or grade with --trust-students" in said
    course.submit("unboxed", with_sources(course.released, **RIGHT))
    log = course.nbgrader("autograde", NAME, "--student", "unboxed", fails=True)
    assert "install bubblewrap, or grade with --trust-students" in log
    assert not list((course.root / "autograder" / "autograded").glob("unboxed/*/*"))


def test_trusted_students_are_graded_and_every_page_says_so(no_box, tmp_path, capsys):
    course = TinyCourse(tmp_path)
    course.submit("ann", with_sources(course.released, **RIGHT))
    (course.folder("broken") / f"{NAME}.ipynb").write_text("{")
    assert main(["--root", str(course.root), "grade", "90", "--trust-students"]) == 0
    assert "3/3" in capsys.readouterr().out
    for student in ("ann", "broken"):
        page = course.root / "autograder" / "feedback" / student / NAME / f"{NAME}.html"
        assert "graded without the sandbox" in page.read_text(encoding="utf-8")


def _running(mark, for_seconds=0.0):
    """The processes with a mark in their command line; waits as long for them to be gone."""
    end = time.monotonic() + for_seconds
    while True:
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if mark.encode() in path.read_bytes():
                    found.append(int(path.parent.name))
        if not found or time.monotonic() >= end:
            return found
        time.sleep(0.1)
