"""The lessons as notebooks: the solutions as the build makes them, and the released ones as students open them."""

from functools import lru_cache
from pathlib import Path

import nbformat
import nbformat.v4 as v4

from autograder.authoring.build import METADATA, sources
from autograder.authoring.expand import expand
from autograder.authoring.source import read_lesson

ROOT = Path(__file__).parents[2]
LESSONS = {path.stem[:2]: path for path in sources(ROOT)}


@lru_cache
def solution(number):
    """The solution notebook of a lesson, "04", made from its source; don't change it."""
    return v4.new_notebook(cells=expand(read_lesson(LESSONS[number])), metadata=METADATA)


def released(number):
    """The notebook in course/ that students open."""
    name = LESSONS[number].stem
    return nbformat.read(ROOT / "course" / name / f"{name}.ipynb", as_version=4)


def written(notebook, *kinds):
    """The names of the cells of these kinds, such as "exercise"."""
    ours = (cell.metadata.get("shrinklab", {}) for cell in notebook.cells)
    return [one["name"] for one in ours if one.get("kind") in kinds]


def run_cells(number, *keys):
    """The names that a lesson's setup cell and its cells with these keys bind, run here without a kernel."""
    namespace, wanted = {"__name__": "__main__"}, {f"{number}-{key}" for key in ("setup", *keys)}
    for cell in solution(number).cells:
        if cell.id in wanted:
            wanted.discard(cell.id)
            exec(compile(cell.source, f"<{cell.id}>", "exec"), namespace)
    assert not wanted, f"lesson {number} has no cells {wanted}"
    return namespace
