"""The commands as people run them: grade, grade-demo, check, submit, formgrader."""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from tiny_course import NAME, TinyCourse, boxes, with_sources

from autograder import demo
from autograder.__main__ import main
from autograder.course import Course
from autograder.demo import fill, sources
from autograder.grade import table

ROOT = Path(__file__).resolve().parents[2]
RIGHT = {"scores": "def scores(weight):\n    return weight.abs()", "answer_1": 'answer_1 = "b"'}
WRONG = {NAME: {"answer_1": 'answer_1 = "c"'}}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course that has never graded: no gradebook, no built notebook."""
    made = TinyCourse(tmp_path_factory.mktemp("fresh"), enter=False)
    for path in (made.root / "solutions" / NAME).iterdir():
        path.unlink()
    return made


@pytest.fixture
def run(course, capsys):
    def command(*words):
        trust = [] if boxes() or words[0] not in ("grade", "grade-demo") else ["--trust-students"]
        status = main(["--root", str(course.root), *words, *trust])
        said = capsys.readouterr()
        return status, said.out, said.err
    return command


@pytest.fixture
def workbook(course):
    """Puts a notebook into the reader's workbook; gone afterwards."""
    path = course.root / "workbook" / NAME / f"{NAME}.ipynb"
    yield lambda notebook: course.write(path, notebook)
    path.unlink(missing_ok=True)


def test_the_demo_class_is_graded_as_expected(course, run, monkeypatch, tmp_path):
    (tmp_path / "demo.yml").write_text(json.dumps(WRONG))
    monkeypatch.setattr(demo, "WRONG", tmp_path / "demo.yml")
    status, out, _ = run("grade-demo", "90")
    assert status == 0, out
    rows = {line.split()[0]: line.split()[1:3] for line in out.splitlines() if "/" in line.split(" ", 3)[-1]}
    assert rows["perfect"][1] == "3/3"
    assert rows["partly-wrong"][1] == "2/3"
    assert rows["untouched"] == ["0/5", "0/3"]
    assert rows["broken-file"] == ["0/5", "0/3"]
    page = course.root / "autograder" / "demo" / "feedback" / "broken-file" / NAME / f"{NAME}.html"
    assert "Your file is damaged" in page.read_text(encoding="utf-8")
    assert not (course.root / "autograder" / "gradebook.db").exists()


def test_the_demo_fails_when_a_grade_is_not_as_expected(course, run, monkeypatch, tmp_path):
    (tmp_path / "demo.yml").write_text(json.dumps({NAME: {"answer_1": 'answer_1 = "b"'}}))
    monkeypatch.setattr(demo, "WRONG", tmp_path / "demo.yml")
    status, out, _ = run("grade-demo", "90")
    assert status == 1
    assert "partly-wrong is not graded as expected" in out


def test_grading_a_clone_that_has_never_graded_then_a_new_student(course, run):
    course.submit("ann", with_sources(course.released, **RIGHT))
    status, out, _ = run("grade", "90")
    assert status == 0
    assert "ann      3/5     3/3        2 points to mark by hand" in out
    course.submit("bob", course.released)
    assert run("grade", "90")[0] == 0
    with (course.root / "autograder" / "grades.csv").open() as file:
        assert {row["student_id"]: row["score"] for row in csv.DictReader(file)} == {"ann": "3.0", "bob": "0.0"}
    page = course.root / "autograder" / "feedback" / "bob" / NAME / f"{NAME}.html"
    page.unlink()
    assert run("feedback", "90")[0] == 0
    assert "not written yet" in page.read_text(encoding="utf-8")


def test_files_of_other_names_and_folders_without_a_notebook_are_graded_like_all(course, run):
    """A misnamed file lost the points for its text, and a folder without a notebook its row."""
    course.submit("ann", with_sources(course.released, **RIGHT))
    course.write(course.folder("dora") / "My homework (1).ipynb", with_sources(course.released, **RIGHT))
    (course.folder("zoe") / "essay.txt").write_text("my answers")
    (course.root / "autograder" / "submitted" / "loose.ipynb").write_text("{}")
    try:
        status, out, _ = run("grade", "90")
        assert status == 0, out
        rows = {line.split()[0]: line for line in out.splitlines() if line.strip()}
        assert "3/3" in rows["dora"]
        assert "Your file is called My homework (1).ipynb" in rows["dora"]
        assert "2 points to mark by hand" in rows["dora"]
        assert "0/5" in rows["zoe"]
        assert f"There is no file {NAME}.ipynb" in rows["zoe"]
        assert [line for line in out.splitlines() if "not looked at: loose.ipynb" in line]
        assert not list(course.folder("zoe").glob("*.ipynb"))
        page = course.root / "autograder" / "feedback" / "zoe" / NAME / f"{NAME}.html"
        assert f"There is no file {NAME}.ipynb" in page.read_text(encoding="utf-8")
    finally:
        (course.root / "autograder" / "submitted" / "loose.ipynb").unlink()


