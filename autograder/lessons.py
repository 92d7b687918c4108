"""The instructor's notebook of a lesson, with solutions and hidden tests, built when it is missing or older."""

from autograder.authoring.build import BuildError, build
from autograder.course import read_notebook
from shrinklab.errors import need


def solution_path(course, name):
    """The path of the built solution notebook of a lesson; builds it from solutions/NAME.py when that is newer.

    Raises RuntimeError with the build's words, file and line, when it fails.
    """
    built = course.root / "solutions" / name / f"{name}.ipynb"
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
    released lesson is on this computer, without. Returns (notebook, whether hidden tests are there)."""
    if (course.root / "solutions" / f"{name}.py").is_file() or (course.root / "solutions" / name).is_dir():
        return read_notebook(solution_path(course, name)), True
    return read_notebook(course.released(name)), False
