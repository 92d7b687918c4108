"""Where there is no bubblewrap: the sandbox as a container, tried with podman or docker where one starts containers."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_course import with_sources

from autograder.engine import Stopped, Worker, box, container, run_notebook
from autograder.engine.box import MIB, Box
from autograder.engine.warmbox import WarmBox

DONE = "done" + "!"
RIGHT = {"scores": "def scores(weight):\n    return weight.abs()", "answer_1": 'answer_1 = "b"'}
needs_engine = pytest.mark.skipif(bool(container.why_not(container.find())),
                                  reason=container.why_not(container.find()) or "there is an engine")


@pytest.fixture(scope="module")
def no_bubblewrap():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(box, "_why_not", lambda program: "bubblewrap (the program bwrap) is not on this computer")
        yield patch


@pytest.fixture(scope="module")
def worker(no_bubblewrap):
    with Worker(box=Box()) as made:
        yield made


def run(worker, source, seconds=120):
    shown = worker.ask({"op": "run", "source": source}, seconds)["outputs"]
    return "".join(str(one.get("text") or one.get("evalue") or "") for one in shown)


def containers():
    return subprocess.run([container.find(), "ps", "--all", "--format", "{{.Names}}"], capture_output=True, text=True,
                          check=True).stdout.split()


@needs_engine
@pytest.mark.parametrize("source", [
    f"open({__file__!r})", "open({home!r} + '/x', 'w')",
    "import os, shrinklab\nopen(os.path.join(shrinklab.__path__[0], 'x'), 'w')",
    "import socket\nsocket.create_connection(('127.0.0.1', 22), 2)", "open('/x', 'w')", "open('/usr/x', 'w')",
    "kept = bytearray(3 * 10**9)", "with open('large', 'wb') as file: file.truncate(600 * 10**6)",
    "import os\nos.memfd_create('hoard')", "import ctypes\nassert ctypes.CDLL(None).ptrace(0, 0, 0, 0) == 0",
    "import os\nos.setuid(0)", "import ctypes\nassert ctypes.CDLL(None).unshare(0x10000000) == 0",
    "import os\nmade = []\ntry:\n    for _ in range(400):\n        made.append(os.fork())\n"
    "        if not made[-1]: os.read(os.pipe()[0], 1)\n"
    "finally:\n    for one in made: os.kill(one, 9)\n    for one in made: os.wait()",
])
def test_an_attack_fails_in_the_container(worker, source):
    source = source.replace("{home!r}", repr(str(Path.home())))
    assert DONE not in run(worker, f"{source}\nprint('done' + '!')")
    assert run(worker, "print('on')") == "on\n"


@needs_engine
def test_the_students_user_has_no_rights_in_the_container(worker):
    said = run(worker, "import os\nprint(os.getuid(), [line for line in open('/proc/self/status') if "
                       "line.startswith(('CapEff', 'CapBnd', 'NoNewPrivs', 'Seccomp:'))], sorted(os.environ))")
    assert not said.startswith("0 ")
    assert said.count("0000000000000000") == 2
    assert "NoNewPrivs:\\t1" in said
    assert "Seccomp:\\t2" in said
    assert "HOSTNAME" not in said


@needs_engine
def test_what_can_be_written_is_small(worker):
    said = run(worker, "for number in range(6):\n    with open(f'part{number}', 'wb') as file:\n"
                       "        for _ in range(100): file.write(bytes(10**6))")
    assert "No space left" in said
    places = run(worker, "import os\nprint([os.statvfs(place).f_blocks * os.statvfs(place).f_frsize >> 20 "
                         "for place in ('/sandbox/home', '/tmp', '/dev/shm')])")
    assert places == "[256, 256, 64]\n"


@needs_engine
def test_the_test_split_can_be_hidden_in_a_container(no_bubblewrap):
    with Worker(box=Box().without_test()) as worker:
        said = run(worker, "from shrinklab.data import load\nprint(len(load('mnist').train))\nload('mnist').test")
    assert said.startswith("10000")
    assert "has no split 'test'" in said


@needs_engine
def test_a_container_grades_as_no_box_does_and_tells_what_fails(no_bubblewrap, tiny):
    with WarmBox(Box()) as warm:
        inside, outside = (run_notebook(tiny.solution, box=one) for one in (warm, None))
    assert [one.points for one in inside.results] == [one.points for one in outside.results] == [2, 1]
    loop = with_sources(tiny.released, **RIGHT | {"scores": "def scores(weight):\n    while True: pass"})
    graded = run_notebook(loop, pristine=tiny.solution, seconds=5, box=Box())
    assert graded.points == 1
    assert "longer than 5 s" in str([cell.get("outputs") for cell in graded.notebook["cells"]])


@needs_engine
def test_no_container_stays_behind(no_bubblewrap):
    before = set(containers())
    with Worker(box=Box()) as worker:
        run(worker, "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], "
                    "start_new_session=True)")
        assert len(set(containers()) - before) == 1
    assert set(containers()) == before
    with Worker(box=Box()) as worker, pytest.raises(Stopped, match="SIGSEGV"):
        run(worker, "import ctypes; ctypes.string_at(0)")
    assert set(containers()) == before


@needs_engine
def test_a_container_ends_when_the_grader_is_killed():
    before = set(containers())
    code = ("import sys, time\nfrom autograder.engine import Worker, box\nbox._why_not = lambda program: 'none'\n"
            "w = Worker(box=box.Box())\nprint('on', flush=True)\n"
            "w.ask({'op': 'run', 'source': 'while True: pass'}, 60)")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as grader:
        assert grader.stdout.readline() == "on\n"
        assert len(set(containers()) - before) == 1
        grader.kill()
    end = time.monotonic() + 30
    while set(containers()) - before and time.monotonic() < end:
        time.sleep(0.5)
    assert set(containers()) == before


STAND_IN = """#!{python}
import json, os, sys
words = sys.argv[1:]
with open({log!r}, "a") as file: file.write(json.dumps(words) + "\\n")
if "--interactive" in words:
    os.environ["PYTHONPATH"] = {path!r}
    os.execv(sys.executable, [sys.executable, "-P", "-m", "autograder.engine.worker", "--boxed"])
