"""Which functions of this library does a student's function call? Read from its code, without running it.

It sees the plain case: the call stands in the function, or in a function of the student's that it calls. Source
that was copied is the student's own code, and getattr with a computed name goes unseen; neither is hunted.
"""

import contextlib
import dis
import sys
from types import CodeType, FunctionType, ModuleType


def library_calls(function):
    """Short names of the library's functions and classes that a function can reach by name; () for what is none.

    >>> from shrinklab import metrics
    >>> def own(model, split):
    ...     return 1 - metrics.accuracy(model, split)
    >>> library_calls(own)
    ('accuracy',)
    """
    found, seen, waiting = set(), set(), [function]
    while waiting:
        one = waiting.pop()
        if not isinstance(one, FunctionType) or one in seen:
            continue
        seen.add(one)
        names = set(_names(one.__code__))
        reached = [one.__globals__[name] for name in _global_names(one.__code__) if name in one.__globals__]
        reached += _enclosed(one)
        if any(name.partition(".")[0] == "shrinklab" for name in names):  # imported inside the function
            reached += _imported(names)
        reached += [getattr(module, name, None) for module in reached if _of_library(module) for name in names]
        found |= {item.__name__ for item in reached if isinstance(item, FunctionType | type) and _of_library(item)}
        waiting += [item for item in reached if isinstance(item, FunctionType) and not _of_library(item)]
    return tuple(sorted(found))


def _names(code):
    """Every name that the code or a function inside it reads: globals, attributes, imports."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


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
