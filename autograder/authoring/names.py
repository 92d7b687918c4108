"""Which names does a cell bind at its top level, and which does it read from other cells?"""

import ast
import builtins
import symtable
from typing import NamedTuple

from IPython.core.inputtransformer2 import TransformerManager

_GIVEN = frozenset(dir(builtins)) | {"display", "get_ipython", "__file__"}


class Names(NamedTuple):
    """Names that a cell binds, and names that it reads and does not bind."""

    binds: frozenset
    reads: frozenset


def plain_python(source):
    """The cell as Python: IPython's % and ! lines become calls."""
    return TransformerManager().transform_cell(source)


def names_of(source):
    """The names of a cell. Raises SyntaxError when it is not Python.

    >>> found = names_of("import torch\\ndef f(x): return x + shift\\ny = f(torch.ones(2))")
    >>> sorted(found.binds), sorted(found.reads)
    (['f', 'torch', 'y'], ['shift'])
    """
    top = symtable.symtable(plain_python(source), "cell", "exec")
    binds, reads = set(), set()
    for symbol in top.get_symbols():
        if symbol.is_assigned() or symbol.is_imported():
            binds.add(symbol.get_name())
        elif symbol.is_referenced():
            reads.add(symbol.get_name())
    _inner(top, binds, reads)
    return Names(frozenset(binds), frozenset(reads - binds - _GIVEN))


def _inner(table, binds, reads):
    for child in table.get_children():
        for symbol in child.get_symbols():
            if symbol.is_declared_global() and symbol.is_assigned():
                binds.add(symbol.get_name())
            if symbol.is_global() and symbol.is_referenced():
                reads.add(symbol.get_name())
        _inner(child, binds, reads)


def stand_ins(sources):
    """{exercise: the library's functions that stand in for it}, from the lesson's `use("exercise", otherwise=...)`.

    >>> stand_ins(["from shrinklab.criteria import l1 as size", 'score = use("scores", otherwise=size)'])
    {'scores': {'l1'}}
    """
    trees = [ast.parse(plain_python(source)) for source in sources]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    # The name here -> its name in the library; a module's name stands for itself.
    known = {alias.asname or alias.name: alias.name for node in nodes if isinstance(node, ast.ImportFrom)
             and (node.module or "").partition(".")[0] == "shrinklab" for alias in node.names}
    found = {}
    for node in nodes:
        if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "use" and node.args):
            continue
        given = [word.value for word in node.keywords if word.arg == "otherwise"] or node.args[1:2]
        name = getattr(node.args[0], "value", None)
        for stand_in in given:
            if isinstance(stand_in, ast.Name) and stand_in.id in known:
                found.setdefault(name, set()).add(known[stand_in.id])
            elif isinstance(stand_in, ast.Attribute) and getattr(stand_in.value, "id", "") in known:
                found.setdefault(name, set()).add(stand_in.attr)
    return found
