"""What a check's source says: the expectations that stand in it, before any of them is reached."""

import ast
import linecache
from dataclasses import dataclass


@dataclass(frozen=True)
class Written:
    """An `expect(` call as it stands in the source of a check, with its lines."""

    first: int
    last: int
    id: str
    hint: str


def expectations(filename, line):
    """The `expect(` calls of the check block around this line; none when its source is not known."""
    try:
        tree = ast.parse("".join(linecache.getlines(filename)))
    except SyntaxError:
        return []
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.With)
              and node.lineno <= line <= node.end_lineno]
    calls = [node for node in (ast.walk(blocks[-1]) if blocks else ())
             if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "expect"]
    return [Written(call.lineno, call.end_lineno, _text(call, "id"), _text(call, "hint")) for call in calls]


def _text(call, keyword):
    """A keyword's text where it is written out, else ""."""
    values = (one.value for one in call.keywords if one.arg == keyword)
    return next((value.value for value in values if isinstance(value, ast.Constant)), "")
