"""How intake comes before nbgrader: the exporter that its Autograde reads submissions with.

nbgrader builds the exporter after it has listed the submitted folders and before it touches any of them, on every
road: the command line, formgrader's button, our own commands. (Its pre_convert_hook would be too late for some
faults, and an exception in it is swallowed.)
"""

import datetime
import fnmatch
import glob
from pathlib import Path

from nbconvert.exporters import NotebookExporter
from nbformat import from_dict
from nbgrader.converters import Autograde

from autograder.course import read_notebook
from autograder.inbox import Inbox, is_student
from autograder.intake import judge
from autograder.lessons import from_gradebook
from autograder.marks import last_grading
from autograder.reading import safe

ASIDE = "set_aside"


class IntakeExporter(NotebookExporter):
    """Reads a submission through `autograder.intake.judge`, and clears out of its folder what must not be copied."""

    def __init__(self, config=None, **options):
        super().__init__(config=config, **options)
        self._earlier = {}
        if isinstance(self.parent, Autograde):
            self._receive()

    def from_filename(self, filename, resources=None, **options):
        """Read a notebook file for nbgrader: judged when it lies in a submitted folder, as it is otherwise."""
        path, course = Path(filename), getattr(self.parent, "coursedir", None)
        if course is None:
            return super().from_filename(filename, resources=resources, **options)
        released = self._released(resources["nbgrader"]["assignment"], path.name)
        earlier = self._earlier.get((resources["nbgrader"]["student"], path.name), ({}, {}))
        resources["shrinklab"] = {"released": str(released), "earlier": earlier}
        if not path.is_relative_to(self._folder(course.submitted_directory, "*", "*").parent.parent):
            return super().from_filename(filename, resources=resources, **options)
        # Before anything is scored: do the released notebook and the gradebook belong together?
        from_gradebook(resources["nbgrader"], released)
        student = resources["nbgrader"]["student"]
        beside = {one.name for one in released.parent.iterdir()}
        judged = judge(path, read_notebook(released), left_out=self._inbox(student).left_out(beside))
        for reason in judged.reasons:
            self.log.warning("%s: %s: %s", student, judged.status, reason)
        today = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
        resources["metadata"] = {"name": path.stem, "path": str(path.parent), "modified_date": today}
        return self.from_notebook_node(from_dict(judged.notebook), resources=resources, **options)

    def _receive(self):
        """Make every submitted folder safe to copy, and list the notebooks that it should hold."""
        course, listed = self.parent.coursedir, self.parent.assignments
        expected = [path.name for path in self._released(course.assignment_id, "*.ipynb").parent.glob("*.ipynb")
                    if fnmatch.fnmatch(path.stem, course.notebook_id)]
        submitted = self._folder(course.submitted_directory, course.student_id, course.assignment_id)
        for folder in map(Path, glob.glob(str(submitted))):
            student = folder.parent.name
            try:
                if not is_student(student):
                    raise OSError(0, "no student has such a name; it is not graded")
                self._inbox(student).clear()
                self._remember(student, expected)
                listed[str(folder)] = [str(folder / name) for name in expected]
            except OSError as error:
                self.log.error("%s: %s", safe(student), error.strerror)
                listed.pop(str(folder), None)

    def _remember(self, student, expected):
        """What the last grading left: nbgrader removes it before the next one."""
        course = self.parent.coursedir
        graded = self._folder(course.autograded_directory, student, course.assignment_id)
        for name in expected:
            names = {"db_url": course.db_url, "student": student, "assignment": course.assignment_id,
                     "notebook": Path(name).stem}
            self._earlier[student, name] = last_grading(names, graded / name)

    def _inbox(self, student):
        course = self.parent.coursedir
        aside = str(Path(course.submitted_directory).parent / ASIDE)
        return Inbox(self._folder(course.submitted_directory, student, course.assignment_id),
                     self._folder(aside, student, course.assignment_id))

    def _released(self, assignment, name):
        return self._folder(self.parent.coursedir.release_directory, ".", assignment) / name

    def _folder(self, step, student, assignment):
        return Path(self.parent.coursedir.format_path(step, student, assignment))
