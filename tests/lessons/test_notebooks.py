"""Every lesson in a real kernel and in the grading engine: as its author wrote it, and untouched by a student."""

import copy
import shutil

import pytest
from lesson_notebooks import LESSONS, ROOT, released, solution, written
from nbclient import NotebookClient

from autograder.engine import run_notebook

WIDGET = "application/vnd.jupyter.widget-view+json"
SHOWS_A_WIDGET = ("_explorer(", "Explorer(", "Guess(", "explore(", "Practice(", "Placement(", "RecallCards(")


def executed(notebook, number, folder):
    """The notebook after Run All in a kernel of its own, in a folder with the lesson's practice.yml."""
    ran = copy.deepcopy(notebook)
    questions = LESSONS[number].with_name(f"{LESSONS[number].stem}.questions.yml")
    shutil.copy(questions, folder / "practice.yml")
    NotebookClient(ran, timeout=600, kernel_name="python3", allow_errors=True,
                   resources={"metadata": {"path": str(folder)}}).execute()
    return ran


@pytest.fixture(scope="module", params=LESSONS)
def number(request):
    return request.param


@pytest.fixture(scope="module")
def author(number, tmp_path_factory):
    return executed(solution(number), number, tmp_path_factory.mktemp("author"))


@pytest.fixture(scope="module")
def untouched(number, tmp_path_factory):
    return executed(released(number), number, tmp_path_factory.mktemp("untouched"))


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


def test_no_output_is_longer_than_a_screen(author):
    long = {cell.id: sum(output.get("text", "").count("\n") for output in cell.outputs) for cell in code(author)}
    assert {name: lines for name, lines in long.items() if lines > 40} == {}


def test_the_course_holds_the_released_version_of_every_lesson(number):
    name = LESSONS[number].stem
    assert (ROOT / "course" / name / "practice.yml").exists()
    assert not any(cell.outputs for cell in code(released(number)))
