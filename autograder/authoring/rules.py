"""What a lesson must keep to, so that its checks work in grading as they do in the notebook."""

import ast
import re

from autograder.authoring.expand import (
    MARKDOWN,
    answer_node,
    cell_id,
    check_source,
    release_text,
    solution_text,
    uncommented,
)
from autograder.authoring.loops import loops
from autograder.authoring.markers import text
from autograder.authoring.minutes import places
from autograder.authoring.names import names_of, plain_python
from autograder.authoring.problems import Problem, nearest

WRITTEN = ("exercise", "debug", "answer")


def problems_of(lesson):
    """All faults of a lesson as Problems, found without running it."""
    found = [*_title(lesson), *_ids(lesson), *_extra(lesson), *_sections(lesson)]
    for cell in lesson.cells:
        found += _python(cell)
    if not found:
        for cell in lesson.cells:
            found += {"exercise": _written, "debug": _written, "answer": _answer, "check": _check,
                      "essay": _essay}.get(cell.kind, lambda cell: [])(cell)
        found += _pairs(lesson)
    # Names can only be followed where all cells are sound.
    return found or _names(lesson)


def _title(lesson):
    first = lesson.cells[0]
    if first.kind != "text" or not re.match(rf"# {lesson.number} · \S", first.source):
        yield Problem(first.line, f"a lesson starts with a [markdown] cell '# {lesson.number} · Its title'")


def _extra(lesson):
    """Quiz, reflection and short path are for every reader: none of them stands below a heading with Extra."""
    for cell, on_path, _, extra in places(lesson):
        what = "the short path" if on_path else "the quiz" if cell.kind in ("graded", "answer") else "the reflection"
        if extra and (on_path or cell.kind in ("graded", "answer", "essay")):
            yield Problem(cell.line - 1, f"{what} stands below a heading that begins with 'Extra'; what is extra may "
                                         "be left out: give it a heading of its own")


def _ids(lesson):
    seen = {}
    for cell in lesson.cells:
        if not cell.name and "key" not in cell.options:
            continue
        id = cell_id(lesson, cell)
        if id in seen:
            yield Problem(cell.line - 1, f"the id {id!r} is taken by the cell in line {seen[id]}; give another key=")
        if len(id) > 57:
            yield Problem(cell.line - 1, f"the id {id!r} is longer than 57 characters; give a shorter key=")
        seen.setdefault(id, cell.line - 1)


def _sections(lesson):
    """What is to be read again has to be there: a [markdown] cell with a key and a heading ##."""
    known = [cell.options["key"] for cell in lesson.cells if "key" in cell.options and cell.kind == "text"
             and re.search(r"^## ", cell.source, re.MULTILINE)]
    for cell in lesson.cells:
        if "section" in cell.options and cell.options["section"] not in known:
            yield Problem(cell.line - 1, f"there is no section with the key {cell.options['section']!r}; "
                          f"{nearest(cell.options['section'], known)}")


def _python(cell):
    if cell.kind in MARKDOWN:
        return
    for kind, which in {"SOLUTION": "the cell", "FAULTY": "the faulty version"}.items():
        try:
            ast.parse(plain_python(_version(cell, kind)))
        except SyntaxError as error:
            yield Problem(cell.line + (error.lineno or 1) - 1, f"{which} is not Python: {error.msg}")
            return


def _version(cell, kind):
    """The cell with its SOLUTION or its FAULTY lines, every line in the place that it has in the source."""
    lines = cell.source.split("\n")
    for part in cell.parts:
        if part.kind in ("SOLUTION", "FAULTY"):
            kept = part.lines if part.kind == kind else [""] * len(part.lines)
            lines[part.start:part.start + len(kept)] = map(uncommented, kept) if kind == "FAULTY" else kept
    return "\n".join(lines)


