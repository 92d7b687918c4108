"""What a worker gets and gives: plain values, so that it may be on another computer."""

import functools
import hashlib
import json
import platform
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path

import shrinklab
from autograder.cells import is_check
from autograder.engine.box import Box


@dataclass(frozen=True)
class Lesson:
    """What the submissions of a lesson share. pristine: the instructor's notebook with the hidden tests; files: {name:
    bytes} of what lies beside a notebook; seconds: for one cell or call; total: for all of one submission; box: the
    sandbox, None for students who are trusted; term: "" for none; version: of the grader."""

    name: str
    pristine: dict
    files: dict
    seconds: int
    total: int
    box: Box | None
    term: str = ""
    version: str = ""

    @functools.cached_property
    def digest(self):
        """Names everything that a result depends on, besides the submission: 64 hexadecimal digits."""
        limits = asdict(replace(self.box, hidden=())) if self.box else None
        return _digest([self.name, _code(self.pristine), sorted((n, _digest(c.hex())) for n, c in self.files.items()),
                        self.seconds, self.total, limits, self.term, self.version])


@dataclass(frozen=True)
class Job:
    """One submission to run. notebook: after intake; seed: of its hidden inputs; measured: what the capstone's records
    hold for this student already."""

    student: str
    notebook: dict
    seed: int
    measured: dict
    key: str


def key_of(lesson, student, notebook, seed):
    """The name under which a submission's result is kept: whatever could change the result changes it.

    Text and the state of locked cells do not: neither is run.
    """
    return _digest([lesson.digest, student, seed, own_cells(notebook)])


def own_cells(notebook):
    """[[id, source]] of the code cells that are not locked, which are the student's to write."""
    return [[cell.get("id"), cell["source"]] for cell in notebook["cells"]
            if cell["cell_type"] == "code" and not cell["metadata"].get("nbgrader", {}).get("locked")]


def plain(notebook):
    """A notebook as dicts and lists only."""
    return json.loads(json.dumps(notebook))


@functools.cache
def grader_version():
    """Names this grader and its library: changes with any line of their code. 16 hexadecimal digits."""
    homes = Path(__file__).resolve().parents[1], Path(shrinklab.__file__).resolve().parent
    sources = sorted(path for home in homes for path in home.rglob("*.py"))
    seen = hashlib.sha256(f"{platform.python_version()} {metadata.version('torch')}".encode())
    for path in sources:
        seen.update(path.name.encode() + path.read_bytes())
    return seen.hexdigest()[:16]


def _code(notebook):
    return [[cell["source"], cell["metadata"].get("nbgrader", {}).get("points"), is_check(cell)]
            for cell in notebook["cells"] if cell["cell_type"] == "code"]


def _digest(content):
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
