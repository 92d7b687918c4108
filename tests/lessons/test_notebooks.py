"""Every lesson in a real kernel and in the grading engine: as its author wrote it, and untouched by a student.

Each is executed once; all that is asked about a run is asked of that one.
"""

import asyncio
import base64
import copy
import json
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor

import nbformat.v4 as v4
import pytest
from lesson_notebooks import LESSONS, ROOT, released, solution, written
from nbclient import NotebookClient

from autograder.engine import run_notebook

WIDGET = "application/vnd.jupyter.widget-view+json"
SHOWS_A_WIDGET = ("_explorer(", "Explorer(", "Guess(", "explore(", "Practice(", "Placement(", "RecallCards(")
SCREEN = 900  # pixels
LINE, ROW, COLUMNS = 17, 24, 110  # pixels of a line of text and of a table's row in JupyterLab; letters on a line
# What an axis counts or measures in: a unit in brackets, a ratio, or a word that is one.
UNIT = re.compile(r"\(.*\)|%|/|\b(number|share|bits|images|photos|epochs?|round|channels?|accuracy|weight|steps?|"
                  r"candidates|call|class|second|loss)\b")
# No name is left behind: a lesson may use any for itself.
WATCH = """
def _watch():
    import matplotlib.pyplot as plt
    show, plt.watched = plt.show, []
    def watched(*given, **named):
        for number in plt.get_fignums():
            figure = plt.figure(number)
            axes = [{"title": ax.get_title(), "x": ax.get_xlabel(), "y": ax.get_ylabel(),
                     "plain picture": not ax.axison or (bool(ax.images) and not ax.lines)} for ax in figure.axes]
            plt.watched.append({"title": figure.get_suptitle(), "axes": axes})
        return show(*given, **named)
    plt.show = watched
_watch()
del _watch
"""
WATCHED = """
import json as _json, matplotlib.pyplot as _plt
with open("drawn.json", "w") as _file:
    _json.dump(_plt.watched, _file)
"""
# Two kernels run side by side: one thread each, as on a computer with two cores.
ALONE = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


async def executed(notebook, number, folder):
    """The notebook after Run All in a kernel of its own, in a folder with the lesson's practice.yml.

    Its metadata "drawn" hold what each figure says of itself when it is shown.
    """
    ran = copy.deepcopy(notebook)
    ran.cells = [v4.new_code_cell(WATCH), *ran.cells, v4.new_code_cell(WATCHED)]
    questions = LESSONS[number].with_name(f"{LESSONS[number].stem}.questions.yml")
    shutil.copy(questions, folder / "practice.yml")
    client = NotebookClient(ran, timeout=600, kernel_name="python3", allow_errors=True,
                            resources={"metadata": {"path": str(folder)}})
    await client.async_execute(env=os.environ | ALONE)
    ran.metadata["drawn"] = json.loads((folder / "drawn.json").read_text(encoding="utf-8"))
    return ran


