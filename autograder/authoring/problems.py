"""What is wrong in a lesson, with its file and line."""

import difflib
from typing import NamedTuple


class Problem(NamedTuple):
    """One fault. line: 1-based line of the source file; text: what is wrong and what to do."""

    line: int
    text: str


class LessonError(Exception):
    """The faults of one file, all at once: "path:line: text" lines."""

    def __init__(self, path, problems):
        self.path, self.problems = path, sorted(set(problems))
        super().__init__("\n".join(f"{path}:{line}: {text}" for line, text in self.problems))


def nearest(word, known):
    """A hint with the known words, the most similar one first.

    >>> nearest("excercise", ["check", "exercise"])
    'did you mean exercise?'
    >>> nearest("x", ["check", "exercise"])
    'known are check, exercise'
    """
    found = difflib.get_close_matches(str(word), [str(one) for one in known], n=1)
    return f"did you mean {found[0]}?" if found else f"known are {', '.join(sorted(known)) or 'none'}"
