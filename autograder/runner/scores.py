"""What the gradebook says about the submissions of a lesson, read at once."""

from dataclasses import dataclass

from nbgrader.api import Assignment, BaseCell, Grade, Gradebook, SubmittedAssignment, SubmittedNotebook


@dataclass(frozen=True)
class Scores:
    """duedate: of the lesson, as text; extensions: {student: text}; given: {student: {grade id: automatic points}}."""

    duedate: str
    extensions: dict
    given: dict

    def due(self, student):
        """What a late penalty hangs on besides the time of handing in."""
        return [self.duedate, self.extensions.get(student, "")]

    def holds(self, student, scores):
        """Whether the gradebook has these automatic points. scores: {grade id: points}; None for a rejected one."""
        given = self.given.get(student)
        return given is not None and all(
            (given.get(key) == points) if scores is not None else not given[key]
            for key, points in (given if scores is None else scores).items())


def read_scores(course, name):
    """The `Scores` of a lesson; of a gradebook that does not know it, empty ones."""
    with Gradebook(course.gradebook) as gradebook:
        found = gradebook.db.query(Assignment).filter(Assignment.name == name).first()
        if found is None:
            return Scores("", {}, {})
        handed = gradebook.db.query(SubmittedAssignment.student_id, SubmittedAssignment.extension).filter(
            SubmittedAssignment.assignment_id == found.id).all()
        rows = (gradebook.db.query(SubmittedAssignment.student_id, BaseCell.name, Grade.auto_score)
                .join(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
                .join(Grade, Grade.notebook_id == SubmittedNotebook.id).join(BaseCell, BaseCell.id == Grade.cell_id)
                .filter(SubmittedAssignment.assignment_id == found.id).all())
    given = {student: {} for student, _ in handed}
    for student, cell, points in rows:
        given[student][cell] = points
    return Scores(str(found.duedate or ""), {student: str(more or "") for student, more in handed}, given)
