"""Grade an answer, give credit for it, sum up a section, and draw a placement test."""

import math
import random
from dataclasses import dataclass

from shrinklab.errors import need
from shrinklab.quiz.fields import LEVELS

STRONG, SHAKY = 0.8, 0.5


@dataclass(frozen=True)
class Grade:
    """Was it right, and if not: the mistake that leads to this answer ("" when the bank knows none)."""

    right: bool
    mistake: str = ""


@dataclass(frozen=True)
class SectionVerdict:
    """How one section went: share from 0 to 1 of `answered` questions, and strong, shaky, weak or open."""

    section: str
    title: str
    rating: str
    share: float
    answered: int


def grade(question, answer):
    """Grade one answer. Raises ValueError when it has not the form that the kind asks for.

    >>> grade({"answer": 0.95, "tolerance": 0.01, "mistakes": []}, 0.955).right
    True
    >>> grade({"options": [{"text": "4", "correct": True}, {"text": "5", "mistake": "Count again."}]}, 1)
    Grade(right=False, mistake='Count again.')
    >>> grade({"order": [{"text": "measure"}, {"text": "prune", "mistake": "Measure first."}]}, [1, 0])
    Grade(right=False, mistake='Measure first.')
    """
    if "options" in question:
        return _grade_choice(question["options"], answer)
    if "order" in question:
        return _grade_order(question["order"], answer)
    return _grade_number(question, answer)


def _grade_choice(options, answer):
    good = isinstance(answer, int) and not isinstance(answer, bool) and 0 <= answer < len(options)
    need(
        good,
        f"the answer is {answer!r}",
        "it is the number of an option, from 0",
        f"use 0 to {len(options) - 1}",
    )
    return Grade(options[answer].get("correct", False), options[answer].get("mistake", ""))


def _grade_order(steps, answer):
    good = isinstance(answer, list | tuple) and sorted(answer) == list(range(len(steps)))
    need(
        good,
        f"the answer is {answer!r}",
        "it is every step's number once, in the order chosen",
        f"use each of 0 to {len(steps) - 1} once",
    )
    # Where every step comes after the one above it, the order is right; so a wrong one has such a pair.
    early = [step for step in range(1, len(steps)) if answer.index(step) < answer.index(step - 1)]
    return Grade(not early, steps[early[0]]["mistake"] if early else "")


def _grade_number(question, answer):
    good = isinstance(answer, int | float) and not isinstance(answer, bool) and math.isfinite(answer)
    need(good, f"the answer is {answer!r}", "it is a finite number", "write digits, such as 0.95")
    truth, tolerance = question["answer"], question["tolerance"]
    if _near(answer, truth, tolerance):
        return Grade(True)
    for wrong in question["mistakes"]:
        if _near(answer, wrong["value"], tolerance):
            return Grade(False, wrong["mistake"])
    if _near(answer, truth * 100, tolerance * 100) or _near(answer * 100, truth, tolerance):
        return Grade(
            False, "That is off by a factor of 100: look whether a share or a percentage is asked for."
        )
    return Grade(False, "")


def _near(value, target, tolerance):
    return abs(value - target) <= tolerance + 1e-9 * max(1.0, abs(target))


def credit(record):
    """What a question earned: 1 right at once and alone, 0.5 after a hint or a try, 0 otherwise.

    record: {"right": bool, "tries": int, "hint": bool, "solution": bool}. Reading the solution before it was
    right earns 0.

    >>> credit({"right": True, "tries": 1}), credit({"right": True, "tries": 2}), credit({"right": False})
    (1.0, 0.5, 0.0)
    """
    if not record.get("right") or record.get("solution"):
        return 0.0
    return 1.0 if record.get("tries", 1) == 1 and not record.get("hint") else 0.5


def verdict(bank, records):
    """Strong, shaky or weak for each section, in the bank's order. records: {question id: record}."""
    result = []
    for section in bank.sections:
        credits = [
            credit(records[question["id"]])
            for question in bank.questions
            if question["section"] == section["id"] and records.get(question["id"], {}).get("tries")
        ]
        share = sum(credits) / len(credits) if credits else 0.0
        result.append(
            SectionVerdict(section["id"], section["title"], rating(share, len(credits)), share, len(credits))
        )
    return tuple(result)


def rating(share, answered):
    """strong from 0.8 on, shaky from 0.5 on, weak below; open while nothing is answered.

    >>> rating(1.0, 2), rating(0.5, 2), rating(0.0, 1), rating(0.0, 0)
    ('strong', 'shaky', 'weak', 'open')
    """
    if not answered:
        return "open"
    return "strong" if share >= STRONG else "shaky" if share >= SHAKY else "weak"


def draw_placement(bank, *, count=10, seed=0):
    """Ids of `count` questions spread evenly over the sections, easy ones first; same seed, same draw."""
    need(
        isinstance(count, int) and count >= len(bank.sections),
        f"count is {count!r}",
        "a placement test has at least one question for each section",
        f"use {len(bank.sections)} or more",
    )
    chance = random.Random(f"{bank.lesson}/{seed}")
    piles = []
    for section in bank.sections:
        pile = [question for question in bank.questions if question["section"] == section["id"]]
        chance.shuffle(pile)
        piles.append(pile)
    drawn = []
    while len(drawn) < count and any(piles):
        for pile in piles:
            if pile and len(drawn) < count:
                drawn.append(pile.pop())
    return [question["id"] for question in sorted(drawn, key=lambda one: LEVELS.index(one["level"]))]
