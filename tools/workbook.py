"""The student's own copy of the lessons: course/ -> workbook/.

usage: python tools/workbook.py

Adds new lessons and new files, and never overwrites what a student has touched (tools/reset.py does that, on
purpose). Needs no package.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = ".released.json"


class Mistake(Exception):
    """Something that the person at the keyboard can mend; its text says how."""


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write(path, data):
    """Write bytes so that a crash leaves either the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    os.replace(part, path)


class Workbook:
    """course: the folder of released lessons; home: the student's folder.

    The manifest in home remembers the hash of each file as it was released there. A file that still has this
    hash was never touched, so a newer release may replace it.
    """

    def __init__(self, course=ROOT / "course", home=ROOT / "workbook"):
        self.course, self.home = Path(course), Path(home)

    def released(self):
        """The released files, as sorted paths relative to course/."""
        files = [path.relative_to(self.course) for path in self.course.rglob("*") if path.is_file()]
        names = sorted(path.as_posix() for path in files if ".ipynb_checkpoints" not in path.parts)
        if not names:
            raise Mistake(f"{self.course} holds no lessons; bring them back with: git checkout -- course")
        return names

    def manifest(self):
        try:
            known = json.loads((self.home / MANIFEST).read_text(encoding="utf-8"))
        except (OSError, ValueError):  # gone or damaged: then every changed file counts as the student's
            return {}
        return known if isinstance(known, dict) else {}

    def remember(self, known):
        write(self.home / MANIFEST, (json.dumps(known, indent=1, sort_keys=True) + "\n").encode())

    def sync(self):
        """Bring home up to date. Returns {"added": [...], "refreshed": [...], "kept": [...]}, relative paths.

        kept: the student's copy began as another release than the one in course/, and was worked on.
        """
        known, report = self.manifest(), {"added": [], "refreshed": [], "kept": []}
        for name in self.released():
            outcome = self.sync_file(name, known)
            if outcome:
                report[outcome].append(name)
        self.remember(known)
        return report

    def sync_file(self, name, known):
        """Bring one file up to date and note its hash in known. Returns what happened, None for nothing."""
        source, target = self.course / name, self.home / name
        new, old = digest(source), digest(target) if target.is_file() else None
        if old is None and (target.exists() or target.is_symlink()):
            raise Mistake(f"{target} stands in the way of a lesson's file; rename it, then run this again")
        if old not in (None, new) and old != known.get(name):
            return "kept" if known.get(name) != new else None
        known[name] = new
        if old == new:
            return None
        write(target, source.read_bytes())
        return "added" if old is None else "refreshed"

    def lessons(self):
        return sorted({name.split("/")[0] for name in self.released() if "/" in name})

    def pages(self):
        """The files that are no lesson's: the start page and the glossary."""
        return [name for name in self.released() if "/" not in name]

    def lesson(self, wanted):
        """The folder of the lesson that is meant by "4", "04" or "04_magnitude_pruning"; of a page, its file."""
        folders = self.lessons()
        number = wanted.zfill(2) if wanted.isdigit() else wanted
        for page in self.pages():
            if number in (page, Path(page).stem, page.split("_")[0]):
                return page
        for folder in folders:
            if number in (folder, folder.split("_")[0]):
                return folder
        numbers = [folder.split("_")[0] for folder in folders]
        known = ", ".join(numbers)
        raise Mistake(f"LESSON is {wanted!r}; use one of {known}, for example: LESSON={numbers[0]}")


def lines(report):
    """What sync did, for people."""
    said = [f"{what}: {name}" for what in ("added", "refreshed") for name in report[what]]
    for name in report["kept"]:
        take = f"make reset LESSON={name.split('_')[0].removesuffix('.ipynb')}"
        said.append(f"kept yours: {name} (the release has changed; to take it, keeping a backup: {take})")
    return said


def main():
    for line in lines(Workbook().sync()):
        print(f"[workbook] {line}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except Mistake as mistake:
        sys.exit(f"error: {mistake}")
