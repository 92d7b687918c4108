"""The sandbox of a class's grading: each attack also succeeds without it, so that its failure proves something."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_course import NAME, TinyCourse, with_sources

from autograder.__main__ import main
from autograder.authoring.expand import expand
from autograder.authoring.source import read_lesson
from autograder.engine import Stopped, Worker, box, enter, run_notebook, uids
from autograder.engine.box import MIB, Box
from autograder.engine.warmbox import WarmBox, kept

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


def warm_box(limits):
    """A warm box that forks: where it cannot, its tests are skipped, since it then is the other one."""
    made = WarmBox(limits)
    with Worker(box=made):
        pass
    if made.why_not:
        pytest.skip(made.why_not)
    return made


@pytest.fixture(scope="module", params=["new", "warm"])
def held(request):
    """Both kinds of box: a new Python for each submission, and forks of one that waits in a box."""
    if request.param == "new":
        yield Box()
    else:
        with warm_box(Box()) as warm:
            yield warm


@pytest.fixture(scope="module")
def boxed(held):
    with Worker(box=held) as worker:
        yield worker


@pytest.fixture(scope="module")
def warm(held):
    if isinstance(held, Box):
        pytest.skip("of the warm box")
    return held


@contextlib.contextmanager
def narrow(held, **limits):
    """A process in a box of the same kind with other limits."""
    other = Box(**limits) if isinstance(held, Box) else warm_box(Box(**limits))
    with contextlib.nullcontext() if isinstance(held, Box) else other, Worker(box=other) as worker:
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


def test_a_course_inside_pythons_own_folder_is_hidden(held):
    inside = Path(sys.prefix) / "share"
    assert os.listdir(inside)
    with narrow(held, hidden=(inside,)) as worker:
        assert run(worker, f"import os\nprint(os.listdir({str(inside)!r}))") == "[]\n"


def test_two_boxes_do_not_see_each_others_files_or_processes(held, boxed):
    run(boxed, "import subprocess, sys\nopen('/tmp/mine', 'w').close()\nopen('/dev/shm/mine', 'w').close()\n"
               "kept = subprocess.Popen([sys.executable, '-c', 'input()', 'a-mark'], stdin=subprocess.PIPE)")
    look = ("import glob\nprint([path for path in glob.glob('/proc/[0-9]*/cmdline') if b'a-mark' in "
            "open(path, 'rb').read()], glob.glob('/tmp/mine'), glob.glob('/dev/shm/mine'))")
    with Worker(box=held) as other:
        assert run(other, look) == "[] [] []\n"
    assert run(boxed, look).count("mine") == 2
    assert run(boxed, look).count("/proc/") == 1
    run(boxed, "kept.kill(); kept.wait()")


@pytest.mark.parametrize("inside", [False, True], ids=["outside", "boxed"])
def test_a_process_left_behind_is_gone_after_grading(held, inside):
    mark = f"left-{os.getpid()}-{time.monotonic_ns()}"
    with Worker(box=held if inside else None) as worker:
        run(worker, "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)', "
                    f"'{mark}'], start_new_session=True)")
        assert _started(mark)
    left = _running(mark, for_seconds=3)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert bool(left) == (not inside)


@pytest.mark.parametrize("kind", ["Box()", "WarmBox(Box())"])
def test_a_box_ends_when_the_grader_is_killed(kind):
    mark = f"grader-{os.getpid()}-{time.monotonic_ns()}"
    code = ("import sys, time\nfrom autograder.engine import Worker\nfrom autograder.engine.box import Box\n"
            "from autograder.engine.warmbox import WarmBox\n"
            f"w = Worker(box={kind})\n"
            "w.ask({'op': 'run', 'source': 'import subprocess, sys; "
            f"subprocess.Popen([sys.executable, \"-c\", \"import time; time.sleep(60)\", "
            f"\"{mark}\"], start_new_session=True)'}}, 60)\n"
            "print('on', flush=True)\ntime.sleep(60)")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as grader:
        assert grader.stdout.readline() == "on\n"
        assert _started(mark)
        grader.kill()
    assert not [pid for pid in _running(mark, for_seconds=3) if pid != grader.pid]


@pytest.mark.parametrize(("source", "says"), [
    ("def scores(weight):\n    while True: pass", "longer than 3 s"),
    ("def scores(weight):\n    import os; os._exit(3)", "ended the whole Python process, so"),
    ("def scores(weight):\n    import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    ("def scores(weight):\n    return bytearray(3 * 10**9)", "MemoryError"),
], ids=["loop", "exit", "crash", "memory"])
def test_what_fails_in_the_box_is_told_as_outside_and_the_rest_goes_on(tiny, held, source, says):
    notebook = with_sources(tiny.released, **RIGHT | {"scores": source})
    graded = run_notebook(notebook, pristine=tiny.solution, seconds=3, box=held)
    assert graded.points == 1
    assert says in str([cell.get("outputs") for cell in graded.notebook["cells"]])


def test_an_honest_notebook_earns_the_same_inside_and_outside(tiny, held):
    files = [tiny.root / "course" / NAME / "practice.yml"]
    inside, outside = (run_notebook(tiny.solution, files=files, box=one) for one in (held, None))
    assert replace(inside, seconds=0.0) == replace(outside, seconds=0.0)
    assert inside.points == 3


def test_lesson_04_earns_the_same_inside_and_outside(held):
    from nbformat.v4 import new_notebook
    lesson = new_notebook(cells=expand(read_lesson(ROOT / "solutions" / "04_magnitude_pruning.py")))
    inside, outside = (run_notebook(lesson, box=one) for one in (held, None))
    assert [one.points for one in inside.results] == [one.points for one in outside.results]
    assert inside.points == inside.max_points > 0


def test_what_all_processes_hold_together_is_limited(held):
    """Each stays within its own limit. Outside, the same runs through."""
    hoard = ("import os, time\nfor _ in range(5):\n    if not os.fork():\n"
             "        kept = bytearray(os.urandom(1)) * (300 * 2**20)\n        time.sleep(20)\n        os._exit(0)\n"
             "time.sleep(5)\nprint('done' + '!')")
    with narrow(held, memory=1300 * MIB) as worker, pytest.raises(Stopped) as stopped:
        run(worker, hoard)
    assert str(stopped.value) == enter.OVER[201]
    with Worker() as outside:
        assert DONE in run(outside, hoard)


def test_memory_that_processes_share_counts_once(held):
    several = ("import os\nkept = bytearray(os.urandom(1)) * (200 * 2**20)\nimport time\nfor _ in range(8):\n"
               "    if not os.fork():\n        time.sleep(1)\n        os._exit(0)\nfor _ in range(8): os.wait()\n"
               "print('done' + '!')")
    with narrow(held, memory=1400 * MIB) as worker:
        assert DONE in run(worker, several)


def test_the_number_of_files_is_limited(held):
    """An empty file takes memory of the kernel, and no disk."""
    many = ("import os, time\nos.makedirs('many')\nfor number in range(60_000):\n"
            "    os.close(os.open(f'many/{number}', os.O_CREAT))\ntime.sleep({})\nprint('done' + '!')")
    with Worker(box=held) as worker:
        try:  # files are counted from time to time: they stay until then
            said = run(worker, many.replace("{}", "10"))
        except Stopped as stopped:
            said = str(stopped)
    assert "No space left" in said or said == enter.OVER[202]
    with Worker() as outside:
        assert DONE in run(outside, many.replace("{}", "0"))


def test_a_fork_bomb_ends_with_its_submission_and_the_next_one_runs(held):
    bomb = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    with Worker(box=held) as worker, pytest.raises(Stopped, match="longer than 3 s"):
        worker.ask({"op": "run", "source": bomb}, 3)
    with Worker(box=held) as worker:
        assert run(worker, "print('on')") == "on\n"


@pytest.mark.parametrize("source", ["while True: print('x' * 1000)", "import os\nwhile True: os.write(1, b'x' * 1000)",
                                    "from IPython.display import display\nwhile True: display('x' * 1000)"],
                         ids=["print", "descriptor", "display"])
def test_a_cell_that_prints_without_end_costs_its_own_seconds_only(tiny, held, source):
    graded = run_notebook(with_sources(tiny.released, **RIGHT | {"scores": source}), pristine=tiny.solution, seconds=3,
                          box=held)
    assert graded.points == 1
    assert len(str(graded.notebook)) < 200_000
    assert "longer than 3 s" in str(graded.remarks)


def test_the_seconds_of_all_cells_together_are_limited(tiny, held):
    slow = RIGHT | {"scores": "import time\ntime.sleep(4)\n" + RIGHT["scores"]}
    graded = run_notebook(with_sources(tiny.released, **slow), pristine=tiny.solution, seconds=60, total=3, box=held)
    assert graded.points == 0
    assert any(words in str(graded.remarks) for words in ("was stopped", "used up its 3 s"))


def test_the_test_split_can_be_hidden(held):
    look = ("from shrinklab.data import load\nprint(len(load('cifar10').validation), len(load('mnist').train))\n"
            "print(len(load('cifar10').test), 'done' + '!')")
    with Worker(box=held) as worker:
        assert DONE in run(worker, look)
    with Worker(box=held.without_test()) as worker:
        said = run(worker, look)
        assert said.startswith("4000 10000")
        assert "has no split 'test' here; a pipeline that is graded does not see the test split" in said
        sheets = ("import glob, shrinklab\nfolder = shrinklab.__path__[0] + '/datasets/*/'\nread, sheets = [], "
                  "glob.glob(folder + 'test-*')\nfor path in sheets:\n    try:\n"
                  "        if open(path, 'rb').read(): read.append(path)\n    except OSError: pass\n"
                  "print(len(sheets), read, ['test' in open(path).read() for path in glob.glob(folder + 'card.json')])")
        assert run(worker, sheets) == "20 [] [False, False]\n"


def test_the_warm_process_is_out_of_reach(warm):
    with Worker(box=warm) as worker:
        assert run(worker, "import glob, os\nprint(sorted(map(int, (p for p in os.listdir('/proc') if p.isdigit()))), "
                           "os.getpid())") == "[1, 2] 2\n"
        said = run(worker, "import os, signal\nos.kill(1, signal.SIGKILL)\nos.kill(1, signal.SIGSTOP)\n"
                           "print('survived', os.getppid())")
        assert said == "survived 1\n"
        assert "Permission denied" in run(worker, "open('/proc/1/mem', 'r+b')")
        run(worker, "kinds = []\nfor number in os.listdir('/proc/self/fd'):\n"
                    "    try: kinds.append(os.readlink(f'/proc/self/fd/{number}').split(':')[0])\n"
                    "    except OSError: pass")  # the folder's own descriptor is closed again
        assert run(worker, "print(sorted(kinds))") == f"{['/dev/null'] * 3 + ['socket']}\n"


def test_a_submission_finds_nothing_of_the_one_before(warm):
    leave = ("import os, random\nfor folder in ('.', '/tmp', '/dev/shm'): open(folder + '/mine', 'w').write('x')\n"
             "import shrinklab\nshrinklab.mark = 1\nif not os.fork():\n    import time; time.sleep(60)")
    look = ("import os, shrinklab\nprint(*(os.path.exists(f + '/mine') for f in ('.', '/tmp', '/dev/shm')), "
            "hasattr(shrinklab, 'mark'), len([p for p in os.listdir('/proc') if p.isdigit()]), os.listdir('/dev/pts'))")
    with Worker(box=warm) as worker:
        run(worker, leave)
        assert run(worker, look).startswith("True True True True 3")
        with Worker(box=warm) as beside:
            assert run(beside, look) == "False False False False 2 ['ptmx']\n"
    with Worker(box=warm) as after:
        assert run(after, look) == "False False False False 2 ['ptmx']\n"


def test_files_cross_to_the_fork_and_stay_out_of_the_warm_process(warm, tmp_path):
    (tmp_path / "a-file.txt").write_text("content")
    with Worker([tmp_path / "a-file.txt"], box=warm) as worker:
        assert run(worker, "print(open('a-file.txt').read())") == "content\n"
    with Worker(box=warm) as worker:
        assert run(worker, "import os\nprint([name for name in os.listdir('.') if name[0] != '.'])") == "[]\n"


def test_a_warm_process_that_is_gone_is_started_again(warm):
    with Worker(box=warm) as worker:
        warm._server._popen.kill()
        with pytest.raises(Stopped):
            run(worker, "print(1)")
    with Worker(box=warm) as worker:
        assert run(worker, "print('on')") == "on\n"


def test_where_namespaces_cannot_be_made_in_a_box_each_submission_gets_a_new_one(monkeypatch):
    words = Box.warm_command
    kept = ("SETUID", "SETGID", "KILL") if not os.getuid() else ()
    monkeypatch.setattr(box, "MAKER", kept)
    refused = ["--unshare-user", "--disable-userns"] if os.getuid() else []
    monkeypatch.setattr(Box, "warm_command", lambda *all: [(made := words(*all))[0], *refused, *made[1:]])
    with WarmBox(Box()) as cold, Worker(box=cold) as worker:
        assert "unshare" in cold.why_not
        assert run(worker, "print('on')") == "on\n"
        with Worker(box=cold.without_test()) as second:
            assert "has no split" in run(second, "from shrinklab.data import load\nload('mnist').test")


def test_one_warm_box_is_kept_for_a_class_and_another_for_other_limits():
    first = kept(Box())
    assert kept(Box()) is first
    with Worker(box=first):
        pass
    assert kept(Box(memory=2000 * MIB)) is not first
    assert first._server is None, "the first is closed"


def test_no_two_boxes_of_a_root_grader_have_one_user(monkeypatch):
    if os.getuid():
        pytest.skip("an ordinary user's boxes have its own")
    code = "from autograder.engine.uids import Claim\none = Claim()\nprint(one.number, flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as elsewhere:
        first, second = uids.Claim(), uids.Claim()
        numbers = {int(elsewhere.stdout.readline()), first.number, second.number}
        assert len(numbers) == 3
        elsewhere.kill()
    for claim in (first, second):
        claim.free()
    third = uids.Claim()
    third.free()
    assert third.number in numbers


@pytest.mark.skipif(os.getuid() != 0, reason="the tests run as an ordinary user already")
def test_an_ordinary_user_has_the_same_sandbox():
    chosen = "an_attack and (memory or processes) or students_user or finds_nothing or out_of_reach"
    script = str(Path(__file__).with_name("ordinary_user.py"))
    done = subprocess.run([sys.executable, script, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k",
                           chosen, __file__], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "passed" in done.stdout


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
    assert not (course.root / "autograder" / "demo").exists(), "no class is made that cannot be graded"
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


def _started(mark):
    """Whether there is a process with a mark in its command line; a new one shows it after a moment."""
    end = time.monotonic() + 20
    while not (found := _running(mark)) and time.monotonic() < end:
        time.sleep(0.1)
    return bool(found)


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
