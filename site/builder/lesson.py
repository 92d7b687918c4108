"""What a reader of the site gets of a lesson's source: the cells to run, and the cells to show.

Left out, because it is graded: the questions of the quiz with their keys, hidden tests, and mark schemes. Solutions of
exercises are shown, folded: they stand in the repository for everyone, and a class is graded by hidden tests on them.
"""

import ast
import re
from dataclasses import dataclass

from autograder.authoring.expand import cell_id, expand, release_text, solution_text
from builder.prose import escaped

WIDGET_ONLY = re.compile(r"\s*(Guess|Placement|Practice|RecallCards)\(")
# What only a notebook's reader has to do: on the site all cells have run.
RUN_ALL = re.compile(r"Run all cells \(menu.*?[Rr]ead only", re.DOTALL)
RUNS = ("setup", "code", "play", "exercise", "debug")


@dataclass(frozen=True)
class Shown:
    """A cell of the page. kind: "text" (source is MyST) or "code"; id: of the cell whose outputs belong here."""

    kind: str
    source: str
    id: str = ""
    hide: bool = False
    folded: bool = False


def code_cells(lesson):
    """The cells to run, in order, as the solution notebook has them. Checks run as well, or `use` would not take the
    functions that they check; the graded quiz does not."""
    graded = {cell.name for cell in lesson.of("graded", "answer")}
    return [cell for cell in expand(lesson) if cell.cell_type == "code"
            and cell.metadata.get("shrinklab", {}).get("name") not in graded]


def shown_cells(lesson):
    """All that the page of this lesson shows, in order."""
    shown, cells = [], list(lesson.cells)
    checks = {cell.name: cell for cell in lesson.of("check")}
    for place, cell in enumerate(cells):
        if cell.kind in ("exercise", "debug"):
            before = shown.pop() if cells[place - 1].kind == "text" else Shown("text", "")
            shown.append(Shown("text", exercise(cell, before.source, checks.get(cell.name), lesson.number)))
        elif cell.kind == "text":
            shown.append(Shown("text", _quiz_note(cell) or RUN_ALL.sub("Read only", cell.source)))
        elif cell.kind == "essay":
            shown.append(Shown("text", cell.source.split("=== BEGIN MARK SCHEME ===")[0].rstrip()))
        elif cell.kind in RUNS:
            shown.append(_code(lesson, cell))
    return shown


def _code(lesson, cell):
    hidden = "hide-input" in cell.options.get("tags", ())
    return Shown("code", cell.source, cell_id(lesson, cell), hide=hidden and bool(WIDGET_ONLY.search(cell.source)),
                 folded=hidden or cell.kind == "setup")


def _quiz_note(cell):
    if cell.options.get("key") != "quiz":
        return None
    return ("## Graded quiz\n\n```{note}\nThe quiz counts, so it is not on this page. It is in the lesson's notebook; "
            "`make check` tells how you did.\n```")


def exercise(cell, before, check, number):
    """The MyST of an exercise: its heading, its text and stub in a box, and folded hints and solution.

    before: the text above it in the lesson, its heading included; check: the cell that checks it.
    """
    heading, text = _heading(before)
    label = f"{cell.kind}-{number}-{cell.name}".replace("_", "-")
    stub = release_text(cell)
    parts = [heading, f"`````{{exercise}} {cell.name}\n:label: {label}\n:nonumber:\n\n{text}\n\n"
                      f"```python\n{stub}\n```\n`````"]
    hints = hints_of(check) if check else []
    if hints:
        lines = "\n".join(f"- {escaped(hint)}" for hint in hints)
        parts.append(f"````{{dropdown}} Hints for {cell.name}\n:class-container: hints\n\n{lines}\n````")
    parts.append(f"``````{{dropdown}} Solution of {cell.name}\n:class-container: solution-of\n\n"
                 f"`````{{solution}} {label}\n:label: {label}-solution\n\n"
                 f"```python\n{solution_text(cell)}\n```\n`````\n``````")
    return "\n\n".join(filter(None, parts))


def _heading(source):
    """(the heading line, the rest) of a text; the heading may stand below other text, which then goes with it."""
    found = re.match(r"(#+ .*)\n?", source)
    return (found[1], source[found.end():].strip()) if found else ("", source)


def hints_of(check):
    """The hints of a check's visible expectations. Those of hidden tests stay hidden."""
    lines = check.source.split("\n")
    for part in check.parts:
        if part.kind is not None:
            for number in range(part.start, part.start + len(part.lines)):
                lines[number] = ""
    hints = []
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "expect":
            hints += [word.value.value for word in node.keywords
                      if word.arg == "hint" and isinstance(word.value, ast.Constant)]
    return list(dict.fromkeys(hints))
