"""What a worker does: run one submission and its checks. It writes nothing that stays."""

import ast
import json
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path

from autograder.capstone import Entry
from autograder.cells import grade_id, is_check, is_solution, kind, name
from autograder.engine import run_notebook
from autograder.runner.jobs import grader_version, own_cells
from shrinklab.errors import need

# The checks catch what is printed, and that is one for a process: a Dask worker may have several threads.
_one_at_a_time = threading.Lock()
LONGEST = 200


def grade(lesson, job):
    """The outcome of a `Job`, as JSON can hold it: outputs of its code cells, in order; checks, remarks, answers, the
    capstone's records, the seed, and seconds.

    Raises RuntimeError when the sandbox does not start, the lesson's setup fails, or this worker is another version.
    """
    need(lesson.version == grader_version(), f"this worker runs the grader's version {grader_version()}",
         f"the host runs {lesson.version}", "install the same files on both", RuntimeError)
    with _one_at_a_time, tempfile.TemporaryDirectory(prefix="shrinklab-job-") as folder:
        files, records = _files(lesson, Path(folder))
        records.write_text(json.dumps({"measured": job.measured, "latest": {}}), encoding="utf-8")
        before, started = records.read_bytes(), time.monotonic()
        graded = run_notebook(job.notebook, pristine=lesson.pristine, files=files, seconds=lesson.seconds,
                              total=lesson.total, entry=Entry(job.student, lesson.term, records),
                              box=lesson.box, seed=job.seed)
        seconds = time.monotonic() - started
        measured = json.loads(records.read_bytes()) if records.read_bytes() != before else None
    return {"key": job.key, "student": job.student, "seed": job.seed, "version": lesson.version,
            "own": own_cells(job.notebook),
            "outputs": [cell["outputs"] for cell in graded.notebook["cells"] if cell["cell_type"] == "code"],
            "scores": _scores(lesson.pristine, graded), "checks": [asdict(result) for result in graded.results],
            "remarks": list(graded.remarks),
            "answers": answers(job.notebook), "records": measured,
            "seconds": {"all": round(seconds, 3), "cells": round(graded.seconds, 3)}}


def _scores(pristine, graded):
    """{grade id: points} of the check cells."""
    ids = {name(cell) or grade_id(cell): grade_id(cell) for cell in pristine["cells"] if is_check(cell)}
    return {ids[result.name]: result.points for result in graded.results if result.name in ids}


def answers(notebook):
    """{name: what the student wrote, as text} of the answers to questions; "" where it cannot be read.

    >>> cell = {"cell_type": "code", "source": 'answer_1 = "b"', "metadata": {
    ...     "shrinklab": {"kind": "answer", "name": "answer_1"}, "nbgrader": {"solution": True}}}
    >>> answers({"cells": [cell]})
    {'answer_1': "'b'"}
    """
    return {name(cell): _value(cell["source"]) for cell in notebook["cells"]
            if cell["cell_type"] == "code" and is_solution(cell) and kind(cell) == "answer"}


def _value(source):
    try:
        values = [node.value for node in ast.parse(source).body if isinstance(node, ast.Assign)]
        return repr(ast.literal_eval(values[-1]))[:LONGEST]
    except (ValueError, TypeError, SyntaxError, IndexError, MemoryError, RecursionError):
        return ""


def _files(lesson, folder):
    inside = folder / "beside"
    inside.mkdir()
    for file, content in lesson.files.items():
        (inside / file).write_bytes(content)
    return sorted(inside.iterdir()), folder / "capstone.json"
