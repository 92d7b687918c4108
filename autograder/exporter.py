"""How intake comes before nbgrader: the exporter that its Autograde reads submissions with.

nbgrader builds the exporter after it has listed the submitted folders and before it touches any of them, on every
road: the command line, formgrader's button, our own commands. (Its pre_convert_hook would be too late for some
faults, and an exception in it is swallowed.)
"""

import datetime
import fnmatch
import glob
import os
import shutil
from pathlib import Path

from nbconvert.exporters import NotebookExporter
from nbformat import from_dict
from nbgrader.converters import Autograde
from nbgrader.utils import parse_utc

from autograder.course import read_notebook
from autograder.intake import judge
from autograder.lessons import from_gradebook

KEPT_FILES = ("timestamp.txt",)
ASIDE = "set_aside"


class IntakeExporter(NotebookExporter):
    """Reads a submission through `autograder.intake.judge`, and clears out of its folder what must not be copied."""

    def __init__(self, config=None, **options):
        super().__init__(config=config, **options)
        if isinstance(self.parent, Autograde):
            self._receive()

    def from_filename(self, filename, resources=None, **options):
        """Read a notebook file for nbgrader: judged when it lies in a submitted folder, as it is otherwise."""
        path, course = Path(filename), getattr(self.parent, "coursedir", None)
        if course is None:
            return super().from_filename(filename, resources=resources, **options)
        released = self._released(resources["nbgrader"]["assignment"], path.name)
        resources["shrinklab"] = {"released": str(released)}
        if not path.is_relative_to(self._folder(course.submitted_directory, "*", "*").parent.parent):
            return super().from_filename(filename, resources=resources, **options)
        # Before anything is scored: do the released notebook and the gradebook belong together?
        from_gradebook(resources["nbgrader"], released)
        student = resources["nbgrader"]["student"]
        judged = judge(path, read_notebook(released), left_out=self._left_out(student))
        for reason in judged.reasons:
            self.log.warning("%s: %s: %s", student, judged.status, reason)
        today = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
        resources["metadata"] = {"name": path.stem, "path": str(path.parent), "modified_date": today}
        return self.from_notebook_node(from_dict(judged.notebook), resources=resources, **options)

    def _receive(self):
        """Make every submitted folder safe to copy, and list the notebooks that it should hold."""
        course = self.parent.coursedir
        expected = [path.name for path in self._released(course.assignment_id, "*.ipynb").parent.glob("*.ipynb")
                    if fnmatch.fnmatch(path.stem, course.notebook_id)]
        submitted = self._folder(course.submitted_directory, course.student_id, course.assignment_id)
        for folder in map(Path, glob.glob(str(submitted))):
            self._clear(folder)
            self.parent.assignments[str(folder)] = [str(folder / name) for name in expected]

    def _clear(self, folder):
        """Move links, foreign files and an unreadable time stamp out of a submission; nothing is deleted."""
        if folder.is_symlink() or not folder.is_dir():
            self._put_aside(folder, folder.parent.name, "submission")
            folder.mkdir()
        for entry in os.scandir(folder):
            plain = entry.is_file(follow_symlinks=False)
            kept = entry.name in KEPT_FILES and plain and _is_time(Path(entry.path))
            # nbgrader copies no notebooks, and intake reads them without following a link.
            if not kept and not (plain or entry.is_symlink()) or not kept and not entry.name.endswith(".ipynb"):
                self._put_aside(Path(entry.path), folder.parent.name, entry.name)

    def _put_aside(self, path, student, name):
        target = self._aside(student)
        target.mkdir(parents=True, exist_ok=True)
        number, free = 1, target / name
        while os.path.lexists(free):
            number, free = number + 1, target / f"{number}-{name}"
        shutil.move(path, free)
        self.log.warning("%s: %s was moved to %s", student, name, free)

    def _left_out(self, student):
        folder = self._aside(student)
        return sorted(os.listdir(folder)) if folder.is_dir() else []

    def _aside(self, student):
        course = self.parent.coursedir
        return self._folder(str(Path(course.submitted_directory).parent / ASIDE), student, course.assignment_id)

    def _released(self, assignment, name):
        return self._folder(self.parent.coursedir.release_directory, ".", assignment) / name

    def _folder(self, step, student, assignment):
        return Path(self.parent.coursedir.format_path(step, student, assignment))


def _is_time(path):
    """Whether nbgrader can read a time stamp: one that it cannot read stops its batch."""
    try:
        return path.stat().st_size < 200 and parse_utc(path.read_text(encoding="utf-8").strip() or None) is not None
    except (OSError, ValueError, OverflowError, TypeError):
        return False
