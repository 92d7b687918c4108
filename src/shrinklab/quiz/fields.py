"""What each entry of a question bank may hold, field by field."""

import difflib
import math
import re

LEVELS = ("easy", "medium", "hard")
COMMON = {
    "id": "id",
    "kind": "kind",
    "level": "level",
    "section": "id",
    "question": "text",
    "hint": "text",
    "steps": "two texts",
    "final_answer": "text",
    "quick_check": "line",
    "common_mistakes": "texts",
}
CHOICE = {"options": "list", "keep_order": "flag"}
NUMBER = {"answer": "number", "tolerance": "tolerance", "mistakes": "list", "unit": "line"}
RUN = {"setup": "text", "compute": "text", "not_run": "text"}
KINDS = {
    "choice": CHOICE,
    "numeric": NUMBER | RUN,
    "code": {"code": "text", "output": "text"} | CHOICE | NUMBER | RUN,
    "bug": {"code": "text", "fixed": "text"} | CHOICE | RUN,
    "order": {"order": "list"},
}
TOP = {"lesson": "line", "sections": "list", "questions": "list", "cards": "list"}
SECTION = {"id": "id", "title": "line", "cell": "line"}
CARD = {"front": "text", "back": "text", "section": "id", "id": "id"}
OPTION = {"text": "text", "mistake": "text", "correct": "flag"}
WRONG_NUMBER = {"value": "number", "mistake": "text", "compute": "text"}
STEP = {"text": "text", "mistake": "text"}


def is_text(value):
    return isinstance(value, str) and bool(value.strip())


def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_texts(value):
    return isinstance(value, list) and bool(value) and all(map(is_text, value))


QUOTES = "write it in quotes where YAML reads something else"
# form: (does the value have it, the rule, the fix)
FORMS = {
    "id": (
        lambda value: isinstance(value, str) and re.fullmatch(r"[a-z0-9][a-z0-9-]*", value),
        "it is made of a-z, 0-9 and -",
        "write it like keep-largest",
    ),
    "text": (is_text, "it is text", QUOTES),
    "line": (lambda value: is_text(value) and "\n" not in value.strip(), "it is one line of text", QUOTES),
    "texts": (_is_texts, "it is a list of texts", f"start each with a dash; {QUOTES}"),
    "two texts": (
        lambda value: _is_texts(value) and len(value) > 1,
        "it is a list of at least two texts",
        f"start each with a dash; {QUOTES}",
    ),
    "number": (is_number, "it is a number", "write digits, such as 0.95 or 1.0e-3 (YAML reads 1e-3 as text)"),
    "tolerance": (
        lambda value: is_number(value) and value >= 0,
        "it is a number, 0 or more",
        "use 0 for whole numbers",
    ),
    "flag": (lambda value: isinstance(value, bool), "it is true or false", "write true or leave it out"),
    "list": (
        lambda value: isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value),
        "it is a list of entries with fields",
        "start each entry with a dash",
    ),
    "kind": (lambda value: value in tuple(KINDS), "it is one of " + ", ".join(KINDS), "choose one of these"),
    "level": (lambda value: value in LEVELS, "it is easy, medium or hard", "choose one of these"),
}


def name(value):
    """A value as a problem shows it: short, on one line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."


def check_fields(report, place, entry, fields, needed):
    """Report unknown, missing and misshapen fields of one entry; True when all is well."""
    before = len(report.problems)
    for field, value in entry.items():
        if field not in fields:
            close = difflib.get_close_matches(str(field), fields, 1)
            report.add(
                (*place, field),
                f"`{field}` is no field here",
                "the fields are " + ", ".join(fields),
                f"did you mean {close[0]}?" if close else "remove it",
            )
            continue
        holds, rule, fix = FORMS[fields[field]]
        if not holds(value):
            report.add((*place, field), f"`{field}` is {name(value)}", rule, fix)
    for field in needed:
        if field not in entry:
            report.add(
                place, f"`{field}` is missing", "this entry needs " + ", ".join(needed), f"add {field}"
            )
    return len(report.problems) == before


def check_question(report, place, question):
    """Report what is wrong with one question taken by itself; True when all is well."""
    before = len(report.problems)
    kind = question.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        check_fields(report, place, {"kind": kind}, {"kind": "kind"}, ())
        return False
    parts = _parts(report, place, question)
    needed = (*COMMON, *{"code": ("code",), "bug": ("code",)}.get(kind, ()), *parts)
    if not check_fields(report, place, question, COMMON | KINDS[kind], needed):
        return False
    if "options" in parts:
        _check_options(report, place, question["options"])
    elif "order" in parts:
        _check_order(report, place, question["order"])
    else:
        _check_numbers(report, place, question)
    for field in {"numeric": ("compute",), "bug": ("fixed",)}.get(kind, ()):
        if field not in question and "not_run" not in question:
            report.add(
                place,
                f"`{field}` is missing",
                "the build computes the key, so that it can't be wrong",
                f"add {field}, or not_run with the reason",
            )
    return len(report.problems) == before


def _parts(report, place, question):
    """The fields that hold the key of this question."""
    kind = question["kind"]
    if kind == "order":
        return ("order",)
    if kind == "code" and "options" in question and "answer" in question:
        report.add(
            place, "there are `options` and an `answer`", "a question is answered in one way", "remove one"
        )
    if kind in ("choice", "bug") or (kind == "code" and "options" in question):
        return ("options",)
    return ("answer", "tolerance", "mistakes")


def _check_options(report, place, options):
    place = (*place, "options")
    for index, option in enumerate(options):
        here = (*place, index)
        check_fields(
            report, here, option, OPTION, ("text",) if option.get("correct") else ("text", "mistake")
        )
        if option.get("correct") and "mistake" in option:
            report.add(
                here,
                "the correct option has a `mistake`",
                "only wrong options have one",
                "remove one of them",
            )
    correct = sum(option.get("correct") is True for option in options)
    if correct != 1:
        report.add(place, f"{correct} options are correct", "exactly one is", "mark one with correct: true")
    if not 3 <= len(options) <= 6:
        report.add(place, f"there are {len(options)} options", "a question has 3 to 6", "add or remove some")
    texts = [str(option.get("text")).strip().lower() for option in options]
    for text in sorted({text for text in texts if texts.count(text) > 1}):
        report.add(place, f"two options read {name(text)}", "options differ", "reword one")


def _check_order(report, place, steps):
    place = (*place, "order")
    for index, step in enumerate(steps):
        check_fields(report, (*place, index), step, STEP, ("text", "mistake") if index else ("text",))
        if not index and "mistake" in step:
            report.add(
                (*place, 0),
                "the first step has a `mistake`",
                "a mistake says why a step can't come before the one above it",
                "remove it",
            )
    if not 3 <= len(steps) <= 7:
        report.add(place, f"there are {len(steps)} steps", "a question has 3 to 7", "add or remove some")
    if len({str(step.get("text")).strip().lower() for step in steps}) < len(steps):
        report.add(place, "two steps read the same", "steps differ", "reword one")


def _check_numbers(report, place, question):
    tolerance, taken = question["tolerance"], [question["answer"]]
    for index, wrong in enumerate(question["mistakes"]):
        here = (*place, "mistakes", index)
        if not check_fields(report, here, wrong, WRONG_NUMBER, ("value", "mistake")):
            continue
        if any(abs(wrong["value"] - other) <= 2 * tolerance for other in taken):
            report.add(
                here,
                f"value {wrong['value']} lies within twice the tolerance {tolerance} of another one",
                "one number means one thing",
                "choose other numbers or a smaller tolerance",
            )
        taken.append(wrong["value"])