def height(output):
    """About how many pixels high an output is; of a widget nothing is known."""
    data = output.get("data", {})
    if WIDGET in data:
        return 0
    if "image/png" in data:
        return int.from_bytes(base64.b64decode(data["image/png"])[20:24], "big")
    if "text/html" in data:
        return ROW * data["text/html"].count("<tr")
    lines = (output.get("text", "") + data.get("text/plain", "") + data.get("text/markdown", "")).splitlines()
    return LINE * sum(1 + len(line) // COLUMNS for line in lines)


@pytest.fixture(scope="module", params=LESSONS)
def number(request):
    return request.param


@pytest.fixture(scope="module")
def runs(number, tmp_path_factory):
    """The author's and the untouched notebook, both executed: side by side, since a kernel is busy on one core."""
    async def both():
        return await asyncio.gather(executed(solution(number), number, tmp_path_factory.mktemp("author")),
                                    executed(released(number), number, tmp_path_factory.mktemp("untouched")))

    with ThreadPoolExecutor(1) as apart:  # Playwright's loop, where a browser's test came before, runs in this thread
        return apart.submit(lambda: asyncio.run(both())).result()


@pytest.fixture(scope="module")
def author(runs):
    return runs[0]


@pytest.fixture(scope="module")
def untouched(runs):
    return runs[1]


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def troubles(notebook):
    """(cell, what) for each error and each line on stderr, warnings included."""
    return [(cell.id, output.get("evalue") or output.get("text"))
            for cell in code(notebook) for output in cell.outputs
            if output.output_type == "error" or output.get("name") == "stderr"]


def silent_widgets(notebook):
    """Cells that should show a widget and do not, and widgets whose first answer is an error."""
    cells = [cell.id for cell in code(notebook)
             if cell.metadata.get("shrinklab", {}).get("kind") == "play"
             and any(call in cell.source for call in SHOWS_A_WIDGET)
             and not any(WIDGET in output.get("data", {}) for output in cell.outputs)]
    states = notebook.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"].values()
    broken = [state["state"] for state in states
              if "error" in (state["state"].get("first") or {}).get("answer", {})
              or "This setting failed" in str(state["state"].get("value"))]
    return cells + broken


def test_the_author_s_notebook_runs_without_error_or_warning(author):
    assert troubles(author) == []
    assert all(cell.execution_count for cell in code(author) if cell.source.strip())


def test_the_author_s_widgets_are_live(author):
    assert silent_widgets(author) == []


def test_the_untouched_notebook_runs_to_its_end(untouched):
    assert troubles(untouched) == []
    assert all(cell.execution_count for cell in code(untouched) if cell.source.strip())


def test_the_untouched_notebook_s_widgets_are_live(untouched):
    assert silent_widgets(untouched) == []


def test_unwritten_exercises_say_so_and_later_cells_use_the_library(untouched):
    texts = "\n".join(output.get("text", "") for cell in code(untouched) for output in cell.outputs)
    for name in written(untouched, "exercise"):
        assert f"{name} is not written yet" in texts
    for cell in code(untouched):
        if cell.metadata.get("shrinklab", {}).get("kind") == "play" and " use(" in cell.source:
            assert any("this cell uses the library's" in output.get("text", "") for output in cell.outputs), cell.id


def graded(notebook, number):
    questions = LESSONS[number].with_name(f"{LESSONS[number].stem}.questions.yml")
    return run_notebook(notebook, pristine=solution(number), files=[questions])


def test_the_author_earns_every_point(number):
    result = graded(solution(number), number)
    assert [(one.name, one.points) for one in result.results] == [(one.name, one.max_points) for one in result.results]
    assert result.results
    assert result.remarks == ()


def test_the_untouched_notebook_earns_exactly_nothing(number):
    result = graded(released(number), number)
    assert [(one.name, one.points) for one in result.results if one.points] == []
    assert {one.name for one in result.results} >= set(written(solution(number), "exercise", "debug", "answer"))


def test_no_output_is_longer_than_a_screen(runs):
    for notebook in runs:
        tall = {cell.id: sum(map(height, cell.outputs)) for cell in code(notebook)}
        assert {name: pixels for name, pixels in tall.items() if pixels > SCREEN} == {}


def test_every_figure_has_a_title_and_every_axis_a_name_with_its_unit(author):
    drawn = author.metadata["drawn"]
    assert len(drawn) >= 2
    for figure in drawn:
        where = figure["axes"][0]["title"] or figure["title"]
        assert figure["title"] or all(ax["title"] for ax in figure["axes"]), figure
        for ax in figure["axes"]:
            if ax["plain picture"]:
                continue
            assert "" not in (ax["x"], ax["y"]), (where, ax)
            assert not [label for label in (ax["x"], ax["y"]) if not UNIT.search(label)], (where, ax)


def test_the_course_holds_the_released_version_of_every_lesson(number):
    name = LESSONS[number].stem
    assert (ROOT / "course" / name / "practice.yml").exists()
    assert not any(cell.outputs for cell in code(released(number)))
