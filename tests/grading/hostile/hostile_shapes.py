"""Notebook files that are no sound notebooks: each function writes one, from the text of a sound one."""

import json
import os


def as_it_is(path, text):
    path.write_text(text, encoding="utf-8")


def half(path, text):
    path.write_text(text[:len(text) // 2], encoding="utf-8")


def utf_16(path, text):
    path.write_text(text, encoding="utf-16")


def a_folder(path, text):
    path.mkdir()


def a_pipe(path, text):
    os.mkfifo(path)


def deep(path, text):
    made = json.loads(text)
    made["metadata"]["deep"] = 0
    nested = "[" * 50_000 + "]" * 50_000
    path.write_text(json.dumps(made).replace('"deep": 0', f'"deep": {nested}'), encoding="utf-8")


def homework(path, text):
    path.with_name("homework.ipynb").write_text(text, encoding="utf-8")


def newer_schema(path, text):
    _each_graded(path, text, schema_version=99)


def older_schema(path, text):
    _each_graded(path, text, schema_version=1)


def surrogate(path, text):
    made = json.loads(text)
    made["cells"].append({"cell_type": "code", "id": "odd", "metadata": {}, "outputs": [], "execution_count": None,
                          "source": "x = '\ud800'"})
    path.write_text(json.dumps(made), encoding="utf-8")


def odd_cell(path, text):
    made = json.loads(text)
    made["cells"].append({"cell_type": "code", "source": 5})
    path.write_text(json.dumps(made), encoding="utf-8")


def checks_as_text(path, text):
    """The graded cells without points."""
    made = json.loads(text)
    for cell in made["cells"]:
        cell["metadata"].get("nbgrader", {}).pop("points", None)
    path.write_text(json.dumps(made), encoding="utf-8")


def skipping(path, text):
    """Every cell with the tag that nbconvert does not execute."""
    made = json.loads(text)
    for cell in made["cells"]:
        cell["metadata"]["tags"] = ["skip-execution"]
    path.write_text(json.dumps(made), encoding="utf-8")


def _each_graded(path, text, **fields):
    made = json.loads(text)
    for cell in made["cells"]:
        if "nbgrader" in cell["metadata"]:
            cell["metadata"]["nbgrader"] |= fields
    path.write_text(json.dumps(made), encoding="utf-8")
