"""Put released text back into the student's workbook/, a whole lesson or one exercise, and keep a backup.

usage: python tools/reset.py LESSON [EXERCISE]

Needs no package: it may run before anything is installed.
"""

import datetime
import json
import os
import shutil
import sys
from pathlib import Path

from workbook import Mistake, Workbook, digest, write

BACKUPS = "backups"


def back_up(book, folder, names):
    """Copy these files of the student aside. Returns the new folder, or None with nothing to keep."""
    names = [name for name in names if (book.home / name).is_file()]
    if not names:
        return None
    place = book.home / BACKUPS / f"{Path(folder).stem}-{datetime.datetime.now():%Y%m%d-%H%M%S}"
    while place.exists():  # two resets within one second
        place = place.with_name(place.name + "+")
    for name in names:
        copy = place / (Path(name).relative_to(folder) if name != folder else name)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(book.home / name, copy)
    return place


def reset_lesson(book, wanted):
    """Put all files of a lesson back. Returns (folder, backup)."""
    folder = book.lesson(wanted)
    names = [name for name in book.released() if name == folder or name.startswith(f"{folder}/")]
    backup, known = back_up(book, folder, names), book.manifest()
    for name in names:
        write(book.home / name, (book.course / name).read_bytes())
        known[name] = digest(book.course / name)
    book.remember(known)
    return folder, backup


def reset_exercise(book, wanted, exercise):
    """Put one exercise's cell back and leave the others. Returns (cell id, backup)."""
    folder = book.lesson(wanted)
    if folder in book.pages():
        raise Mistake(f"LESSON is {wanted!r}; {folder} has no exercises; leave EXERCISE out")
    name = f"{folder}/{folder}.ipynb"
    released = read_notebook(book.course / name, "git checkout -- course")
    cell = find_exercise(released["cells"], exercise)
    mine = read_notebook(book.home / name, f"make reset LESSON={wanted}")
    backup = back_up(book, folder, [name])
    put_back(mine["cells"], released["cells"], cell)
    write(book.home / name, (json.dumps(mine, indent=1, ensure_ascii=False) + "\n").encode())
    return cell["id"], backup


def read_notebook(path, fix):
    """The parsed notebook; a Mistake that names the fix when the file is none."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        if all(isinstance(cell, dict) for cell in notebook["cells"]):
            return notebook
        problem = "is not a notebook"
    except FileNotFoundError:
        problem = "does not exist"
    except (OSError, ValueError, KeyError, TypeError):
        problem = "is not a notebook"
    raise Mistake(f"{path} {problem}; put the whole file back with: {fix}")


def exercise_name(cell):
    """What the lesson calls a cell that the student fills in; None for every other cell.

    >>> marks = {"nbgrader": {"solution": True}, "shrinklab": {"kind": "exercise", "name": "magnitude_scores"}}
    >>> exercise_name({"id": "04-exercise-magnitude_scores", "metadata": marks})
    'magnitude_scores'
    """
    marks = cell.get("metadata", {})
    ours = marks.get("shrinklab", {})
    # The free text of an answer is a plain named cell: nbgrader's own marks are on the question above it.
    free_text = ours.get("kind") == "text"
    return ours.get("name") if free_text or marks.get("nbgrader", {}).get("solution") else None


def find_exercise(cells, wanted):
    """The cell with this name or this id."""
    cells = [cell for cell in cells if exercise_name(cell)]
    found = [cell for cell in cells if wanted in (exercise_name(cell), cell["id"])]
    if len(found) == 1:
        return found[0]
    known = [cell["id"] for cell in found] or [exercise_name(cell) for cell in cells]
    rule = "several cells are called so, use one of" if found else "use one of"
    raise Mistake(f"EXERCISE is {wanted!r}; {rule}: {', '.join(known)}")


def put_back(mine, released, cell):
    """Replace the student's cell; or, where it was deleted, insert it after the cells that come before it."""
    for place, old in enumerate(mine):
        if old.get("id") == cell["id"]:
            mine[place] = cell
            return
    before = {earlier.get("id") for earlier in released[: released.index(cell)]}
    mine.insert(max((n + 1 for n, old in enumerate(mine) if old.get("id") in before), default=0), cell)


def main(arguments):
    book = Workbook()
    while arguments and not arguments[-1]:  # make passes an empty EXERCISE, and an empty LESSON before one
        arguments = arguments[:-1]
    if not 1 <= len(arguments) <= 2 or not arguments[0]:
        known = ", ".join(folder.split("_")[0] for folder in book.lessons())
        raise Mistake(f"LESSON is missing; use one of {known}, for example: make reset LESSON={known[:2]}")
    what, backup = reset_lesson(book, *arguments) if len(arguments) == 1 else reset_exercise(book, *arguments)
    print(f"[workbook] put back as released: {what}")
    if backup:
        print(f"[workbook] your version is kept in {os.path.relpath(backup)}")
    print("[workbook] is it open in JupyterLab? Then choose File > Reload Notebook from Disk")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Mistake as mistake:
        sys.exit(f"error: {mistake}")
