"""Graded questions: a template in the lesson's source becomes a question, an answer cell and its check.

    # %% graded="answer_1" points=1
    def answer_1(draw):
        total, share = draw.integer(1000, 9000, 100), draw.integer(10, 90, 10)
        return draw.number(f"{share} % of {total:,} weights are removed. How many are left?",
                           total * (100 - share) // 100, within=(0, total), tolerance=0, hint="Count what stays.")

The repository is public, so the source holds no answer: numbers, wrong options and their order are drawn when a
release is built, from its secret, and the template computes the key. A template that returns None draws again.
"""

import json
from dataclasses import replace

from autograder.authoring.draw import LETTERS, SELF_STUDY, Draw, Item
from autograder.authoring.markers import split
from autograder.authoring.problems import LessonError, Problem
from autograder.authoring.source import Cell

ATTEMPTS = 200


def drawn(lesson, secret=SELF_STUDY):
    """The lesson with an item drawn for each of its templates, as ordinary cells in the template's place.

    Raises LessonError when a template fails.
    """
    cells, number = [], 0
    for cell in lesson.cells:
        number += cell.kind == "graded"
        cells += _cells(cell, number, draw_item(lesson, cell, secret)) if cell.kind == "graded" else [cell]
    return replace(lesson, cells=tuple(cells))


def draw_item(lesson, cell, secret):
    """The `Item` that a secret draws from a template. Raises LessonError when the template fails."""
    try:
        template = _template(cell)
        for attempt in range(ATTEMPTS):
            item = template(Draw(secret, lesson.name, cell.name, str(attempt)))
            if item is not None and not isinstance(item, Item):
                raise TypeError("a template returns draw.choice(...), draw.number(...), or None to draw again")
            if item and not item.tells:
                return item
        raise ValueError(f"none of {ATTEMPTS} draws gives a question; return None less often")
    except Exception as error:  # an author's code may fail in any way
        line = cell.line + (_line_in(error, cell) or 1) - 1
        text = f"the template {cell.name!r} fails: {type(error).__name__}: {error}"
        raise LessonError(lesson.path, [Problem(line, text)]) from error


def _template(cell):
    names = {"__name__": "template"}
    exec(compile(cell.source, _label(cell), "exec"), names)
    if not callable(names.get(cell.name)):
        raise TypeError(f"a graded cell defines one function: def {cell.name}(draw)")
    return names[cell.name]


def _label(cell):
    return f"<graded {cell.name}>"


def _line_in(error, cell):
    """The line of the template's source where the error happened, or None."""
    found, trace = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None, error.__traceback__
    while trace:
        found = trace.tb_lineno if trace.tb_frame.f_code.co_filename == _label(cell) else found
        trace = trace.tb_next
    return found


def _cells(cell, number, item):
    """The three cells of an item. Ids, points and all that follows are those of ordinary cells."""
    question = f"**Question {number}.** {item.text}"
    check = _choice_check(cell.name, item) if item.options else _number_check(cell.name, item)
    kept = {key: cell.options[key] for key in ("points", "section") if key in cell.options}
    return [Cell("question", cell.name, question, cell.line, {"question": cell.name}),
            Cell("answer", cell.name, f"{cell.name} = {_literal(item.key)}", cell.line, {"answer": cell.name}),
            Cell("check", cell.name, check, cell.line, {"check": cell.name} | kept,
                 tuple(split(check, ("HIDDEN TESTS",))[0]))]


def _choice_check(name, item):
    letters = list(LETTERS[:len(item.options)])
    return "\n".join([
        f'expect(str(student("{name}")).strip().lower() in {_literal(letters)}, id="form",',
        f'       hint="Write one letter in quotes, from {letters[0]} to {letters[-1]}.")',
        *_hidden(f'expect(student("{name}"), {_literal(item.key)}, id="key",', item)])


def _number_check(name, item):
    low, high = item.within
    example = "0.5 and not 50" if (low, high) == (0, 1) else "12 and not '12'"
    return "\n".join([
        f'given = student("{name}")',
        f"expect(isinstance(given, int | float) and not isinstance(given, bool) and {low} <= given <= {high},",
        f'       id="form", hint="Write a number without quotes, from {low:,} to {high:,}: {example}.")',
        *_hidden(f'expect(given, {_literal(item.key)}, rtol=0, atol={item.tolerance}, id="key",', item)])


def _hidden(expectation, item):
    return ["### BEGIN HIDDEN TESTS", expectation, f"       hint={_literal(item.hint)})", "### END HIDDEN TESTS"]


def _literal(value):
    """Python for a text, a number or a list of texts: JSON's double quotes, as in the lessons."""
    return json.dumps(value, ensure_ascii=False)
