"""A made class for `grading.py`: the light lesson handed in, for our grader and for stock nbgrader."""

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from autograder import grade as grading
from autograder.authoring.build import build
from autograder.authoring.preprocessors import RELEASE_PREPROCESSORS
from autograder.course import Course, put_tools_on_path, read_notebook
from autograder.demo import fill
from autograder.runner.scores import read_scores

ROOT = Path(__file__).resolve().parents[1]
LIGHT = "91_light"
# Honest ways to be right and wrong; a class is made of all their combinations.
WRITTEN = {
    "scores": ["def scores(weight):\n    return weight.abs()", "def scores(weight):\n    return weight",
               "def scores(weight):\n    return weight.abs().flatten()", None],
    "kept": ["def kept(weight, threshold):\n    return (weight.abs() > threshold).float().mean().item()",
             "def kept(weight, threshold):\n    return int((weight.abs() > threshold).sum())",
             "def kept(weight, threshold):\n    return (weight.abs() >= threshold).float().mean().item()", None],
    "answer_1": ['answer_1 = "b"', 'answer_1 = "c"', None],
}
STOCK = """
c = get_config()
c.CourseDirectory.root = {root!r}
c.CourseDirectory.source_directory, c.CourseDirectory.release_directory = "solutions", "course"
for step in ("submitted", "autograded", "feedback"):
    c.CourseDirectory[step + "_directory"] = "autograder/" + step
c.CourseDirectory.course_id, c.CourseDirectory.db_url = "shrinklab", {address!r}
c.GenerateAssignment.preprocessors = {release!r}
"""


@contextlib.contextmanager
def made_course(count, trusted):
    """A course folder with the light lesson and so many submissions."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        shutil.copytree(ROOT / "benchmarks" / "light", root, dirs_exist_ok=True)
        build(root)
        course = Course(root, trust_students=trusted)
        released = read_notebook(course.released(LIGHT))
        ways = itertools.cycle(itertools.product(*WRITTEN.values()))
        for number, way in zip(range(count), ways, strict=False):
            written = {name: source for name, source in zip(WRITTEN, way, strict=True) if source}
            hand_in(course, LIGHT, f"student-{number:04}", fill(released, written, essay="A surprise."))
        yield course


def stock_course(course, root):
    """The same course and submissions, with nbgrader's own preprocessors."""
    shutil.copytree(course.root, root, dirs_exist_ok=True)
    peer = Course(root)
    (root / "nbgrader_config.py").write_text(STOCK.format(root=str(root), address=peer.gradebook,
                                                          release=RELEASE_PREPROCESSORS))
    nbgrader(root, "generate_assignment", LIGHT, "--force")
    return peer


def differences(course, peer):
    """On how many automatic scores of students the gradebooks differ, and how many were compared.

    Left out are check cells that print to stderr: stock nbgrader gives them 0.
    """
    ours, theirs = (read_scores(one, LIGHT).given for one in (course, peer))
    compared = [(ours[student].get(cell), points) for student in theirs for cell, points in theirs[student].items()
                if points is not None and cell not in noisy(peer, student)]
    return sum(one != other for one, other in compared), len(compared)


def noisy(peer, student):
    path = peer.grading / "autograded" / student / LIGHT / f"{LIGHT}.ipynb"
    return {cell["metadata"].get("nbgrader", {}).get("grade_id") for cell in json.loads(path.read_text())["cells"]
            if any(output.get("name") == "stderr" for output in cell.get("outputs", []))}


def hand_in(course, name, student, notebook):
    path = course.grading / "submitted" / student / name / f"{name}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(notebook))


def nbgrader(root, *words):
    put_tools_on_path()
    done = subprocess.run([sys.executable, "-m", "nbgrader", *words], cwd=root, text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"nbgrader {' '.join(words)} failed:\n{done.stderr[-3000:]}")


def quiet(work, *args, without_pages=False):
    """Call a function of `autograder.grade` with its words thrown away. without_pages: it writes no feedback."""
    kept = grading.write_pages
    grading.write_pages = (lambda *a, **k: {}) if without_pages else kept
    try:
        with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing), contextlib.redirect_stderr(nothing):
            return work(*args)
    finally:
        grading.write_pages = kept


def timed(work, *args, **options):
    start = time.monotonic()
    work(*args, **options)
    return time.monotonic() - start


@contextlib.contextmanager
def watched(kind, *names):
    """The seconds of each call of a class's methods: {name: [seconds]}."""
    found, kept = {name: [] for name in names}, {name: getattr(kind, name) for name in names}

    def watch(name):
        def call(*args):
            start = time.monotonic()
            try:
                return kept[name](*args)
            finally:
                found[name].append(time.monotonic() - start)
        return call

    for name in names:
        setattr(kind, name, watch(name))
    try:
        yield found
    finally:
        for name in names:
            setattr(kind, name, kept[name])
