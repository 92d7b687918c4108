"""term.yml: due dates, extensions, penalties and dropped checks; and one exercise graded again."""

import csv
import os
import time

import pytest
from nbformat.v4 import new_code_cell
from nbgrader.api import Gradebook
from tiny_course import NAME, TinyCourse, boxes, with_sources

from autograder.__main__ import main
from autograder.cells import grade_id, is_task
from autograder.course import Course
from autograder.needs import needed_cells
from autograder.rules import Late, read_rules

RIGHT = {"scores": "def scores(weight):\n    return weight.abs()", "answer_1": 'answer_1 = "b"'}
ZONE = "timezone: Europe/Berlin\n"


@pytest.fixture
def course(tmp_path):
    made = Course(tmp_path)
    made.grading.mkdir()
    (tmp_path / "course" / NAME).mkdir(parents=True)
    return made


def read(course, text):
    (course.grading / "term.yml").write_text(text, encoding="utf-8")
    return read_rules(course)


def test_times_are_those_of_the_place_and_a_day_alone_is_its_end(course):
    rules = read(course, f"{ZONE}due:\n  90: 2026-07-20\n"
                 "extensions:\n  90:\n    Ann@x.edu: 36 hours\n    bob: 2026-07-21\n")
    assert rules.due[NAME].isoformat() == "2026-07-20T21:59:59+00:00"
    assert [one.total_seconds() / 3600 for one in rules.extensions[NAME].values()] == [36, 24]
    assert list(rules.extensions[NAME]) == ["ann@x.edu", "bob"]


def test_without_a_file_there_are_no_rules(course):
    assert not read_rules(course).said


@pytest.mark.parametrize(("text", "says"), [
    ("due:\n  90: 2026-07-20\n", "has times and no timezone"), ("timezone: Berlin\n", "has timezone: Berlin"),
    (ZONE + "due:\n  90: tomorrow\n", "has due: 90: tomorrow"), (ZONE + "due:\n  90: 2026-02-30\n", "2026-02-30"),
    (ZONE + "due:\n  77: 2026-02-20\n", "the lesson is '77'"), ("lates: {}\n", "has lates; it has timezone, due"),
    ("late: {points_per_day: -1}\n", "has late: points_per_day: -1"), ("late: {per_day: 1}\n", "has late: per_day"),
    (ZONE + "extensions:\n  90: {ann: 3 days}\n", "and no due date"), ("late: [", "cannot be read"),
    (ZONE + "due: {90: 2026-07-20}\nextensions: {90: {ann: 2026-07-01}}\n", "ends after the due date"),
    (ZONE + "due: {90: 2026-07-20, 90: 2026-07-21}\n", "90 stands twice"), ("dropped: {90: [a b]}\n", "dropped: 90"),
    (ZONE + "due: {90: 2026-07-20, 90_tiny: 2026-07-21}\n", "twice under due"), ("- due\n", "for the file")])
def test_what_is_wrong_is_named_with_the_way_out(course, text, says):
    with pytest.raises(ValueError, match=says):
        read(course, text)


@pytest.mark.parametrize(("seconds", "loses"), [
    (0, 0), (600, 0), (601, 1), (86400, 1), (86401, 2), (3 * 86400, 3), (3 * 86400 + 1, 4.5)])
def test_penalties(seconds, loses):
    assert Late(points_per_day=1, grace_minutes=10, zero_after_days=3).penalty(4.5, seconds) == loses


def test_a_penalty_is_never_more_than_the_points():
    assert Late(points_per_day=10).penalty(3.0, 86400 * 9) == 3.0


def code(source, name="", kind="exercise"):
    return new_code_cell(source, metadata={"shrinklab": {"kind": kind, "name": name}})


