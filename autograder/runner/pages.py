"""Feedback pages, several at a time: nbgrader's own GenerateFeedback in the workers, which only read the gradebook."""

import os
import shutil
from dataclasses import dataclass

from autograder.course import Course
from autograder.nbgrading import nbgrader
from autograder.runner.record import replace
from shrinklab.errors import need


@dataclass(frozen=True)
class Pages:
    """Whose pages are written. name: the lesson's."""

    course: Course
    name: str

    def folder(self, student):
        return self.course.grading / "feedback" / student / self.name

    def made_at(self, student):
        """When the page was written, in seconds since 1970; 0 for never."""
        page = self.folder(student) / f"{self.name}.html"
        return page.stat().st_mtime if page.exists() else 0.0


def write_page(pages, student):
    """Write one student's feedback, whole or not at all. Raises RuntimeError with nbgrader's words."""
    unfinished = pages.course.grading / "results" / pages.name / f"unfinished-{os.getpid()}"
    try:
        with nbgrader(pages.course, feedback_directory=unfinished.as_posix()) as api:
            result = api.generate_feedback(pages.name, student)
        need(result["success"], f"nbgrader could not write the feedback:\n{result.get('log', '')[-2000:]}",
             "every graded submission has a feedback page", "mend what it names and run it again", RuntimeError)
        replace(unfinished / student / pages.name, pages.folder(student))
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
