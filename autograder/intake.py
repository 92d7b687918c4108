"""Judge a submitted file before nbgrader reads it: accepted, repaired, or rejected, each with reasons for the student.

nbgrader parses a submission first and asks later; one bad file can stop its whole batch. So every submitted file
becomes a notebook that nbgrader can take: the student's own sources in the released notebook's frame, or, when it
cannot be graded, the released notebook with 0 points and a first cell that says why. The file itself is only read.
"""

import copy
from dataclasses import dataclass

from autograder.cells import kind
from autograder.reading import Rejected, cells, find, load, names
from autograder.repair import NOTICE, graft

OTHER_RELEASE = ("Your notebook was released for another term, or for learning by oneself: its graded questions are "
                 "not those of this course. Your answers were compared with this course's keys.")
FOREIGN = "Your notebook was set to a kernel of another language; it was run with Python."


@dataclass(frozen=True)
class Judged:
    """What becomes of a submission. status: "accepted", "repaired" or "rejected"; reasons: sentences for the
    student; notebook: what nbgrader gets."""

    status: str
    reasons: tuple[str, ...]
    notebook: dict


def judge(path, released, *, left_out=()):
    """Judge one submitted file. It never raises for what a student may hand in.

    path: where the file should be; a single notebook of another name beside it is taken instead. released: the
    notebook that students got. left_out: names of files that were put aside. Returns a `Judged`.
    """
    remarks = []
    if left_out:
        remarks.append(f"Only the notebook is graded; these files were left out: {names(left_out)}.")
    try:
        content = load(find(path, remarks), remarks)
        notebook, repairs = graft(cells(content, remarks), released)
        remarks += [OTHER_RELEASE] if _other_release(content, released) else []
        remarks += [FOREIGN] if _foreign(content) else []
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


def _foreign(content):
    """Whether a notebook asks for another language than Python."""
    metadata = content["metadata"] if isinstance(content.get("metadata"), dict) else {}
    said = [metadata[key].get(name) for key, name in (("kernelspec", "language"), ("language_info", "name"))
            if isinstance(metadata.get(key), dict)]
    return any(isinstance(one, str) and one.lower() not in ("", "python", "ipython") for one in said)
