"""A Sphinx extension: what each page's HTML needs beside what its text gives."""

import re

TABLE = re.compile(r"<table\b.*?</table>", re.DOTALL)


def setup(app):
    app.connect("html-page-context", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def finish(app, pagename, templatename, context, doctree):
    """Mend a page's body for readers who listen: tables whose first header cell is empty."""
    if context.get("body"):
        context["body"] = accessible(context["body"])


def accessible(body):
    """HTML in which empty header cells are plain cells, and pandas' borders are gone.

    >>> accessible('<table border="1" class="dataframe"><tr><th></th></tr></table>')
    '<table class="dataframe"><tr><td></td></tr></table>'
    """
    return TABLE.sub(lambda found: re.sub(r"<th(?: [^>]*)?>\s*</th>", "<td></td>", found[0]).replace(
        '<table border="1" ', "<table "), body)
