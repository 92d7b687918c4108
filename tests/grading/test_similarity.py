"""Twins are found under other names and in another order; honest solutions that differ are left alone."""

from itertools import combinations
from pathlib import Path

import nbformat.v4 as v4
import pytest
import yaml
from tiny_course import NAME, TinyCourse, with_sources

from autograder.__main__ import main
from autograder.authoring.expand import expand
from autograder.authoring.source import read_lesson
from autograder.course import Course, read_notebook
from autograder.demo import fill
from autograder.shapes import shape
from autograder.similarity import COMMON, exercises, groups

ROOT = Path(__file__).resolve().parents[2]
LESSONS = sorted(path.stem for path in (ROOT / "tests" / "lessons" / "wrong").glob("*.yml"))

ONE = '''
def size(x):
    """How many."""
    return x.numel()

def keep(total, amount):  # how many stay
    return total - int(amount * total + 0.5)

def prune_mask(scores, amount):
    """My own."""
    total = size(scores)
    kept = keep(total, amount=amount)
    order = scores.flatten().argsort(descending=True)
    mask = torch.zeros(total, dtype=torch.bool)
    mask[order[:kept]] = True
    return mask.reshape(scores.shape)
'''
TWIN = '''
def left_over(n: int, share: float) -> int:
    return n - int(share * n + 0.5)
def prune_mask(s, a):
    n = count(s)
    stay = left_over(n, share=a)

    ranks = s.flatten().argsort(descending=True)     # from large to small
    sum = torch.zeros(n, dtype=torch.bool)
    sum[ranks[:stay]] = True
    return (sum.reshape(s.shape))
def count(values):
    """A docstring."""
    pass
    return values.numel()
'''


def lesson(number):
    course = Course(ROOT)
    name = course.lesson(number)
    return read_notebook(course.released(name)), v4.new_notebook(
        cells=expand(read_lesson(ROOT / "solutions" / f"{name}.py")))


def compared(number, **submitted):
    released, solution = lesson(number)
    return groups(released, solution, {student: fill(released, work) for student, work in submitted.items()})


def test_a_renamed_and_reordered_twin_is_found():
    found, = compared("04", ann={"prune_mask": ONE}, bob={"prune_mask": TWIN})
    assert (found.exercise, found.students, found.telling) == ("prune_mask", ("ann", "bob"), "")


@pytest.mark.parametrize(("old", "new"), [
    ("0.5", "0.49"), ("descending=True", "descending=False"), ("order[:kept]", "order[kept:]"),
    ("torch.bool", "torch.int"), ("total - int", "total + int"), ("dtype=", "out="), (".numel()", ".nelement()"),
    ("    order = scores", "    print(total)\n    order = scores")])
def test_other_constants_calls_and_lines_are_another_solution(old, new):
    assert ONE.replace(old, new) != ONE
    assert shape(ONE.replace(old, new)) != shape(ONE)


@pytest.mark.parametrize("number", LESSONS)
def test_honest_solutions_that_differ_are_no_pair(number):
    """The right solutions that the lessons' tests hold were written to differ."""
    released, _ = lesson(number)
    cases = yaml.safe_load((ROOT / "tests" / "lessons" / "wrong" / f"{number}.yml").read_text(encoding="utf-8"))
    for exercise in exercises(released):
        shapes = [shape(source) for source in cases[exercise]["right"]]
        assert all(shapes)
        assert [pair for pair in combinations(shapes, 2) if pair[0] == pair[1]] == []


def test_the_stub_and_what_cannot_be_read_are_nobodys_work():
    broken, deep = {"prune_mask": "def prune_mask(:"}, {"prune_mask": f"x = {'-' * 50_000}1"}
    assert compared("04", ann={}, bob={}, eve=broken, zoe=broken, deep=deep, deeper=deep) == []


def test_the_faulty_function_as_released_is_nobodys_work():
    released, _ = lesson("04")
    assert {one.exercise for one in compared("04", ann={}, bob={})} == set()
    assert "prune_one_layer" in exercises(released)


def test_one_line_says_nothing():
    line = "def magnitude_scores(weight):\n    return torch.sqrt(weight * weight)"
    found, = compared("04", ann={"magnitude_scores": line}, bob={"magnitude_scores": line.replace("weight", "w")})
    assert "so little" in found.telling


def test_the_lessons_own_solution_says_nothing():
    released, solution = lesson("04")
    own = next(cell["source"] for cell in solution["cells"] if cell["metadata"].get("shrinklab", {}).get("name")
               == "prune_mask" and cell["metadata"]["shrinklab"]["kind"] == "exercise")
    found, = compared("04", ann={"prune_mask": own}, bob={"prune_mask": own})
    assert "lesson's own solution" in found.telling


def test_what_most_write_says_nothing_and_comes_last():
    other = ONE.replace("0.5", "0.4")
    class_ = {f"s{number}": {"prune_mask": ONE} for number in range(COMMON)}
    found = compared("04", **class_, x={"prune_mask": other}, y={"prune_mask": other})
    assert [(len(one.students), one.telling[:6]) for one in found] == [(2, ""), (COMMON, "4 of t")][:2]


def test_the_command_writes_a_table_and_a_page(tmp_path, capsys):
    course = TinyCourse(tmp_path, enter=False)
    long = ("def scores(weight):\n    parts = [abs(value) for value in weight.flatten().tolist()]\n"
            "    made = torch.tensor(parts)\n    return made.reshape(weight.shape)  # </pre><script>alert(1)</script>")
    course.submit("ann", with_sources(course.released, scores=long))
    course.submit("bob", with_sources(course.released, scores=long.replace("parts", "xs").replace("value", "v")))
    course.submit("cat", with_sources(course.released, scores="def scores(weight):\n    return weight.abs()"))
    (course.folder("dan") / f"{NAME}.ipynb").write_text("{")
    assert main(["--root", str(tmp_path), "similarity", "90"]) == 0
    said = capsys.readouterr().out
    assert "scores    ann, bob  look at it" in said
    assert "Sameness is no proof" in said
    page = (tmp_path / "autograder" / "similarity" / f"{NAME}.html").read_text(encoding="utf-8")
    assert "scores: ann, bob" in page
    assert "Sameness is no proof" in page
    assert "<script>" not in page
