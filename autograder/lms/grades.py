"""Grades into a file that Moodle or Canvas exported, so that it can be uploaded as it is."""

import re
from dataclasses import dataclass

from nbgrader.api import Gradebook

from autograder.course import read_notebook, shown
from autograder.intake import verdict
from autograder.late import settle
from autograder.lms.people import matched, people, read_sheet
from autograder.lms.roster import students
from shrinklab.errors import need


@dataclass(frozen=True)
class Scored:
    """What a student has for a lesson. points: after penalties; waits: whether text is still to be marked."""

    points: float
    most: float
    waits: bool


def export_grades(course, lesson, path, *, column=None, scale=False, unmarked=False):
    """Write a copy of a platform's file with the lesson's grades in it, into export/; returns the exit status.

    path: Moodle's grading worksheet of the assignment, or Canvas' gradebook. column: Canvas' column, where its name
    does not say the lesson. scale: give the share of the file's maximum where that differs from the lesson's points.
    unmarked: also where a text still waits for its mark. Only the grades of students with a graded submission are
    changed. Raises ValueError, with nothing written, for what is not clear.
    """
    settle(course, lesson)
    sheet, platform = read_sheet(path)
    need(platform != "participants", f"{path.name} is a list of participants", "grades go into Moodle's grading "
         "worksheet of the assignment", "on its page: Actions > Download grading worksheet")
    with Gradebook(course.gradebook) as gradebook:
        known, scored = students(gradebook), _scores(course, gradebook, lesson)
    column = "Grade" if platform == "moodle" else column or _canvas_column(sheet, lesson)
    waiting = sorted(student for student, one in scored.items() if one.waits)
    need(unmarked or not waiting, f"{len(waiting)} submissions wait for a mark ({', '.join(waiting[:5])})",
         "a grade has all its marks", "mark them (make formgrader), or add --unmarked")
    rows = {student: person.number for person, student in matched(people(sheet, platform), known, path.name).items()}
    changed = [_write(sheet, rows[student], column, _grade(sheet, platform, rows[student], column, one, scale))
               for student, one in sorted(scored.items()) if student in rows]
    target = course.grading / "export" / path.name
    need(target.resolve() != path.resolve(), f"{shown(course, target)} is the file to write", "it is made from the "
         "platform's own, which stays", "give that one, from another folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(sheet.data())
    print(f"{shown(course, target)}: {len(changed)} grades in {column!r}, {sum(changed)} of them changed; upload it "
          f"as it is")
    _notes(sheet, rows, scored)
    return 0


def _scores(course, gradebook, lesson):
    found = {}
    for submission in gradebook.assignment_submissions(lesson):
        path = course.grading / "autograded" / submission.student.id / lesson / f"{lesson}.ipynb"
        if path.is_file():
            rejected = verdict(read_notebook(path))[0] == "rejected"
            points = max(0.0, submission.score - submission.late_submission_penalty)
            found[submission.student.id] = Scored(points, submission.max_score, submission.needs_manual_grade and
                                                  not rejected)
    need(found, f"no submission of {lesson} is graded", "grades come from the gradebook", "run make grade "
         f"LESSON={lesson[:2]}")
    return found


def _canvas_column(sheet, lesson):
    """Canvas' column of a lesson: the assignment whose name begins with its number, or has its name in it."""
    number, words = lesson[:2], lesson[3:].replace("_", " ")
    assignments = [one for one in sheet.header if re.search(r" \(\d+\)$", one)]
    fits = [one for one in assignments if re.match(rf"\D*0*{int(number)}\b", one) or lesson in one
            or words in one.lower()]
    need(len(fits) == 1, f"{len(fits)} columns of {sheet.name} look like {lesson} ({', '.join(fits) or 'none'})",
         "one assignment has its grades", f"name it: --column with one of {', '.join(assignments) or '(none)'}")
    return fits[0]


def _grade(sheet, platform, row, column, scored, scale):
    """The grade as the file writes numbers. Raises ValueError where its maximum is not the lesson's."""
    need(column in sheet.header, f"{sheet.name} has no column {column!r}", "grades go into one of its columns",
         f"use one of {', '.join(sheet.header)}")
    said = _maximum(sheet, platform, row, column)
    most = float(said.replace(",", ".")) if re.fullmatch(r"\d+([.,]\d+)?", said) else None
    same = most is None or abs(most - scored.most) < 0.005
    need(same or scale, f"{sheet.name} says at most {said} points, and the lesson has {scored.most:g}",
         "they are the same, or grades are given as a share", f"set the assignment's maximum to {scored.most:g} on the "
         "platform, or add --scale")
    points = scored.points if same else scored.points / scored.most * most
    text = f"{points + 1e-9:.2f}"
    return text.replace(".", ",") if "," in said else text


def _maximum(sheet, platform, row, column):
    if platform == "moodle":
        return sheet.value(row, "Maximum Grade") or sheet.value(row, "Maximum grade")
    return next((sheet.value(one, column) for one in sheet.rows()
                 if "Points Possible" in sheet.value(one, sheet.header[0])), "")


def _write(sheet, row, column, grade):
    """Write a grade; returns whether it differs from what the file said."""
    before = sheet.value(row, column)
    same = re.fullmatch(r"\d+([.,]\d+)?", before) and float(before.replace(",", ".")) == float(grade.replace(",", "."))
    if not same:
        sheet.set(row, column, grade)
    return not same


def _notes(sheet, rows, scored):
    away = sorted(scored.keys() - rows.keys())
    if away:
        print(f"graded, but without a row in {sheet.name}: {', '.join(away)}")
    rest = sorted(rows.keys() - scored.keys())
    if rest:
        print(f"without a graded submission, left as they are: {', '.join(rest)}")
    locked = sorted(student for student, row in rows.items() if student in scored
                    and sheet.value(row, "Grade can be changed") == "No")
    if locked:
        print(f"Moodle will not change these grades (locked there): {', '.join(locked)}")
