"""Build lessons: write the solution notebooks, let nbgrader make the students' versions, and compare or store them.

All is made in a temporary folder without a gradebook, so that neither an old build nor a gradebook with
submissions can change a byte; then what differs is copied.
"""

import io
import logging
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import nbformat
import nbformat.v4 as v4
from nbgrader.converters import GenerateAssignment
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from autograder.authoring.draw import SELF_STUDY
from autograder.authoring.expand import expand
from autograder.authoring.graded import drawn
from autograder.authoring.leaks import leaks
from autograder.authoring.pages import START, write_pages
from autograder.authoring.preprocessors import RELEASE_PREPROCESSORS
from autograder.authoring.problems import LessonError, Problem
from autograder.authoring.rules import problems_of
from autograder.authoring.source import read_lesson
from autograder.authoring.trials import problems_of_templates
from autograder.course import put_tools_on_path
from shrinklab.quiz import Bank, validate_file

METADATA = {"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"}}


class BuildError(Exception):
    """A build that cannot be done, with one line for each reason."""


def build(root, only=None, *, gradebook=None, term=None):
    """Build the lessons of a course folder; returns the paths that were written, relative to root.

    root: the folder with solutions/NN_name.py and course/. only: numbers or names ("04"); all lessons otherwise.
    gradebook: address of a gradebook (sqlite:///...) in which nbgrader also records the lessons, for grading.
    term: an `autograder.term.Term`, whose secret the graded questions are drawn from, and whose folder gets
    everything that is written; without one they are those of the public release in course/.
    Raises BuildError with all faults, as "path:line: text"; nothing is then written.
    """
    root = Path(root)
    target = term.folder if term else root
    with _built(root, only, gradebook, term) as (made, names):
        changed = [*_differences(made, target, names), *_differences(made, target, names, top="solutions")]
        if term:
            term.save()
        for path in changed:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            if (made / path).exists():
                shutil.copyfile(made / path, target / path)
            else:
                (target / path).unlink()
        for folder in {(target / path).parent for path in changed}:
            if not any(folder.iterdir()):
                folder.rmdir()
    return [(target / path).relative_to(root).as_posix() for path in changed]


def stale(root, only=None):
    """The paths below course/ that a build would change; builds into a temporary folder and writes nothing."""
    root = Path(root)
    with _built(root, only) as (made, names):
        return [path.as_posix() for path in _differences(made, root, names)]


def sources(root, only=None):
    """The lesson sources to build, in order. Raises BuildError when `only` names one that is not there."""
    found = [path for path in sorted((Path(root) / "solutions").glob("[0-9][0-9]_*.py")) if path.stem != START]
    for wanted in only or ():
        if not any(_named(path, wanted) for path in found):
            raise BuildError(f"there is no lesson {wanted!r}; there are {', '.join(path.stem for path in found)}")
    return [path for path in found if not only or any(_named(path, wanted) for wanted in only)]


def _named(path, wanted):
    return path.stem == wanted or path.stem.split("_")[0] == wanted


@contextmanager
def _built(root, only, gradebook=None, term=None):
    """A temporary course folder with the built lessons, and their names (None: all there are)."""
    root, paths = Path(root), sources(root, only)
    with tempfile.TemporaryDirectory(prefix="shrinklab-build-") as folder:
        made = Path(folder).resolve()
        lessons, faults = [], []
        for path in paths:
            try:
                lessons.append(_write_solution(path, made, term))
            except LessonError as error:
                faults.append(_below(error, root))
            if _questions(path).exists():
                # The code in the bank's questions is run by the bank's own tests.
                faults += [f"solutions/{problem}" for problem in validate_file(_questions(path), run=False)]
        try:
            write_pages(root, made)
        except LessonError as error:
            faults.append(_below(error, root))
        if faults:
            raise BuildError("\n".join(faults))
        for lesson in lessons:
            _release(lesson, made, gradebook)
            _refuse_leaks(lesson, made, root)
        yield made, [path.stem for path in paths] if only else None


