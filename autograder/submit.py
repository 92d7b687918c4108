"""Make the file to hand in, after saying what in it is not complete."""

import ast
import datetime
import re
import shutil

import nbformat

from autograder.cells import grade_id, is_solution, is_task, kind, name, plain_python
from autograder.course import read_notebook
from autograder.intake import judge
from autograder.repair import NOTICE
from shrinklab.errors import need

FOLDER = "handin"


def submit(course, lesson, *, student=None):
    """Write handin/LESSON.ipynb from workbook/LESSON and list what is not complete; returns the exit status.

    student: also put it where the grader looks, autograder/submitted/STUDENT, for trying both roles.
    """
    need(student is None or re.fullmatch(r"\w[\w.@-]{0,60}", student), f"the student's name is {student!r}",
         "a name is made of letters, digits and . _ - @", "write for example --student ada")
    path = course.root / "workbook" / lesson / f"{lesson}.ipynb"
    need(path.exists(), f"{path.relative_to(course.root)} does not exist", "submit hands in the notebook that you "
         "work in", "run make lab first", FileNotFoundError)
    released = read_notebook(course.released(lesson))
    judged = judge(path, released)
    for reason in judged.reasons:
        print(f"{judged.status}: {reason}")
    if judged.status == "rejected":
        return 1
    notebook = nbformat.from_dict(judged.notebook | {"cells": [
        cell for cell in judged.notebook["cells"] if cell["id"] != NOTICE]})
    notebook.metadata.shrinklab.pop("intake")
    _report(missing_parts(notebook, released))
    target = course.root / FOLDER / f"{lesson}.ipynb"
    target.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, target)
    print(f"\nThe file to hand in: {target.relative_to(course.root)} ({target.stat().st_size / 1000:.0f} kB). "
          "Upload it where your course asks for it, under this name.")
    if student:
        _hand_in(course, lesson, student, target)
    return 0


def missing_parts(notebook, released):
    """What is not complete in a student's notebook: a list of sentences, empty when nothing is missing.

    notebook: in the released notebook's frame (see `autograder.repair.graft`).
    """
    ours = {grade_id(cell): cell for cell in notebook["cells"] if grade_id(cell)}
    found = []
    for original in released["cells"]:
        if is_solution(original) and original["cell_type"] == "code":
            found += _code_problem(ours[grade_id(original)]["source"], original)
    return found + [f"The written answer to {_title(task)} is empty." for task, answer in _essays(released)
                    if not _written(answer, notebook)]


def _code_problem(source, original):
    label = name(original) or grade_id(original)
    try:
        tree = ast.parse(plain_python(source))
    except SyntaxError as error:
        return [f"{label}: Python cannot read the cell (line {error.lineno}: {error.msg})."]
    if kind(original) == "answer":
        values = [node.value for node in tree.body if isinstance(node, ast.Assign)]
        empty = not values or any(isinstance(v, ast.Constant) and v.value in ("", None) for v in values)
        return [f"{label} is not answered."] if empty else []
    if source.strip() == original["source"].strip():
        return [f"{label} is as it was released."]
    raised = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Raise)]
    return [f"{label} still raises NotImplementedError."] if "NotImplementedError" in " ".join(raised) else []


def _essays(released):
    """Pairs of a task cell and the markdown cell after it, which the student fills."""
    cells = released["cells"]
    return [(cell, cells[i + 1]) for i, cell in enumerate(cells[:-1])
            if is_task(cell) and cells[i + 1]["cell_type"] == "markdown" and not grade_id(cells[i + 1])]


def _written(answer, notebook):
    texts = [cell["source"].strip() for cell in notebook["cells"] if cell["id"] == answer["id"]]
    return any(text and text != answer["source"].strip() for text in texts)


def _title(task):
    return f"“{name(task) or grade_id(task)}”"


def _report(missing):
    if not missing:
        print("Complete: every exercise is written, every question answered.")
        return
    print("Not complete yet:")
    for sentence in missing:
        print(f"  - {sentence}")
    print("You can hand it in as it is, or go on and run this again.")


def _hand_in(course, lesson, student, target):
    folder = course.grading / "submitted" / student / lesson
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(target, folder)
    now = datetime.datetime.now(datetime.UTC)
    (folder / "timestamp.txt").write_text(f"{now:%Y-%m-%d %H:%M:%S.%f} UTC\n", encoding="utf-8")
    print(f"Handed in as {student}: make grade LESSON={lesson[:2]} grades it.")
