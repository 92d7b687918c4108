"""What a student wrote, made harmless to look at: no script runs, nothing is asked of the network.

nbgrader shows a student's markdown as HTML, in the instructor's browser too. So before a graded notebook is written,
each markdown cell of the student's own is either plain markdown, and stays as it is, or is shown as the text that was
typed. HTML that code shows (a table of pandas) is cleaned when it leaves the student's process.
"""

import re
from pathlib import Path

from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbconvert.preprocessors.sanitize import SanitizeHTML
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

from autograder.cells import grade_id
from autograder.course import read_notebook
from autograder.repair import NOTICE

LONGEST = 20_000  # characters of markdown that are rendered: mistune is slow on what is made to slow it down
MOST_HTML, MOST_TAGS = 64 * 1024, 4000
NOT_PLAIN = "This text holds HTML, or a link or picture that could leave this page. So it is shown as it was typed."

# Tags without attributes that a text may hold, and all tags that mistune writes for plain markdown.
_BARE = "b|i|u|s|br|sub|sup|kbd|small|mark|em|strong|code|details|summary"
_TAGS = {*_BARE.split("|"), "p", "del", "pre", "span", "div", "a", "ul", "ol", "li", "blockquote", "hr", "table",
         "thead", "tbody", "tr", "th", "td", "img", "dl", "dt", "dd", "input", *(f"h{level}" for level in range(1, 7))}
_TAG = re.compile(r'<(?P<name>/?[a-z][a-z0-9]*)(?P<attributes>(?: [a-z]+(?:="[^"<>]*")?)*) ?/?>', re.ASCII)
_ATTRIBUTE = re.compile(r' ([a-z]+)(?:="([^"<>]*)")?', re.ASCII)
_VALUES = {"href": r"(https?://|mailto:|#).*", "src": r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+",
           # An id like a graded cell's would take that cell's place in formgrader.
           "id": r"(?!\d\d-).*", "class": r"[\w -]*", "style": r"text-align:\w+;?", "type": "checkbox", "start": r"\d+",
           "alt": r".*", "title": r".*", "checked": "", "disabled": ""}
_TYPED = re.compile(rf"<p>{re.escape(NOT_PLAIN)}</p><pre>(?:[A-Za-z0-9 ]|&#\d+;)*</pre>")


def plain(source, attachments=None):
    """Whether a markdown text shows nothing but text, links to click on and pictures that are in it.

    >>> plain("**Half** of the weights can go: `a < b`"), plain("<b>Half</b> <img src=x onerror=alert(1)>")
    (True, False)
    """
    if len(source) > LONGEST:
        return False
    bare = re.sub(rf"</?(?:{_BARE}) ?/?>", "", source)
    try:
        if _rendered(bare, attachments, escape=True) != _rendered(bare, attachments, escape=False):
            return False
        return _only_known_tags(_rendered(source, attachments, escape=False))
    except Exception:
        return False  # what the renderer cannot take, such as a picture that is not there, would stop nbgrader


def typed(source):
    """A markdown text as it was typed, in HTML of which neither a markdown parser nor a browser obeys anything.

    >>> typed("<b>").partition("</p>")[2]
    '<pre>&#60;b&#62;</pre>'
    """
    text = re.sub(r"[^A-Za-z0-9 ]", lambda found: f"&#{ord(found[0])};", source)
    return f"<p>{NOT_PLAIN}</p><pre>{text}</pre>"


def shown(source, attachments=None):
    """The markdown to show in place of a student's: itself when it is plain, else what was typed."""
    return source if _TYPED.fullmatch(source) or plain(source, attachments) else typed(source)


def clean(html):
    """HTML of a student's output with nothing but text, tables and colours left; "" for too much of it.

    >>> clean('<table onclick="x()"><tr><td>1</td></tr></table><script>x()</script>')
    '<table><tbody><tr><td>1</td></tr></tbody></table>'
    """
    if len(html) > MOST_HTML or html.count("<") > MOST_TAGS:
        return ""
    first, *others = re.split(r"(?i)<(?:style|script)\b", html)
    kept = [re.split(r"(?i)</(?:style|script)\s*>", part, maxsplit=1)[1:] for part in others]
    return _CLEANER.sanitize_html_tags("".join([first, *(end for part in kept for end in part)]))


class Harmless(NbGraderPreprocessor):
    """Comes after a notebook has run, before nbgrader writes it; set in `autograder.course`."""

    def preprocess(self, nb, resources):
        """Leave what was released as it is; show all other text of the student's as plain markdown or as typed."""
        released = read_notebook(Path(resources["shrinklab"]["released"]))
        nb.cells = [NotebookNode(cell) for cell in neutral(nb.cells, released)]
        return nb, resources


def neutral(cells, released):
    """The cells of a graded notebook with no text of the student's that a browser would obey.

    cells: in the released notebook's frame, where cells with a grade id are ours; released: what students got.
    """
    ours = {cell.get("id"): cell["source"] for cell in released["cells"]}
    return [cell if cell["cell_type"] == "code" or grade_id(cell) or cell.get("id") == NOTICE
            or ours.get(cell.get("id")) == cell["source"] else _neutral(cell) for cell in cells]


def _neutral(cell):
    source = typed(cell["source"]) if cell["cell_type"] == "raw" else shown(cell["source"], cell.get("attachments"))
    return {**cell, "cell_type": "markdown", "source": source}


def _rendered(source, attachments, *, escape):
    return MarkdownWithMath(IPythonRenderer(escape=escape, attachments=attachments or {})).render(source)


def _only_known_tags(html):
    """Strict: every "<" begins a tag in the one form that mistune writes, so a browser cannot read it otherwise."""
    tags = list(_TAG.finditer(html))
    if len(tags) != html.count("<"):
        return False
    return all(tag["name"].removeprefix("/") in _TAGS and all(
        key in _VALUES and re.fullmatch(_VALUES[key], value, re.DOTALL)
        for key, value in _ATTRIBUTE.findall(tag["attributes"])) for tag in tags)


_CLEANER = SanitizeHTML(
    tags=["table", "thead", "tbody", "tfoot", "tr", "th", "td", "caption", "p", "div", "span", "pre", "code", "b", "i",
          "em", "strong", "u", "sub", "sup", "br", "hr", "ul", "ol", "li", "dl", "dt", "dd", "h1", "h2", "h3", "h4",
          "h5", "h6", "details", "summary"],
    attributes={"td": ["colspan", "rowspan", "style"], "th": ["colspan", "rowspan", "style"], "span": ["style"],
                "tr": ["style"], "div": ["style"]},
    styles=["color", "background-color", "text-align", "font-weight", "font-style"], strip=True)
