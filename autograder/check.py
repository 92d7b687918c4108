"""Grade the reader's own workbook: no class, no gradebook, nothing written."""

from autograder.cells import grade_id, has_hidden_tests, is_check, is_task, kind, name, points
from autograder.course import CELL_SECONDS, read_notebook
from autograder.engine import run_notebook
from autograder.intake import judge
from autograder.lessons import beside, instructors
from shrinklab.errors import need


def check(course, lesson, *, seconds=CELL_SECONDS):
    """Print points and hints for each exercise and graded question of workbook/LESSON; returns the exit status."""
    path = course.root / "workbook" / lesson / f"{lesson}.ipynb"
    need(path.exists(), f"{path.relative_to(course.root)} does not exist",
         "check grades the notebook that you work in", "run make lab first", FileNotFoundError)
    released = read_notebook(course.released(lesson))
    judged = judge(path, released)
    print(f"{path.relative_to(course.root)}\n")
    for reason in judged.reasons:
        print(f"{judged.status}: {reason}\n")
    if judged.status == "rejected":
        return 1
    pristine = instructors(course, lesson)
    graded = run_notebook(judged.notebook, pristine=pristine, files=beside(course.released(lesson)), seconds=seconds)
    for text in _texts(graded.notebook):
        print(text)
    for remark in graded.remarks:
        print(f"{remark}\n")
    _total(graded, pristine, released)
    return 0


def _texts(notebook):
    for cell in notebook["cells"]:
        if is_check(cell):
            yield "".join(output["text"] for output in cell["outputs"] if output["output_type"] == "stream")


def _total(graded, pristine, released):
    written = sum(points(cell) for cell in released["cells"] if is_task(cell) and grade_id(cell))
    asked = {name(cell) for cell in released["cells"] if kind(cell) == "question"} - _with_keys(pristine)
    if has_hidden_tests(pristine):
        known = [one for one in graded.results if one.name not in asked]
        left = graded.max_points - sum(one.max_points for one in known)
        got = f"{sum(one.points for one in known):g} of {sum(one.max_points for one in known):g} points"
        worth = f"{left:g} point{'s' * (left != 1)}"
        got += f"; the graded questions ({worth}) are your term's, and their keys are not here" if left else ""
    else:
        seen = [one for result in graded.results for one in result.expectations]
        got = (f"{sum(one.passed for one in seen)} of {len(seen)} expectations that you see in the notebook hold; "
               f"{graded.max_points:g} points are given with the hidden ones, which are not on this computer")
    print(got + (f"; the written answer ({written:g} points) is marked by a person." if written else "."))
    print("Nothing was written, and nobody else sees this.")


def _with_keys(notebook):
    return {name(cell) for cell in notebook["cells"] if is_check(cell) and "BEGIN HIDDEN TESTS" in cell["source"]}
