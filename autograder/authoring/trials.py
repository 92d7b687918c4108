"""Try a lesson's templates out with many secrets, and refuse those whose source tells the answer."""

import re
from collections import Counter

from autograder.authoring.graded import draw_item
from autograder.authoring.problems import LessonError, Problem
from shrinklab.quiz.rules import alike

TRIALS = 48
# Of the draws: so many have a question of their own, and at most so many share an answer.
DIFFERENT, SAME_NUMBER, SAME_OPTION = 0.5, 0.25, 0.75


def problems_of_templates(lesson, practice=()):
    """Problems of all templates of a lesson. practice: the questions of its practice bank, as dicts."""
    for cell in lesson.of("graded"):
        try:
            items = [draw_item(lesson, cell, f"trial {number}") for number in range(TRIALS)]
        except LessonError as error:
            yield from error.problems
            continue
        for text in (*_given_away(items), *_practised(items, practice)):
            yield Problem(cell.line - 1, f"the template {cell.name!r} {text}")


def shape(text):
    """A text with every number alike: what stays the same from draw to draw.

    >>> shape("Remove 30.5 % of 4,000 weights.")
    'Remove # % of # weights.'
    """
    return re.sub(r"\d[\d,]*(?:\.\d+)?", "#", text)


def _given_away(items):
    different = len({item.stem for item in items})
    if different < DIFFERENT * TRIALS:
        yield f"gives {different} different questions in {TRIALS} draws; draw more of it"
    answers = Counter(shape(item.right) if item.options else item.key for item in items)
    answer, count = answers.most_common(1)[0]
    if count > TRIALS * (SAME_OPTION if items[0].options else SAME_NUMBER):
        yield f"has the answer {answer!r} in {count} of {TRIALS} draws; let the answer depend on what is drawn"
    wrong = {shape(option) for item in items for option in item.options if option != item.right}
    for option in sorted({shape(item.right) for item in items if item.options} - wrong):
        yield f"shows the option {option!r} only where it is right: its source tells the answer; let it be wrong, too"


def _practised(items, practice):
    for question in practice:
        asked = question["question"] + question.get("code", "")
        if any(alike(item.stem, asked) for item in items[:8]):
            yield f"asks what the practice question {question['id']!r} asks; graded questions are new to students"
