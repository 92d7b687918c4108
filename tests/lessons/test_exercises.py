"""Right solutions earn everything, wrong ones do not, and each wrong one meets the hint that it needs.

wrong/NN.yml holds them. They run through the exercise and its check only, across the process boundary of the
grader, never a whole notebook:

    magnitude_scores:
      right:                       # at least 3, written differently
        - |
          def magnitude_scores(weight):
              return weight.abs()
      wrong:                       # at least 8, each a mistake of its own
        - why: keeps the sign
          hint: sign               # the id of the first expectation that fails: the hint that is read first
          source: |
            def magnitude_scores(weight):
                return weight
"""

import ast
import zlib
from collections import Counter
from pathlib import Path

import pytest
import yaml
from lesson_notebooks import LESSONS, solution, written

from autograder.engine import grade_cells

HERE = Path(__file__).parent
CASES = {number: yaml.safe_load((HERE / "wrong" / f"{number}.yml").read_text(encoding="utf-8"))
         for number in LESSONS if (HERE / "wrong" / f"{number}.yml").exists()}
RIGHT = [pytest.param(number, name, source, id=f"{number}-{name}-{index}")
         for number, exercises in CASES.items() for name, cases in exercises.items()
         for index, source in enumerate(cases["right"], 1)]
WRONG = [pytest.param(number, name, case, id=f"{number}-{name}-{case['why'].replace(' ', '-')}")
         for number, exercises in CASES.items() for name, cases in exercises.items() for case in cases["wrong"]]
EXERCISES = [pytest.param(name, cases, id=f"{number}-{name}")
             for number, exercises in CASES.items() for name, cases in exercises.items()]


def checked(number, name, source):
    """The CheckResult of one exercise with this source in place of the author's. Each source meets hidden inputs of its
    own, as each submission does."""
    return grade_cells(solution(number), name, replace={name: source}, seed=zlib.crc32(source.encode()))[0]


@pytest.mark.parametrize(("number", "name", "source"), RIGHT)
def test_a_right_solution_earns_full_marks(number, name, source):
    result = checked(number, name, source)
    failed = [(one.id, one.hint) for one in result.expectations if not one.passed]
    assert (result.points, failed) == (result.max_points, []), result.message


@pytest.mark.parametrize(("number", "name", "case"), WRONG)
def test_a_wrong_solution_loses_points_and_meets_its_hint(number, name, case):
    result = checked(number, name, case["source"])
    failed = [one.id for one in result.expectations if not one.passed]
    assert result.points < result.max_points
    assert failed, f"no hint at all, only: {result.message}"
    assert failed[0] == case["hint"]


@pytest.mark.parametrize("number", LESSONS)
def test_every_exercise_has_its_cases(number):
    assert set(written(solution(number), "exercise", "debug")) == set(CASES.get(number, {}))


@pytest.mark.parametrize(("name", "cases"), EXERCISES)
def test_there_are_enough_cases_and_no_hint_serves_too_many(name, cases):
    assert len(cases["right"]) >= 3
    assert len(cases["wrong"]) >= 8
    hint, served = Counter(case["hint"] for case in cases["wrong"]).most_common(1)[0]
    assert 3 * served <= len(cases["wrong"]), f"{hint} serves {served} of {len(cases['wrong'])}"


@pytest.mark.parametrize(("name", "cases"), EXERCISES)
def test_no_two_cases_are_the_same_but_for_names(name, cases):
    sources = [*cases["right"], *(case["source"] for case in cases["wrong"])]
    shapes = Counter(_shape(source) for source in sources)
    assert [count for count in shapes.values() if count > 1] == []


def _shape(source):
    """The code with every name of its own numbered in order of appearance, so that renamed twins look alike."""
    tree, own = ast.parse(source), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            own.setdefault(node.arg, f"name{len(own)}")
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            own.setdefault(node.id, f"name{len(own)}")
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.arg = own[node.arg]
        elif isinstance(node, ast.Name):
            node.id = own.get(node.id, node.id)
        elif isinstance(node, ast.FunctionDef):
            node.body = [line for line in node.body if not _is_docstring(line)] or node.body
    return ast.dump(tree)


def _is_docstring(line):
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)
