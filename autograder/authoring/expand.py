"""Turn a cell of the source into the cell of the solution notebook, with what students get in its metadata.

`metadata["shrinklab"]` = {"kind", "name"} says what the cell is for. A cell that students are to write carries the
text that they get as "release"; `preprocessors.ReleaseStubs` puts it in place and removes it.
"""

import ast
import hashlib
import re

import nbformat.v4 as v4

from autograder.authoring.draw import SELF_STUDY
from autograder.authoring.graded import drawn
from autograder.authoring.markers import text
from autograder.authoring.names import plain_python, stand_ins

YOUR_ANSWER = "*Your answer: double-click here, replace this line with your own words, and run the cell.*"
MARKDOWN = ("text", "question", "essay")
STUB = 'raise NotImplementedError("write {name}, then run this cell and the check below")'


def expand(lesson, secret=SELF_STUDY):
    """All cells of the solution notebook, as nbformat cells with their final ids; graded questions drawn from a
    secret, where they are still templates."""
    lesson = drawn(lesson, secret)
    debugged, answers = ({cell.name for cell in lesson.of(kind)} for kind in ("debug", "answer"))
    cells, used, asked = [], set(), stand_ins(cell.source for cell in lesson.cells if cell.kind not in MARKDOWN)
    for cell in lesson.cells:
        library = asked.get(cell.name, set()) | set(cell.options.get("library", ()))
        source = (check_source(cell, cell.name in debugged, cell.name in answers, library)
                  if cell.kind == "check" else solution_text(cell))
        new = v4.new_markdown_cell if cell.kind in MARKDOWN else v4.new_code_cell
        made = new(source, id=_free(cell_id(lesson, cell), used))
        made.metadata = _metadata(cell, made.id)
        cells.append(made)
        if cell.kind == "essay":
            answer = v4.new_markdown_cell(YOUR_ANSWER, id=f"{made.id}-answer")
            answer.metadata = {"shrinklab": {"kind": "text", "name": cell.name}}
            cells.append(answer)
    return cells


def cell_id(lesson, cell):
    """The same in every build: from the key, from kind and name, or from the text itself."""
    if "key" in cell.options:
        return f"{lesson.number}-{cell.options['key']}"
    if cell.name:
        return f"{lesson.number}-{cell.kind}-{cell.name}"
    return f"{lesson.number}-{hashlib.sha256(f'{cell.kind} {cell.source}'.encode()).hexdigest()[:10]}"


def _free(id, used):
    """Two plain cells may have the same text: the second gets a number."""
    number, free = 1, id
    while free in used:
        number += 1
        free = f"{id}-{number}"
    used.add(free)
    return free


def _metadata(cell, id):
    metadata = {"tags": cell.options["tags"]} if "tags" in cell.options else {}
    if "hide-input" in cell.options.get("tags", ()):
        metadata["jupyter"] = {"source_hidden": True}  # what the tag is to a site, this is to JupyterLab
    if cell.kind in ("text", "code"):
        return metadata
    metadata["shrinklab"] = {"kind": cell.kind} | ({"name": cell.name} if cell.name else {})
    if "section" in cell.options:
        metadata["shrinklab"]["section"] = f"{id[:2]}-{cell.options['section']}"
    if cell.kind == "play":
        return metadata
    solution = cell.kind in ("exercise", "debug", "answer")
    metadata["nbgrader"] = {"schema_version": 3, "grade_id": id, "solution": solution, "locked": not solution,
                            "grade": cell.kind == "check", "task": cell.kind == "essay"}
    if "points" in cell.options:
        metadata["nbgrader"]["points"] = cell.options["points"]
    if solution:
        metadata["shrinklab"]["release"] = release_text(cell)
    return metadata


def check_source(cell, debug=False, answer=False, library=()):
    """The flat lines of a check inside `with check(...)`, and its score as the cell's last value.

    library: names of the library's functions that do what the exercise asks for.
    """
    option = ", all_or_nothing=True" if debug or answer or "all_or_nothing" in cell.options else ""
    option += ", answer=True" if answer else ""
    option += f", library={sorted(library)}" if library else ""
    if any(part.kind for part in cell.parts):
        calls = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call)]
        option += f", graded_on={sum(getattr(call.func, 'id', '') == 'expect' for call in calls)}"
    body = "\n".join(f"    {line}" if line.strip() else "" for line in _tight(cell.source).split("\n"))
    return f'with check("{cell.name}", points={cell.options["points"]}{option}) as earned:\n{body}\nearned.points'


def solution_text(cell):
    """What the solution notebook shows: no markers, and no faulty lines. A mark scheme keeps its markers, which
    nbgrader looks for."""
    if cell.kind not in ("exercise", "debug"):
        return _tight(cell.source)
    return text(cell.parts, lambda part: part.kind != "FAULTY")


def _tight(source):
    """Without blank lines before a hidden region: they would be left over when nbgrader takes it out."""
    return re.sub(r"\n\s*\n(\s*(?:###|===) BEGIN (?:HIDDEN|MARK))", r"\n\1", source)


def release_text(cell):
    """What students get of an exercise, a debug or an answer cell."""
    if cell.kind == "answer":
        return _empty_answer(cell)
    lines, stubbed = [], False
    for part in cell.parts:
        if part.kind is None:
            stubbed = stubbed and not any(re.match(r"\s*(async )?def ", line) for line in part.lines)
            lines += part.lines
        elif part.kind == "FAULTY":
            lines += map(uncommented, part.lines)
        elif cell.kind == "exercise" and not stubbed:
            lines.append(part.indent + STUB.format(name=cell.name))
            stubbed = True
    return "\n".join(lines).rstrip()


def uncommented(line):
    """A faulty line without its comment sign: "    # x = 1" -> "    x = 1"."""
    return re.sub(r"^(\s*)# ?", r"\1", line)


def answer_node(cell):
    """The assignment of an answer cell, or None when the cell is something else than one plain assignment."""
    try:
        body = ast.parse(plain_python(cell.source)).body
        node = body[0] if len(body) == 1 and isinstance(body[0], ast.Assign) else None
        if node and [getattr(target, "id", "") for target in node.targets] == [cell.name]:
            ast.literal_eval(node.value)
            return node
    except (SyntaxError, ValueError):
        pass
    return None


def _empty_answer(cell):
    node = answer_node(cell)
    value = ast.literal_eval(node.value)
    empty = '""' if isinstance(value, str) else "[]" if isinstance(value, list | tuple) else "None"
    lines = cell.source.split("\n")
    # The whole lines go: a comment behind the answer could tell it.
    return "\n".join([*lines[:node.lineno - 1], f"{cell.name} = {empty}", *lines[node.end_lineno:]])
