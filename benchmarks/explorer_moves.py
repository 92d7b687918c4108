"""Every move of every slider of the lessons: how long does the function behind it take? At most 300 ms are allowed.

Each lesson's solution notebook runs in a kernel of its own. Explorers, `explore` boxes and boxes of plain ipywidgets
are worked through as they are shown, with the lesson's own networks and images: see timed_moves.py. What a browser adds
is in slider.py.
usage: python benchmarks/explorer_moves.py [04 ...]        (all lessons when none is named)
"""

import json
import math
import os
import shutil
import statistics
import tempfile
from pathlib import Path

import nbformat.v4 as v4
from lessons import LESSONS
from nbclient import NotebookClient
from report import Row, arguments, publish

from autograder.authoring.build import METADATA
from autograder.authoring.expand import expand
from autograder.authoring.source import read_lesson

HERE = Path(__file__).resolve().parent
LIMIT = 300
BEFORE = f"import sys; sys.path.insert(0, {str(HERE)!r}); import timed_moves; timed_moves.watch()"
AFTER = "import json; print(json.dumps(timed_moves.FOUND))"


def timed(path):
    """What a lesson shows, with the milliseconds of its moves, as `timed_moves.FOUND` holds them."""
    cells = [v4.new_code_cell(BEFORE), *expand(read_lesson(path)), v4.new_code_cell(AFTER)]
    notebook = v4.new_notebook(cells=cells, metadata=METADATA)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(path.with_name(f"{path.stem}.questions.yml"), Path(folder) / "practice.yml")
        NotebookClient(notebook, timeout=600, kernel_name="python3",
                       resources={"metadata": {"path": folder}}).execute()
    return json.loads(notebook.cells[-1].outputs[0]["text"])


def rows(number, found):
    """A row for each control."""
    for shown in found:
        for label, times in shown["moves"].items():
            more = {"p95": _ms(sorted(times)[math.ceil(0.95 * (len(times) - 1))]), "max": _ms(max(times)),
                    "moves": str(len(times))}
            yield Row(f"{number} {shown['kind']}, {shown['where']}: {label}", statistics.median(times), unit="ms",
                      target=f"each at most {LIMIT} ms", met=max(times) <= LIMIT, more=more)


def _ms(value):
    return f"{value:.0f} ms"


def main(given):
    os.environ["OMP_NUM_THREADS"] = str(given.threads)
    table = [row for number in given.networks for row in rows(number, timed(LESSONS[number]))]
    publish("explorer_moves", "What the functions behind the lessons' sliders take", table, given,
            packages=["ipywidgets", "ipykernel"], notes=["Ours is the median of a control's moves."])


if __name__ == "__main__":
    main(arguments(__doc__, tuple(LESSONS)))
