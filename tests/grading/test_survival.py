"""A batch survives: killed at any moment, a full disk, a locked gradebook. Nothing is lost, doubled or half-written."""

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from tiny_course import NAME, TinyCourse, with_sources

from autograder import grade as grading
from autograder.__main__ import main
from autograder.course import Course
from autograder.engine import box
from autograder.runner import batch, gradebook
from autograder.runner.store import Store

RIGHT = {"scores": "def scores(weight):\n    return weight.abs()", "answer_1": 'answer_1 = "b"'}
STUDENTS = {f"s{number}": RIGHT if number % 2 else {"answer_1": 'answer_1 = "b"'} for number in range(6)}
POINTS = {student: 3.0 if sources is RIGHT else 1.0 for student, sources in STUDENTS.items()}
KILLS = 20

# Imports everything once, and then forks a grader for each line that it reads: a grader that is killed in its first
# second would otherwise only have imported torch. The students' notebooks are graded by a stand-in that only reads
# them: what is killed here is the runner.
LAUNCHER = '''
import os, sys, time
from autograder import grade
from autograder.course import Course
from autograder.engine.run import Graded
from autograder.runner import pages, pool, work
from shrinklab.exercise import CheckResult
from autograder.cells import is_check, name, points
from autograder.engine import outputs
from autograder.engine.checks import Checked
from pathlib import Path

def stand_in(notebook, **options):
    time.sleep(0.05)
    results = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = []
        if is_check(cell):
            text = {"scores": "weight.abs()", "answer_1": '= "b"'}[name(cell)]
            good = any(text in one["source"] for one in notebook["cells"])
            results.append(CheckResult(name(cell), points(cell) * good, points(cell), ()))
            cell["outputs"] = outputs.of_check(Checked(results[-1].points, "", None))
    return Graded(notebook, tuple(results))

work.run_notebook = stand_in
pool.Pool.method = "fork"
course, lesson = Course(Path(sys.argv[1]), trust_students=True), sys.argv[2]
for line in sys.stdin:
    child = os.fork()
    if not child:
        os.setsid()
        os._exit(grade.grade(course, lesson, grade.Options(2)))
    print(child, flush=True)
    _, status = os.waitpid(child, 0)
    print(status, flush=True)
'''


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    made = TinyCourse(tmp_path_factory.mktemp("survival"))
    for student, sources in STUDENTS.items():
        made.submit(student, with_sources(made.released, **sources))
    return made


@contextlib.contextmanager
def launcher(course, log):
    with subprocess.Popen([sys.executable, "-c", LAUNCHER, str(course.root), NAME], stdin=subprocess.PIPE, text=True,
                          stdout=subprocess.PIPE, stderr=log, bufsize=1) as started:
        def run(after=None, worker=False):
            """Start a grader; kill it, or one of its workers, after some seconds. Returns its wait status."""
            started.stdin.write("\n")
            said = started.stdout.readline()
            while not said.strip().isdigit():
                said = started.stdout.readline()
            pid = int(said)
            if after is not None:
                time.sleep(after)
                with contextlib.suppress(ProcessLookupError, FileNotFoundError, IndexError):
                    os.kill(random.choice(children(pid)) if worker else pid, signal.SIGKILL)
            said = started.stdout.readline()
            while not said.strip().isdigit():
                assert said, "the launcher ended"
                said = started.stdout.readline()
            return int(said)
        yield run
        started.stdin.close()


