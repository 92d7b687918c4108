"""Grade one notebook: the student's cells in their own process, the instructor's checks here."""

import copy
import re
from dataclasses import dataclass

from autograder.cells import ALIAS, grade_id, is_check, is_solution, kind, name, points
from autograder.engine import outputs
from autograder.engine.checks import Checks
from autograder.engine.process import Stopped
from autograder.engine.student import Student
from autograder.engine.turns import TURNS
from shrinklab.exercise import CheckResult

CELL_SECONDS = 60
TOTAL_SECONDS = 600
MISSING = "The check was missing from the notebook."


@dataclass(frozen=True)
class Graded:
    """A graded notebook. notebook: with outputs, as nbgrader reads them; results: one CheckResult a check;
    remarks: a sentence for each cell that had to be stopped and for each function that is the library's own;
    seconds: how long the student's process worked on its cells and on the calls of the checks."""

    notebook: dict
    results: tuple[CheckResult, ...]
    remarks: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def points(self):
        return sum(result.points for result in self.results)

    @property
    def max_points(self):
        return sum(result.max_points for result in self.results)


def run_notebook(notebook, *, pristine=None, seconds=CELL_SECONDS, total=TOTAL_SECONDS, files=(), entry=None, box=None,
                 seed=0):
    """Run a notebook's cells in a process of their own and its checks here.

    notebook: the student's, nbformat 4; it is not changed. pristine: the instructor's notebook, whose setup and
    check cells count instead of the student's copies of them; without it the notebook itself is trusted.
    seconds: for one cell or call; total: for everything; files: paths copied beside the notebook. entry: whose work
    it is, an `autograder.capstone.Entry`; a reader's own unless given. box: an `engine.box.Box` or
    `engine.warmbox.WarmBox` for the student's code, without which nothing holds it but its process. seed: what the
    hidden inputs of checks are drawn from.
    Returns a `Graded`. Raises RuntimeError when the instructor's setup fails.
    """
    lesson = _Lesson(pristine or notebook)
    graded, results, remarks, waiting = copy.deepcopy(notebook), {}, [], []
    with TURNS.working(), Student(seconds=seconds, total=total, files=files, box=box) as student:
        student.services = lesson.services(student, lesson.sources(graded), entry)
        for cell in graded["cells"]:
            if cell["cell_type"] != "code":
                continue
            key, cell["execution_count"] = grade_id(cell), None
            if key in lesson.checks:
                waiting.append((key, cell, student.mark()))
            elif lesson.is_play(cell):
                cell["outputs"] = []
            else:
                needed = key in lesson.setup or key in lesson.written
                cell["outputs"] = _run(student, lesson.setup.get(key, cell)["source"], remarks, graded=needed)
        # Only now: no cell's output can hold what a check calls with.
        for key, cell, place in waiting:
            student.rewind(place)
            checked = lesson.host.run(lesson.checks[key], student, seed)
            results[key], cell["outputs"] = checked.result, outputs.of_check(checked)
        remarks += [sentence for one in results.values() for sentence in student.borrowed(one.name)]
    for key, cell in lesson.checks.items():
        results.setdefault(key, CheckResult(name(cell) or key, 0.0, points(cell), (), MISSING))
    return Graded(graded, tuple(results.values()), tuple(remarks), student.worked)


def grade_cells(notebook, *names, replace=None, seconds=CELL_SECONDS, entry=None, seed=0):
    """Run the setup and only the exercises named, each with its check: fast, for trying wrong solutions.

    notebook: the instructor's. names: of exercises, debugging tasks or answers; replace: {name: source} to
    run instead of the notebook's own cell; entry, seed: as in `run_notebook`. Returns a CheckResult for each name, in
    the notebook's order.
    """
    lesson, results = _Lesson(notebook), []
    with Student(seconds=seconds, total=TOTAL_SECONDS) as student:
        student.services = lesson.services(student, replace or {}, entry)
        for cell in notebook["cells"]:
            wanted = name(cell) in names and cell["cell_type"] == "code"
            if grade_id(cell) in lesson.checks:
                if wanted:
                    results.append(lesson.host.run(cell, student, seed).result)
            elif wanted or kind(cell) == "setup":
                _run(student, (replace or {}).get(name(cell), cell["source"]), [])
    return results


class _Lesson:
    """The instructor's cells by their id, and the namespace of the checks."""

    def __init__(self, notebook):
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        self.checks = {grade_id(cell): cell for cell in code if is_check(cell)}
        self.setup = {grade_id(cell): cell for cell in code if kind(cell) == "setup" and grade_id(cell)}
        self.written = {grade_id(cell) for cell in code if is_solution(cell)}
        self._sources = {name(cell): cell["source"] for cell in code if is_solution(cell)}
        self._play = {(cell.get("id"), cell["source"]) for cell in code if kind(cell) == "play"}
        self.host = Checks([cell for cell in code if kind(cell) == "setup"])

    def sources(self, notebook):
        """The student's sources: {exercise: source}, and of the last cell that sets their name for the capstone's
        board."""
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        named = [cell["source"] for cell in code if re.search(rf"^{ALIAS} *=", cell["source"], re.MULTILINE)]
        return {ALIAS: (named or [""])[-1]} | {
            name(cell): cell["source"] for cell in code if grade_id(cell) in self.written}

    def services(self, student, written, entry):
        """What checks may ask for besides calls. written: {exercise: the student's source}, where it is not this
        notebook's own."""
        from autograder.capstone import Capstone  # here: it starts processes of this engine

        sources = self._sources | written
        setup = [cell["source"] for cell in self.setup.values()]
        return {"capstone": Capstone(setup, sources.get, student, entry)}

    def is_play(self, cell):
        """A play cell that the student changed is theirs, and runs."""
        return (cell.get("id"), cell["source"]) in self._play


def _run(student, source, remarks, *, graded=True):
    try:
        return outputs.from_student(student.run(source, graded=graded), tables=student.tables)
    except Stopped as stopped:
        remarks.append(f"{_first_line(source)}: {stopped}")
        return [outputs.error("Stopped", str(stopped), [str(stopped)])]


def _first_line(source):
    lines = [line for line in source.splitlines() if line.strip()]
    return f"The cell that begins with {lines[0].strip()[:60]!r}" if lines else "An empty cell"
