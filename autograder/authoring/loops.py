"""Where a check goes over a student's value item by item.

A value may hold a million numbers, whatever the task asks for, and the check runs in the grader: `max(value)` in
Python takes seconds and makes an object of each number, where `value.max()` and `expect(value, ...)` do not.
"""

import ast

CALLS = ("student", "student_call")
WALKS = ("all", "any", "dict", "enumerate", "list", "map", "max", "min", "reversed", "set", "sorted", "sum", "tuple",
         "zip")
# Of a call: as many as the check gave; of a tensor: as many as it has dimensions.
SHORT = ("arguments", "keywords", "shape")


def loops(tree):
    """The places of a check's syntax tree that go over what `student` or `student_call` gave: (line, what) pairs.

    >>> list(loops(ast.parse("x = student('f')\\nmax(x)\\nx.max()")))
    [(2, 'max(...)')]
    """
    names = {target.id for node in ast.walk(tree) if isinstance(node, ast.Assign) and _from_student(node.value, ())
             for target in node.targets if isinstance(target, ast.Name)}
    for node in ast.walk(tree):
        for what, walked in _walks(node):
            if not (isinstance(walked, ast.Attribute) and walked.attr in SHORT) and _from_student(walked, names):
                yield walked.lineno, what


def _walks(node):
    """The expressions that this node goes over item by item, each with the words for how."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in WALKS:
        one_of_several = node.func.id in ("max", "min") and len(node.args) > 1
        yield from ((f"{node.func.id}(...)", arg) for arg in node.args if not one_of_several)
    elif isinstance(node, ast.For | ast.comprehension):
        yield "for", node.iter
    elif isinstance(node, ast.Starred):
        yield "*", node.value


def _from_student(node, names):
    if isinstance(node, ast.Name):
        return node.id in names
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in CALLS:
        return True
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return _from_student(node.func.value, names)
    return isinstance(node, ast.Attribute | ast.Subscript) and _from_student(node.value, names)
