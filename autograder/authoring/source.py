"""Read a lesson's percent source: its cells, their options, and the line where each starts."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import jupytext
from nbformat import ValidationError

from autograder.authoring.markers import split
from autograder.authoring.problems import LessonError, Problem, nearest

NAMED = ("exercise", "debug", "answer", "check", "graded", "essay")
FLAGS = ("setup", "play")
OPTIONS = (*NAMED, *FLAGS, "points", "all_or_nothing", "library", "key", "section", "shows", "tags")
REGIONS = {"exercise": ("SOLUTION",), "debug": ("SOLUTION", "FAULTY"), "check": ("HIDDEN TESTS",),
           "essay": ("MARK SCHEME",)}


@dataclass(frozen=True)
class Cell:
    """One cell. kind: an option of NAMED or FLAGS, else "text" or "code", or "question" for the text of a drawn item;
    name: what a named one is about; line: where its source starts in the file; parts: its marked regions."""

    kind: str
    name: str | None
    source: str
    line: int
    options: dict = field(default_factory=dict)
    parts: tuple = ()


@dataclass(frozen=True)
class Lesson:
    """A lesson's source. name: "04_magnitude_pruning"; number: "04"."""

    path: Path
    cells: tuple[Cell, ...]

    @property
    def name(self):
        return self.path.stem

    @property
    def number(self):
        return self.name[:2]

    def of(self, *kinds):
        """The cells of these kinds, in order."""
        return [cell for cell in self.cells if cell.kind in kinds]


def read_lesson(path):
    """Read solutions/NN_name.py as a `Lesson`.

    Raises LessonError, with all faults of options and markers and their lines.
    """
    path = Path(path)
    if not re.fullmatch(r"\d\d_[a-z0-9_]+", path.stem):
        raise LessonError(path, [Problem(1, "a lesson's file is named like 04_magnitude_pruning.py")])
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    try:
        found = jupytext.reads(text, fmt="py:percent").cells
    except (ValueError, ValidationError) as error:
        line = next((n for n, line in enumerate(lines, 1) if re.match(r"# %%.*tags=[^\[]", line)), 1)
        raise LessonError(path, [Problem(line, f"jupytext cannot read it: {str(error).splitlines()[0]}")]) from error
    starts = [number for number, line in enumerate(lines, 1) if re.match(r"# %%", line)]
    if len(starts) != len(found) or not found:
        raise LessonError(path, [Problem(starts[0] if starts else 1, _uneven(len(starts), len(found)))])
    problems, cells = [], []
    for start, cell in zip(starts, found, strict=True):
        while start < len(lines) and not lines[start].strip() and cell.source.strip():
            start += 1
        cells.append(_cell(cell, start + 1, problems))
    if problems:
        raise LessonError(path, problems)
    return Lesson(path, tuple(cells))


def _uneven(markers, cells):
    return (f"{markers} lines start with '# %%' but jupytext reads {cells} cells; every cell needs its '# %%' line, "
            "and no other line, also in a string, may start so")


def _cell(found, line, problems):
    def fault(text, offset=-1):
        problems.append(Problem(line + offset, text))

    options = {key: value for key, value in found.metadata.items() if key != "lines_to_next_cell"}
    _check_options(options, fault)
    kinds = [key for key in (*NAMED, *FLAGS) if key in options]
    if len(kinds) > 1:
        fault(f"a cell is one of {' or '.join(kinds)}, not both")
    markdown = found.cell_type == "markdown"
    kind = kinds[0] if kinds else "text" if markdown else "code"
    if kinds and markdown != (kind == "essay"):
        fault("an essay is a [markdown] cell" if kind == "essay" else f"{kind} is for a code cell, not for [markdown]")
    _check_points(kind, options, fault)
    parts, faults = split(found.source, REGIONS.get(kind, ()))
    for offset, text in faults:
        fault(text, offset)
    name = options.get(kind) if kind in NAMED else None
    return Cell(kind, name, found.source, line, options, tuple(parts))


def _check_options(options, fault):
    for key, value in options.items():
        if key == "title":
            fault(f"{value!r} is not an option; write key=value, for example play=true")
        elif key == "incorrectly_encoded_metadata":
            fault(f"the options {value!r} cannot be read; text stands in quotes: exercise=\"name\"")
        elif key not in OPTIONS:
            fault(f"{key} is not an option; {nearest(key, OPTIONS)}")
        elif key in (*FLAGS, "all_or_nothing") and value is not True:
            fault(f"{key}={value!r}; it is written {key}=true or left out")
        elif key in (*NAMED, "shows") and not (isinstance(value, str) and value.isidentifier()):
            fault(f"{key}={value!r}; it names a function or variable: {key}=\"name\"")
        elif key in ("key", "section") and not (isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_-]+", value)):
            fault(f"{key}={value!r}; a key has letters, digits, - and _: {key}=\"why\"")
        elif key == "section" and not {"check", "graded"} & options.keys():
            fault("section is for check cells and graded ones: it names what to read again")
        elif key == "library" and not (isinstance(value, list) and value and
                                       all(isinstance(name, str) and name.isidentifier() for name in value)):
            fault(f"library={value!r}; it lists short names of the library's functions: library=[\"recall\"]")


def _check_points(kind, options, fault):
    if kind not in ("check", "graded", "essay"):
        for key in ("points", "all_or_nothing", "library"):
            if key in options:
                fault(f"{key} is for check cells" + (", graded ones and essays" if key == "points" else ""))
        return
    points = options.get("points")
    if points is None:
        fault(f"the {kind} {options[kind]!r} has no points; add points=2")
    elif isinstance(points, bool) or not isinstance(points, int | float) or not 0 < points <= 1000:
        fault(f"points={points!r}; points are a number above 0: points=2")
    for key in ("all_or_nothing", "library"):
        if kind != "check" and key in options:
            fault(f"{key} is for check cells")
