"""Put the student's sources into the released notebook's frame: ids, points, types and locked cells as released."""

import copy
import re

from autograder.cells import grade_id, is_solution, name

NOTICE = "intake-notice"
LONGEST_CELL = 100_000  # characters; what shows code in colours takes long for more
PICTURES_BYTES = 2 * 2**20
FIELDS = ("points", "grade", "solution", "locked", "task", "schema_version")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BASE64, _FILE = re.compile(r"[A-Za-z0-9+/=]+"), re.compile(r"[\w .()+-]{1,100}")


def graft(cells, released):
    """Make a valid notebook from a student's cells, whatever was done to their metadata.

    cells: the list under "cells" of the student's file, not trusted. released: the notebook that students got.
    Kept are the order and the sources of the student's cells; everything else comes from the released notebook:
    nbgrader's metadata by grade id, locked sources, missing cells (put back after the cell they followed). Of cells
    with the same grade id the last one counts, the others stay as plain cells. Tags, outputs and other metadata go.
    Returns (notebook, sentences on what was repaired).
    """
    frame = {grade_id(cell): cell for cell in released["cells"] if grade_id(cell)}
    plain = [_plain(cell) for cell in cells]
    student, dropped = [cell for cell in plain if cell], plain.count(None)
    remarks = [f"{dropped} damaged cells were left out."] if dropped else []
    long = [cell for cell in student if len(cell["source"]) > LONGEST_CELL]
    if long:
        student = [cell for cell in student if len(cell["source"]) <= LONGEST_CELL]
        remarks.append(f"{len(long)} cells with more than {LONGEST_CELL:,} characters were left out.")
    owners = _owners(student, frame, remarks)
    made = [_framed(cell, frame[owners[index]], remarks) if index in owners else _kept(cell, released)
            for index, cell in enumerate(student)]
    _put_back(made, frame, remarks)
    _unique_ids(made)
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": copy.deepcopy(dict(released["metadata"])),
            "cells": made}, remarks


def _plain(cell):
    """The fields of a cell that count; None when it is no cell, {} for the notice of an earlier intake."""
    if not isinstance(cell, dict) or cell.get("cell_type") not in ("code", "markdown", "raw"):
        return None
    if cell.get("id") == NOTICE:
        return {}
    source = cell.get("source", "")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        return None
    identity = cell.get("id")
    metadata = cell.get("metadata") if isinstance(cell.get("metadata"), dict) else {}
    return {"cell_type": cell["cell_type"], "source": source.encode("utf-8", "replace").decode("utf-8"),
            "id": identity if isinstance(identity, str) and _ID.fullmatch(identity) else None,
            "grade_id": grade_id({"metadata": metadata}), "attachments": _pictures(cell),
            "nbgrader": metadata.get("nbgrader")}


def _pictures(cell):
    """The pictures that were pasted into a markdown cell."""
    found = cell.get("attachments") if cell["cell_type"] == "markdown" else None
    kept, left = {}, PICTURES_BYTES
    for file, data in found.items() if isinstance(found, dict) else ():
        for kind in ("image/png", "image/jpeg") if isinstance(data, dict) and _FILE.fullmatch(file) else ():
            text = data.get(kind)
            if isinstance(text, str) and len(text) <= left and _BASE64.fullmatch(text):
                kept[file], left = {kind: text}, left - len(text)
    return kept


def _owners(student, frame, remarks):
    """{index of a student's cell: the grade id it stands for}; by grade id, else by the cell's own id."""
    owners, seen, repeated = {}, {}, set()
    for index, cell in enumerate(student):
        if cell["grade_id"] in frame:
            repeated |= {cell["grade_id"]} & seen.keys()
            seen[cell["grade_id"]] = index
    by_cell_id = {cell["id"]: key for key, cell in frame.items() if key not in seen}
    for index, cell in enumerate(student):
        if cell["grade_id"] not in frame and cell["id"] in by_cell_id:
            seen.setdefault(by_cell_id.pop(cell["id"]), index)
    owners = {index: key for key, index in seen.items()}
    remarks += [f"The cell {_label(frame[key])} was there more than once; the last one counts."
                for key in frame if key in repeated]
    return owners


def _framed(cell, original, remarks):
    made = copy.deepcopy(dict(original))
    if is_solution(original):
        made["source"] = cell["source"]
    elif cell["source"].strip() != original["source"].strip():
        remarks.append(f"The locked cell {_label(original)} was changed; it was put back as released.")
    theirs, ours = cell["nbgrader"], original["metadata"]["nbgrader"]
    changed = [key for key in FIELDS if isinstance(theirs, dict) and key in theirs and theirs[key] != ours.get(key)]
    if changed:
        remarks.append(f"The cell {_label(original)} had other {' and '.join(changed)} than the released one, which "
                       "counts.")
    if cell["cell_type"] != original["cell_type"]:
        remarks.append(f"The cell {_label(original)} had become a {cell['cell_type']} cell; it was turned back.")
    return made


def _kept(cell, released):
    """A cell of the student's own, or one that nbgrader does not know, such as a play cell."""
    known = next((one for one in released["cells"] if one.get("id") == cell["id"] and not grade_id(one)), None)
    ours = dict(known["metadata"]).get("shrinklab") if known and known["source"] == cell["source"] else None
    made = {"cell_type": cell["cell_type"], "id": cell["id"], "source": cell["source"],
            "metadata": {"shrinklab": dict(ours)} if ours else {}}
    if cell["cell_type"] == "code":
        return made | {"outputs": [], "execution_count": None}
    return made | ({"attachments": cell["attachments"]} if cell["attachments"] else {})


def _put_back(made, frame, remarks):
    before = None
    for key, original in frame.items():
        if not any(grade_id(cell) == key for cell in made):
            place = next((i + 1 for i, cell in enumerate(made) if before and grade_id(cell) == before), 0)
            made.insert(place, copy.deepcopy(dict(original)))
            remarks.append(f"The cell {_label(original)} was missing; it was put back as released.")
        before = key


def _unique_ids(made):
    seen = set()
    for number, cell in enumerate(made):
        if not cell.get("id") or cell["id"] in seen:
            cell["id"] = f"cell-{number}"
        while cell["id"] in seen:
            cell["id"] += "x"
        seen.add(cell["id"])


def _label(cell):
    return f"`{name(cell) or grade_id(cell)}`"
