"""What of the library gives an exercise's answer away is seen by the exercise's check, each name of it.

The lists stand in the checks: `library=[...]` and what `use(..., otherwise=...)` puts in. Through which ways a call is
seen (tables, getattr, classes) is tested in tests/library/test_borrowed.py; here each name, through the grader.
"""

import ast
import importlib
import pkgutil
from functools import lru_cache

import pytest
from lesson_notebooks import LESSONS, solution, written

import shrinklab
from autograder.engine import grade_cells

# Nothing in the library does what they ask for: their functions are a fault to find in code that is given, on plain
# tensors or a log; the report of lesson 10 is meant to be written with the library's `export` and `accuracy`.
NO_ANSWER = {"prune_one_layer", "report"}
# Some want other arguments than the exercise gets: what counts is that the name is called.
BODY = "    try:\n        {how}(*given)\n    except Exception:\n        pass\n    return 0\n"
LOOKED_UP = "import importlib\n\ndef {name}(*given):\n" + BODY.replace(
    "{how}", "getattr(importlib.import_module('{module}'), '{way}')")
CALLED = "from {module} import {way} as anything\n\ndef {name}(*given):\n" + BODY.replace("{how}", "anything")


@lru_cache
def homes():
    """{short name: module of this library that defines it}, private names included, widgets left out."""
    found = {}
    for one in pkgutil.walk_packages(shrinklab.__path__, "shrinklab."):
        if ".widgets" in one.name or one.name.endswith("__main__"):
            continue
        for name, item in vars(importlib.import_module(one.name)).items():
            if callable(item) and getattr(item, "__module__", "") == one.name:
                found.setdefault(name, one.name)
    return found


def listed(number):
    """{exercise: names of the library that its check refuses}, read from the notebook."""
    names = set(written(solution(number), "exercise", "debug"))
    found = dict.fromkeys(names, ())
    checks = [cell for cell in solution(number).cells if cell.cell_type == "code" and "with check(" in cell.source]
    for cell in checks:
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "check":
                words = {word.arg: word.value for word in node.keywords}
                if node.args[0].value in names and "library" in words:
                    found[node.args[0].value] = ast.literal_eval(words["library"])
    return found


CASES = [pytest.param(number, name, way, id=f"{number}-{name}-{way}")
         for number in LESSONS for name, ways in sorted(listed(number).items()) for way in ways]


@pytest.mark.parametrize("number", LESSONS)
def test_every_exercise_names_what_would_give_it_away(number):
    assert {name for name, ways in listed(number).items() if not ways} == NO_ANSWER & listed(number).keys()


@pytest.mark.parametrize(("number", "name", "way"), CASES)
def test_a_function_that_calls_the_answer_earns_nothing_and_is_told_so(number, name, way):
    module = homes()[way]  # the name is one of the library's, and rightly spelt
    for source in (CALLED, LOOKED_UP) if way == listed(number)[name][0] else (CALLED,):
        written_so = source.format(name=name, module=module, way=way)
        result = grade_cells(solution(number), name, replace={name: written_so})[0]
        failed = [one.id for one in result.expectations if not one.passed]
        assert (result.points, failed[:1]) == (0, ["library"]), result.message
