"""Which functions of this library does a student's function call? Read from its code, without running it.

It sees the plain case: a name of the library stands in the function, in a function or class of the student's that it
uses, in a table (`OBSERVERS["mse"]`), or as text beside getattr, globals or import_module. Source that was copied is
the student's own code, and text that is put together or given to eval goes unseen; neither is hunted.
"""

import contextlib
import dis
import sys
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType

LOOK_UPS = {"getattr", "globals", "vars", "__dict__", "attrgetter", "import_module", "__import__", "modules"}


def library_calls(function):
    """Short names of the library's functions and classes that a function can reach by name; () for what is none.

    >>> from shrinklab import metrics
    >>> def own(model, split):
    ...     return 1 - metrics.accuracy(model, split)
    >>> own.__module__ = "__main__"  # where a notebook's functions are
    >>> library_calls(own)
    ('accuracy',)
    """
    found, seen, waiting = set(), {}, [function]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or not (callable(one) or isinstance(one, staticmethod | classmethod)):
            continue
        seen[id(one)] = one
        if _of_library(one) and isinstance(getattr(one, "__name__", None), str):
            found.add(one.__name__)
        elif isinstance(one, FunctionType):
            waiting += _reached(one)
        else:
            waiting += _inside(one)
    return tuple(sorted(found))


def _reached(function):
    """What the names and the texts in a function's code stand for."""
    code = function.__code__
    names, texts = set(_names(code)), {text for text in _constants(code) if isinstance(text, str)}
    by_text = texts if names & LOOK_UPS else set()
    read = {*_global_names(code), *(texts if "globals" in names else ())}
    reached = [function.__globals__[name] for name in read if name in function.__globals__]
    reached += [*_enclosed(function), getattr(function, "__wrapped__", None)]  # what functools.wraps put a coat on
    if any(name.partition(".")[0] == "shrinklab" for name in names | by_text):  # imported inside the function
        reached += _imported(names | by_text)
    modules = [one for one in reached if isinstance(one, ModuleType) and _of_library(one)]
    reached += [getattr(module, name, None) for module in modules for name in names | by_text]
    return [item for one in reached for item in _chosen(one, texts)]


def _chosen(item, texts):
    """The item itself; of a table what is looked up by a text of the function, or else everything in it."""
    if isinstance(item, dict):
        keys = [key for key in item if isinstance(key, str) and key in texts]
        return [item[key] for key in keys or item]
    return list(item) if isinstance(item, list | tuple | set | frozenset) else [item]


def _inside(item):
    """What the student's own class, method, partial or callable object is made of; [] for everything else."""
    if isinstance(item, partial):
        return [item.func, *item.args, *item.keywords.values()]
    if isinstance(item, MethodType):
        return [item.__func__, item.__self__]
    if isinstance(item, staticmethod | classmethod):
        return [item.__func__]
    if hasattr(item, "__wrapped__"):  # functools.cache
        return [item.__wrapped__]
    own = item if isinstance(item, type) else type(item)
    if own.__module__ != "__main__":
        return []
    return [*vars(own).values(), *own.__bases__, *getattr(item, "__dict__", {}).values()]


def _names(code):
    """Every name that the code or a function inside it reads: globals, attributes, imports."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _constants(code):
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _constants(constant)
        else:
            yield from constant if isinstance(constant, tuple | frozenset) else (constant,)


def _global_names(code):
    """The names that are looked up among the globals; not attributes: np.percentile is no `percentile`."""
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield step.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _global_names(constant)


def _enclosed(function):
    """What a function takes from around it: closures and default values."""
    cells = []
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # a cell that nothing was put into yet
            cells.append(cell.cell_contents)
    return [*cells, *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]


def _imported(names):
    """The library's modules whose names stand among these; only those that are loaded already."""
    return [module for name, module in list(sys.modules.items())
            if name.startswith("shrinklab.") and (name in names or name.rpartition(".")[2] in names)]


def _of_library(item):
    home = item.__name__ if isinstance(item, ModuleType) else getattr(item, "__module__", None)
    return isinstance(home, str) and home.partition(".")[0] == "shrinklab"
