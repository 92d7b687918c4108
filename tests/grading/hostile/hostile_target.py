"""The course that the attacks aim at: one lesson, as ours and as a plain nbgrader assignment, with things to steal.

Both hold the same exercises under the same ids; the plain one checks with `assert` and numpy, as most
courses do.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

from autograder import seeds
from autograder.authoring.build import build
from autograder.cells import is_check, kind
from autograder.cells import name as label
from autograder.demo import fill

NAME = "91_target"
# What nobody may read; an attack's own source never holds it. The hidden input stands in the check below.
SECRETS = {"hidden": "4567.25", "solution": "SOLUTION-1f6c", "token": "TOKEN-93ab", "home": "HOME-c40e",
           "vault": "VAULT-77d2", "neighbour": "NEIGHBOUR-5b1d", "shared": "SHARED-20e8"}
# What an honest student has right: {name: (exercise, source)}. "shown" is right for the inputs that the check shows.
SOLVED = {"scores": ("scores", "def scores(weights):\n    return [abs(one) for one in weights]"),
          "spread": ("spread", "def spread(weights):\n    return max(weights) - min(weights)"),
          "answer_1": ("answer_1", 'answer_1 = "b"'),
          "shown": ("scores", "def scores(weights):\n    return [3.0, 1.0]")}
FULL = 5.0

LESSON = f'''# %% [markdown]
# # 91 · Target
# The smallest weights matter least.

# %% setup=true
from shrinklab.exercise import check, expect, student

# %% exercise="scores"
def scores(weights):
    """Score each weight, a list of numbers: the larger, the more it matters."""
    ### BEGIN SOLUTION
    return [abs(one) for one in weights]  # {SECRETS["solution"]}
    ### END SOLUTION

# %% check="scores" points=2
expect(student("scores", [-3.0, 1.0]), [3.0, 1.0], hint="Ignore the sign.", id="sign")
### BEGIN HIDDEN TESTS
expect(student("scores", [-{SECRETS["hidden"]}]), [{SECRETS["hidden"]}], hint="Large ones too.", id="large")
### END HIDDEN TESTS

# %% exercise="spread"
def spread(weights):
    """How far the weights, a list of numbers, lie apart."""
    ### BEGIN SOLUTION
    return max(weights) - min(weights)
    ### END SOLUTION

# %% check="spread" points=2
expect(student("spread", [1.0, 3.0]), 2.0, hint="The largest less the smallest.", id="two")
### BEGIN HIDDEN TESTS
expect(student("spread", [-2.0, 5.0, 1.0]), 7.0, hint="In any order.", id="three")
### END HIDDEN TESTS

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

HIDDEN = "\n### BEGIN HIDDEN TESTS\n{}\n### END HIDDEN TESTS"
PLAIN_CHECKS = {
    "scores": "assert scores([-3.0, 1.0]) == [3.0, 1.0]" + HIDDEN.format(
        f"assert scores([-{SECRETS['hidden']}]) == [{SECRETS['hidden']}]"),
    "spread": "import numpy as np\nnp.testing.assert_allclose(spread([1.0, 3.0]), 2.0)" + HIDDEN.format(
        "np.testing.assert_allclose(spread([-2.0, 5.0, 1.0]), 7.0)"),
    "answer_1": 'assert answer_1 in ["a", "b", "c"]' + HIDDEN.format('assert answer_1 == "b"'),
}
PLAIN_CONFIG = "c = get_config()\nc.CourseDirectory.course_id = 'plain'\n"
OUR_CONFIG = """from pathlib import Path
from autograder.course import Course
Course(Path(__file__).resolve().parent).configure(get_config())
"""


def make_courses(folder):
    """Make both courses as folders, `folder/"ours"` and `folder/"stock"`, each entered into its gradebook. Returns
    the released notebooks, {"ours": notebook, "stock": notebook}: the same cells for the student, other checks."""
    folder = Path(folder)
    ours, stock = folder / "ours", folder / "stock"
    for place in (ours / "solutions", ours / "autograder", stock / "source" / NAME):
        place.mkdir(parents=True)
    (ours / "solutions" / f"{NAME}.py").write_text(LESSON, encoding="utf-8")
    (ours / "nbgrader_config.py").write_text(OUR_CONFIG, encoding="utf-8")
    (ours / "autograder" / seeds.FILE).write_text("what hidden inputs are drawn from\n", encoding="utf-8")
    build(ours)
    solution = nbformat.read(ours / "solutions" / NAME / f"{NAME}.ipynb", as_version=4)
    (stock / "nbgrader_config.py").write_text(PLAIN_CONFIG, encoding="utf-8")
    nbformat.write(_plain(solution), stock / "source" / NAME / f"{NAME}.ipynb")
    for course in (ours, stock):
        _furnish(course)
        _enter(course)
    return {side: nbformat.read(places(folder / side, side)["RELEASE"], as_version=4) for side in ("ours", "stock")}


def places(root, side):
    """{name: path} of what an attack may aim at, for the placeholders @NAME@ of its sources."""
    root, ours = Path(root), side == "ours"
    work = root / "autograder" if ours else root
    return {"ROOT": root, "GRADEBOOK": work / "gradebook.db", "SUBMITTED": work / "submitted",
            "AUTOGRADED": work / "autograded", "FEEDBACK": work / "feedback", "HOME": root / "home",
            "SOLUTION": root / ("solutions" if ours else "source") / NAME / f"{NAME}.ipynb",
            "RELEASE": root / ("course" if ours else "release") / NAME / f"{NAME}.ipynb",
            "HELPER": root / "tools" / "helper.py", "VAULT": root / "vault" / "keys.txt"}


def copy_course(made, side, root):
    """A copy of a course for one batch."""
    shutil.copytree(Path(made, side), root, symlinks=True)
    return Path(root)


def neighbour(released):
    """An honest notebook that solves everything, with a secret of its author in it."""
    right = dict(SOLVED[name] for name in ("scores", "spread", "answer_1"))
    return fill(released, right | {"scores": f"{right['scores']}\n# {SECRETS['neighbour']}"})


def _plain(solution):
    """The lesson as a plain nbgrader source notebook."""
    made = json.loads(nbformat.writes(solution))
    made["cells"] = [cell for cell in made["cells"] if kind(cell) != "setup"]
    for cell in made["cells"]:
        if is_check(cell):
            cell["source"] = PLAIN_CHECKS[label(cell)]
    return nbformat.from_dict(made)


def _enter(course):
    tools = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run([sys.executable, "-m", "nbgrader", "generate_assignment", NAME, "--force"], cwd=course, env=tools,
                   capture_output=True, check=True)


def _furnish(course):
    """A home, a tool and a vault, with a secret in each that has one."""
    for path, text in {"home/.bashrc": "# a person's own\n", "home/.ssh/id_test": SECRETS["home"],
                       "tools/helper.py": "def helper():\n    return 1\n", "vault/keys.txt": SECRETS["vault"],
                       ".git/hooks/README": "hooks\n"}.items():
        place = course / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
