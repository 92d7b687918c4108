"""Which of a notebook's cells an exercise needs: its own, and those that make the names that it uses."""

import ast

from autograder.cells import is_check, kind, name, plain_python


def needed_cells(notebook, exercise, *, check_sources=()):
    """The notebook's cells that have to run so that an exercise's check can: a list, in order.

    check_sources: of the exercise's checks as they are now; a check may call other functions than the exercise's.
    A cell is needed when it makes or changes a name that a needed cell uses; a text that equals the name counts as
    use, because functions are asked for by name (`use("scores")`). In doubt a cell is needed: one too many costs time,
    one too few points.
    """
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and not is_check(cell)
            and kind(cell) != "play"]
    facts = {index: _facts(cell["source"]) for index, cell in enumerate(code)}
    kept = {index for index, cell in enumerate(code) if kind(cell) == "setup" or name(cell) == exercise}
    wanted = {exercise}.union(*(_facts(source)[1] for source in check_sources), *(facts[index][1] for index in kept))
    while True:
        more = {index for index in facts if index not in kept and facts[index][0] & wanted}
        if not more:
            return [code[index] for index in sorted(kept)]
        kept |= more
        wanted = wanted.union(*(facts[index][1] for index in more))


def _facts(source):
    """(names that a cell makes or may change, names that it uses). A cell that Python cannot read makes nothing."""
    try:
        tree = ast.parse(plain_python(source))
    except (SyntaxError, ValueError, RecursionError):
        return set(), set()
    made, used = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else made).add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            made.add(node.name)
        elif isinstance(node, ast.alias):
            made.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            used.add(node.value)
    return made | _touched(tree), used


def _touched(tree):
    """Names whose objects a cell's statements may change: x.a = …, x[0] = …, del x.a, x.method(…), f(x)."""
    roots = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            roots |= _root(node)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            call = node.value
            roots |= _root(call.func) if isinstance(call.func, ast.Attribute) else set()
            roots = roots.union(*(_root(one) for one in call.args))
    return roots


def _root(node):
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()
