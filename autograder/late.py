"""Due dates, extensions, penalties and dropped checks, from term.yml into the gradebook.

nbgrader takes a penalty off once, when it grades, from the points that a submission has by then. Points that a person
gives later, an extension granted later or a check dropped later would not count. So `settle` does it again, from the
gradebook alone, before feedback and grades are written.
"""

import datetime

from nbgrader.api import Gradebook
from nbgrader.plugins import LateSubmissionPlugin
from traitlets import Instance

from autograder.cells import grade_id, is_check, is_solution, name
from autograder.course import Course, read_notebook
from autograder.intake import verdict
from autograder.lessons import solution_path
from autograder.rules import read_rules
from shrinklab.errors import need

DROPPED = "This check was dropped: everyone has its points."


class PerDay(LateSubmissionPlugin):
    """nbgrader's plugin, so that its own command line and formgrader's button know term.yml too."""

    course = Instance(Course, allow_none=True, help="The course whose term.yml counts.").tag(config=True)

    def late_submission_penalty(self, student_id, score, total_seconds_late):
        """The points that a submission loses; None where there is no rule."""
        return read_rules(self.course).late.penalty(score, total_seconds_late) if self.course else None


def due_date(course, lesson):
    """Write a lesson's due date into the gradebook, where term.yml names one."""
    rules = read_rules(course)
    if lesson in rules.due:
        with Gradebook(course.gradebook) as gradebook:
            gradebook.find_assignment(lesson).duedate = _naive(rules.due[lesson])
            gradebook.db.commit()


def settle(course, lesson):
    """Bring dates, dropped checks and penalties of a lesson's graded submissions up to date with term.yml.

    Returns the students for whom something changed. Without a term.yml the gradebook stays as it is. Raises
    ValueError for what term.yml may not say.
    """
    rules = read_rules(course)
    if not rules.said:
        return set()
    due_date(course, lesson)
    checks = dropped_checks(course, lesson, rules)
    with Gradebook(course.gradebook) as gradebook:
        before = _numbers(gradebook, lesson)
        granted = rules.extensions.get(lesson, {})
        known = {student.id for student in gradebook.students}
        for student in sorted(granted.keys() - known):
            print(f"note: term.yml gives {student} an extension for {lesson}, and the gradebook has no such student")
        for submission in gradebook.find_assignment(lesson).submissions:
            if lesson in rules.due:
                submission.extension = granted.get(submission.student.id)
            if not _rejected(course, lesson, submission.student.id):
                give(gradebook, submission, checks)
        gradebook.db.commit()
        for submission in gradebook.find_assignment(lesson).submissions:
            for notebook in submission.notebooks:
                seconds = submission.total_seconds_late
                notebook.late_submission_penalty = rules.late.penalty(notebook.score, seconds) if seconds else None
        gradebook.db.commit()
        after = _numbers(gradebook, lesson)
    return {student for student in after if after[student] != before.get(student)}


def dropped_checks(course, lesson, rules):
    """{grade id of a dropped check: (grade ids of the cells that it checks)}. Raises ValueError for a name that the
    lesson does not have."""
    wanted = rules.dropped.get(lesson, ())
    if not wanted:
        return {}
    cells = read_notebook(solution_path(course, lesson))["cells"]
    checked = {name(cell) for cell in cells if is_check(cell)}
    for one in wanted:
        need(one in checked, f"term.yml drops {one!r} from {lesson}", "a dropped check is one of the lesson's",
             f"use one of {', '.join(sorted(filter(None, checked)))}")
    return {grade_id(cell): tuple(grade_id(other) for other in cells if is_solution(other)
                                  and name(other) == name(cell))
            for cell in cells if is_check(cell) and name(cell) in wanted}


def give(gradebook, submission, checks):
    """All points of dropped checks, with a sentence for the student. What a person gave by hand stays."""
    for notebook in submission.notebooks:
        for grade in notebook.grades:
            if grade.cell.name in checks and grade.auto_score is not None:
                grade.auto_score = grade.cell.max_score
        said = {one for cells in checks.values() for one in cells}
        for comment in notebook.comments:
            if comment.cell.name in said:
                comment.auto_comment = DROPPED
            elif comment.auto_comment == DROPPED:
                comment.auto_comment = None


def _numbers(gradebook, lesson):
    return {one.student.id: (one.score, one.late_submission_penalty or 0.0) for one in
            gradebook.find_assignment(lesson).submissions}


def _rejected(course, lesson, student):
    path = course.grading / "autograded" / student / lesson / f"{lesson}.ipynb"
    return not path.is_file() or verdict(read_notebook(path))[0] == "rejected"


def _naive(time):
    """nbgrader's gradebook holds UTC without saying so."""
    return time.astimezone(datetime.UTC).replace(tzinfo=None)
