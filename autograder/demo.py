"""A made class of four, graded from submission to feedback: shows grading, and proves it on this machine."""

import copy
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat
import yaml

from autograder.cells import grade_id, is_solution, is_task, kind, name
from autograder.course import read_notebook, shown
from autograder.engine.box import need_box
from autograder.grade import export, grade_all, table
from autograder.lessons import solution_path
from shrinklab.errors import need

WRONG = Path(__file__).with_name("demo.yml")
BROKEN = "damaged"


@dataclass(frozen=True)
class Expected:
    """What one made student must get. points: (lowest, highest) automatic points; says: a word of the feedback."""

    student: str
    points: tuple[float, float]
    says: str


def grade_demo(course, lesson):
    """Grade the made class in autograder/demo/; prints expected and got; returns 1 when they differ, else 0.

    course: its own work folder, when it has one, is used instead, and emptied.
    """
    if not course.trust_students:
        need_box()
    demo = replace(course, work=course.work or course.grading / "demo")
    shutil.rmtree(demo.work, ignore_errors=True)
    make_class(demo, lesson)
    rows, failed = grade_all(demo, lesson)
    export(demo)
    print(table(rows) + "\n")
    got = {row.student: row for row in rows}
    wrong = [line for one in _expected(rows) if (line := _compare(one, got.get(one.student), demo, lesson))]
    wrong += [f"{student}: nbgrader failed\n{log}" for student, log in failed.items()]
    print("\n".join(wrong) or "All four as expected. "
          f"Submissions, feedback and grades.csv: {shown(demo, demo.work)}")
    return 1 if wrong else 0


def make_class(demo, lesson):
    """Write the four submissions. The partly wrong one has the first exercise right, and others wrong."""
    released, solution = read_notebook(demo.released(lesson)), read_notebook(solution_path(demo, lesson))
    perfect = fill(released, sources(solution), essay="The smallest weights matter least, and still some of them do.")
    wrong = yaml.safe_load(WRONG.read_text(encoding="utf-8")).get(lesson, {})
    first = next(name(cell) for cell in released["cells"] if kind(cell) == "exercise")
    need(wrong.keys() - {first}, f"{WRONG.name} has no wrong function for {lesson}",
         "the partly wrong submission needs one besides the first exercise", f"add one under {lesson}:")
    texts = {"perfect": json.dumps(perfect), "untouched": json.dumps(released),
             "partly-wrong": json.dumps(fill(released, {first: sources(solution)[first]} | wrong)),
             "broken-file": json.dumps(perfect)[:len(json.dumps(perfect)) // 2]}
    for student, text in texts.items():
        path = demo.grading / "submitted" / student / lesson / f"{lesson}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")


def sources(notebook):
    """{name: source} of all cells that a student writes."""
    return {name(cell) or grade_id(cell): cell["source"] for cell in notebook["cells"]
            if is_solution(cell) and cell["cell_type"] == "code"}


def fill(released, written, *, essay=None):
    """A copy of a released notebook with other sources in the cells that students write.

    written: {name: source}; essay: text for the cells after a task.
    """
    made, after_task = copy.deepcopy(released), False
    for cell in made["cells"]:
        label = name(cell) or grade_id(cell)
        if is_solution(cell) and label in written:
            cell["source"] = written[label]
        if essay and after_task and cell["cell_type"] == "markdown" and not grade_id(cell):
            cell["source"] = essay
        after_task = is_task(cell)
    return nbformat.from_dict(made)


def _expected(rows):
    """The made class's expectations; the partly wrong one lies strictly between nothing and everything."""
    most = max((row.max_automatic for row in rows), default=0)
    return [Expected("perfect", (most, most), "✓"), Expected("untouched", (0, 0), "not written yet"),
            Expected("partly-wrong", (0.01, most - 0.01), "✗"), Expected("broken-file", (0, 0), BROKEN)]


def _compare(expected, got, demo, lesson):
    """A line that says what differs, or None; prints what was expected and what came."""
    lowest, highest = expected.points
    wanted = f"{lowest:g}" if lowest == highest else f"more than 0 and less than {highest:.4g}"
    page = demo.grading / "feedback" / expected.student / lesson / f"{lesson}.html"
    says = page.is_file() and expected.says in page.read_text(encoding="utf-8")
    points = got.automatic if got else None
    right = points is not None and lowest <= points <= highest and says
    print(f"{'ok   ' if right else 'WRONG'} {expected.student}: automatic points expected {wanted}, got {points}; "
          f"its feedback {'says' if says else 'does not say'} “{expected.says.strip()}”")
    return None if right else f"{expected.student} is not graded as expected"
