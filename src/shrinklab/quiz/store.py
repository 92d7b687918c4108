"""A reader's own state in a small JSON file beside the notebook: answers given, and when cards come again."""

import json
import os
from datetime import date
from pathlib import Path

from shrinklab.progress import note


def sound_progress(data):
    """Is this what `.practice.json` holds: {"practice": {question id: record}, "placement": ...}?

    >>> sound_progress({"practice": {"file-size": {"answer": 1, "right": False, "tries": 1}}})
    True
    """
    return isinstance(data, dict) and all(
        isinstance(records, dict) and all(_is_record(record) for record in records.values())
        for records in data.values()
    )


def _is_record(record):
    tries = record.get("tries", 0) if isinstance(record, dict) else None
    return isinstance(tries, int) and all(
        isinstance(record.get(name, False), bool) for name in ("right", "hint", "solution")
    )


def sound_schedule(data):
    """Is this what `.recall.json` holds: {card id: {"box": 1 and up, "due": "YYYY-MM-DD"}}?

    >>> sound_schedule({"mask": {"box": 2, "due": "2026-03-01"}}), sound_schedule({"mask": {"box": 0}})
    (True, False)
    """
    try:
        return isinstance(data, dict) and all(
            isinstance(entry["box"], int) and entry["box"] >= 1 and date.fromisoformat(entry["due"])
            for entry in data.values()
        )
    except (KeyError, TypeError, ValueError):
        return False


class Store:
    """One JSON file; `sound` says whether what it holds can be used."""

    def __init__(self, path, sound):
        self.path, self._sound = Path(path), sound

    def read(self):
        """(data, message): an empty dict when there is no file yet.

        A file that can't be used is kept under another name, and the message says so.
        """
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}, ""
        except OSError as error:
            return {}, f"{self.path.name} can't be read ({error.strerror}), so earlier answers are not shown."
        except ValueError:  # no JSON, or no UTF-8
            data = None
        return (data, "") if self._sound(data) else ({}, self._set_aside())

    def write(self, data):
        """Write the whole file at once, so that a crash leaves the old one; a message when it can't be."""
        fresh = self.path.with_name(self.path.name + ".new")
        try:
            fresh.write_text(json.dumps(data, indent=1, sort_keys=True), encoding="utf-8")
            os.replace(fresh, self.path)
            note()
        except OSError as error:
            return f"{self.path.name} can't be written ({error.strerror}). Your answers last until this page is closed."
        return ""

    def _set_aside(self):
        number = 1
        while (backup := self.path.with_name(f"{self.path.name}.broken-{number}")).exists():
            number += 1
        try:
            self.path.replace(backup)
        except OSError as error:
            return f"{self.path.name} is damaged and can't be moved away ({error.strerror})."
        return f"{self.path.name} was damaged. It is kept as {backup.name}, and you start afresh."
