"""A lesson's page, as a notebook that myst-nb reads: MyST text, code, and the outputs of the executed cells."""

import html
import re

import nbformat
import nbformat.v4 as v4

from builder.lesson import shown_cells
from builder.links import notebook_links
from builder.outputs import page_outputs

ROOT = "../"  # from lessons/ to the top
METADATA = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"}}


def lesson_page(lesson, outputs, assets, settings):
    """The notebook of a lesson's page."""
    cells = []
    for place, shown in enumerate(shown_cells(lesson)):
        id = f"site-{place}"
        if shown.kind == "text":
            text = notebook_links(_marked(shown.source))
            if place == 0:
                text = _with_links(text, lesson.name, settings)
            cells.append(v4.new_markdown_cell(text, id=id))
        else:
            tags = ["remove-input"] if shown.hide else ["hide-input"] if shown.folded else []
            cells.append(v4.new_code_cell(shown.source, id=id, metadata={"tags": tags},
                                          outputs=[nbformat.from_dict(one) for one in
                                                   page_outputs(outputs[shown.id], assets, ROOT)]))
    return v4.new_notebook(cells=cells, metadata=METADATA)


def _marked(text):
    """The short path's mark as a badge, and a box around the exercise's and the sources' text left as they are."""
    return re.sub(r"^\*Short path\*$", '<p class="short-path">Short path</p>\n', text, flags=re.MULTILINE)


def _with_links(text, lesson, settings):
    """The title's cell with the line of links below the title."""
    title, rest = text.split("\n", 1)
    links = "".join(f'<a class="lesson-link" href="{html.escape(address)}">{name}</a>'
                    for name, address in settings.links_to(lesson))
    links += '<a class="lesson-link print-link" href="?print">Printable version</a>'
    line = f'<div class="lesson-links">{links}</div>'
    return f"{title}\n\n{line}\n\n{rest}"
