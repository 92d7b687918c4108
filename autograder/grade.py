"""Grade a class: gradebook, submissions, feedback and grades.csv, all through nbgrader's own converters."""

import contextlib
import logging
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

from nbgrader.api import Gradebook
from nbgrader.apps.api import NbGraderAPI
from nbgrader.plugins import CsvExportPlugin
from sqlalchemy.exc import SAWarning
from tqdm import tqdm
from traitlets.config import Config

from autograder.capstone import write_board
from autograder.course import read_notebook, shown
from autograder.engine.box import need_box
from autograder.intake import PLACEHOLDER, verdict
from autograder.lessons import solution_path
from shrinklab.errors import need


@dataclass(frozen=True)
class Row:
    """One student's line of the summary. automatic and its maximum are the points that checks give."""

    student: str
    points: float
    max_points: float
    automatic: float
    max_automatic: float
    remark: str


def grade(course, name):
    """Grade every submission of a lesson; prints a table, writes feedback and grades.csv; returns the exit status.

    A new student is entered into the gradebook; one that cannot be graded gets 0 and a remark, and the rest goes on.
    """
    rows, failed = grade_all(course, name)
    print(table(rows))
    export(course)
    print(f"\nfeedback: {_seen(course, 'feedback')}/STUDENT/{name}/{name}.html\n"
          f"grades:   {_seen(course, 'grades.csv')}")
    board = write_board(course.grading / "capstone.json", course.grading / "leaderboard.html")
    if board:
        print(f"board:    {shown(course, board)}")
    if unplaced(course):
        print(f"not looked at: {', '.join(unplaced(course))} (a submission is STUDENT/{name}/{name}.ipynb)")
    for student, log in failed.items():
        print(f"\nnot graded: {student}: nbgrader failed, which is no fault of the submission:\n{log[-2000:]}")
    return 1 if failed else 0


def grade_all(course, name):
    """Grade all submissions of a lesson. Returns (rows, {student: log} of those that nbgrader could not grade)."""
    if not course.trust_students:
        need_box()
    students = course.submissions(name)
    need(students, f"there is no submission of {name} in {_seen(course, 'submitted')}",
         f"each student's notebook lies in {_seen(course, 'submitted')}/STUDENT/{name}/{name}.ipynb",
         "put them there, or try make grade-demo", FileNotFoundError)
    with nbgrader(course) as api:
        enter(course, name)
        failed = {}
        for student in tqdm(students, desc=f"grading {name}", unit="student", disable=None):
            with _something_to_read(course.grading / "submitted" / student / name):
                result = api.autograde(name, student)
            if not result["success"]:
                failed[student] = result.get("log", "") + result["error"]
        _write_feedback(api, name)
    return [row(course, name, student) for student in students if student not in failed], failed


@contextlib.contextmanager
def _something_to_read(folder):
    """A placeholder in a folder without a notebook: intake tells the student, and nbgrader does not stop."""
    placeholder, bare = folder / PLACEHOLDER, folder.is_dir() and not any(folder.glob("*.ipynb"))
    if bare:
        placeholder.write_text("{}")
    try:
        yield
    finally:
        if bare:
            placeholder.unlink(missing_ok=True)


def feedback(course, name):
    """Write the feedback pages again, for example after marking by hand; returns the exit status."""
    need(course.submissions(name), f"there is no submission of {name}", "feedback follows grading",
         f"run make grade LESSON={name[:2]}", FileNotFoundError)
    with nbgrader(course) as api:
        _write_feedback(api, name)
    export(course)
    print(f"feedback: {_seen(course, 'feedback')}/STUDENT/{name}/{name}.html")
    return 0


@contextlib.contextmanager
def nbgrader(course, **changes):
    """nbgrader's own API, set up for a course. changes: CourseDirectory settings that differ."""
    config = Config()
    course.configure(config)
    for setting, value in changes.items():
        config.CourseDirectory[setting] = value
    course.grading.mkdir(parents=True, exist_ok=True)
    log = logging.getLogger("traitlets")
    before, log.propagate = log.propagate, False
    try:
        with warnings.catch_warnings():
            # nbgrader enters a new student's submission in an order that SQLAlchemy remarks upon, without harm.
            warnings.simplefilter("ignore", SAWarning)
            yield NbGraderAPI(config=config)
    finally:
        log.propagate = before


