"""Explorers' tables of answers, kept from build to build: a table is computed anew only when what its function reads
has changed."""

import json
from pathlib import Path

from shrinklab.fingerprint import fingerprint
from shrinklab.widgets import Explorer, explorer


def remember_tables(folder):
    """Make `Explorer.tabulate` look into a folder first. What cannot be told apart by content is computed each time."""
    folder, compute = Path(folder), Explorer.tabulate
    folder.mkdir(parents=True, exist_ok=True)

    def tabulate(self, points=None):
        try:
            key = fingerprint([self._settings, [control.spec() for control in self._controls], points,
                               explorer.MOST_ANSWERS])
        except (TypeError, OSError):  # nothing to compare, or a file that is gone since it was opened to be run
            return compute(self, points)
        path = folder / f"{key}.json"
        if path.exists():
            path.touch()  # the clean-up takes what no build has asked for
            return json.loads(path.read_text(encoding="utf-8"))
        table = compute(self, points)
        path.write_text(json.dumps(table), encoding="utf-8")
        return table

    Explorer.tabulate = tabulate
