"""Where the course lies, and nbgrader's settings for it: one place for the configuration file and our commands."""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from autograder.term import folder_of
from shrinklab.errors import need

CELL_SECONDS = 60
TOTAL_SECONDS = 600


@dataclass(frozen=True)
class Course:
    """A course folder, and the folder in which its submissions are graded.

    root: the repository, with solutions/ and course/. work: where submitted/, autograded/, feedback/ and
    gradebook.db lie; root/autograder unless given (the demo class has its own). term: the name of the term whose
    release is graded, which lies in terms/NAME with its submissions; the public release otherwise. trust_students:
    run their code without the sandbox.
    """

    root: Path
    work: Path | None = None
    term: str | None = None
    trust_students: bool = False

    @property
    def home(self):
        """The folder with the built notebooks: solutions/ with their keys, and course/ as released."""
        return folder_of(self.root, self.term) if self.term else self.root

    @property
    def grading(self):
        """The folder of submissions, gradebook and feedback."""
        return self.work or (self.home if self.term else self.root / "autograder")

    @property
    def gradebook(self):
        """The address of the gradebook, as SQLAlchemy reads it."""
        return f"sqlite:///{(self.grading / 'gradebook.db').resolve().as_posix()}"

    def configure(self, config, *, listed=True):
        """Write nbgrader's settings for this course into a traitlets Config, and make its tools findable.

        listed: nbgrader is going to list the submissions itself, as it does on its command line and in formgrader; our
        commands do not let it.
        """
        from autograder.authoring.preprocessors import RELEASE_PREPROCESSORS
        from autograder.inbox import make_listable

        put_tools_on_path()
        if listed:
            # nbgrader has no later place for it: it reads its settings, then lists the submissions. Formgrader reads
            # them again for each click.
            make_listable(self.grading, self.lessons())
        folders = {"source": self.home / "solutions", "release": self.home / "course"} | {
            step: self.grading / step for step in ("submitted", "autograded", "feedback")}
        for step, folder in folders.items():
            config.CourseDirectory[f"{step}_directory"] = self._step(folder)
        config.CourseDirectory.root = str(self.root)
        config.CourseDirectory.course_id = "shrinklab"
        config.CourseDirectory.db_url = self.gradebook
        config.GenerateAssignment.preprocessors = RELEASE_PREPROCESSORS
        config.Autograde.exporter_class = "autograder.exporter.IntakeExporter"
        config.Autograde.autograde_preprocessors = [
            "autograder.preprocess.ExecuteApart",
            "autograder.harmless.Harmless",
            "nbgrader.preprocessors.IgnorePattern",
            "nbconvert.preprocessors.ClearMetadataPreprocessor",
            "nbgrader.preprocessors.LimitOutput",
            "nbgrader.preprocessors.SaveAutoGrades",
            "autograder.marks.SettleMarks",
            "nbgrader.preprocessors.AssignLatePenalties",
            "nbgrader.preprocessors.CheckCellMetadata",
        ]
        config.AssignLatePenalties.plugin_class = "autograder.late.PerDay"
        config.PerDay.course = self
        config.Execute.skip_cells_with_tag = ""
        config.Execute.timeout = CELL_SECONDS
        config.ExecuteApart.total_seconds = TOTAL_SECONDS
        if self.trust_students:
            config.ExecuteApart.trust_students = True
        # A page of our own: what it shows of locked cells it takes from the released notebook, with nothing hidden.
        config.GenerateFeedback.exporter_class = "autograder.feedback.FeedbackExporter"
        config.GenerateFeedback.preprocessors = ["nbgrader.preprocessors.GetGrades"]

    def lesson(self, number):
        """The full name of a lesson from its number or name: "04" -> "04_magnitude_pruning".

        Raises ValueError when there is none or more than one.
        """
        names = self.lessons()
        wanted = str(number).strip().removesuffix("/")
        wanted = wanted.zfill(2) if wanted.isdigit() else wanted
        found = [name for name in names if name == wanted or name.startswith(f"{wanted}_")]
        need(len(found) == 1, f"the lesson is {number!r}", "a lesson is named by its number or its folder's name",
             f"use one of {', '.join(names) or '(there is no lesson in course/ yet: run make build)'}")
        return found[0]

    def lessons(self):
        """The names of all lessons, released or written, in order."""
        released = {path.name for path in (self.home / "course").glob("*/") if path.is_dir()}
        written = {path.stem for path in (self.root / "solutions").glob("*.py")}
        return sorted(name for name in released | written if re.match(r"\d\d_", name))

    def released(self, name):
        """The path of the notebook that students got for a lesson."""
        return self.home / "course" / name / f"{name}.ipynb"

    def submissions(self, name):
        """The students who handed in a lesson, sorted; a folder whose name nbgrader cannot take is no student's."""
        from autograder.inbox import is_student
        found = (path.parent.name for path in (self.grading / "submitted").glob(f"*/{name}"))
        return sorted(filter(is_student, found))

    def _step(self, folder):
        """nbgrader joins its steps to the root; an absolute path stands for itself."""
        inside = folder.resolve().is_relative_to(self.root.resolve())
        return (folder.resolve().relative_to(self.root.resolve()) if inside else folder.resolve()).as_posix()


def shown(course, path):
    """A path as a person reads it: relative to the course folder where it lies inside."""
    return path.relative_to(course.root) if path.is_relative_to(course.root) else path


def put_tools_on_path():
    """nbgrader starts `alembic` by its bare name when it makes a gradebook; without an activated environment the
    shell does not find it."""
    tools, path = str(Path(sys.executable).parent), os.environ.get("PATH", "")
    if tools not in path.split(os.pathsep):
        os.environ["PATH"] = f"{tools}{os.pathsep}{path}"


def read_notebook(path):
    """Read a notebook that we made ourselves (the instructor's or a graded one) as nbformat 4.

    Raises FileNotFoundError that says which command makes it.
    """
    import nbformat
    need(path.is_file(), f"{path} does not exist", "grading needs the released notebook", "run make build",
         FileNotFoundError)
    return nbformat.read(path, as_version=4)
