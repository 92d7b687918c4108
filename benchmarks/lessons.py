"""How long each lesson's solution notebook runs, from a new kernel to its last cell, and the memory that it takes.

usage: python benchmarks/lessons.py [04 ...]        (all lessons when none is named; `make bench ARGS=lessons`)

The start page's syllabus shows these seconds. No peer: a course has a budget of its own.
"""

import shutil
import tempfile
import time
from pathlib import Path

import nbformat.v4 as v4
from nbclient import NotebookClient
from report import Row, arguments, publish

from autograder.authoring.build import METADATA, sources
from autograder.authoring.expand import expand
from autograder.authoring.source import read_lesson

ROOT = Path(__file__).resolve().parents[1]
LESSONS = {path.stem[:2]: path for path in sources(ROOT)}
SECONDS, ALL_SECONDS, BYTES = 60, 360, 2_000_000_000
# Linux counts in kilobytes.
PEAK = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"


def run(path):
    """Run a lesson's solution notebook in a folder of its own: seconds, and the most bytes its kernel had."""
    notebook = v4.new_notebook(cells=expand(read_lesson(path)), metadata=METADATA)
    notebook.cells.append(v4.new_code_cell(PEAK))
    with tempfile.TemporaryDirectory() as folder:
        bank = path.with_name(f"{path.stem}.questions.yml")
        shutil.copy(bank, Path(folder) / "practice.yml")
        start = time.monotonic()
        NotebookClient(notebook, timeout=600, kernel_name="python3",
                       resources={"metadata": {"path": folder}}).execute()
        took = time.monotonic() - start
    return took, int(notebook.cells[-1].outputs[0]["text"])


def main(given):
    rows, total = [], 0.0
    for number in given.networks:
        took, peak = run(LESSONS[number])
        total += took
        name = LESSONS[number].stem
        rows += [Row(f"{name}: run", took, unit="s", target=f"at most {SECONDS} s", met=took <= SECONDS),
                 Row(f"{name}: memory", peak, unit="bytes", target="at most 2 GB", met=peak <= BYTES)]
    rows.append(Row("all lessons", total, unit="s", target=f"at most {ALL_SECONDS} s", met=total <= ALL_SECONDS))
    publish("lessons", "The solution notebooks, from a new kernel to the last cell", rows, given,
            packages=["jupyterlab", "ipykernel"])


if __name__ == "__main__":
    main(arguments(__doc__, tuple(LESSONS)))