"""


def test_dockers_command_line_holds_every_limit(no_bubblewrap, tmp_path, monkeypatch):
    """No docker is run: a stand-in for its program records its words and starts the worker."""
    program, log = tmp_path / "docker", tmp_path / "log"
    program.write_text(STAND_IN.format(python=sys.executable, log=str(log), path=os.environ.get("PYTHONPATH", "")))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with Worker(box=Box(memory=2000 * MIB, processes=99, disk=10 * MIB, hidden=(Path(sys.prefix, "share"),))) as worker:
        assert run(worker, "print('on')") == "on\n"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    words = next(line for line in lines if "--interactive" in line)
    options = words[:words.index(container.IMAGE)]
    for option, value in {"--network": "none", "--cap-drop": "ALL", "--security-opt": "no-new-privileges",
                          "--memory": str(2000 * MIB), "--memory-swap": str(2000 * MIB), "--pids-limit": "99",
                          "--ipc": "private", "--shm-size": str(64 * MIB)}.items():
        assert options[options.index(option) + 1] == value
    assert "--read-only" in options
    assert options[options.index("--user") + 1].split(":")[0] != "0"
    mounted = [options[place + 1] for place, word in enumerate(options) if word == "--volume"]
    assert all(volume.endswith(":ro") for volume in mounted)
    spaces = [options[place + 1] for place, word in enumerate(options) if word == "--tmpfs"]
    assert [space.split(":")[0] for space in spaces if ":rw" in space] == ["/tmp", "/sandbox/home"]
    assert all(f"size={10 * MIB}" in space for space in spaces if ":rw" in space)
    assert any(space.startswith(f"{Path(sys.prefix, 'share')}:ro") for space in spaces)
    name = options[options.index("--name") + 1]
    assert ["kill", name] in lines
    assert ["rm", "--force", name] in lines


def test_where_there_is_neither_nothing_is_graded(no_bubblewrap, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="there is neither docker nor podman; .* --trust-students"):
        box.need_box()
