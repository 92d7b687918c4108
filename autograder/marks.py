"""Points that a person gave, and whether they were given for the work that lies there now."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook, MissingEntry, TaskCell
from nbgrader.preprocessors import NbGraderPreprocessor
from sqlalchemy.exc import SQLAlchemyError

from autograder.cells import grade_id, is_check, is_solution, is_task, name
from autograder.intake import verdict


@dataclass(frozen=True)
class Mark:
    """One graded cell of one submission. manual: a person's points, None when the checks' count; extra: credit
    beyond; waiting: a person has still to look at it."""

    points: float
    manual: float | None
    extra: float
    waiting: bool

    @property
    def stale(self):
        """Whether a person gave these points for an earlier hand-in, and has not looked at this one."""
        return self.manual is not None and self.waiting


def marks(names):
    """{grade id: Mark} of a submission, from the gradebook; {} when it has never been graded.

    names: nbgrader's resources (assignment, notebook, student, db_url).
    """
    with Gradebook(names["db_url"]) as gradebook:
        try:
            found = gradebook.find_submission_notebook(names["notebook"], names["assignment"], names["student"])
        except MissingEntry:
            return {}
        return {grade.cell.name: Mark(grade.score, grade.manual_score, grade.extra_credit or 0.0,
                                      bool(grade.needs_manual_grade)) for grade in found.grades}


def written(notebook):
    """{grade id: fingerprint of the student's work for it}: for a check its exercise's cells, for a task its answer."""
    cells, work = notebook["cells"], {}
    for cell, after in zip(cells, [*cells[1:], None], strict=True):
        if is_check(cell):
            own = [one["source"] for one in cells if is_solution(one) and name(one) == name(cell)]
            work[grade_id(cell)] = own
        elif is_task(cell) and grade_id(cell):
            own = [one["source"] for one in cells if one.get("id") == f"{grade_id(cell)}-answer"]
            work[grade_id(cell)] = own or ([after["source"]] if after and not grade_id(after) else [])
    return {key: hashlib.sha256("\0".join(own).encode()).hexdigest() for key, own in work.items()}


def last_grading(names, graded):
    """`marks` and `written` of a submission's last grading, before the next one replaces them; empty when there was
    none. graded: the path of the notebook that it left."""
    try:
        return marks(names), written(nbformat.read(Path(graded), as_version=4))
    except (OSError, ValueError, KeyError, nbformat.ValidationError, SQLAlchemyError):
        return {}, {}


def look_again(notebook, found):
    """A sentence, in a list, that names the marks which a person gave for an earlier hand-in; an empty list for none.

    notebook: as graded; found: its `marks`.
    """
    stale = [name(cell) or grade_id(cell) for cell in notebook["cells"]
             if grade_id(cell) in found and found[grade_id(cell)].stale]
    return [f"mark again: the points of {', '.join(stale)} were given for an earlier hand-in"] if stale else []


class SettleMarks(NbGraderPreprocessor):
    """Comes after nbgrader has saved the scores of a graded notebook: which marks wait for a person?

    nbgrader keeps a mark when other work is handed in, and says nothing. A mark whose work did not change stands here;
    one for other work waits to be looked at again. Text that nobody has marked waits too: nbgrader gives it 0 where
    the file came under another name. What cannot be graded has 0 points, and nothing to mark.
    """

    def preprocess(self, nb, resources):
        earlier, work = resources["shrinklab"].get("earlier", ({}, {}))
        names, now = resources["nbgrader"], written(nb)
        rejected = verdict(nb)[0] == "rejected"
        with Gradebook(names["db_url"]) as gradebook:
            found = gradebook.find_submission_notebook(names["notebook"], names["assignment"], names["student"])
            for grade in found.grades:
                key = grade.cell.name
                if isinstance(grade.cell, TaskCell) and grade.manual_score is None:
                    grade.auto_score, grade.needs_manual_grade = (0.0, False) if rejected else (None, True)
                elif grade.manual_score is not None and key in earlier:
                    same = work.get(key) == now.get(key)
                    grade.needs_manual_grade = earlier[key].waiting or not same
            gradebook.db.commit()
        return nb, resources
