"""A fingerprint of content: the same for equal values, another one after any change, in every process.

Models and tensors count bit for bit. A function counts by its compiled code and by all that it reads: defaults,
captured variables, and the globals that it names. What comes from this library counts by the library's own source,
what comes from other installed packages by its name, with torch's version.
"""

import dis
import functools
import hashlib
import inspect
import io
import sys
import sysconfig
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType

import numpy as np
import torch
from torch import fx

from shrinklab.errors import need

PLAIN = type(None), bool, int, float, complex, str, bytes, range, slice, type(Ellipsis), torch.dtype, torch.device
UNREAD = {"__firstlineno__", "__doc__", "__annotate__", "__annotate_func__"}  # of a class: no part of what it does


def fingerprint(value):
    """SHA-256 of any value's content, 64 hex digits. The order of a dict counts.

    Raises TypeError for what has no content to compare, such as an open file or a generator.

    >>> fingerprint([1, {"a": torch.zeros(2)}]) == fingerprint([1, {"a": torch.zeros(2)}])
    True
    >>> fingerprint(torch.tensor(0.0)) == fingerprint(torch.tensor(-0.0))
    False
    """
    return _hash(torch.__version__, library(), _Reader().read(value)).hex()


@lru_cache(maxsize=1)
def library():
    """SHA-256 of this library's source: after any change of it, no earlier result counts as the same.

    >>> len(library())
    64
    """
    root = Path(str(resources.files("shrinklab")))
    return _hash(*[part for path in sorted(root.rglob("*.py"))
                   for part in (path.relative_to(root).as_posix(), path.read_bytes())]).hex()


class _Reader:
    """Reads values, each as a digest of its kind and of the digests of its parts."""

    def __init__(self):
        self.open = []  # the values that the present one is inside of: one that holds itself ends there
        self.tensors = {}  # read once each, because several functions can capture the same images

    def read(self, value):
        if type(value) in PLAIN:
            return _hash(type(value).__name__, repr(value))
        if isinstance(value, torch.Tensor | np.ndarray | np.generic):
            if id(value) not in self.tensors:
                self.tensors[id(value)] = _tensor(value), value  # kept, so that no other takes its id meanwhile
            return self.tensors[id(value)][0]
        for depth, one in enumerate(reversed(self.open)):
            if one is value:
                return _hash("the value", depth, "levels up")
        self.open.append(value)
        parts = [self.read(part) for part in self._parts(value)]
        self.open.pop()
        return _hash(_name(type(value)), *parts)

    def _parts(self, value):
        """What a value is made of, as simpler values."""
        if isinstance(value, dict):
            return [part for item in value.items() for part in item]
        if isinstance(value, list | tuple):
            return list(value)
        if isinstance(value, set | frozenset):
            return sorted(self.read(one) for one in value)
        if isinstance(value, CodeType):
            return value.co_code, value.co_names, value.co_varnames, value.co_freevars, value.co_consts
        if isinstance(value, functools.partial):
            return value.func, value.args, value.keywords
        if isinstance(value, MethodType):
            return value.__func__, value.__self__
        if isinstance(value, Path):
            return [str(value)]
        if isinstance(value, torch.Generator):
            return [value.get_state()]
        if isinstance(value, ModuleType | type | FunctionType | BuiltinFunctionType | functools._lru_cache_wrapper):
            return _code(inspect.unwrap(value))
        return _attributes(value)


def _tensor(value):
    if isinstance(value, torch.Tensor):
        content = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
        return _hash("tensor", value.dtype, tuple(value.shape), value.requires_grad, content)
    need(not value.dtype.hasobject, "an array holds Python objects", "only numbers have bits to compare",
         "turn it into a list", TypeError)
    return _hash("array", value.dtype.str, value.shape, np.ascontiguousarray(value).tobytes())


def _hash(*parts):
    """Digest of parts, each with its length, so that no two lists run together."""
    digest = hashlib.sha256()
    for part in parts:
        part = part if isinstance(part, bytes | memoryview) else str(part).encode()
        digest.update(f"{memoryview(part).nbytes} ".encode())
        digest.update(part)
    return digest.digest()


def _name(value):
    """Module and name of a class or function; fx makes a class of its own for each GraphModule."""
    name = getattr(value, "__qualname__", getattr(value, "__name__", type(value).__qualname__))
    return f"{getattr(value, '__module__', None)}.{name}" if "GraphModule" not in name else "GraphModule"


def _code(value):
    """Code of one's own by what it does, code of a package by its name."""
    own = _is_own(value)
    if isinstance(value, FunctionType):
        reads = [_content(cell) for cell in value.__closure__ or ()]
        return [_name(value), value.__defaults__, value.__kwdefaults__, reads,
                *((value.__code__, _globals(value)) if own else ())]
    if not own:
        return [_name(value)]
    if isinstance(value, ModuleType):
        return [Path(value.__file__).read_bytes()]
    unwrap = {name: getattr(part, "fget", getattr(part, "__func__", part)) for name, part in vars(value).items()}
    return [_name(value), list(value.__bases__),
            {name: part for name, part in unwrap.items()
             if name not in UNREAD and isinstance(part, (FunctionType, *PLAIN))}]


def _content(cell):
    try:
        return cell.cell_contents
    except ValueError:  # a variable of the enclosing function that has no value yet
        return "empty"


def _globals(function):
    """{name: value} of the globals that a function names, in itself or in functions inside it."""
    names, codes = set(), [function.__code__]
    for code in codes:
        names |= {step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
        codes += [const for const in code.co_consts if isinstance(const, CodeType)]
    return {name: function.__globals__[name] for name in sorted(names & function.__globals__.keys())}


def _is_own(value):
    """Whether code belongs to the caller: not to Python, this library or an installed package."""
    name = value.__name__ if isinstance(value, ModuleType) else value.__module__
    if (name or "builtins").partition(".")[0] == "shrinklab":
        return False
    file = getattr(sys.modules.get(name), "__file__", None)
    if file is None:
        return name == "__main__"  # a notebook
    path = Path(file).resolve()
    return not ({"site-packages", "dist-packages"} & set(path.parts)
                or path.is_relative_to(Path(sysconfig.get_path("stdlib")).resolve()))


def _attributes(value):
    """An object's class and attributes; of a network's file, opened to be run, the file's bytes."""
    if hasattr(value, "file_bytes") and isinstance(getattr(value, "path", None), str | Path):
        return Path(value.path).read_bytes(), getattr(value, "threads", None)
    if isinstance(value, fx.GraphModule):  # its graph is a net of nodes that name each other; its code says the same
        return value.code, value._modules, value._parameters, value._buffers, value.training
    need(hasattr(value, "__dict__") and not isinstance(value, io.IOBase), f"a {type(value).__name__} is read here",
         "it has no content to compare with an earlier run's", "make it inside the function, or pass numbers",
         TypeError)
    derived = {name for one in type(value).__mro__ for name, part in vars(one).items()
               if isinstance(part, cached_property)}
    return type(value), {name: part for name, part in vars(value).items() if name not in derived}
