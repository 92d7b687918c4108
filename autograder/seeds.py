"""The seed of a submission: what its hidden inputs are drawn from.

Two students, or two versions of one's work, get different inputs; the same work gets the same ones again, so that a
regrade gives the same score. Nobody can compute them without the file beside the gradebook.
"""

import hashlib
import json
import os
import secrets
from pathlib import Path

from autograder.cells import grade_id, is_solution

FILE = "seed.txt"


def seed_of(folder, student, lesson, notebook):
    """The seed of a submission, 0 to 2**31 - 1. folder: of the gradebook; notebook: the student's, after intake.

    It hangs on what the student wrote into the lesson's own cells, and on seed.txt in the folder, which is made when it
    is missing.
    """
    written = [[grade_id(cell), cell["source"]] for cell in notebook["cells"]
               if cell["cell_type"] == "code" and is_solution(cell)]
    content = json.dumps([_secret(Path(folder)), student, lesson, written])
    return int.from_bytes(hashlib.sha256(content.encode()).digest()[:4], "big") >> 1


def _secret(folder):
    path = folder / FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f"{FILE}.{os.getpid()}"
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(24) + "\n")
        try:
            # Whole or not at all, and of two graders that start at once, one's: a link does not replace.
            os.link(partial, path)
        except FileExistsError:
            pass
        except OSError:
            os.replace(partial, path)
        partial.unlink(missing_ok=True)
    return path.read_text(encoding="utf-8").strip()
