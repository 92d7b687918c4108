"""One exercise graded again for everyone, after its check was mended or dropped; nothing else changes.

The students' cells that the exercise needs are graded on the ordinary road, in a folder and a gradebook that are thrown
away. Then the new scores are shown beside the old, and only then written.
"""

import csv
import shutil
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook

from autograder import seeds
from autograder.cells import grade_id, is_check, is_solution, kind, name
from autograder.course import read_notebook, shown
from autograder.grade import export, feedback, grade_all
from autograder.intake import verdict
from autograder.late import settle
from autograder.lessons import solution_path
from autograder.nbgrading import enter
from autograder.needs import needed_cells
from autograder.rules import read_rules
from shrinklab.errors import need

# What grading reads beside the submissions.
COPIED = ("gradebook.db", "capstone.json", seeds.FILE)


@dataclass(frozen=True)
class Change:
    """One check of one student. before, now: automatic points; by_hand: a person's points, which stay; None without."""

    student: str
    cell: str
    before: float
    now: float
    by_hand: float | None = None

    @property
    def gain(self):
        return 0.0 if self.by_hand is not None else self.now - self.before


def grade_again(course, lesson, exercise, *, sure=False):
    """Grade one exercise again for everyone; shows who gains or loses, asks (unless sure), then writes.

    Marks given by hand, comments and all other scores stay. The old scores are kept in regrades/. Returns the exit
    status: 1 when nothing was written.
    """
    checks = _checks(course, lesson, exercise)
    students = graded_students(course, lesson)
    need(students, f"no submission of {lesson} is graded", "an exercise is graded again after it was graded",
         f"run make grade LESSON={lesson[:2]}")
    with _trial(course, lesson, exercise, students) as (trial, failed):
        changes = _compare(course, lesson, trial, checks, set(students) - failed.keys())
        _show(changes, exercise)
        for student in failed:
            print(f"not graded again, keeps its score: {student}")
        if not (sure or _asked()):
            print("Nothing was written.")
            return 1
        _write(course, lesson, exercise, changes, trial)
    return feedback(course, lesson)


def graded_students(course, lesson):
    """The students whose submission of a lesson was graded and not rejected, sorted."""
    paths = sorted((course.grading / "autograded").glob(f"*/{lesson}/{lesson}.ipynb"))
    return [path.parents[1].name for path in paths if verdict(read_notebook(path))[0] != "rejected"]


def _checks(course, lesson, exercise):
    """{grade id: the instructor's check cell} of an exercise, as they are now."""
    cells = [cell for cell in read_notebook(solution_path(course, lesson))["cells"] if is_check(cell)]
    found = {grade_id(cell): cell for cell in cells if name(cell) == exercise}
    names = sorted({name(cell) for cell in cells if name(cell)})
    need(found, f"the exercise is {exercise!r}", f"it is one of {lesson} with a check",
         f"use one of {', '.join(names)}")
    return found


