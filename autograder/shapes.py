"""The shape of code: its syntax tree with its own names numbered, and without what is only said to people."""

import ast
import copy
import warnings

from autograder.cells import plain_python

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_SCOPES = (*_FUNCTIONS, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def shape(source):
    """The code's shape as text; "" when Python cannot read it.

    >>> shape("def f(w):\\n    \\"A.\\"\\n    return w + 1") == shape("def f(x: int):  # mine\\n    return (x + 1)")
    True
    >>> shape("def f(w): return w + 1") == shape("def f(w): return w + 2")
    False
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            plain = _Plain().visit(ast.parse(plain_python(source)))
        plain.body = _in_order(plain)
        return ast.dump(_Numbered(plain).visit(plain), annotate_fields=False)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""


def size(key):
    """How many nodes a shape has: how much there was to choose."""
    return key.count("(")


class _Plain(ast.NodeTransformer):
    """Takes out docstrings, bare strings, annotations, and `pass` beside other lines."""

    def generic_visit(self, node):
        super().generic_visit(node)
        for field in ("body", "orelse", "finalbody"):
            lines = getattr(node, field, None)
            if isinstance(lines, list):
                kept = [line for line in lines if not _is_text(line) and not isinstance(line, ast.Pass)]
                setattr(node, field, kept or ([ast.Pass()] if field == "body" and lines else []))
        return node

    def visit_arg(self, node):
        node.annotation = None
        return node

    def visit_AnnAssign(self, node):
        self.generic_visit(node)
        return ast.Assign([node.target], node.value) if node.value else ast.Pass()

    def visit_FunctionDef(self, node):
        node.returns = None
        return self.generic_visit(node)


class _Numbered(ast.NodeTransformer):
    """Gives the names that the code makes itself numbers, in each scope in the order in which they come."""

    def __init__(self, tree):
        self.scopes = [(_names_of(tree), {})]
        self.parameters = {node.name: [one.arg for one in node.args.args] for node in ast.walk(tree)
                           if isinstance(node, ast.FunctionDef)}

    def visit(self, node):
        if isinstance(node, _FUNCTIONS):
            node.name = self._number(node.name)
        if not isinstance(node, _SCOPES):
            return super().visit(node)
        self.scopes.append((_names_of(node), {}))
        try:
            return super().visit(node)
        finally:
            self.scopes.pop()

    def visit_Name(self, node):
        node.id = self._number(node.id)
        return node

    def visit_arg(self, node):
        node.arg = self._number(node.arg)
        return node

    def visit_Call(self, node):
        # The names of arguments are the code's own only where it calls a function of its own: torch's `dim=` stays.
        known = self.parameters.get(node.func.id, []) if isinstance(node.func, ast.Name) else []
        for word in node.keywords:
            word.arg = f"_{known.index(word.arg)}" if word.arg in known else word.arg
        return self.generic_visit(node)

    def visit_alias(self, node):
        # What is imported stays; the name that it gets here is one of the code's own.
        return ast.alias(node.name, self._number((node.asname or node.name).partition(".")[0]))

    def _number(self, word):
        for depth in range(len(self.scopes) - 1, -1, -1):
            own, numbers = self.scopes[depth]
            if word in own:
                return numbers.setdefault(word, f"_{depth}_{len(numbers)}")
        return word


def _names_of(scope):
    """The names that a scope itself makes: arguments, variables, functions and imports, not those of scopes inside."""
    own, rest = set(), list(ast.iter_child_nodes(scope))
    while rest:
        node = rest.pop()
        if isinstance(node, ast.arg):
            own.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            own.add(node.id)
        elif isinstance(node, _FUNCTIONS):
            own.add(node.name)
        elif isinstance(node, ast.alias):
            own.add((node.asname or node.name).partition(".")[0])
        rest += [] if isinstance(node, _SCOPES) else ast.iter_child_nodes(node)
    return own


def _in_order(tree):
    """A cell's lines with its functions first, sorted by the shape that each has alone: where they were written, and
    under which names, makes no difference."""
    def alone(line):
        return ast.dump(_Numbered(tree).visit(copy.deepcopy(line)), annotate_fields=False)
    functions = [line for line in tree.body if isinstance(line, ast.FunctionDef)]
    return sorted(functions, key=alone) + [line for line in tree.body if line not in functions]


def _is_text(line):
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)
