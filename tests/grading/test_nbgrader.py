"""nbgrader's own command line takes our road: intake, the student's process, host checks, gradebook, feedback."""

import json
import os

import pytest
from tiny_course import NAME, TinyCourse, with_sources

from autograder.authoring.build import build
from autograder.demo import fill, sources

RIGHT = {"scores": "def scores(weight):\n    return weight.abs()", "answer_1": 'answer_1 = "b"'}


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A class of odd submissions, graded by the stock commands in one batch."""
    course = TinyCourse(tmp_path_factory.mktemp("class"))
    right = with_sources(course.released, **RIGHT)
    course.submit("right", right)
    small_only = RIGHT | {"scores": "def scores(w):\n    return w.abs() % 4000"}
    course.submit("half", with_sources(course.released, **small_only))
    course.submit("untouched", course.released)
    course.submit("loop", with_sources(course.released, **RIGHT | {"scores": "def scores(w):\n    while True: pass"}))
    (course.folder("broken") / f"{NAME}.ipynb").write_text(json.dumps(right)[:1000])
    (course.folder("binary") / f"{NAME}.ipynb").write_bytes(b"\x89PNG\xff\xfe")
    (course.folder("renamed") / "homework.ipynb").write_text(json.dumps(right))
    (course.folder("nothing") / "notes.txt").write_text("no notebook here")
    twice = json.loads(json.dumps(right))
    twice["cells"] += [cell for cell in twice["cells"] if cell["metadata"].get("nbgrader", {}).get("solution")]
    course.submit("twice", twice)
    course.submit("when", right)
    (course.folder("when") / "timestamp.txt").write_text("yesterday, I think")
    course.submit("linked", right)
    os.symlink("/etc/passwd", course.folder("linked") / "data.txt")
    os.mkfifo(course.folder("linked") / "pipe")
    (course.folder("linked") / "torch.py").write_text("raise SystemExit")
    untagged = json.loads(json.dumps(course.released))
    for cell in untagged["cells"]:
        cell["metadata"]["tags"] = ["skip-execution"]
    course.submit("skipping", untagged)
    course.log = course.nbgrader("autograde", NAME, "--Execute.timeout=3")
    course.nbgrader("generate_feedback", NAME)
    return course


@pytest.mark.parametrize(("student", "points"), [
    ("right", 3), ("half", 2), ("untouched", 0), ("loop", 1), ("broken", 0), ("binary", 0), ("renamed", 3),
    ("nothing", 0), ("twice", 3), ("when", 3), ("linked", 3), ("skipping", 0)])
def test_each_is_graded_and_none_stops_the_others(graded, student, points):
    assert graded.score(student) == (points, points)


@pytest.mark.parametrize(("student", "says"), [
    ("right", "2 of 2 right"), ("half", "Large ones too."), ("untouched", "not written yet"),
    ("loop", "longer than 3 s"), ("broken", "Your file is damaged"), ("binary", "UTF-8"),
    ("renamed", "Your file is called homework.ipynb"), ("nothing", "There is no file 90_tiny.ipynb"),
    ("twice", "more than once"), ("when", "these files were left out: timestamp.txt"),
    ("linked", "these files were left out: data.txt, pipe, torch.py")])
def test_the_feedback_says_why(graded, student, says):
    assert says in feedback(graded, student)


def feedback(course, student):
    return (course.root / "autograder" / "feedback" / student / NAME / f"{NAME}.html").read_text(encoding="utf-8")


def test_the_feedback_holds_nothing_hidden(graded):
    for student in ("right", "half", "untouched", "loop", "broken"):
        page = feedback(graded, student)
        assert "4567" not in page
        assert "secret scheme" not in page
        assert "HIDDEN TESTS" not in page
        assert "autograder/engine" not in page


def test_no_linked_file_was_copied_and_the_originals_are_kept(graded):
    names = {path.name for path in (graded.root / "autograder").rglob("*") if "set_aside" not in path.parts}
    assert not names & {"data.txt", "pipe", "torch.py"}
    aside = graded.root / "autograder" / "set_aside" / "linked" / NAME
    assert os.readlink(aside / "data.txt") == "/etc/passwd"
    assert (graded.folder("broken") / f"{NAME}.ipynb").stat().st_size == 1000
    assert (graded.folder("renamed") / "homework.ipynb").exists()


def test_check_cells_hold_the_score_as_nbgrader_reads_it(graded):
    checks = [cell for cell in graded.graded("half").cells if cell.metadata.get("nbgrader", {}).get("grade")]
    assert [cell.outputs[-1].data["text/plain"] for cell in checks] == ["1.0", "1.0"]
    assert {output.output_type for cell in checks for output in cell.outputs} == {"stream", "execute_result"}
    assert {output.get("name", "stdout") for cell in checks for output in cell.outputs} == {"stdout"}


def test_play_cells_did_not_run(graded):
    assert not list(graded.root.rglob("played.txt"))


def test_a_regrade_gives_the_same_and_a_manual_mark_stays(graded):
    from nbgrader.api import Gradebook
    with Gradebook(f"sqlite:///{graded.root}/autograder/gradebook.db") as gradebook:
        grade = gradebook.find_grade("90-essay-reflect", NAME, NAME, "half")
        grade.manual_score = 1.5
        gradebook.db.commit()
    graded.nbgrader("autograde", NAME, "--student", "half", "--force")
    assert graded.score("half") == (2, 3.5)


def test_every_cell_of_a_right_submission_ran_with_the_lessons_files_beside_it(graded):
    outputs = [output for cell in graded.graded("right").cells for output in cell.get("outputs", [])]
    assert [output for output in outputs if output.output_type == "error"] == []
    assert any(output.get("data", {}).get("text/plain") == "tensor([1.])" for output in outputs)


def test_releasing_with_nbgraders_own_button_changes_no_byte(graded):
    path = graded.root / "course" / NAME / f"{NAME}.ipynb"
    built = path.read_bytes()
    build(graded.root)
    assert path.read_bytes() == built


def test_no_execute_gives_no_points_away(graded):
    log = graded.nbgrader("autograde", NAME, "--student", "untouched", "--force", "--no-execute")
    assert "no effect" in log
    assert graded.score("untouched") == (0, 0)


def test_a_late_submission_loses_what_term_yml_says(graded):
    """Late penalties stay nbgrader's step: our plugin is asked, in the place where its own was."""
    (graded.root / "autograder" / "term.yml").write_text("late:\n  points_per_day: 2\n", encoding="utf-8")
    graded.nbgrader("db", "assignment", "add", NAME, "--duedate=2020-01-01 00:00:00 UTC")
    graded.submit("late", with_sources(graded.released, **RIGHT))
    (graded.folder("late") / "timestamp.txt").write_text("2020-01-02 00:00:00.0 UTC")
    graded.nbgrader("autograde", NAME, "--student", "late")
    from nbgrader.api import Gradebook
    with Gradebook(f"sqlite:///{graded.root}/autograder/gradebook.db") as gradebook:
        assert gradebook.find_submission(NAME, "late").late_submission_penalty == 2


def test_a_gradebook_of_another_build_is_refused(tiny, tmp_path):
    """When course/ and the gradebook do not belong together, nothing is scored from a mixture."""
    course = TinyCourse(tmp_path)
    released = tmp_path / "course" / NAME / f"{NAME}.ipynb"
    released.write_text(released.read_text().replace("90-check-answer_1", "90-check-other"))
    course.submit("ann", fill(tiny.released, sources(tiny.solution)))
    assert "must come from one build" in course.nbgrader("autograde", NAME, fails=True)
