"""Which section of a lesson teaches what a graded cell asks: its heading and its text, from the released notebook."""

import re
from dataclasses import dataclass

from autograder.cells import grade_id, is_check, is_solution, is_task, kind, name


@dataclass(frozen=True)
class Section:
    """Part of a lesson. title: its heading; cells: what stands in it before the exercise, to be read again."""

    title: str
    cells: tuple


def heading(cell, level):
    """The text of a markdown cell's first heading of this level, or None.

    >>> heading({"cell_type": "markdown", "source": "## A mask says **yes** or no"}, 2)
    'A mask says yes or no'
    """
    text = cell["source"] if cell["cell_type"] == "markdown" else ""
    found = re.search(rf"^#{{{level}}} +(.+)$", text, re.MULTILINE)
    return re.sub(r"[*`_]", "", found[1]).strip() if found else None


def section_of(released, key):
    """The section that teaches what the graded cell of this grade id asks, or None.

    It is the one that the cell names as its section; without a name, the one that it stands in.
    """
    cells = released["cells"]
    place = next((index for index, cell in enumerate(cells) if grade_id(cell) == key), None)
    if place is None:
        return None
    named = cells[place]["metadata"].get("shrinklab", {}).get("section")
    starts = [index for index, cell in enumerate(cells) if heading(cell, 2)]
    if named:
        start = next((index for index in starts if cells[index].get("id") == named), None)
    else:
        start = next((index for index in reversed(starts) if index <= place), None)
    if start is None:
        return None
    end = next((index for index in starts if index > start), len(cells))
    own = cells[start:end if named else min(end, place)]
    return Section(heading(cells[start], 2), tuple(cell for cell in own if not _is_work(cell)))


def title_of(released, key):
    """What a graded cell is called in the lesson: the heading above it, or its question's number."""
    before = []
    for cell in released["cells"]:
        if grade_id(cell) == key:
            break
        before.append(cell)
    else:
        return ""
    if is_task(cell):
        return heading(cell, 2) or heading(cell, 3) or ""
    asked = next((one for one in before if kind(one) == "question" and name(one) == name(cell)), None)
    if asked:
        return (re.match(r"\*\*(Question \d+)", asked["source"]) or [None, "Question"])[1]
    return next((found for one in reversed(before) if (found := heading(one, 3) or heading(one, 2))), "")


def _is_work(cell):
    """What is to be done rather than read: exercises, checks, explorers, questions."""
    return is_check(cell) or is_solution(cell) or is_task(cell) or kind(cell) in ("play", "question", "setup")
