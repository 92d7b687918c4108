"""nbgrader's own Autograde, for one submission at a time: it reads them through intake, and takes results in."""

import contextlib
import os
import shutil
from pathlib import Path

import nbformat
from nbconvert.writers import FilesWriter
from nbgrader.converters import Autograde

from autograder.runner.gradebook import one_transaction
from shrinklab.errors import need


class Unreadable(Exception):
    """A folder that intake does not take for a submission."""


class _OneSubmission(Autograde):
    """Autograde's steps for one submission, with its errors as they are. Its batch catches and prints them."""

    def open(self):
        """Let intake make the folder safe; returns the path of its notebook."""
        self.assignments, self.notebooks = {}, []
        self.writer = FilesWriter(parent=self, config=self.config)
        self.exporter = self.exporter_class(parent=self, config=self.config)
        found = [path for paths in self.assignments.values() for path in paths]
        need(len(found) == 1, f"intake finds {len(found)} notebooks in the folder of {self.coursedir.student_id!r}",
             "a submission has one, in a folder with the student's name", "rename the folder", Unreadable)
        return found[0]

    def take_in(self, path):
        self.notebooks = [path]
        self.init_assignment(self.coursedir.assignment_id, self.coursedir.student_id)
        for notebook in self.notebooks:
            self.convert_single_notebook(notebook)
        self.set_permissions(self.coursedir.assignment_id, self.coursedir.student_id)


class Recorder:
    """Reads submissions of a lesson and records their results. api: nbgrader's, configured; unfinished: a folder for
    what is being written."""

    def __init__(self, api, name, unfinished):
        self.api, self.name, self.unfinished = api, name, Path(unfinished)

    def read(self, student):
        """The student's notebook after intake. Raises Unreadable where there is nothing to grade."""
        with self._submission(student) as autograde:
            path = autograde.open()
            resources = autograde.init_single_notebook_resources(path)
            content, _ = autograde.exporter.from_filename(path, resources=resources)
            return nbformat.reads(content, as_version=4)

    def record(self, student):
        """Let nbgrader take a submission into the gradebook and autograded/: all of it, or nothing."""
        done = self._folder(self.unfinished, student)
        shutil.rmtree(done, ignore_errors=True)
        with self._submission(student) as autograde:
            path = autograde.open()  # before: what was graded earlier is found where it is
            target, course = self._folder(autograde.coursedir.autograded_directory, student), autograde.coursedir
            with (changed(course, autograded_directory=self.unfinished.as_posix()),
                  one_transaction(course.db_url)):
                autograde.take_in(path)
        replace(done, target)

    @contextlib.contextmanager
    def _submission(self, student):
        """A converter for one student, in the course's folder: nbgrader's paths count from there."""
        with (changed(self.api.coursedir, assignment_id=self.name, student_id=student),
              contextlib.chdir(self.api.coursedir.root)):
            made = _OneSubmission(coursedir=self.api.coursedir, parent=self.api)
            made.force = made.create_student = True
            yield made

    def _folder(self, step, student):
        return Path(self.api.coursedir.format_path(str(step), student, self.name))


@contextlib.contextmanager
def changed(coursedir, **values):
    """Set values of nbgrader's CourseDirectory for a while. Its own `temp_attrs` leaves them after an error."""
    before = {name: getattr(coursedir, name) for name in values}
    try:
        for name, value in values.items():
            setattr(coursedir, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(coursedir, name, value)


def replace(new, old):
    """Put a finished folder in the place of another. Only between two renames is there none; run again, it is there."""
    old.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(aside := new.with_name(f"{new.name}.old"), ignore_errors=True)
    if old.exists():
        os.rename(old, aside)
    os.rename(new, old)
    shutil.rmtree(aside, ignore_errors=True)
