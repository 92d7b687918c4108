"""The library's reference, from its docstrings: MyST with Sphinx's Python directives. Nothing is imported."""

import ast
import re
from pathlib import Path

from builder.prose import escaped

# In teaching order; what is not named here comes last, by name.
GROUPS = {
    "Data and networks": ("data", "models", "train", "distill", "augment"),
    "Measure": ("measure", "measurement", "verdict", "metrics", "detection", "timing", "profiling", "memory",
                "roofline", "files", "significance", "stability", "leakage", "rare"),
    "Prune": ("criteria", "masks", "schedules", "lottery", "channels", "channel_criteria", "channel_amounts", "groups",
              "graph", "reconstruct"),
    "Quantize": ("affine", "quantize", "codebook"),
    "Ship": ("deploy", "shipping", "pareto", "capstone", "sweep"),
    "Show and ask": ("widgets", "plot", "quiz", "exercise"),
}


PACKAGES = ("widgets", "deploy", "quantize", "quiz", "codebook")


def reference_pages(source):
    """{path: MyST} of the reference: an index, and a page for each module or package of the library."""
    parts = {}
    for path in sorted(Path(source).rglob("*.py"), key=lambda one: (one.name != "__init__.py", one.as_posix())):
        inside = path.relative_to(source).with_suffix("").parts
        name = ".".join(["shrinklab", *(inside[:-1] if inside[-1] == "__init__" else inside)])
        text = module_page(name, ast.parse(path.read_text(encoding="utf-8")))
        if text and len(inside) + (inside[-1] != "__init__") > 1:
            parts.setdefault(inside[0], []).append(text)
    pages = {f"reference/{top}.md": "\n".join(texts) for top, texts in parts.items()}
    return pages | {"reference/index.md": _index({top: texts[0] for top, texts in parts.items()})}


def _index(modules):
    named = {name for names in GROUPS.values() for name in names}
    groups = GROUPS | {"Further modules": tuple(name for name in sorted(modules) if name not in named)}
    parts = []
    for title, names in groups.items():
        mine = [name for name in names if name in modules]
        rows = "\n".join(f"- [`shrinklab.{name}`]({name}.md): {_first_line(modules[name])}" for name in mine)
        parts.append(f"## {title}\n\n{rows}\n\n```{{toctree}}\n:hidden:\n\n" + "\n".join(mine) + "\n```")
    return ("# The library\n\nShrinklab's functions, as the lessons use them: pure, small, and each with a worked "
            "value.\n\n" + "\n\n".join(parts) + "\n")


def _first_line(page):
    first = " ".join(page.split("\n\n")[2].split())
    return re.split(r"(?<=[.?])\s", first)[0]


def module_page(name, tree):
    """The MyST of a module, or "" when it holds nothing public with a docstring."""
    members = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)
               and not node.name.startswith("_") and ast.get_docstring(node)]
    text = ast.get_docstring(tree)
    package = name in (f"shrinklab.{one}" for one in PACKAGES)
    if not text or not (members or package) or name.startswith("shrinklab.datasets"):
        return ""
    # A package and its modules share a page.
    level = "##" if name.removeprefix("shrinklab.").count(".") else "#"
    parts = [f"{level} {name.removeprefix('shrinklab.')}", f"```{{py:module}} {name}\n```", prose(text)]
    parts += [_member(name, node) for node in members]
    return "\n\n".join(parts) + "\n"


def _member(module, node, indent=6):
    kind, fence = ("class" if isinstance(node, ast.ClassDef) else "function"), "`" * indent
    return f"{fence}{{py:{kind}}} {signature(node)}\n:module: {module}\n\n{_body(module, node, indent)}\n{fence}"


def _body(module, node, indent):
    parts = [prose(ast.get_docstring(node))]
    if isinstance(node, ast.ClassDef):
        fields = [f"- `{ast.unparse(one)}`" for one in node.body if isinstance(one, ast.AnnAssign)
                  and not ast.unparse(one.target).startswith("_")]
        parts += ["\n".join(fields)] if fields else []
        parts += [_method(module, node, one, indent - 1) for one in node.body if isinstance(one, ast.FunctionDef)
                  and not one.name.startswith("_") and ast.get_docstring(one)]
    return "\n\n".join(parts)


def _method(module, owner, node, indent):
    fence, decorators = "`" * indent, {ast.unparse(one) for one in node.decorator_list}
    is_property = bool(decorators & {"property", "cached_property"})
    kind, call = ("property", node.name) if is_property else ("method", signature(node, method=True))
    option = ":classmethod:\n" if "classmethod" in decorators else ""
    return (f"{fence}{{py:{kind}}} {owner.name}.{call}\n:module: {module}\n{option}\n"
            f"{prose(ast.get_docstring(node))}\n{fence}")


def signature(node, method=False):
    """`name(a, b=1)` of a function, or of a class as it is called.

    >>> signature(ast.parse("def f(a, *, b=(0, 1)):\\n    pass").body[0])
    'f(a, *, b=(0, 1))'
    """
    if isinstance(node, ast.ClassDef):
        start = next((one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"), None)
        return f"{node.name}{_arguments(start, True)}" if start else node.name
    static = any(ast.unparse(one) == "staticmethod" for one in node.decorator_list)
    return f"{node.name}{_arguments(node, method and not static)}"


def _arguments(node, method):
    text = ast.unparse(node.args)
    return f"({re.sub(r'^(self|cls)(, )?', '', text) if method else text})"


def prose(docstring):
    r"""A docstring's paragraphs as MyST; examples as code.

    >>> prose("One.\n\n>>> 1 + 1\n2").split("\n")
    ['One.', '', '```pycon', '>>> 1 + 1', '2', '```']
    """
    parts = []
    for part in re.split(r"\n\s*\n", docstring.strip()):
        lines = part.split("\n")
        start = next((i for i, line in enumerate(lines) if line.lstrip().startswith(">>>")), len(lines))
        if start:
            parts.append(_text(lines[:start]))
        if start < len(lines):
            parts.append("```pycon\n" + "\n".join(lines[start:]) + "\n```")
    return "\n\n".join(parts)


def _text(lines):
    if all(line.startswith("- ") or line.startswith("  ") for line in lines):
        return "\n".join(f"- {escaped(item)}" for item in "\n".join(lines).removeprefix("- ").split("\n- "))
    if any(line.startswith("    ") for line in lines):
        return "```text\n" + "\n".join(lines) + "\n```"
    return escaped("\n".join(lines))
