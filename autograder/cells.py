"""What a cell of a lesson is for, read from its metadata.

The build writes `cell.metadata["shrinklab"] = {"kind": …, "name": …}`: kind is "setup", "exercise", "debug",
"answer", "check", "question" (a graded one's text), "play", "essay" or "text"; name is the exercise's. nbgrader's
metadata lies beside it.
Only an instructor's notebook is asked: a student can write anything into theirs.
"""

import re

ALIAS = "leaderboard_name"  # what a plain cell of the capstone may set


def grade_id(cell):
    """nbgrader's id of a cell, or None.

    >>> grade_id({"metadata": {"nbgrader": {"grade_id": "04-check-scores"}}})
    '04-check-scores'
    """
    found = _metadata(cell, "nbgrader").get("grade_id")
    return found if isinstance(found, str) and found else None


def kind(cell):
    """What a cell is for, "" when it is plain.

    >>> kind({"metadata": {"shrinklab": {"kind": "play"}}})
    'play'
    """
    found = _metadata(cell, "shrinklab").get("kind", "")
    return found if isinstance(found, str) else ""


def name(cell):
    """The name of the exercise that a cell belongs to, or None."""
    return _metadata(cell, "shrinklab").get("name")


def points(cell):
    """What nbgrader gives at most for a cell: 0.0 for a cell that is not graded."""
    return float(_metadata(cell, "nbgrader").get("points") or 0)


def is_check(cell):
    """Whether a cell is scored by running it: graded code that is not the student's own.

    >>> is_check({"cell_type": "code", "metadata": {"nbgrader": {"grade": True, "solution": False}}})
    True
    """
    found = _metadata(cell, "nbgrader")
    return cell["cell_type"] == "code" and found.get("grade") is True and not found.get("solution")


def is_task(cell):
    """Whether a cell asks for a text that a person marks."""
    return bool(_metadata(cell, "nbgrader").get("task"))


def is_solution(cell):
    """Whether the student writes into this cell."""
    return bool(_metadata(cell, "nbgrader").get("solution"))


def has_hidden_tests(notebook):
    """Whether a notebook is an instructor's: the hidden tests of its checks are in it."""
    return any("BEGIN HIDDEN TESTS" in cell["source"] for cell in notebook["cells"])


def plain_python(source):
    """A cell's source without IPython's magics and shell lines, so that plain Python can run it.

    >>> plain_python("%matplotlib inline\\nx = 1")
    '\\nx = 1'
    """
    return re.sub(r"^[%!].*$", "", source, flags=re.MULTILINE)


def _metadata(cell, key):
    found = cell.get("metadata", {}).get(key, {})
    return found if isinstance(found, dict) else {}
