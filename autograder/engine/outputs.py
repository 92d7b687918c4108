"""Notebook outputs: what a student's process sent is checked, a check's score is written for nbgrader."""

import itertools
import textwrap

MOST = 200
TEXT = 80_000
PICTURE = 2 * 2**20


def from_student(outputs, *, tables=()):
    """Keep of a process's outputs what a notebook may hold: text, pictures and errors of a sane size.

    outputs: whatever JSON came from the student's process. tables: an iterator with an item for each output
    that may come as HTML, cleaned: cleaning takes our time. Returns nbformat outputs.

    >>> from_student([{"output_type": "stream", "name": "stdout", "text": "hi"}, {"output_type": "js"}])
    [{'output_type': 'stream', 'name': 'stdout', 'text': 'hi'}]
    """
    found = outputs[:MOST] if isinstance(outputs, list) else []
    kept = [made for one in found if isinstance(one, dict) and (made := _one(one))]
    for output in kept:
        html = output.get("data", {}).pop("text/html", "")
        if html and next(iter(tables), None) is not None:
            from autograder.harmless import clean  # here: a student's process needs no nbconvert
            cleaned = clean(html)
            output["data"] |= {"text/html": cleaned} if cleaned.strip() else {}
    return kept


def _one(output):
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return {"output_type": "stream", "name": name, "text": text(output.get("text"))}
    if kind == "error":
        return error(text(output.get("ename")), text(output.get("evalue")),
                     [text(line) for line in output.get("traceback") or [] if isinstance(line, str)][:MOST])
    if kind in ("execute_result", "display_data") and isinstance(output.get("data"), dict):
        data = {"text/plain": text(output["data"].get("text/plain"))}
        picture = output["data"].get("image/png")
        if isinstance(picture, str) and picture.isascii() and len(picture) <= PICTURE:
            data["image/png"] = picture
        if isinstance(output["data"].get("text/html"), str):
            data["text/html"] = text(output["data"]["text/html"])
        counted = {"execution_count": None} if kind == "execute_result" else {}
        return {"output_type": kind, "data": data, "metadata": {}} | counted
    return None


def error(name, message, traceback):
    """An nbformat error output."""
    return {"output_type": "error", "ename": name, "evalue": message, "traceback": traceback}


def of_check(checked):
    """The outputs of a check cell: its text for the student, and its score as nbgrader reads it.

    checked: has `.text` and `.score`. Never a stderr stream or an error: nbgrader gives 0 for those.
    """
    lines = wrapped(text(checked.text))
    stream = [{"output_type": "stream", "name": "stdout", "text": lines}] if lines else []
    return [*stream, {"output_type": "execute_result", "execution_count": None, "metadata": {},
                      "data": {"text/plain": repr(checked.score)}}]


def wrapped(lines):
    """Text with its long lines broken: feedback pages show a line no further than their edge.

    >>> print(wrapped("✗ sign: " + "ignore the sign " * 7))
    ✗ sign: ignore the sign ignore the sign ignore the sign ignore the sign ignore the sign ignore
        the sign ignore the sign
    """
    broken = [textwrap.wrap(line, 95, subsequent_indent="    ", break_on_hyphens=False) or [line]
              if len(line) > 95 else [line] for line in lines.split("\n")]
    return "\n".join(itertools.chain.from_iterable(broken))


def text(value):
    """A string that any file and terminal takes: no lone surrogates, not too long.

    >>> text("caf\\u00e9 \\ud800")
    'café ?'
    """
    return value[:TEXT].encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else ""
