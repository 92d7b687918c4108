"""Whose submission is graded, and where its measurements are kept."""

from dataclasses import dataclass
from pathlib import Path

from shrinklab.capstone import draw_budget


@dataclass(frozen=True)
class Entry:
    """student: the name of the submission's folder, "" for a reader's own work; term: its name, "" for none; records:
    the JSON file of the measurements, beside the gradebook, or None where nothing is kept.

    >>> Entry().budget.max_bytes
    60000
    """

    student: str = ""
    term: str = ""
    records: Path | None = None

    @property
    def budget(self):
        """The budget that counts: it hangs on the folder's name, whatever the notebook says."""
        return draw_budget(self.student, self.term)