def _written(cell):
    regions = [part for part in cell.parts if part.kind]
    for kind in ("SOLUTION", "FAULTY") if cell.kind == "debug" else ("SOLUTION",):
        if not any(part.kind == kind and part.text.strip() for part in regions):
            yield Problem(cell.line - 1, f"the {cell.kind} {cell.name!r} has no ### BEGIN {kind} ... ### END {kind}")
            return
    for part in regions:
        wrong = [line for line in part.lines if line.strip() and not line.lstrip().startswith("#")]
        if part.kind == "FAULTY" and wrong:
            yield Problem(cell.line + part.first, f"each faulty line starts with '# ': {wrong[0].strip()!r} does not")
        if cell.kind == "exercise" and not part.indent:
            yield Problem(cell.line + part.first, "a solution stands inside a function, indented: the stub in its "
                                                  "place must raise only when it is called")
    for version, which in ((solution_text, "solution"), (release_text, "students' version")):
        yield from _defines(cell, version(cell), which)


def _defines(cell, source, which):
    try:
        body = ast.parse(plain_python(source)).body
    except SyntaxError as error:
        yield Problem(cell.line, f"the {which} of {cell.name!r} is not Python: {error.msg}")
        return
    if cell.name not in [getattr(node, "name", "") for node in body]:
        yield Problem(cell.line - 1, f"the {which} does not define {cell.name!r} at the top level of the cell")


def _answer(cell):
    node = answer_node(cell)
    if node is None:
        yield Problem(cell.line, f"an answer cell is one assignment: {cell.name} = \"b\" (text, a number or a list)")
    elif ast.literal_eval(node.value) in (None, "", [], ()):
        yield Problem(cell.line, f"the answer {cell.name!r} is empty in the solution; write the right answer")


def _essay(cell):
    if not any(part.kind == "MARK SCHEME" and part.text.strip() for part in cell.parts):
        yield Problem(cell.line - 1, f"the essay {cell.name!r} has no '=== BEGIN MARK SCHEME ===' ... "
                                     "'=== END MARK SCHEME ==='")
    if not text(cell.parts, lambda part: part.kind is None).strip():
        yield Problem(cell.line - 1, f"the essay {cell.name!r} has no question outside its mark scheme")


def _check(cell):
    tree, seen = ast.parse(cell.source), set()
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _called(node) == "expect"]
    if not calls:
        yield Problem(cell.line - 1, f"the check {cell.name!r} has no expect(...)")
    for call in calls:
        line, given = cell.line + call.lineno - 1, {word.arg: word.value for word in call.keywords}
        if not (isinstance(given.get("hint"), ast.JoinedStr) or getattr(given.get("hint"), "value", "")):
            yield Problem(line, "expect has no hint; add hint=\"what to look at\"")
        id = getattr(given.get("id"), "value", None)
        if id in seen:
            yield Problem(line, f"two expectations of this check have the id {id!r}")
        needs = getattr(given.get("needs"), "value", None)
        if "needs" in given and needs not in seen:
            yield Problem(line, f"needs={needs!r} is no id of an expectation above this one")
        seen |= {id} - {None}
    for line, what in loops(tree):
        yield Problem(cell.line + line - 1, f"{what} goes item by item over what the student's function gave, and that "
                                            "may be a million numbers; compare it whole: expect(value, ...), "
                                            "value.max(), value.keys() == ...")
    for node in ast.walk(tree):
        several = isinstance(node, ast.Constant | ast.JoinedStr) and node.lineno != node.end_lineno
        if several and _inside_string(cell.source, node):
            yield Problem(cell.line + node.lineno - 1, "a string over several lines; the build indents a check's lines "
                                                       "and would change it: write '...\\n...'")
    visible = text(cell.parts, lambda part: part.kind is None)
    if not _parses(visible) or not ast.parse(visible).body:
        yield Problem(cell.line - 1, f"without its hidden tests the check {cell.name!r} is empty or not Python; "
                                     "leave students at least one line")


def _inside_string(source, node):
    """Whether indenting the source would change the value: neighbouring one-line strings are safe."""
    value = ast.unparse(node)
    indented = ast.parse("if True:\n" + "\n".join(f"    {line}" for line in source.split("\n")))
    return value not in {ast.unparse(other) for other in ast.walk(indented)
                         if isinstance(other, ast.Constant | ast.JoinedStr)}


