"""A tiny course in a temporary folder, graded with the course's own settings, and notebooks made by hand."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

ROOT = Path(__file__).resolve().parents[2]
NAME = "90_tiny"

SETUP = "import torch\n\nfrom shrinklab.exercise import check, expect, ref, student, use"
SOLUTION = '''def scores(weight):
    """Score each weight: the larger, the more it matters."""
    ### BEGIN SOLUTION
    return weight.abs()
    ### END SOLUTION'''
CHECK = '''with check("scores", points=2) as earned:
    expect(student("scores", torch.tensor([-3.0, 1.0])), [3.0, 1.0], hint="Ignore the sign.", id="sign")
    ### BEGIN HIDDEN TESTS
    expect(student("scores", torch.tensor([-4567.0])), [4567.0], hint="Large ones too.", id="large")
    ### END HIDDEN TESTS
earned.points'''
ANSWER = '''### BEGIN SOLUTION
answer_1 = "b"
### END SOLUTION'''
ANSWER_CHECK = '''with check("answer_1", points=1) as earned:
    expect(isinstance(student("answer_1"), str), hint="Write a letter.", id="letter")
    ### BEGIN HIDDEN TESTS
    expect(student("answer_1"), "b", hint="Think of the mask.", id="right")
    ### END HIDDEN TESTS
earned.points'''


def cell(source, kind="", *, name=None, grade_id=None, **nbgrader):
    """A code cell (markdown for a task) as the build makes them."""
    made = (v4.new_markdown_cell if nbgrader.get("task") else v4.new_code_cell)(source)
    made.id = grade_id or f"plain-{abs(hash(source)) % 10**8}"
    if kind:
        made.metadata["shrinklab"] = {"kind": kind} | ({"name": name} if name else {})
    if grade_id:
        made.metadata["nbgrader"] = {"grade_id": grade_id, "grade": False, "solution": False, "locked": True,
                                     "schema_version": 3, "task": False} | nbgrader
    return made


def lesson():
    """The instructor's notebook of the tiny lesson: 3 points by checks, 2 by hand."""
    write = {"solution": True, "locked": False}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return v4.new_notebook(metadata={"kernelspec": kernel}, cells=[
        cell(SETUP, "setup", grade_id="90-setup"),
        cell(SOLUTION, "exercise", name="scores", grade_id="90-exercise-scores", **write),
        cell(CHECK, "check", name="scores", grade_id="90-check-scores", grade=True, points=2),
        cell("raise RuntimeError('a play cell ran')", "play"),
        cell("own = use('scores', None)\nown(torch.tensor([-1.0]))"),
        cell(ANSWER, "answer", name="answer_1", grade_id="90-answer-answer_1", **write),
        cell(ANSWER_CHECK, "check", name="answer_1", grade_id="90-check-answer_1", grade=True, points=1),
        cell("What surprised you?\n=== BEGIN MARK SCHEME ===\nsecret scheme\n=== END MARK SCHEME ===", "essay",
             name="reflect", grade_id="90-essay-reflect", task=True, points=2),
    ])


def with_sources(notebook, **sources):
    """A copy of a notebook in which the named exercises or answers have other sources."""
    made = copy.deepcopy(notebook)
    for one in made.cells:
        about = one.metadata.get("shrinklab", {})
        if about.get("kind") in ("exercise", "answer") and about.get("name") in sources:
            one.source = sources[about["name"]]
    return made


class TinyCourse:
    """A course folder with the tiny lesson, its release, and nbgrader's real commands."""

    def __init__(self, root):
        self.root = root
        self.source = lesson()
        self.write(root / "solutions" / NAME / f"{NAME}.ipynb", self.source)
        (root / "autograder").mkdir()
        (root / "nbgrader_config.py").write_text(
            "from pathlib import Path\nfrom autograder.course import Course\n"
            f"Course(Path({str(root)!r})).configure(get_config())\n")
        self.nbgrader("generate_assignment", NAME)
        self.released = nbformat.read(root / "course" / NAME / f"{NAME}.ipynb", as_version=4)

    def write(self, path, notebook):
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
        return path

    def folder(self, student):
        made = self.root / "autograder" / "submitted" / student / NAME
        made.mkdir(parents=True, exist_ok=True)
        return made

    def submit(self, student, notebook):
        return self.write(self.folder(student) / f"{NAME}.ipynb", notebook)

    def nbgrader(self, *words, fails=False):
        """Run nbgrader's own command line in the course folder; returns what it logged."""
        done = subprocess.run([sys.executable, "-m", "nbgrader", *words], cwd=self.root, text=True,
                              capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False)
        assert bool(done.returncode) == fails, done.stderr
        return done.stderr

    def graded(self, student):
        return nbformat.read(self.root / "autograder" / "autograded" / student / NAME / f"{NAME}.ipynb", as_version=4)

    def score(self, student):
        """(automatic points, all points) in the gradebook."""
        from nbgrader.api import Gradebook
        with Gradebook(f"sqlite:///{self.root}/autograder/gradebook.db") as gradebook:
            submission = gradebook.find_submission(NAME, student)
            return submission.code_score, submission.score


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return TinyCourse(tmp_path_factory.mktemp("course"))