def children(pid):
    """The ids of a process's children."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def automatic(course):
    """{student: the automatic points in the gradebook, or None where some are missing}."""
    with contextlib.closing(sqlite3.connect(course.root / "autograder" / "gradebook.db", timeout=30)) as opened:
        rows = opened.execute(
            "SELECT submitted_assignment.student_id, grade.auto_score FROM submitted_assignment "
            "JOIN submitted_notebook ON submitted_notebook.assignment_id = submitted_assignment.id "
            "JOIN grade ON grade.notebook_id = submitted_notebook.id JOIN base_cell ON base_cell.id = grade.cell_id "
            "WHERE base_cell.type = 'GradeCell'").fetchall()
    found = {}
    for student, points in rows:
        found.setdefault(student, []).append(points)
    return {student: None if None in points else sum(points) for student, points in found.items()}


def whole(course):
    """No file that a person or nbgrader reads is half-written."""
    home = course.root / "autograder"
    for path in home.glob("autograded/*/*/*.ipynb"):
        json.loads(path.read_text())
    for path in home.glob("feedback/*/*/*.html"):
        assert path.read_text().rstrip().endswith("</html>"), path
    for path in home.glob("results/*/*/*.json"):
        json.loads(path.read_text())


def test_killed_at_20_random_moments_it_goes_on_and_every_score_is_there_once(course, tmp_path):
    chance = random.Random(5)
    with (tmp_path / "log").open("w+") as log, launcher(course, log) as run:
        started = time.monotonic()
        assert run() == 0, log.read()
        length = time.monotonic() - started
        killed = status = 0
        for number in range(KILLS):
            if status == 0:  # there is nothing left to kill it at
                for path in (course.root / "autograder" / "results").rglob("*.json"):
                    path.unlink()
            status = run(chance.uniform(0, 0.7 * length), worker=number % 4 == 3)
            killed += status == signal.SIGKILL
            # A submission's points are in the gradebook all together, and never other ones than its own.
            assert {points == POINTS[student] for student, points in automatic(course).items()} == {True}
            whole(course)
        assert killed > KILLS / 4
        assert run() == 0
    assert automatic(course) == POINTS
    for student in POINTS:
        assert course.graded(student).metadata["shrinklab"]["seed"] == found(course, student)["seed"]
        assert (course.root / "autograder" / "feedback" / student / NAME / f"{NAME}.html").exists()


def found(course, student):
    return Store(batch.folder(Course(course.root), NAME)).find(student)


@pytest.fixture
def grade(course, _graded, capsys):
    def command(*words, trust=True):
        status = main(["--root", str(course.root), "grade", "90", *(["--trust-students"] if trust else []), *words])
        said = capsys.readouterr()
        return status, said.out, said.err
    return command


@pytest.fixture(scope="module")
def _graded(course):
    """The class, graded for real."""
    assert main(["--root", str(course.root), "grade", "90", "--trust-students", "--regrade"]) == 0


def resubmit(course, student, letter):
    course.submit(student, with_sources(course.released, **RIGHT | {"answer_1": f'answer_1 = "{letter}"'}))


def test_a_full_disk_is_told_and_the_next_run_goes_on(course, grade):
    resubmit(course, "s1", "c")
    before = found(course, "s1")
    partial = course.root / "autograder" / "results" / NAME / "graded" / "s1.partial"
    os.symlink("/dev/full", partial)
    status, _, err = grade("--only", "s1")
    assert status == 1
    assert "the disk is full" in err
    assert "run the same command again" in err
    assert found(course, "s1") == before
    assert course.score("s1") == (3, 3)
    partial.unlink(missing_ok=True)
    assert grade("--only", "s1")[0] == 0
    assert course.score("s1") == (2, 2)


def test_a_gradebook_without_room_keeps_what_it_has(course, grade, monkeypatch):
    resubmit(course, "s1", "b")
    begin = gradebook._Shared.begin

    def full(self):
        begin(self)
        self.execute(f"PRAGMA max_page_count = {self.execute('PRAGMA page_count').fetchone()[0]}")
        self.execute("CREATE TABLE filler (x)")
        self.execute("INSERT INTO filler VALUES (zeroblob(10000000))")

    with monkeypatch.context() as patched:
        patched.setattr(gradebook._Shared, "begin", full)
        patched.setattr(grading, "try_to_write", lambda address: None)
        status, _, err = grade("--only", "s1")
    assert status == 1
    assert "is full" in err
    assert course.score("s1") == (2, 2)
    assert grade("--only", "s1")[0] == 0
    assert course.score("s1") == (3, 3)


def test_a_locked_gradebook_is_told_before_anything_runs(course, grade, monkeypatch):
    monkeypatch.setattr(gradebook, "PATIENCE", 0.2)
    resubmit(course, "s3", "c")
    with contextlib.closing(sqlite3.connect(course.root / "autograder" / "gradebook.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        status, _, err = grade("--only", "s3")
    assert status == 1
    assert "in use by another program" in err
    assert course.score("s3") == (3, 3)
    assert grade("--only", "s3")[0] == 0
    assert course.score("s3") == (2, 2)


def test_a_gradebook_locked_in_the_middle_keeps_the_result_for_the_next_run(course, grade, monkeypatch):
    monkeypatch.setattr(gradebook, "PATIENCE", 0.2)
    resubmit(course, "s3", "b")
    with contextlib.closing(sqlite3.connect(course.root / "autograder" / "gradebook.db")) as other:
        keep = Store.keep

        def lock(self, student, outcome):
            keep(self, student, outcome)
            other.execute("BEGIN IMMEDIATE")

        with monkeypatch.context() as patched:
            patched.setattr(Store, "keep", lock)
            status, _, err = grade("--only", "s3")
        assert status == 1
        assert "in use by another program" in err
        other.rollback()
        monkeypatch.setattr(batch, "workers", lambda *_: pytest.fail("it was run twice"))
        assert grade("--only", "s3")[0] == 0
    assert course.score("s3") == (3, 3)


def test_a_gradebook_that_cannot_be_written_is_told(course, grade, monkeypatch):
    connect = sqlite3.connect
    monkeypatch.setattr(gradebook.sqlite3, "connect", lambda path, **options: connect(
        f"file:{path}?mode=ro", uri=True, **options))
    status, _, err = grade()
    assert status == 1
    assert "cannot be written" in err


def test_a_sandbox_that_cannot_start_grades_nothing_and_changes_no_score(course, grade, monkeypatch):
    resubmit(course, "s5", "c")
    monkeypatch.setattr(box, "find", lambda: None)
    status, _, err = grade(trust=False)
    assert status == 1
    assert "bubblewrap (the program bwrap) is not on this computer" in err
    assert course.score("s5") == (3, 3)


def test_a_run_that_fails_in_its_worker_is_named_and_the_others_are_graded(course, grade, monkeypatch):
    def failing(*args):
        pool = batch.Pool(*args[:2], 1)
        pool.workers[0].ask = lambda job: batch.Failed("RuntimeError: the sandbox could not start")
        return pool

    monkeypatch.setattr(batch, "workers", failing)
    resubmit(course, "s5", "c")
    status, out, _ = grade()
    assert status == 1
    assert "not graded: s5" in out
    assert "the sandbox could not start" in out
    assert course.score("s5") == (3, 3)
    monkeypatch.undo()
    assert grade("--only", "s5")[0] == 0
    assert course.score("s5") == (2, 2)


@pytest.mark.usefixtures("_graded")
def test_an_error_inside_leaves_the_gradebook_as_it_was(course):
    from nbgrader.api import Gradebook
    address = Course(course.root).gradebook
    with contextlib.suppress(KeyError), gradebook.one_transaction(address):
        with Gradebook(address) as opened:
            opened.add_student("ghost")
        with Gradebook(address) as opened:
            assert opened.find_student("ghost")
            raise KeyError
    with Gradebook(address) as opened:
        assert "ghost" not in {student.id for student in opened.students}
