"""The measurements of a class in a JSON file beside the gradebook, so that a regrade gives the same score.

A measurement is found by what it depends on: the lesson's setup, the pipeline's source, and the budget.
"""

import hashlib
import json
import os
import time
from dataclasses import asdict
from pathlib import Path

from autograder.engine.turns import locked

VERSION = 1


def key_of(setup, source, budget):
    """The name under which a measurement is kept: 64 hexadecimal digits.

    >>> from shrinklab.capstone import draw_budget
    >>> len(key_of(["import torch"], "def f(): pass", draw_budget()))
    64
    """
    content = json.dumps([VERSION, list(setup), source, asdict(budget)])
    return hashlib.sha256(content.encode()).hexdigest()


class Records:
    """The file of measurements: {"measured": {key: entry}, "latest": {student: {"key", "alias"}}}.

    path: of the JSON file, or None to keep nothing. An entry holds "measured" (figures) or "why" (a sentence).
    """

    def __init__(self, path=None):
        self.path = Path(path) if path else None

    def find(self, key):
        """The entry of a key, or None."""
        return self._read()["measured"].get(key)

    def keep(self, key, entry):
        """Keep an entry under its key, with the date."""
        self._add("measured", key, entry | {"date": time.strftime("%Y-%m-%d %H:%M", time.gmtime())})

    def enter(self, student, key, alias):
        """Note which entry is a student's latest, and under which name, if any, the board may show it."""
        self._add("latest", student, {"key": key, "alias": alias})

    def of(self, budget):
        """{key: entry} of what was measured for a budget."""
        wanted = asdict(budget)
        return {key: entry for key, entry in self._read()["measured"].items() if entry.get("budget") == wanted}

    def merge(self, content):
        """Take in what another file of measurements holds. content: as in the file."""
        for part, entries in content.items():
            for name, value in entries.items():
                self._add(part, name, value)

    def latest(self):
        """(alias, entry) of each student's latest submission, in the order of the file."""
        content = self._read()
        return [(one["alias"], content["measured"][one["key"]]) for one in content["latest"].values()
                if one["key"] in content["measured"]]

    def _read(self):
        if self.path and self.path.is_file():
            return json.loads(self.path.read_text(encoding="utf-8"))
        return {"measured": {}, "latest": {}}

    def _add(self, part, name, value):
        if not self.path:
            return
        with locked(self.path.with_suffix(".lock")):
            content = self._read()
            content[part][name] = value
            partial = self.path.with_suffix(".partial")
            partial.write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")
            os.replace(partial, self.path)