def enter(course, name):
    """Enter a lesson, or its mended checks, into the gradebook. What students got (course/) is not touched.

    Raises RuntimeError when graded cells came or went after submissions were graded.
    """
    source = solution_path(course, name)
    released = Path(tempfile.mkdtemp(prefix="shrinklab-release-"))
    try:
        with nbgrader(course, release_directory=released.as_posix()) as api:
            result = api.generate_assignment(name)
        need(result["success"], f"nbgrader could not enter {source} into the gradebook:\n"
             f"{(result.get('log', '') + result.get('error', ''))[-3000:]}",
             "cells may not come or go while there are graded submissions",
             "mend the lesson, or start again without autograder/gradebook.db", RuntimeError)
        fresh, old = (read_notebook(path) for path in (
            released / name / f"{name}.ipynb", course.released(name)))
        if [cell["source"] for cell in fresh["cells"]] != [cell["source"] for cell in old["cells"]]:
            print(f"note: {course.released(name)} is older than the lesson's source; run make build and release it.")
    finally:
        shutil.rmtree(released, ignore_errors=True)


def row(course, name, student):
    """The summary line of a graded submission, read from the gradebook and the graded notebook."""
    graded = course.grading / "autograded" / student / name / f"{name}.ipynb"
    notebook = read_notebook(graded)
    status, reasons = verdict(notebook)
    remarks = [reasons[0] if status == "rejected" else f"{status}: {reason}{_more(reasons)}" for reason in reasons[:1]]
    stopped = notebook["metadata"].get("shrinklab", {}).get("remarks", [])
    remarks += [f"{remark}{_more(stopped)}" for remark in stopped[:1]]
    with Gradebook(course.gradebook) as gradebook:
        found = gradebook.find_submission(name, student)
        by_hand = found.max_score - found.max_code_score
        if found.needs_manual_grade and status != "rejected":
            remarks.append(f"{by_hand:g} points to mark by hand")
        if found.late_submission_penalty:
            remarks.append(f"late: {found.late_submission_penalty:g} points less")
        return Row(student, found.score, found.max_score, found.code_score, found.max_code_score, "; ".join(remarks))


def _more(reasons):
    return f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""


def unplaced(course):
    """What lies in submitted/ where no lesson's grading looks: sorted names, relative to it."""
    folder, lessons = course.grading / "submitted", set(course.lessons())
    return sorted(entry.name for entry in folder.glob("*") if not entry.name.startswith(".") and not (
        entry.is_dir() and lessons & {inside.name for inside in entry.iterdir()}))


def export(course):
    """Write grades.csv beside the gradebook, with nbgrader's own exporter."""
    with Gradebook(course.gradebook) as gradebook:
        CsvExportPlugin(to=str(course.grading / "grades.csv")).export(gradebook)


def table(rows):
    """The summary as text.

    >>> print(table([Row("ann", 2.5, 5, 2.5, 3, "2 points to mark by hand")]))
    student  points  automatic  remark
    ann      2.5/5   2.5/3      2 points to mark by hand
    """
    lines = [("student", "points", "automatic", "remark")] + [
        (one.student, f"{one.points:g}/{one.max_points:g}", f"{one.automatic:g}/{one.max_automatic:g}", one.remark)
        for one in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    return "\n".join("  ".join([*(word.ljust(width) for word, width in zip(line, widths, strict=False)),
                                line[3]]).rstrip() for line in lines)


def _write_feedback(api, name):
    result = api.generate_feedback(name)
    need(result["success"], f"nbgrader could not write the feedback:\n{result.get('log', '')[-2000:]}",
         "every graded submission has a feedback page", "mend what it names and run it again", RuntimeError)



def _seen(course, part):
    return shown(course, course.grading / part)
