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
    place = book.home / BACKUPS / f"{folder}-{datetime.datetime.now():%Y%m%d-%H%M%S}"
    while place.exists():  # two resets within one second
        place = place.with_name(place.name + "+")
    for name in names:
        copy = place / Path(name).relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(book.home / name, copy)
    return place


def reset_lesson(book, wanted):
    """Put all files of a lesson back. Returns (folder, backup)."""
    folder = book.lesson(wanted)
    names = [name for name in book.released() if name.startswith(f"{folder}/")]
    backup, known = back_up(book, folder, names), book.manifest()
    for name in names:
        write(book.home / name, (book.course / name).read_bytes())
        known[name] = digest(book.course / name)
    book.remember(known)
    return folder, backup


def reset_exercise(book, wanted, exercise):
    """Put one exercise's cell back and leave the others. Returns (cell id, backup)."""
    folder = book.lesson(wanted)
    name = f"{folder}/{folder}.ipynb"
    released = read_notebook(book.course / name, "git checkout -- course")
    cell = find_exercise(released["cells"], exercise)
    mine = read_notebook(book.home / name, f"make reset LESSON={wanted}")
    backup = back_up(book, folder, [name])
    put_back(mine["cells"], released["cells"], cell)
    write(book.home / name, (json.dumps(mine, indent=1, ensure_ascii=False) + "\n").encode())
    return solution_id(cell), backup


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


def solution_id(cell):
    """The nbgrader id of a cell that the student fills in, else None."""
    marks = cell.get("metadata", {}).get("nbgrader", {})
    return marks.get("grade_id") if marks.get("solution") else None


def short_name(cell):
    """What the lesson calls the exercise.

    >>> short_name({"metadata": {"nbgrader": {"grade_id": "04-exercise-magnitude_scores", "solution": True}}})
    'magnitude_scores'
    """
    return solution_id(cell).split("-", 2)[-1]


def find_exercise(cells, wanted):
    """The cell with this short name, nbgrader id or cell id."""
    cells = [cell for cell in cells if solution_id(cell)]
    found = [cell for cell in cells if wanted in (short_name(cell), solution_id(cell), cell.get("id"))]
    if len(found) == 1:
        return found[0]
    known = [solution_id(cell) for cell in found] or [short_name(cell) for cell in cells]
    rule = "several cells are called so, use one of" if found else "use one of"
    raise Mistake(f"EXERCISE is {wanted!r}; {rule}: {', '.join(known)}")


def put_back(mine, released, cell):
    """Replace the student's cell; or, where it was deleted, insert it after the cells that come before it."""
    for place, old in enumerate(mine):
        if old.get("id") == cell.get("id") or solution_id(old) == solution_id(cell):
            mine[place] = cell
            return
    before = {earlier.get("id") for earlier in released[: released.index(cell)]}
    mine.insert(max((n + 1 for n, old in enumerate(mine) if old.get("id") in before), default=0), cell)


def main(arguments):
    book = Workbook()
    if not 1 <= len(arguments) <= 2:
        known = ", ".join(folder.split("_")[0] for folder in book.lessons())
        raise Mistake(f"LESSON is missing; use one of {known}, for example: make reset LESSON={known[:2]}")
    what, backup = reset_lesson(book, *arguments) if len(arguments) == 1 else reset_exercise(book, *arguments)
    print(f"[workbook] put back as released: {what}")
    if backup:
        print(f"[workbook] your version is kept in {os.path.relpath(backup)}")
    print("[workbook] is it open in JupyterLab? Then choose File > Reload Notebook from Disk")


if __name__ == "__main__":
    try:
        main([argument for argument in sys.argv[1:] if argument])
    except Mistake as mistake:
        sys.exit(f"error: {mistake}")
