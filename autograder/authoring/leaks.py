"""Does anything that students are to find out stand in what they get?"""

import ast
import json
import re

from autograder.authoring.expand import answer_node
from autograder.authoring.problems import Problem
from autograder.authoring.rules import covered

SECRET = ("SOLUTION", "HIDDEN TESTS", "MARK SCHEME")
# Lines that many programs share tell nothing.
COMMON = re.compile(r"(return|pass|continue|break|raise)?\w*|(with|for).*:|else:|try:|@.*|(import|from).*|\w+\.eval\(\)"
                    r"|[\W\d]*|\w+=(\[\]|\{\}|0|0\.0|None|True|False)")


def leaks(lesson, notebook, files=None):
    """Problems for each secret line or answer of the lesson that is found in the released notebook.

    notebook: the released notebook as JSON text, metadata included; files: {name: text} of what is released
    beside it. A cell that shows a solution on purpose (a worked example) says so: shows="name".
    """
    places = _places(json.loads(notebook), files or {})
    shown = {cell.options["shows"]: _squeeze(cell.source) for cell in lesson.cells if "shows" in cell.options}
    for cell in lesson.cells:
        for offset, line in _secrets(cell):
            for place, released in places.items():
                here = released.replace(shown.get(cell.name, "\0"), "")
                if _squeeze(line) in here:
                    yield Problem(cell.line + offset, f"{line.strip()!r} is secret but stands in {place}")
    yield from _keys(lesson)


def _places(notebook, files):
    """{where: text without white space}: every string of each cell and of the metadata, and every file."""
    places = {f"the released cell {cell['id']}": _strings(cell) for cell in notebook["cells"]}
    places["the released notebook's metadata"] = _strings(notebook["metadata"])
    return places | {name: _squeeze(text) for name, text in files.items()}


def _strings(value):
    if isinstance(value, dict):
        if "source" in value:
            value = value | {"source": "".join(value["source"])}
        return "\n".join(_strings(part) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return "\n".join(map(_strings, value))
    return _squeeze(str(value))


def _squeeze(text):
    return re.sub(r"\s+", "", text)


def _secrets(cell):
    """(offset, line) of the lines of a cell that only the solution has."""
    if cell.kind == "answer":
        node = answer_node(cell)
        yield node.lineno - 1, f"{cell.name} = {ast.get_source_segment(cell.source, node.value)}"
    visible = {_plain(line) for part in cell.parts if part.kind not in SECRET for line in part.lines}
    for part in cell.parts:
        for offset, line in enumerate(part.lines, part.start):
            squeezed = _plain(line)
            telling = len(squeezed) >= 8 and not COMMON.fullmatch(squeezed)
            if part.kind in SECRET and telling and squeezed not in visible:
                yield offset, line


def _plain(line):
    """Without white space and, for faulty lines, without their comment sign."""
    return _squeeze(line.lstrip().removeprefix("#"))


def _keys(lesson):
    """Visible expectations that give an answer away: expect(student("answer_1"), "b")."""
    keys = {cell.name: ast.literal_eval(answer_node(cell).value) for cell in lesson.of("answer")}
    for cell in lesson.of("check"):
        asked = {name: keys[name] for name in covered(cell) if name in keys}
        hidden = {part.start + number for part in cell.parts if part.kind for number in range(len(part.lines))}
        for node in ast.walk(ast.parse(cell.source)):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", "") != "expect" or len(node.args) < 2:
                continue
            for name, value in asked.items():
                if node.lineno - 1 not in hidden and _tells(node.args[1], value):
                    yield Problem(cell.line + node.lineno - 1, f"the visible expectation tells {name}; put it between "
                                                               "### BEGIN HIDDEN TESTS and ### END HIDDEN TESTS")


def _tells(expected, value):
    try:
        return ast.literal_eval(expected) == value
    except ValueError:
        return False
