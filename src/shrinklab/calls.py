"""One call of a student's function, as three steps that are the same in a notebook and in grading.

`request` (the side that checks) -> `perform` (the side where the student's code lives) -> `receive` (the
checking side again). Request and response are JSON. In grading they cross a process boundary, in the
student's own notebook they stay in the process; everything else is the same, so a check sees no difference.
"""

import builtins
import contextlib
import linecache
import re
import traceback
from dataclasses import dataclass, field
from types import FunctionType

from torch import nn

from shrinklab.borrowed import library_calls
from shrinklab.errors import need
from shrinklab.printed import LimitedText
from shrinklab.refs import Ref
from shrinklab.wire import WireError, decode, describe, encode

MAX_PRINTED = 10_000
MAX_TEXT = 500
MAX_BORROWED = 100


@dataclass(frozen=True)
class Call:
    """What one call gave.

    value: what the function returned; arguments and keywords: the arguments as they are after the call, so
    that a check sees what was changed in place (None when they can no longer cross); printed: its output;
    library: the name of the library's function, when it is that which was called under the student's name;
    borrows: short names of the library's functions that the student's function calls.
    """

    value: object
    arguments: tuple | None = ()
    printed: str = ""
    keywords: dict | None = field(default_factory=dict)
    library: str = ""
    borrows: tuple[str, ...] = ()


class StudentError(Exception):
    """The student's code gave no value; `str(error)` tells why, `public` tells it without any value of it."""

    def __init__(self, detail, public=None, printed=""):
        super().__init__(detail)
        self.public = public or detail
        self.printed = printed


class NotWritten(StudentError):
    """A stub was called that nobody has written yet."""


def request(name, args=(), kwargs=None):
    """The message that asks for `name(*args, **kwargs)`, or for the value `name` when it is no function.

    >>> request("halve", [3.0])
    {'name': 'halve', 'args': [3.0], 'kwargs': []}
    """
    return {"name": name, "args": [encode(arg) for arg in args],
            "kwargs": [[key, encode(value)] for key, value in (kwargs or {}).items()]}


def perform(namespace, message):
    """Do what a request asks, in the namespace that holds the student's code, and return the response.

    namespace: dict of the names that the student's cells have bound. Returns {"value", "arguments", "keywords",
    "library", "borrows", "printed"} or {"error", "printed"}; raises nothing but KeyboardInterrupt, the student's
    own stop button.

    >>> perform({"halve": lambda x: x / 2}, request("halve", [3.0]))["value"]
    1.5
    """
    printed = LimitedText(MAX_PRINTED)
    try:
        with contextlib.redirect_stdout(printed):
            response = _perform(namespace, message)
    except (Exception, SystemExit, GeneratorExit) as error:
        response = {"error": _explain(error, namespace, message["name"])}
    return response | {"printed": printed.text()}


def receive(response, name="your code"):
    """The `Call` that a response describes; raises StudentError, or NotWritten for a stub, when it failed.

    The response is not trusted: it comes from the process that ran the student's code. name: what was asked for; what
    an error tells in public names nothing else.

    >>> receive({"value": 1.5, "arguments": [3.0], "keywords": [], "printed": ""}).value
    1.5
    """
    need(isinstance(response, dict), f"the response is {describe(response)}", "it must be a dict",
         "send perform(namespace, request)", WireError)
    printed = clean(response.get("printed", ""), MAX_PRINTED + MAX_TEXT)  # the rest says that it was cut
    if "error" in response:
        raise _student_error(response["error"], printed, name)
    arguments = keywords = None
    try:
        value = decode(response.get("value"))
        if response.get("arguments") is not None:
            arguments = tuple(decode(list(response["arguments"])))
            keywords = decode({"$": "dict", "items": response.get("keywords")})
    except (WireError, TypeError) as error:
        raise StudentError(f"What came back could not be read: {error}", "What came back could not be read.",
                           printed) from None
    return Call(value, arguments, printed, keywords, clean(response.get("library", ""), 80),
                _short_names(response.get("borrows")))


