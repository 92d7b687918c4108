"""Make the folders of submissions safe for nbgrader to list, to copy and to read. Nothing is deleted.

What must not be copied or followed moves from submitted/STUDENT/LESSON to set_aside/STUDENT/LESSON.
"""

import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path

from nbgrader.utils import parse_utc

from autograder.reading import PLACEHOLDER, safe

KEPT_FILES = ("timestamp.txt",)
# What editors and systems leave behind: moved away too, but no student needs to hear of it.
LITTER = (".ipynb_checkpoints", ".virtual_documents", ".DS_Store", "__MACOSX", "__pycache__", "Thumbs.db",
          "desktop.ini")
MOST_ENTRIES = 1000
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Inbox:
    """One student's submission of one lesson. folder: where it lies; aside: where what is left out goes."""

    folder: Path
    aside: Path

    def make_listable(self):
        """A real folder with at least one notebook's name in it: nbgrader gives up on any other."""
        self._be_a_folder()
        if not any(name.endswith(".ipynb") for name in os.listdir(self.folder)):
            (self.folder / PLACEHOLDER).write_text("{}", encoding="utf-8")

    def clear(self):
        """Move links, foreign files and an unreadable time stamp out of the folder."""
        self._be_a_folder()
        with os.scandir(self.folder) as found:
            entries = list(found)
        if len(entries) > MOST_ENTRIES:
            self._empty(entries)
            return
        for entry in entries:
            plain = entry.is_file(follow_symlinks=False)
            kept = entry.name in KEPT_FILES and plain and _is_time(Path(entry.path))
            # nbgrader copies no notebooks, and intake reads them without following a link.
            if not kept and not ((plain or entry.is_symlink()) and entry.name.endswith(".ipynb")):
                self._put_aside(Path(entry.path), entry.name)

    def left_out(self, ours=()):
        """Names of what was put aside, of which the student should hear. ours: files that came with the lesson."""
        names = os.listdir(self.aside) if self.aside.is_dir() else []
        known = {*LITTER, *ours}
        return sorted(name for name in names if name not in known and not _numbered(name, known))

    def _be_a_folder(self):
        if self.folder.is_symlink() or not self.folder.is_dir():
            self._put_aside(self.folder, "submission")
            self.folder.mkdir()

    def _empty(self, entries):
        """A folder of thousands of files goes aside as a whole; only its notebook and time stamp come back."""
        moved = self._put_aside(self.folder, "submission")
        self.folder.mkdir()
        keep = [one.name for one in entries if one.name in KEPT_FILES or one.name.endswith(".ipynb")][:MOST_ENTRIES]
        for name in keep:
            os.rename(moved / name, self.folder / name)
        self.clear()

    def _put_aside(self, path, name):
        self.aside.mkdir(parents=True, exist_ok=True)
        number, free = 1, self.aside / name
        while os.path.lexists(free):
            number += 1
            free = self.aside / f"{number}-{name.encode('utf-8', 'replace').decode()[:200]}"
        os.rename(path, free)
        log.warning("%s: %s was put aside", safe(self.folder.parent.name), safe(name))
        return free


def make_listable(grading, lessons):
    """All submissions below grading/submitted, before nbgrader lists them. What cannot be written stays as it is."""
    for lesson in lessons:
        for folder in (grading / "submitted").glob(f"*/{lesson}"):
            try:
                Inbox(folder, grading / "set_aside" / folder.parent.name / lesson).make_listable()
            except OSError as error:
                log.warning("%s: %s", safe(folder.parent.name), error.strerror)


def is_student(name):
    """Whether nbgrader can take a folder's name for a student's: one that it cannot take stops its batch.

    >>> is_student("ada"), is_student("a\\nb"), is_student("a+b"), is_student("[a]")
    (True, False, False, False)
    """
    return bool(re.fullmatch(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff+*?\[\]{}/\\<>\"`&]+", name))


def _numbered(name, known):
    return re.sub(r"^\d+-", "", name) in known


def _is_time(path):
    """Whether nbgrader can read a time stamp: one that it cannot read stops its batch."""
    try:
        return path.stat().st_size < 200 and parse_utc(path.read_text(encoding="utf-8").strip() or None) is not None
    except (OSError, ValueError, OverflowError, TypeError):
        return False
