"""Judge a submitted file before nbgrader reads it: accepted, repaired, or rejected, each with reasons for the student.

nbgrader parses a submission first and asks later; one bad file can stop its whole batch. So every submitted file
becomes a notebook that nbgrader can take: the student's own sources in the released notebook's frame, or, when it
cannot be graded, the released notebook with 0 points and a first cell that says why. The file itself is only read.
"""

import copy
import json
import os
import re
import stat
from dataclasses import dataclass

from autograder.cells import kind
from autograder.repair import NOTICE, graft

MOST_BYTES = 20 * 2**20
MOST_CELLS = 2000
# Stands in a folder without a notebook while nbgrader looks at it: an empty folder stops nbgrader.
PLACEHOLDER = "no-notebook.ipynb"
OTHER_RELEASE = ("Your notebook was released for another term, or for learning by oneself: its graded questions are "
                 "not those of this course. Your answers were compared with this course's keys.")


@dataclass(frozen=True)
class Judged:
    """What becomes of a submission. status: "accepted", "repaired" or "rejected"; reasons: sentences for the
    student; notebook: what nbgrader gets."""

    status: str
    reasons: tuple[str, ...]
    notebook: dict


class Rejected(Exception):
    """A submission that cannot be graded. The text is a sentence for the student."""


def judge(path, released, *, left_out=()):
    """Judge one submitted file. It never raises for what a student may hand in.

    path: where the file should be; a single notebook of another name beside it is taken instead. released: the
    notebook that students got. left_out: names of files that were put aside. Returns a `Judged`.
    """
    remarks = []
    if left_out:
        remarks.append(f"Only the notebook is graded; these files were left out: {_names(left_out)}.")
    try:
        source = _find(path, remarks)
        content = _load(source)
        notebook, repairs = graft(_cells(content), released)
        remarks += [OTHER_RELEASE] if _other_release(content, released) else []
        remarks += repairs
        status = "repaired" if remarks else "accepted"
    except Rejected as rejected:
        notebook, status, remarks = copy.deepcopy(released), "rejected", [str(rejected), *remarks]
    ours = dict(notebook["metadata"].get("shrinklab", {}))
    notebook["metadata"]["shrinklab"] = ours | {"intake": {"status": status, "reasons": remarks}}
    if remarks:
        notebook["cells"].insert(0, _notice(status, remarks))
    return Judged(status, tuple(remarks), notebook)


def verdict(notebook):
    """The status and the reasons that `judge` wrote into a notebook: ("accepted", []) when there are none."""
    found = notebook["metadata"].get("shrinklab", {}).get("intake", {})
    return found.get("status", "accepted"), list(found.get("reasons", []))


def _find(path, remarks):
    if os.path.lexists(path):
        return path
    found = path.parent.glob("*.ipynb") if path.parent.is_dir() else ()
    others = sorted(other for other in found if other.name != PLACEHOLDER)
    if len(others) != 1:
        held = f"it holds {_names(p.name for p in others)}" if others else "it holds no notebook"
        raise Rejected(f"There is no file {path.name} in your submission ({held}). Hand in the notebook under the "
                       "name that it was given.")
    remarks.append(f"Your file is called {_shown(others[0].name)}; it was read as {path.name}.")
    return others[0]


def _load(path):
    found = os.lstat(path)
    if stat.S_ISLNK(found.st_mode) or not stat.S_ISREG(found.st_mode):
        raise Rejected(f"{_shown(path.name)} is a link or a folder, not a notebook file. Hand in the file itself.")
    with open(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise Rejected(f"Your notebook is larger than {MOST_BYTES // 2**20} MB. Clear its outputs "
                       "(Edit > Clear Outputs of All Cells), save, and hand it in again.")
    if not data.strip():
        raise Rejected("Your notebook file is empty. Save the notebook and hand it in again.")
    try:
        return json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Rejected("Your file is not UTF-8 text, so it is not a notebook as JupyterLab saves it.") from None
    except (ValueError, RecursionError):
        raise Rejected("Your file is damaged: it is not complete JSON, as if saving or uploading had stopped "
                       "halfway. Open it in JupyterLab, save it, and hand it in again.") from None


def _cells(content):
    if not isinstance(content, dict) or not isinstance(content.get("nbformat"), int):
        raise Rejected("Your file is JSON, but not a notebook.")
    if content["nbformat"] != 4:
        raise Rejected(f"Your notebook is in format {content['nbformat']}; format 4 can be graded. Open it in "
                       "JupyterLab and save it again.")
    cells = content.get("cells")
    if not isinstance(cells, list) or not cells:
        raise Rejected("Your notebook holds no cells.")
    if len(cells) > MOST_CELLS:
        raise Rejected(f"Your notebook holds {len(cells):,} cells; at most {MOST_CELLS:,} can be graded.")
    return cells


def _notice(status, reasons):
    title = {"rejected": "This submission could not be graded: 0 points",
             "repaired": "This submission was repaired before grading"}[status]
    lines = [f"### {title}", *reasons]
    if status == "rejected":
        lines.append("What follows is the lesson as it was released. Your file is kept as you handed it in.")
    return {"cell_type": "markdown", "id": NOTICE, "metadata": {"shrinklab": {"kind": "intake"}},
            "source": "\n\n".join(lines)}


def _other_release(content, released):
    """Whether a notebook says that it was released for another term, or for none. One that says nothing may be of any:
    some editors drop what they don't know."""
    ours = content["metadata"].get("shrinklab") if isinstance(content.get("metadata"), dict) else None
    asked = any(kind(cell) == "question" for cell in released["cells"])
    term = released["metadata"].get("shrinklab", {}).get("term")
    return asked and isinstance(ours, dict) and ours.get("term") != term


def _names(names):
    names = sorted(map(_shown, names))
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _shown(name):
    """A file's name with nothing in it that markdown, HTML or a terminal would obey.

    >>> _shown("a<b>.ipynb")
    'a?b?.ipynb'
    """
    return re.sub(r"[^\w .()+-]", "?", str(name))[:80]
