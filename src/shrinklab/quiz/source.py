"""Read a question bank with the line of every entry, and run the code that stands in it.

A problem in a bank should say where it is. PyYAML forgets lines and lets a repeated key win silently,
so the file is first composed into nodes, which know both.
"""

import ast
import contextlib
import io
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a bank: where it is, the value, the rule and the fix.

    >>> print(Problem("04.questions.yml:12: sum", "tolerance is -1", "a tolerance is 0 or more", "use 0"))
    04.questions.yml:12: sum: tolerance is -1; a tolerance is 0 or more; use 0.
    """

    where: str
    value: str
    rule: str
    fix: str

    def __str__(self):
        return f"{self.where}: {self.value}; {self.rule}; {self.fix}."


def read(path):
    """Read a YAML file: (data, lines, problems). lines: {("questions", 0, "id"): line number from 1}.

    Raises FileNotFoundError when there is no such file; a file that is not YAML is a problem, not an error.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        lines, problems = {}, []
        _walk(node, (), lines, problems, path.name)
        return yaml.safe_load(text), lines, problems
    except UnicodeDecodeError as error:
        return (
            None,
            {},
            [
                Problem(
                    path.name,
                    f"byte {error.start} is not UTF-8",
                    "a bank is UTF-8 text",
                    "save the file as UTF-8",
                )
            ],
        )
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path.name}:{mark.line + 1}" if mark else path.name
        said = " ".join(str(getattr(error, "problem", error)).split())
        return (
            None,
            {},
            [
                Problem(
                    where,
                    f"YAML says: {said}",
                    "a bank is a YAML file",
                    "check the indents, and put quotes around text with a colon or a backtick",
                )
            ],
        )


def _walk(node, place, lines, problems, name):
    if node is None:
        return
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*place, index), lines, problems, name)
    elif isinstance(node, yaml.MappingNode):
        for key, item in node.value:
            here = (*place, key.value)
            if here in lines:
                problems.append(
                    Problem(
                        f"{name}:{key.start_mark.line + 1}",
                        f"`{key.value}` stands here twice",
                        "a field is given once",
                        "remove one of the two",
                    )
                )
            lines[here] = key.start_mark.line + 1
            _walk(item, here, lines, problems, name)


def run_code(*sources):
    """Run pieces of Python one after the other in one place; what the last piece gives.

    That is the value of its last line; when that has none, what the piece printed, stripped; and when the
    code fails, "ErrorName: message". `math`, `np` and (where it is mentioned) `torch` are there.

    >>> run_code("a = 90", "a / (a + 10)")
    0.9
    >>> run_code("print('two words')")
    'two words'
    >>> run_code("1 / 0")
    'ZeroDivisionError: division by zero'
    """
    names = {"math": math, "np": np, "__name__": "question"}
    if any(re.search(r"\btorch\b", source) for source in sources):
        import torch  # costs 2 s, and many banks do without

        names["torch"] = torch
    value, printed = None, ""
    try:
        for source in sources:
            with contextlib.redirect_stdout(io.StringIO()) as out:
                value = _run(source, names)
            printed = out.getvalue().strip()
    except Exception as error:  # the author's code may fail in any way, and that is its result
        return f"{type(error).__name__}: {error}"
    return printed if value is None else value


def _run(source, names):
    """Execute one piece and return the value of its last line, or None."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<question>", "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), "<question>", "eval"), names)


def as_number(result):
    """The finite number that a result holds, or None: 3, np.float32(3), "3" and torch.tensor([3.]) give 3.0.

    >>> as_number("3"), as_number(np.float32(0.5)), as_number("three"), as_number(True)
    (3.0, 0.5, None, None)
    """
    try:
        number = None if isinstance(result, bool) else float(result)
    except (TypeError, ValueError, RuntimeError):
        return None
    return number if number is not None and math.isfinite(number) else None
