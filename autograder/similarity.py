"""Which submissions of an exercise are the same but for names, comments and formatting. Sameness proves nothing.

The code of an exercise is read as Python's syntax tree and written again in one form: names of its own are numbered
in the order in which they come, docstrings, annotations and comments go, functions stand in the order of their use.
Constants, calls and their order stay. Two submissions of one shape are a pair; what says nothing is discounted:

- the released stub, or the faulty function as it was released, is no work of anyone's;
- a shape that the lesson's own solution has, or that adds fewer than LEAST nodes of the tree to what was released, is
  what the exercise forces;
- a shape that many hand in (COMMON students or more, and COMMON_SHARE of all who wrote it) is the usual way.
"""

from collections import defaultdict
from dataclasses import dataclass

from autograder.cells import is_solution, kind, name
from autograder.shapes import shape, size

LEAST = 20  # about two lines
COMMON, COMMON_SHARE = 4, 0.25


@dataclass(frozen=True)
class Group:
    """Students with one shape of an exercise. telling: "" when sameness may mean something, else why it does not."""

    exercise: str
    students: tuple[str, ...]
    sources: tuple[str, ...]
    telling: str


def groups(released, solution, submitted):
    """All groups of two or more, exercise by exercise, those that may mean something first.

    released: the notebook that students got; solution: the instructor's; submitted: {student: notebook}.
    """
    found = []
    for exercise in exercises(released):
        stub, own = (shape(code_of(one, exercise)) for one in (released, solution))
        same, written = defaultdict(list), 0
        for student, notebook in sorted(submitted.items()):
            source = code_of(notebook, exercise)
            key = shape(source)
            if key not in ("", stub):
                same[key].append((student, source))
                written += 1
        for key, members in same.items():
            if len(members) > 1:
                students, sources = zip(*members, strict=True)
                found.append(Group(exercise, students, sources, _says_nothing(key, len(members), stub, own, written)))
    return sorted(found, key=lambda one: bool(one.telling))


def exercises(released):
    """The names of a lesson's exercises and debugging tasks, in order. Answers have one right form: they are not
    compared."""
    return [name(cell) for cell in released["cells"] if is_solution(cell) and kind(cell) in ("exercise", "debug")]


def code_of(notebook, exercise):
    """The source of an exercise's cell in a notebook, "" when it is not there."""
    return next((cell["source"] for cell in notebook["cells"] if is_solution(cell) and name(cell) == exercise
                 and cell["cell_type"] == "code"), "")


def _says_nothing(key, count, stub, own, written):
    if key == own:
        return "it is the lesson's own solution, to which the section leads"
    if size(key) - size(stub) < LEAST:
        return "it adds so little to what was released that there is hardly another way"
    if count >= COMMON and count >= COMMON_SHARE * written:
        return f"{count} of the {written} who wrote it have this form: it is the usual way"
    return ""
