"""What a feedback page offers to read again is there, in every lesson, and teaches."""

from pathlib import Path

import pytest

from autograder.cells import grade_id, is_check, kind, name
from autograder.course import Course, read_notebook
from autograder.sections import section_of, title_of

COURSE = Course(Path(__file__).resolve().parents[2])
CHECKS = [pytest.param(lesson, grade_id(cell), id=f"{lesson[:2]}-{name(cell)}") for lesson in COURSE.lessons()
          if COURSE.released(lesson).is_file() for cell in read_notebook(COURSE.released(lesson))["cells"]
          if is_check(cell)]


@pytest.mark.parametrize(("lesson", "key"), CHECKS)
def test_every_check_has_a_section_with_text_and_a_title(lesson, key):
    released = read_notebook(COURSE.released(lesson))
    section = section_of(released, key)
    assert section.title not in ("Graded quiz", "Practice", "Test first"), "a quiz teaches nothing"
    assert sum(len(cell["source"]) for cell in section.cells if cell["cell_type"] == "markdown") > 300
    assert title_of(released, key)
    assert not [cell for cell in section.cells if kind(cell) in ("exercise", "check", "answer", "question", "play")]


def test_a_section_ends_before_the_exercise_and_a_named_one_before_the_next():
    released = read_notebook(COURSE.released(COURSE.lesson("04")))
    own = section_of(released, "04-check-prune_mask")
    assert own.title == "A mask says yes or no"
    assert own.cells[-1]["id"] == "04-exercise-2"
    named = section_of(released, "04-check-answer_2")
    assert named.title == "Which layer minds most?"
    assert section_of(released, "04-check-nothing") is None