def _perform(namespace, message):
    name, resolved = message["name"], {}
    args = [_resolve(decode(arg), resolved) for arg in message["args"]]
    kwargs = {key: _resolve(decode(value), resolved) for key, value in message["kwargs"]}
    if name not in namespace:
        raise _Missing(f"{name} does not exist yet. Run the cell that defines it, then this one.")
    found = namespace[name]
    if not callable(found) or (isinstance(found, nn.Module) and not args and not kwargs):
        if args or kwargs:
            raise _Missing(f"{name} is {describe(found)}, not a function. Run the cell that defines it.")
        value = found
    else:
        value = found(*args, **kwargs)
    refs = {key: ref for key, (ref, _) in resolved.items()}
    response = {"value": encode(value), "arguments": None, "keywords": None, "library": _library(found),
                "borrows": list(library_calls(found))[:MAX_BORROWED]}
    with contextlib.suppress(WireError):
        # In one go: together they may not be larger than one value.
        positional, named = encode([list(args), list(kwargs.values())], refs)
        response |= {"arguments": positional, "keywords": [list(pair) for pair in zip(kwargs, named, strict=True)]}
    return response


def _library(found):
    """The full name of a function or class of this library, "" for the student's own."""
    home = getattr(found, "__module__", None) or ""
    ours = isinstance(found, FunctionType | type) and isinstance(home, str) and home.startswith("shrinklab.")
    return f"{home}.{found.__name__}" if ours else ""


def _short_names(names):
    """What a response says was borrowed; whatever is no list of names counts as nothing."""
    names = names if isinstance(names, list) else []
    return tuple(name for name in names[:MAX_BORROWED] if isinstance(name, str) and name.isidentifier())


class _Missing(Exception):
    """There is nothing to call."""


def _resolve(value, resolved):
    """Put the objects in the places of their references; resolved keeps {id: (ref, object)}, but for
    models: those cross back as they are, so that a check sees whether one was changed."""
    if isinstance(value, Ref):
        found = value.resolve()
        if not isinstance(found, nn.Module):
            resolved[id(found)] = (value, found)
        return found
    if isinstance(value, list | tuple):
        return type(value)(_resolve(item, resolved) for item in value)
    if isinstance(value, dict):
        return {key: _resolve(item, resolved) for key, item in value.items()}
    return value


def _explain(error, namespace, name):
    """Describe an error: its kind, type and message, and the function and line of the student's own cell."""
    frames = list(traceback.walk_tb(error.__traceback__))
    own = [(frame, line) for frame, line in frames if frame.f_globals is namespace]
    kind = {_Missing: "missing", WireError: "crossing"}.get(type(error), "raised")
    # PyTorch raises NotImplementedError too; a stub is one whose raise stands in the student's own cell.
    if isinstance(error, NotImplementedError) and own and own[-1][0] is frames[-1][0]:
        kind = "unwritten"
    told = {"kind": kind, "type": type(error).__name__, "function": name, "line": None, "source": "",
            "message": _message(error)}
    if own:
        frame, line = own[-1]
        source = linecache.getline(frame.f_code.co_filename, line).strip()
        told |= {"function": frame.f_code.co_name, "line": line, "source": source[:MAX_TEXT]}
    return told


def _message(error):
    try:
        return str(error)[:MAX_TEXT]
    except Exception:
        return ""


def _student_error(told, printed, asked):
    """What went wrong, in detail and in public. A name or a line number that the student's process tells could be made
    from a hidden input, so the public sentence repeats neither."""
    told = told if isinstance(told, dict) else {}
    kind, function = told.get("kind"), clean(told.get("function", ""), 60)
    function = function if re.fullmatch(r"\w+|<lambda>", function) else "your code"
    message, source = clean(told.get("message", ""), MAX_TEXT), clean(told.get("source", ""), 120)
    if kind == "unwritten":
        return NotWritten(f"{function} is not written yet.", f"{asked} is not written yet.", printed)
    if kind == "missing":
        public = f"{asked} is not there: its cell is missing or did not run to its end."
        return StudentError(message, public, printed)
    if kind == "crossing":
        public = f"What {asked} gives is too large, or it is no number, string, list, dict, array or model."
        return StudentError(f"What {function} gives cannot be checked: {message}", public, printed)
    line = f", line {told['line']}" if type(told.get("line")) is int and 0 < told["line"] < 10**6 else ""
    name = _error_name(told.get("type"))
    detail = f"{function}{line} raised {name}" + (f": {message}" if message else ".")
    return StudentError(detail + (f"\n    {source}" if source else ""), f"{asked} raised {name}.", printed)


def _error_name(name):
    """Only the names of Python's own errors are repeated: a made-up one could carry a hidden input out."""
    known = isinstance(name, str) and isinstance(getattr(builtins, name, None), type)
    return name if known else "an error"


def clean(text, limit):
    """Text without control characters (a terminal would obey them), cut to a length.

    >>> clean("a\\x1b[31mb", 20)
    'a[31mb'
    """
    text = text if isinstance(text, str) else ""
    return "".join(c for c in text[:limit] if c.isprintable() or c in "\n\t")
