"""The instructor's notebook of a lesson, with solutions and hidden tests, built when it is missing or older."""

from nbformat.v4 import new_notebook
from nbgrader.api import Gradebook

from autograder.authoring.build import BuildError, build
from autograder.authoring.expand import expand
from autograder.authoring.source import read_lesson
from autograder.cells import grade_id, is_check, kind
from autograder.cells import name as label
from autograder.course import read_notebook
from shrinklab.errors import need


def solution_path(course, name):
    """The path of the built solution notebook of a lesson; builds it from solutions/NAME.py when that is newer.

    A term's notebook stays as it was released: another build could ask other questions than students answered.
    Raises RuntimeError with the build's words, file and line, when it fails.
    """
    built = course.home / "solutions" / name / f"{name}.ipynb"
    if course.term:
        need(built.is_file(), f"{built} does not exist", "grading needs the notebook of the term's own release",
             f"run make build TERM_NAME={course.term}", FileNotFoundError)
        return built
    sources = [path for path in (course.root / "solutions").glob(f"{name}.*") if path.is_file()]
    if sources and (not built.is_file() or any(p.stat().st_mtime > built.stat().st_mtime for p in sources)):
        try:
            build(course.root, [name])
        except BuildError as error:
            raise RuntimeError(str(error)) from error
        # The build leaves a file alone that did not change; its time says that it was looked at.
        built.touch()
    need(built.is_file(), f"{built} does not exist", "grading needs the lesson's solution notebook",
         f"write solutions/{name}.py and run make build", FileNotFoundError)
    return built


def instructors(course, name):
    """The notebook whose checks count when a reader grades their own work: with hidden tests, or, where only the
    released lesson is on this computer, without. In a term's release the graded questions stay without."""
    released, source = read_notebook(course.released(name)), course.root / "solutions" / f"{name}.py"
    if term_of(released) != course.term and source.is_file():
        return _without_keys(source, released)
    if course.term or source.is_file() or (course.root / "solutions" / name).is_dir():
        return read_notebook(solution_path(course, name))
    return released


def term_of(notebook):
    """The name of the term that a notebook was released for; None for the public release."""
    ours = notebook["metadata"].get("shrinklab")
    return ours.get("term") if isinstance(ours, dict) else None


def _without_keys(source, released):
    """The instructor's notebook from a lesson's source, with the graded questions of another release in it. Nothing is
    written: a build would replace that release."""
    asked = {label(cell) for cell in released["cells"] if kind(cell) == "question"}
    theirs = {grade_id(cell): cell for cell in released["cells"] if is_check(cell) and label(cell) in asked}
    cells = [theirs.get(grade_id(cell), cell) for cell in expand(read_lesson(source))]
    return new_notebook(cells=cells, metadata=released["metadata"])


def beside(released):
    """The other files that students got with a notebook, such as its practice questions."""
    return sorted(path for path in released.parent.iterdir() if path.is_file() and path.suffix != ".ipynb")


def from_gradebook(names, released):
    """The released notebook with its locked cells as the gradebook holds them: with the hidden tests.

    names: nbgrader's resources (assignment, notebook, db_url); released: path of the released notebook.
    Raises RuntimeError when the two do not belong together.
    """
    notebook = read_notebook(released)
    with Gradebook(names["db_url"]) as gradebook:
        stored = {cell.name: cell.source for cell in
                  gradebook.find_notebook(names["notebook"], names["assignment"]).source_cells if cell.locked}
    missing = stored.keys() - {grade_id(cell) for cell in notebook["cells"]}
    unknown = {grade_id(cell) for cell in notebook["cells"] if is_check(cell)} - stored.keys()
    need(not missing and not unknown, f"the cells {', '.join(sorted(missing | unknown))} differ between {released} "
         "and the gradebook", "both must come from one build", "run python -m autograder grade", RuntimeError)
    for cell in notebook["cells"]:
        cell["source"] = stored.get(grade_id(cell), cell["source"])
    return notebook
