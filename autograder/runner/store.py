"""What was graded, on disk: a file for each submission, whole or not there."""

import json
import os
from pathlib import Path


class Store:
    """results/LESSON beside the gradebook: graded/STUDENT.json is what a worker gave, recorded/STUDENT.json says that
    the gradebook has it. folder: results/LESSON."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def find(self, student, key=None):
        """A student's outcome, or None where there is none for this key. key: any unless given."""
        found = _read(self._path("graded", student))
        return found if found and key in (None, found.get("key")) else None

    def keep(self, student, outcome):
        """Keep an outcome. Raises OSError when it could not be written; the one before is then still there."""
        _write(self._path("graded", student), outcome)

    def recorded(self, student):
        """The note that `record` left, or None."""
        return _read(self._path("recorded", student))

    def record(self, student, note):
        """Note that the gradebook has a student's outcome. note: what it hangs on."""
        _write(self._path("recorded", student), note)

    def forget(self, student):
        """Take the note away: from now on the gradebook may differ."""
        self._path("recorded", student).unlink(missing_ok=True)

    def recorded_at(self, student):
        """When `record` was called, in seconds since 1970; 0 for never."""
        path = self._path("recorded", student)
        return path.stat().st_mtime if path.exists() else 0.0

    def _path(self, kind, student):
        return self.folder / kind / f"{student}.json"


def _read(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    try:
        partial.write_text(json.dumps(content), encoding="utf-8")
        os.replace(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
