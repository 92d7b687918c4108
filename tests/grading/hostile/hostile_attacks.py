"""The attacks as data: read from the YAML files beside this one, and handed in as folders of submissions."""

import copy
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import hostile_shapes
import yaml
from hostile_target import NAME, SOLVED, places
from nbformat import v4

from autograder.cells import kind
from autograder.demo import fill

CLASSES = ("forgery", "leaking", "tampering", "escape", "exhaustion", "malformed", "injection")


@dataclass(frozen=True, eq=False)
class Attack:
    """One submission.

    id: also the student's name; kind: one of the seven classes; tries: a sentence; seen: {how success is seen: what},
    see `hostile_report`; solved: what the honest twin has right, names in SOLVED; cells: {exercise: source}; own
    and after: sources of further cells, before the exercises and at the end, or whole cells; files and links: {name:
    content or target} beside the notebook; shape: a function of `hostile_shapes`, with the notebook's bytes to come;
    alone: in a course of its own when stock nbgrader runs it, because it harms the others there; helper: further
    submission, {name: sources of own cells}.
    """

    id: str
    kind: str
    tries: str
    seen: dict
    solved: tuple = ()
    cells: dict = field(default_factory=dict)
    own: tuple = ()
    after: tuple = ()
    files: dict = field(default_factory=dict)
    links: dict = field(default_factory=dict)
    shape: str = ""
    alone: bool = False
    helper: dict = field(default_factory=dict)

    @property
    def twin(self):
        """The name of the honest twin: the same exercises right, and nothing else."""
        return "twin-" + ("-".join(self.solved) or "none")


def load():
    """All attacks, in the order of their classes."""
    here = Path(__file__).parent
    return [Attack(kind=name, **one | {"solved": tuple(one.get("solved", ()))}) for name in CLASSES
            for one in yaml.safe_load((here / f"{name}.yml").read_text(encoding="utf-8"))]


def hand_in(attack, released, root, side, **more):
    """Write an attack's submission into a course. more: further placeholders, such as PORT."""
    words = {f"@{name}@": str(value) for name, value in (places(root, side) | more | {"ID": attack.id}).items()}
    _write(attack.id, _notebook(attack, released), attack, (root, side, words))
    for student, own in attack.helper.items():
        extra = Attack(student, attack.kind, "", {}, own=own)
        _write(student, _notebook(extra, released), extra, (root, side, words))


def hand_in_honestly(student, released, root, side, *solved):
    """Write an honest submission with these exercises right."""
    twin = Attack(student, "honest", "", {}, solved=solved)
    _write(student, _notebook(twin, released), twin, (root, side, {}))


def _notebook(attack, released):
    made = fill(released, dict(SOLVED[name] for name in attack.solved) | attack.cells)
    first = next(i for i, cell in enumerate(made["cells"]) if kind(cell) == "exercise")
    made["cells"][first:first] = [_cell(one) for one in attack.own]
    made["cells"] += [_cell(one) for one in attack.after]
    return made


def _cell(one):
    """A cell of the student's own from its source, or from its fields."""
    if isinstance(one, str):
        return v4.new_code_cell(one)
    made = {"markdown": v4.new_markdown_cell, "raw": v4.new_raw_cell}.get(one["type"], v4.new_code_cell)(one["source"])
    made["metadata"].update(one.get("metadata", {}))
    return made


def _write(student, notebook, attack, where):
    root, side, words = where
    folder = Path(places(root, side)["SUBMITTED"], student, NAME)
    folder.mkdir(parents=True)
    text = json.dumps(copy.deepcopy(notebook))
    for word, value in words.items():
        text = text.replace(word, json.dumps(value)[1:-1])
    shape = getattr(hostile_shapes, attack.shape or "as_it_is")
    shape(folder / f"{NAME}.ipynb", text)
    for name, content in attack.files.items():
        (folder / name).write_text(_filled(content, words), encoding="utf-8")
    for name, target in attack.links.items():
        path = folder / name
        path.unlink(missing_ok=True)
        os.symlink(_filled(target, words), path)


def _filled(text, words):
    for word, value in words.items():
        text = text.replace(word, value)
    return text
