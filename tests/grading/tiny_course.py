"""A tiny course in a temporary folder, built and graded with the course's own settings."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat

from autograder.authoring.build import build
from autograder.demo import fill
from autograder.engine.box import need_box

NAME = "90_tiny"

SOURCE = '''# %% [markdown]
# # 90 · Tiny
# The smallest weights matter least.

# %% [markdown] key="mask"
# ## A mask is a tensor of yes and no

# %% [markdown]
# ## Which weights matter least?
# ## What a mask costs and saves

# %% setup=true
from pathlib import Path

import torch

from shrinklab.exercise import check, expect, ref, student, use

# %% exercise="scores"
def scores(weight):
    """Score each weight: the larger, the more it matters."""
    ### BEGIN SOLUTION
    return weight.abs()
    ### END SOLUTION

# %% check="scores" points=2
expect(student("scores", torch.tensor([-3.0, 1.0])), [3.0, 1.0], hint="Ignore the sign.", id="sign")
### BEGIN HIDDEN TESTS
expect(student("scores", torch.tensor([-4567.0])), [4567.0], hint="Large ones too.", id="large")
### END HIDDEN TESTS

# %% play=true
Path("played.txt").write_text("a play cell ran in grading")

# %%
size = Path("practice.yml").stat().st_size
own = use("scores", torch.abs)
own(torch.tensor([-1.0]))

# %% answer="answer_1"
answer_1 = "b"

# %% check="answer_1" points=1
expect(student("answer_1") in ("a", "b", "c"), hint="Write a, b or c.", id="letter")
### BEGIN HIDDEN TESTS
expect(student("answer_1"), "b", hint="Think of the mask.", id="right")
### END HIDDEN TESTS

# %% [markdown] essay="reflect" points=2
# What surprised you?
#
# === BEGIN MARK SCHEME ===
# secret scheme
# === END MARK SCHEME ===
'''

# A lesson's folder also holds its practice questions: the sample bank stands for them.
BANK = Path(__file__).parents[1] / "library" / "00_sample.questions.yml"
QUESTIONS = BANK.read_text(encoding="utf-8").replace("00_sample", NAME)


def with_sources(notebook, **sources):
    """A copy of a notebook in which the named exercises or answers have other sources."""
    return fill(notebook, sources)


def boxes():
    """Whether this computer has the sandbox: where it has not, a class of tests is trusted."""
    try:
        need_box()
    except RuntimeError:
        return False
    return True


class TinyCourse:
    """A course folder with the tiny lesson, its release, and nbgrader's real commands."""

    def __init__(self, root, *, enter=True, source=SOURCE):
        self.root = root
        (root / "solutions").mkdir()
        (root / "autograder").mkdir()
        (root / "solutions" / f"{NAME}.py").write_text(source, encoding="utf-8")
        (root / "nbgrader_config.py").write_text(
            "from pathlib import Path\nfrom autograder.course import Course\n"
            f"Course(Path({str(root)!r}), trust_students={not boxes()}).configure(get_config())\n", encoding="utf-8")
        (root / "solutions" / f"{NAME}.questions.yml").write_text(QUESTIONS, encoding="utf-8")
        build(root)
        self.solution = self.read(root / "solutions" / NAME / f"{NAME}.ipynb")
        self.released = self.read(root / "course" / NAME / f"{NAME}.ipynb")
        if enter:
            self.nbgrader("generate_assignment", NAME, "--force")

    def read(self, path):
        return nbformat.read(path, as_version=4)

    def write(self, path, notebook):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(notebook), encoding="utf-8")
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
        return self.read(self.root / "autograder" / "autograded" / student / NAME / f"{NAME}.ipynb")

    def score(self, student):
        """(automatic points, all points) in the gradebook."""
        from nbgrader.api import Gradebook
        with Gradebook(f"sqlite:///{self.root}/autograder/gradebook.db") as gradebook:
            submission = gradebook.find_submission(NAME, student)
            return submission.code_score, submission.score
