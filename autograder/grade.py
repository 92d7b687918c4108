"""Grade a class: gradebook, submissions, feedback and grades.csv, all through nbgrader's own converters."""

import os
from dataclasses import dataclass

from nbgrader.api import Gradebook
from nbgrader.plugins import CsvExportPlugin

from autograder import seeds
from autograder.capstone import write_board
from autograder.course import read_notebook, shown
from autograder.engine.box import need_box
from autograder.inbox import is_student
from autograder.intake import verdict
from autograder.late import due_date, settle
from autograder.marks import look_again, marks
from autograder.nbgrading import enter, nbgrader
from autograder.reading import safe
from autograder.runner.batch import Batch, Options, folder, plan, write_pages
from autograder.runner.faults import halting
from autograder.runner.gradebook import try_to_write
from autograder.runner.statistics import page
from autograder.runner.store import Store
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


def grade(course, name, options=None):
    """Grade the submissions of a lesson; prints a table, writes feedback, grades.csv and the statistics; returns the
    exit status.

    A new student is entered into the gradebook; one that cannot be graded gets 0 and a remark, and the rest goes on.
    """
    rows, failed = grade_all(course, name, options)
    print(table(rows))
    export(course)
    print(f"\nfeedback: {_seen(course, 'feedback')}/STUDENT/{name}/{name}.html\n"
          f"grades:   {_seen(course, 'grades.csv')}\n"
          f"overview: {shown(course, write_statistics(course, name))}")
    board = write_board(course.grading / "capstone.json", course.grading / "leaderboard.html")
    if board:
        print(f"board:    {shown(course, board)}")
    if unplaced(course):
        print(f"not looked at: {', '.join(unplaced(course))} (a submission is STUDENT/{name}/{name}.ipynb)")
    _tell(failed)
    return 1 if failed else 0


def _tell(failed):
    for student, log in failed.items():
        print(f"\nnot graded: {student}: nbgrader failed, which is no fault of the submission:\n{log[-2000:]}")


def grade_all(course, name, options=None):
    """Grade the submissions of a lesson. Returns (rows, {student: log} of those that could not be graded).

    options: a `runner.batch.Options`; everyone, on all cores, unless given.
    """
    if not course.trust_students:
        need_box()
    options = options or Options(default_jobs())
    students = chosen(course, name, options.only)
    with nbgrader(course) as api, halting(course):
        try_to_write(course.gradebook)
        enter(course, name)
        due_date(course, name)
        batch = Batch(course, name, api)
        batch.grade(students, options)
        graded = [student for student in students if student not in batch.failed]
    moved = settle(course, name) & set(graded)
    failed = batch.failed | write_pages(course, name, graded, options.jobs, older=True)
    if moved - failed.keys():
        failed |= write_pages(course, name, sorted(moved - failed.keys()), options.jobs)
    return [row(course, name, student) for student in students if student not in failed], failed


def dry_run(course, name, options):
    """Print what `grade` would do, and write nothing; returns the exit status."""
    students = chosen(course, name, options.only)
    if all((course.grading / file).exists() for file in ("gradebook.db", seeds.FILE)):
        with nbgrader(course) as api:
            planned = plan(Batch(course, name, api), students, options.again)
    else:
        planned = [(student, "is run") for student in students]
    for student, what in planned:
        print(f"{student}: {what}")
    print("Nothing was run or written.")
    return 0


def chosen(course, name, only=()):
    """The students to grade. Raises ValueError for a name in `only` that handed in nothing."""
    students = course.submissions(name)
    need(students, f"there is no submission of {name} in {_seen(course, 'submitted')}",
         f"each student's notebook lies in {_seen(course, 'submitted')}/STUDENT/{name}/{name}.ipynb",
         "put them there, or try make grade-demo", FileNotFoundError)
    unknown = sorted(set(only) - set(students))
    need(not unknown, f"--only names {', '.join(unknown)}", f"they have no submission of {name}",
         f"name a folder in {_seen(course, 'submitted')}")
    return [student for student in students if not only or student in only]


def default_jobs():
    """As many submissions at a time as this process may use cores."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def feedback(course, name, *, kind=None):
    """Write the feedback pages again, for example after marking by hand; returns the exit status.

    kind: also make zips to give back, one of `autograder.lms.commands.KINDS`.
    """
    need(course.submissions(name), f"there is no submission of {name}", "feedback follows grading",
         f"run make grade LESSON={name[:2]}", FileNotFoundError)
    settle(course, name)
    graded = sorted(path.parent.name for path in (course.grading / "autograded").glob(f"*/{name}"))
    failed = write_pages(course, name, graded, default_jobs())
    export(course)
    print(f"feedback: {_seen(course, 'feedback')}/STUDENT/{name}/{name}.html")
    _tell(failed)
    if kind and not failed:
        from autograder.lms.returns import make_returns
        return make_returns(course, name, kind)
    return 1 if failed else 0


def row(course, name, student):
    """The summary line of a graded submission, read from the gradebook and the graded notebook."""
    graded = course.grading / "autograded" / student / name / f"{name}.ipynb"
    notebook = read_notebook(graded)
    status, reasons = verdict(notebook)
    remarks = [reasons[0] if status == "rejected" else f"{status}: {reason}{_more(reasons)}" for reason in reasons[:1]]
    stopped = notebook["metadata"].get("shrinklab", {}).get("remarks", [])
    remarks += [f"{remark}{_more(stopped)}" for remark in stopped[:1]]
    names = {"db_url": course.gradebook, "assignment": name, "notebook": name, "student": student}
    remarks = look_again(notebook, marks(names)) + remarks
    with Gradebook(course.gradebook) as gradebook:
        found = gradebook.find_submission(name, student)
        by_hand = sum(grade.max_score for one in found.notebooks for grade in one.grades
                      if grade.needs_manual_grade and grade.manual_score is None)
        if by_hand:
            remarks.append(f"{by_hand:g} points to mark by hand")
        if found.late_submission_penalty:
            remarks.append(f"late: {found.late_submission_penalty:g} points less")
        return Row(student, found.score, found.max_score, found.code_score, found.max_code_score, "; ".join(remarks))


def _more(reasons):
    return f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""


def unplaced(course):
    """What lies in submitted/ where no lesson's grading looks: sorted names, relative to it."""
    folder, lessons = course.grading / "submitted", set(course.lessons())
    return sorted(safe(entry.name) if not is_student(entry.name) else entry.name for entry in folder.glob("*")
                  if not entry.name.startswith(".") and not (is_student(entry.name) and entry.is_dir() and lessons & {
                      inside.name for inside in entry.iterdir()}))


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


def write_statistics(course, name):
    """Write the page about a lesson's results; returns its path."""
    store, students = Store(folder(course, name)), course.submissions(name)
    outcomes = [found for one in students if store.recorded(one) and (found := store.find(one))]
    target = course.grading / "statistics" / f"{name}.html"
    target.parent.mkdir(exist_ok=True)
    target.write_text(page(name, outcomes, sum(map(bool, map(store.recorded, students))) - len(outcomes)),
                      encoding="utf-8")
    return target


def _seen(course, part):
    return shown(course, course.grading / part)