@contextmanager
def _trial(course, lesson, exercise, students):
    """(a course like this one with the exercise graded, {student: log} of those that failed); gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="shrinklab-again-"))
    try:
        trial = replace(course, work=folder)
        for file in COPIED:
            if (course.grading / file).is_file():
                shutil.copy(course.grading / file, folder)
        if exercise in read_rules(course).dropped.get(lesson, ()):
            yield None, {}
            return
        checks = [cell["source"] for cell in _checks(course, lesson, exercise).values()]
        for student in students:
            notebook = read_notebook(_autograded(course, lesson, student))
            notebook.cells = _reduced(notebook, exercise, checks)
            target = folder / "submitted" / student / lesson / f"{lesson}.ipynb"
            target.parent.mkdir(parents=True)
            nbformat.write(notebook, target)
        yield trial, grade_all(trial, lesson)[1]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _reduced(notebook, exercise, checks):
    """What the exercise needs, its checks, and all that the student wrote into the lesson's own cells: the seed of the
    hidden inputs hangs on that, and a regrade has the same inputs. Intake puts the other checks back."""
    needed = {id(cell) for cell in needed_cells(notebook, exercise, check_sources=checks)}
    return [cell for cell in notebook["cells"] if kind(cell) != "intake"
            and (id(cell) in needed or is_solution(cell) or is_check(cell) and name(cell) == exercise)]


def _compare(course, lesson, trial, checks, students):
    """A Change for each check of each student. trial: None for a dropped exercise, which gives all points."""
    changes = []
    with Gradebook(course.gradebook) as old:
        for student in sorted(students):
            for cell in checks:
                grade = old.find_grade(cell, lesson, lesson, student)
                now = _most(checks[cell]) if trial is None else _auto(trial, lesson, cell, student)
                changes.append(Change(student, cell, grade.auto_score or 0.0, now, grade.manual_score))
    return changes


def _most(cell):
    return float(cell["metadata"]["nbgrader"]["points"])


def _auto(trial, lesson, cell, student):
    with Gradebook(trial.gradebook) as gradebook:
        return gradebook.find_grade(cell, lesson, lesson, student).auto_score or 0.0


def _show(changes, exercise):
    moved = [one for one in changes if one.gain]
    gains, losses = sum(one.gain > 0 for one in moved), sum(one.gain < 0 for one in moved)
    print(f"\n{exercise}: {gains} gain, {losses} lose, {len(changes) - len(moved)} stay")
    for one in sorted(moved, key=lambda one: one.gain):
        print(f"  {one.student}: {one.before:g} -> {one.now:g} ({one.gain:+g})")
    for one in changes:
        if one.by_hand is not None:
            print(f"  {one.student}: {one.by_hand:g} points by hand stay (the check says {one.now:g})")


def _asked():
    if not sys.stdin.isatty():
        print("To write these scores, add --yes.")
        return False
    return input("Write these scores? [y/N] ").strip().lower() in ("y", "yes")


def _write(course, lesson, exercise, changes, trial):
    """The old scores into regrades/, the new ones into the gradebook and the graded notebooks."""
    kept = _record(course, lesson, exercise, changes)
    enter(course, lesson)
    with Gradebook(course.gradebook) as gradebook:
        for one in changes:
            gradebook.find_grade(one.cell, lesson, lesson, one.student).auto_score = one.now
        gradebook.db.commit()
    for student in sorted({one.student for one in changes}):
        if trial is not None:
            _renew(_autograded(course, lesson, student), _autograded(trial, lesson, student),
                   {one.cell for one in changes})
    settle(course, lesson)
    export(course)
    print(f"written; the scores before: {shown(course, kept)}")


def _renew(path, graded, checks):
    """Put the checks of a newly graded notebook, with what they said, into the one that feedback is made from."""
    notebook, again = read_notebook(path), read_notebook(graded)
    fresh = {grade_id(cell): cell for cell in again["cells"] if grade_id(cell) in checks}
    notebook.cells = [fresh.get(grade_id(cell), cell) for cell in notebook.cells]
    names, ours = {name(cell) for cell in fresh.values()}, notebook["metadata"].setdefault("shrinklab", {})
    renewed = {one["name"]: one for one in again["metadata"].get("shrinklab", {}).get("results", ())
               if one["name"] in names}
    ours["results"] = [renewed.get(one["name"], one) for one in ours.get("results", ())]
    nbformat.write(notebook, path)


def _record(course, lesson, exercise, changes):
    folder = course.grading / "regrades"
    folder.mkdir(parents=True, exist_ok=True)
    number = 1 + len(list(folder.glob(f"{lesson}-{exercise}-*.csv")))
    path = folder / f"{lesson}-{exercise}-{number}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["student", "check", "before", "now", "by_hand"])
        writer.writerows([one.student, one.cell, one.before, one.now, "" if one.by_hand is None else one.by_hand]
                         for one in changes)
    return path


def _autograded(course, lesson, student):
    return course.grading / "autograded" / student / lesson / f"{lesson}.ipynb"