def test_a_cell_that_had_to_be_stopped_stands_in_the_table(course, run, monkeypatch):
    monkeypatch.setattr("autograder.course.CELL_SECONDS", 2)
    course.submit("eve", with_sources(course.released, **RIGHT | {
        "scores": "def scores(weight):\n    return weight.abs()\nwhile True:\n    pass"}))
    _, out, _ = run("grade", "90")
    assert "longer than" in next(line for line in out.splitlines() if line.startswith("eve "))


def test_a_mended_check_counts_at_the_next_grading(course, run):
    course.submit("ann", with_sources(course.released, **RIGHT))
    source = course.root / "solutions" / f"{NAME}.py"
    text = source.read_text()
    source.write_text(text.replace('student("answer_1"), "b"', 'student("answer_1"), "a"'))
    try:
        os.utime(source, (time.time() + 5, time.time() + 5))
        assert "ann      2/5     2/3" in run("grade", "90")[1]
    finally:
        source.write_text(text)
        os.utime(source, (time.time() + 10, time.time() + 10))


def test_grading_without_submissions_says_where_they_go(run, course, monkeypatch):
    monkeypatch.setattr(Course, "submissions", lambda *_: [])
    status, _, err = run("grade", "90")
    assert status == 1
    assert f"autograder/submitted/STUDENT/{NAME}/{NAME}.ipynb" in err


@pytest.mark.parametrize("number", ["90", "90_tiny", "90_tiny/"])
def test_a_lesson_is_found_by_number_or_name(course, number):
    assert Course(course.root).lesson(number) == NAME


@pytest.mark.parametrize("number", ["4", "tiny", "", "../90_tiny"])
def test_an_unknown_lesson_is_named_with_those_there_are(run, number):
    status, _, err = run("check", number)
    assert status == 1
    assert repr(number) in err
    assert NAME in err


def test_check_grades_the_workbook_and_writes_nothing(course, run, workbook):
    workbook(with_sources(course.released, scores="def scores(w):\n    return w", answer_1='answer_1 = "b"'))
    before = {path: path.stat().st_mtime_ns for path in course.root.rglob("*") if path.is_file()}
    status, out, _ = run("check", "90")
    assert status == 0
    assert "Ignore the sign." in out
    assert "1 of 3 points; the written answer (2 points)" in out
    assert "4567" not in out
    after = {path: path.stat().st_mtime_ns for path in course.root.rglob("*") if path.is_file()}
    assert {p for p in before.keys() | after.keys() if before.get(p) != after.get(p)} <= set(
        (course.root / "solutions" / NAME).rglob("*"))


def test_check_without_the_solutions_counts_what_can_be_seen(course, run, workbook, monkeypatch):
    workbook(with_sources(course.released, **RIGHT))
    hidden = course.root / "hidden"
    (course.root / "solutions").rename(hidden)
    try:
        status, out, _ = run("check", "90")
    finally:
        hidden.rename(course.root / "solutions")
    assert status == 0
    assert "2 of 2 expectations that you see" in out
    assert "not on this computer" in out
    assert "tell your instructor" not in out


def test_check_says_what_is_wrong_with_the_file(course, run, workbook):
    workbook({}).write_text('{"cells": [')
    status, out, _ = run("check", "90")
    assert status == 1
    assert "Your file is damaged" in out


@pytest.mark.parametrize("command", ["check", "submit"])
def test_without_a_workbook_the_command_says_make_lab(run, command):
    status, _, err = run(command, "90")
    assert status == 1
    assert "make lab" in err


