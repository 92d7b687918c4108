"""A term: a release of its own, drawn from a secret, in a folder that git ignores.

    terms/NAME/secret.txt     what its graded questions are drawn from; for the instructor alone
    terms/NAME/course/        what the term's students get
    terms/NAME/solutions/     the notebooks with the keys, which grade them
    terms/NAME/submitted/     and nbgrader's other folders, and gradebook.db
"""

import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from autograder.authoring.draw import SELF_STUDY
from shrinklab.errors import need

LEAST = 16
FOLDER = "terms"


@dataclass(frozen=True)
class Term:
    """One term. folder: where all of it lies; secret: text that nobody else knows."""

    folder: Path
    secret: str

    @property
    def name(self):
        return self.folder.name

    def save(self):
        """Write the secret, readable for its owner only, where there is none yet."""
        path = self.folder / "secret.txt"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(self.secret + "\n")


def folder_of(root, name):
    """The folder of a term. Raises ValueError for what is no name."""
    need(re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", name or ""), f"the term is {name!r}",
         "a term's name has small letters, digits and -, and students can read it", "write for example autumn-2026")
    return Path(root) / FOLDER / name


def find_term(root, name, secret=""):
    """The term of this name below root, or a new one, whose secret is `secret` or drawn here.

    Raises ValueError when the secret is easy to guess, or is not the one that the term's release was drawn from.
    """
    folder = folder_of(root, name)
    path = folder / "secret.txt"
    if path.is_file():
        kept = path.read_text(encoding="utf-8").strip()
        need(secret in ("", kept), f"TERM_SECRET is not the secret of the term {name}",
             "students have questions that were drawn from that one", "leave TERM_SECRET out, or choose another "
             "TERM_NAME")
        return Term(folder, kept)
    secret = secret or secrets.token_urlsafe(24)
    plain = secret.isprintable() and secret == secret.strip()
    need(plain and len(secret) >= LEAST and len(set(secret)) > LEAST // 2 and SELF_STUDY not in secret,
         f"TERM_SECRET has {len(secret)} characters", f"a secret has {LEAST} or more, of many kinds, and nobody can "
         "guess it", "leave it out, and one is drawn for you")
    return Term(folder, secret)