def _parses(source):
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def _called(node):
    return getattr(node.func, "id", "")


def covered(cell):
    """The names that a check asks for: {name: line in the cell} of each student("name", ...)."""
    return {node.args[0].value: node.lineno for node in ast.walk(ast.parse(cell.source))
            if isinstance(node, ast.Call) and _called(node) in ("student", "student_call")
            and node.args and isinstance(getattr(node.args[0], "value", None), str)}


def _helpers(lesson):
    """The functions of setup cells: they live on the student's side too, where a check may call them."""
    return {node.name for cell in lesson.of("setup") for node in ast.parse(cell.source).body
            if isinstance(node, ast.FunctionDef)}


def _pairs(lesson):
    written = {cell.name: cell for cell in lesson.of(*WRITTEN)}
    checked, helpers = set(), _helpers(lesson)
    for cell in lesson.of("check"):
        asked = covered(cell)
        checked |= {cell.name, *asked}
        for name, line in asked.items():
            if name not in written and name not in helpers:
                yield Problem(cell.line + line - 1, f"there is no exercise {name!r}; {nearest(name, written)}")
        answers = asked and all(name in written and written[name].kind == "answer" for name in asked)
        if cell.name not in written and not answers:
            yield Problem(cell.line - 1, f"the check {cell.name!r} belongs to no exercise; "
                                         f"{nearest(cell.name, written)}")
        for name in {cell.name, *asked} & written.keys():
            if written[name].line > cell.line:
                yield Problem(cell.line - 1, f"the check {cell.name!r} stands before {name!r}; put it below")
    for name, cell in written.items():
        if name not in checked:
            yield Problem(cell.line - 1, f"the {cell.kind} {name!r} has no check; add a cell # %% check=\"{name}\" "
                                         "points=1")
    for cell in lesson.cells:
        if cell.options.get("shows", cell.name) not in {*written, cell.name}:
            yield Problem(cell.line - 1, f"shows={cell.options['shows']!r} names no exercise; "
                                         f"{nearest(cell.options['shows'], written)}")


def _names(lesson):
    """Names that would be there in one process and missing in grading, where checks run apart and plays not at all."""
    code = [(cell, names_of(check_source(cell) if cell.kind == "check" else solution_text(cell)))
            for cell in lesson.cells if cell.kind not in MARKDOWN]

    def bound(*kinds):
        return {name: cell for cell, names in code for name in names.binds if cell.kind in kinds}

    setup, play, last = bound("setup"), bound("play"), {}
    kept = bound("setup", "code", *WRITTEN)
    for cell, names in code:
        for name in sorted(names.reads):
            if cell.kind in ("setup", "check") and name not in setup:
                yield Problem(_line(cell, name), f"the {cell.kind} cell reads {name!r}, which no setup cell binds; "
                              "in grading it runs apart from the student's cells: use student(...), ref(...) or setup")
            elif cell.kind not in ("setup", "check", "play") and name in play and name not in kept:
                yield Problem(_line(cell, name), f"{name!r} is bound only by the play cell in line "
                              f"{play[name].line - 1}, which is skipped in grading; bind it in a plain cell")
            elif cell.kind not in ("setup", "check") and name in last and last[name].kind == "check":
                yield Problem(_line(cell, name), f"{name!r} was bound by the check in line {last[name].line - 1}; in "
                              "grading checks run apart: use another name in one of the two")
        for name in sorted(names.binds & (setup.keys() | {one.name for one in lesson.of(*WRITTEN)})):
            if cell.kind == "check":
                yield Problem(_line(cell, name), f"the check binds {name!r}, which is the student's or a setup "
                                                 "cell's; use another name")
        last |= dict.fromkeys(names.binds, cell)


def _line(cell, name):
    for offset, line in enumerate(cell.source.split("\n")):
        if re.search(rf"\b{re.escape(name)}\b", line):
            return cell.line + offset
    return cell.line
