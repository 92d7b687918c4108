"""The feedback page that a student reads: one file, with no script and nothing that asks the network."""

import html
import re
from pathlib import Path

import jinja2
from markupsafe import Markup
from nbconvert.exporters import Exporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from autograder.course import read_notebook
from autograder.harmless import clean, shown
from autograder.marks import marks
from autograder.report import STATES, report

LONGEST_COLOURED = 20_000  # characters
PICTURE = re.compile(r"[A-Za-z0-9+/=\s]+")
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|[\x00-\x08\x0b-\x1f\x7f]")


class FeedbackExporter(Exporter):
    """Makes the page of a graded notebook; set as nbgrader's `GenerateFeedback.exporter_class`."""

    file_extension = ".html"
    output_mimetype = "text/html"

    def from_notebook_node(self, nb, resources=None, **options):
        """Returns (page, resources). resources: nbgrader's; its preprocessor GetGrades adds scores and comments."""
        nb, resources = super().from_notebook_node(nb, resources, **options)
        names, course = resources["nbgrader"], self.parent.coursedir
        released = Path(course.format_path(course.release_directory, ".", names["assignment"]))
        found = report(nb, read_notebook(released / f"{names['notebook']}.ipynb"), names, marks(names))
        return page(found), resources


def page(found):
    """The HTML text of an `autograder.report.Report`."""
    return template("feedback.html.j2").render(report=found, states=STATES)


def template(name):
    """A template of autograder/pages/: everything that it shows is escaped unless a function here made it."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).with_name("pages")), autoescape=True,
                                     trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"markdown": markdown, "code": code, "output": output, "number": _number}
    environment.globals["colours"] = HtmlFormatter(style="friendly").get_style_defs(".code")
    return environment.get_template(name)


def markdown(cell, trusted=False):
    """A markdown cell as HTML; a student's only as far as it is harmless. trusted: it is the lesson's own."""
    source, attached = cell["source"], cell.get("attachments") or {}
    source = source if trusted else shown(source, attached)
    renderer = IPythonRenderer(escape=False, attachments=attached, exclude_anchor_links=True)
    return Markup(MarkdownWithMath(renderer).render(source))


def code(source):
    """Python in colours; as it is where colouring would take long."""
    if len(source) > LONGEST_COLOURED:
        return Markup(f'<pre class="code">{html.escape(source)}</pre>')
    return Markup(highlight(source, PythonLexer(), HtmlFormatter(cssclass="code")))


def output(one):
    """One output of a cell as HTML: text without its terminal colours, a picture, or a table."""
    if one["output_type"] == "stream":
        return _pre(one["text"])
    if one["output_type"] == "error":
        return _pre("\n".join(one["traceback"]) or f"{one['ename']}: {one['evalue']}", "error")
    data = one["data"]
    if PICTURE.fullmatch(data.get("image/png", "")):
        return Markup(f'<img alt="{html.escape(_plain(data.get("text/plain", "picture"))[:200])}" '
                      f'src="data:image/png;base64,{"".join(data["image/png"].split())}">')
    if data.get("text/html"):
        return Markup(f'<div class="table">{clean(data["text/html"])}</div>')
    return _pre(data.get("text/plain", ""))


def _pre(text, kind=""):
    return Markup(f'<pre class="output {kind}">{html.escape(_plain(text))}</pre>') if text.strip() else Markup("")


def _plain(text):
    return _ESCAPES.sub("", text)


def _number(value):
    return f"{round(value, 2):g}"