def test_submit_lists_what_is_not_complete_and_still_writes_the_file(course, run, workbook):
    workbook(course.released)
    status, out, _ = run("submit", "90")
    assert status == 0
    for sentence in ("scores is as it was released.", "answer_1 is not answered.", "“reflect” is empty."):
        assert sentence in out
    assert (course.root / "handin" / f"{NAME}.ipynb").is_file()


@pytest.mark.parametrize(("written", "says"), [
    ({"scores": "def scores(w):\n    return w.abs("}, "Python cannot read the cell (line 2"),
    ({"scores": "# mine\ndef scores(w):\n    raise NotImplementedError"}, "still raises NotImplementedError"),
    ({"answer_1": "answer_1 = None"}, "answer_1 is not answered"), ({"answer_1": ""}, "answer_1 is not answered")])
def test_submit_sees_what_is_half_done(course, run, workbook, written, says):
    workbook(with_sources(course.released, **RIGHT | written))
    assert says in run("submit", "90")[1]


def test_a_complete_notebook_is_handed_in_and_graded(course, run, workbook):
    workbook(fill(course.released, sources(course.solution), essay="That half of the weights can go."))
    status, out, _ = run("submit", "90", "--student", "zoe")
    assert status == 0
    assert "Complete" in out
    handed = course.root / "autograder" / "submitted" / "zoe" / NAME / f"{NAME}.ipynb"
    assert handed.read_bytes() == (course.root / "handin" / f"{NAME}.ipynb").read_bytes()
    assert "zoe" in run("grade", "90")[1]
    assert course.score("zoe") == (3, 3)


@pytest.mark.parametrize("student", ["../ann", "a/b", "", ".hidden"])
def test_a_students_name_is_no_path(course, run, workbook, student):
    workbook(course.released)
    status, _, err = run("submit", "90", "--student", student)
    assert status == 1
    assert "letters, digits" in err


def test_the_table_is_aligned():
    assert len({line.index("  ") for line in table([]).splitlines()}) == 1


def test_lesson_04s_demo_class(tmp_path, capsys):
    """The real thing: four submissions of lesson 04 through nbgrader, perfect has every automatic point."""
    assert demo.grade_demo(Course(ROOT, tmp_path), Course(ROOT).lesson("04")) == 0, capsys.readouterr().out


@pytest.fixture
def formgrader(tmp_path):
    """A running server on a fresh course; gives a function that asks it."""
    course = TinyCourse(tmp_path)
    course.submit("ann", with_sources(course.released, **RIGHT))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path / "server.log").open("w")
    server = subprocess.Popen(
        [sys.executable, "-m", "autograder", "--root", str(tmp_path), "formgrader", "--no-browser", "--port", str(port),
         "--ServerApp.port_retries=0", "--ServerApp.token=secret", "--allow-root"], stdout=log, stderr=log)

    def ask(page, data=None):
        request = urllib.request.Request(f"http://127.0.0.1:{port}{page}", data, {"Authorization": "token secret"})
        with urllib.request.urlopen(request, timeout=300) as reply:
            return reply.read().decode()

    try:
        _wait(lambda: ask("/api/status"), server, tmp_path / "server.log")
        yield course, ask
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)
        log.close()


def _wait(ask, server, log):
    for _ in range(600):
        try:
            return ask()
        except OSError:
            assert server.poll() is None, log.read_text()
            time.sleep(0.2)
    raise AssertionError(log.read_text())


def test_formgrader_lists_the_lesson_and_its_button_grades(formgrader):
    course, ask = formgrader
    listed = json.loads(ask("/formgrader/api/assignments"))
    assert [(one["name"], one["num_submissions"]) for one in listed] == [(NAME, 1)]
    assert "is not a subdirectory" not in ask("/formgrader/manage_assignments")
    assert json.loads(ask(f"/formgrader/api/submission/{NAME}/ann/autograde", b""))["success"]
    assert course.score("ann") == (3, 3)
    # A student whose folder has no notebook: nbgrader's own words were "No notebooks were matched".
    course.folder("zoe")
    assert json.loads(ask(f"/formgrader/api/submission/{NAME}/zoe/autograde", b""))["success"]
    assert course.score("zoe") == (0, 0)
    assert "There is no file" in course.graded("zoe").cells[0]["source"]
    marked = json.loads(ask(f"/formgrader/api/submitted_notebooks/{NAME}/{NAME}"))[0]
    assert "secret scheme" in ask(f"/formgrader/submissions/{marked['id']}/?index=0")
