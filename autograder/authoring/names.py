"""Which names does a cell bind at its top level, and which does it read from other cells?"""

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