def _below(error, root):
    path = error.path.relative_to(root) if error.path.is_relative_to(root) else error.path
    return str(LessonError(path.as_posix(), error.problems))


def _write_solution(path, made, term):
    source = read_lesson(path)
    problems = list(problems_of_templates(source, _practice(path)))
    if not problems:
        lesson = drawn(source, term.secret if term else SELF_STUDY)
        problems = list(problems_of(lesson))
    if problems:
        raise LessonError(path, problems)
    ours = {"lesson": lesson.name} | ({"term": term.name} if term else {})
    notebook = v4.new_notebook(cells=expand(lesson), metadata=METADATA | {"shrinklab": ours})
    nbformat.validate(notebook)
    folder = made / "solutions" / lesson.name
    folder.mkdir(parents=True)
    (folder / f"{lesson.name}.ipynb").write_bytes((nbformat.writes(notebook) + "\n").encode())
    if _questions(path).exists():
        # As text, so that a checkout with Windows' line ends builds the same bytes.
        (folder / "practice.yml").write_bytes(_questions(path).read_text(encoding="utf-8").encode())
    return lesson


def _questions(path):
    return path.with_name(f"{path.stem}.questions.yml")


def _practice(path):
    """The practice questions beside a lesson's source; none of a bank with faults, which are told by themselves."""
    try:
        return Bank.load(_questions(path), run=False).questions
    except (FileNotFoundError, ValueError):
        return ()


def _release(lesson, made, gradebook):
    steps = [step for step in RELEASE_PREPROCESSORS if gradebook or not step.endswith(".SaveCells")]
    config = Config({"GenerateAssignment": {"preprocessors": steps, "force": True, "no_database": not gradebook},
                     "CourseDirectory": {"db_url": gradebook} if gradebook else {}})
    folder = CourseDirectory(config=config, root=str(made), source_directory="solutions", release_directory="course",
                             course_id="shrinklab", assignment_id=lesson.name)
    if gradebook:
        put_tools_on_path()
    said = io.StringIO()
    log = logging.Logger("release")
    log.addHandler(logging.StreamHandler(said))
    try:
        GenerateAssignment(coursedir=folder, config=config, log=log).start()
    except NbGraderException as error:
        raise BuildError(f"solutions/{lesson.name}.py:1: nbgrader could not release it: {error}\n"
                         f"{said.getvalue()}") from error


def _refuse_leaks(lesson, made, root):
    folder = made / "course" / lesson.name
    notebook = (folder / f"{lesson.name}.ipynb").read_text(encoding="utf-8")
    others = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.yml")}
    found: list[Problem] = list(leaks(lesson, notebook, others))
    if found:
        raise BuildError(_below(LessonError(lesson.path, found), root))


def _differences(made, root, names, top="course"):
    """Paths below top/ whose bytes differ or that only one of the two folders has, relative to both."""
    found = _generated(made, names, top) | _generated(root, names, top)
    return sorted(path for path in found if _bytes(made / path) != _bytes(root / path))


def _generated(root, names, top):
    """What the build makes below a folder. Anything else there would reach the students: it is refused."""
    found = {path.relative_to(root) for path in (root / "course").glob("*.ipynb")} if top == "course" else set()
    for folder in sorted((root / top).glob("[0-9][0-9]_*/")):
        if names is not None and folder.name not in names:
            continue
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder)
            if path.is_dir() or any(part.startswith(".") for part in inside.parts):
                continue
            if inside.as_posix() not in (f"{folder.name}.ipynb", "practice.yml"):
                raise BuildError(f"{path.relative_to(root).as_posix()} is not made by the build, and all that lies in "
                                 "this folder goes to the students; move it elsewhere")
            found.add(path.relative_to(root))
    return found


def _bytes(path):
    # A checkout on Windows may have other line ends.
    return path.read_bytes().replace(b"\r\n", b"\n") if path.exists() else None