def test_an_exercise_needs_what_its_names_come_from():
    cells = [code("import torch", kind="setup"), code("def far(x): return x", kind=""),
             code("def helper(x): return far(x)", kind=""), code("def scores(w): return helper(w)", "scores"),
             code("table = {}", kind=""), code("table['a'] = 1", kind=""), code("own = use('scores')", kind=""),
             code("def mask(s): return table, own(s)", "mask"), code("print(slow())", kind=""), code("x = (", kind="")]
    kept = [cells.index(cell) for cell in needed_cells({"cells": cells}, "mask")]
    assert kept == [0, 1, 2, 3, 4, 5, 6, 7]
    assert [cells.index(cell) for cell in needed_cells({"cells": cells}, "scores")] == [0, 1, 2, 3]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A graded class: ann right and late with an extension, bob half right through a helper of his own and late, cem
    broken, dora with a mark by hand."""
    made = TinyCourse(tmp_path_factory.mktemp("class"), enter=False)
    made.submit("ann", with_sources(made.released, **RIGHT))
    half = with_sources(made.released, **RIGHT | {"scores": "def scores(weight):\n    return helper(weight)"})
    half.cells.insert(4, new_code_cell("def helper(x):\n    return x.abs() % 4000"))
    made.submit("bob", half)
    (made.folder("cem") / f"{NAME}.ipynb").write_text("{")
    made.submit("dora", half)
    for student in ("ann", "bob"):
        (made.folder(student) / "timestamp.txt").write_text("2026-11-22 09:00:00 UTC\n")
    (made.root / "autograder" / "term.yml").write_text(
        f"{ZONE}due:\n  90: 2026-11-20\nextensions:\n  90: {{ann: 3 days, nobody: 1 day}}\n"
        "late:\n  points_per_day: 0.5\n")
    return made


@pytest.fixture
def run(tiny, capsys):
    def command(*words):
        trust = [] if boxes() or words[0] != "grade" else ["--trust-students"]
        status = main(["--root", str(tiny.root), *words, *trust])
        said = capsys.readouterr()
        return status, said.out, said.err
    return command


def final(tiny, student):
    with (tiny.root / "autograder" / "grades.csv").open() as file:
        return next(float(row["score"]) for row in csv.DictReader(file) if row["student_id"] == student)


def by_hand(tiny, student, cell, points):
    with Gradebook(f"sqlite:///{tiny.root}/autograder/gradebook.db") as gradebook:
        grade = gradebook.find_grade(cell, NAME, NAME, student)
        grade.manual_score, grade.needs_manual_grade = points, False
        gradebook.db.commit()


def rewritten(tiny, old, new):
    source = tiny.root / "solutions" / f"{NAME}.py"
    assert old in source.read_text()
    source.write_text(source.read_text().replace(old, new))
    rewritten.later += 5
    os.utime(source, (time.time() + rewritten.later,) * 2)


rewritten.later = 0


def test_a_class_through_late_work_a_mended_check_and_a_dropped_one(tiny, run):
    status, out, err = run("grade", "90")
    assert status == 0, err
    assert "gives nobody an extension for 90_tiny, and the gradebook has no such student" in out
    assert (final(tiny, "ann"), final(tiny, "bob"), final(tiny, "cem"), final(tiny, "dora")) == (3, 1, 0, 2)

    essay = next(grade_id(cell) for cell in tiny.released.cells if is_task(cell))
    check = "90-check-scores"
    by_hand(tiny, "bob", essay, 2)
    by_hand(tiny, "dora", check, 1.75)
    rewritten(tiny, "[-4567.0])), [4567.0]", "[-3567.0])), [3567.0]")
    before = (tiny.root / "autograder" / "gradebook.db").read_bytes()
    status, out, _ = run("grade", "90", "--regrade", "scores")
    assert status == 1
    assert "scores: 1 gain, 0 lose, 2 stay" in out
    assert "bob: 1 -> 2 (+1)" in out
    assert "dora: 1.75 points by hand stay (the check says 2)" in out
    assert "To write these scores, add --yes." in out
    assert (tiny.root / "autograder" / "gradebook.db").read_bytes() == before, "it shows before it writes"

    assert run("grade", "90", "--regrade", "scores", "--yes")[0] == 0
    assert (final(tiny, "ann"), final(tiny, "bob"), final(tiny, "cem"), final(tiny, "dora")) == (3, 4, 0, 2.75)
    record = (tiny.root / "autograder" / "regrades" / f"{NAME}-scores-1.csv").read_text()
    assert f"bob,{check},1.0,2.0," in record
    page = (tiny.root / "autograder" / "feedback" / "bob" / NAME / f"{NAME}.html").read_text(encoding="utf-8")
    assert "2 of 2 right" in page
    assert "Large ones too." not in page

    # Dropped: all points for everyone whose file could be graded, and a sentence that says so.
    rewritten(tiny, 'student("answer_1"), "b"', 'student("answer_1"), "c"')
    assert "3 lose" in run("grade", "90", "--regrade", "answer_1")[1]
    with (tiny.root / "autograder" / "term.yml").open("a") as file:
        file.write("dropped:\n  90: [answer_1]\n")
    by_hand(tiny, "dora", "90-check-answer_1", 0.5)
    assert run("grade", "90", "--regrade", "answer_1", "--yes")[0] == 0
    assert (final(tiny, "ann"), final(tiny, "cem"), final(tiny, "dora")) == (3, 0, 2.25)
    page = (tiny.root / "autograder" / "feedback" / "ann" / NAME / f"{NAME}.html").read_text(encoding="utf-8")
    assert "This check was dropped: everyone has its points." in page


def test_an_extension_granted_later_counts_without_grading_again(tiny, run):
    rules = tiny.root / "autograder" / "term.yml"
    text = rules.read_text()
    rules.write_text(text.replace("ann: 3 days", "ann: 1 day"))
    assert run("feedback", "90")[0] == 0
    late = final(tiny, "ann")
    rules.write_text(text)
    run("feedback", "90")
    assert (late, final(tiny, "ann")) == (2.5, 3)


@pytest.mark.parametrize(("words", "says"), [
    (("grade", "90", "--regrade", "scorse"), "use one of answer_1, scores")])
def test_an_unknown_exercise_is_named(run, words, says):
    status, _, err = run(*words)
    assert status == 1
    assert says in err


def test_an_unknown_dropped_check_is_named(tiny, run):
    rules = tiny.root / "autograder" / "term.yml"
    text = rules.read_text()
    rules.write_text(text.split("dropped")[0] + "dropped: {90: answer_7}\n")
    status, _, err = run("feedback", "90")
    rules.write_text(text)
    assert status == 1
    assert "term.yml drops 'answer_7'" in err
