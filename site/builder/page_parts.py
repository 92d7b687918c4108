"""A Sphinx extension: what the theme's pages lack for readers who listen or use the keyboard."""

import re
from pathlib import Path

EMPTY_HEADER = re.compile(r"<th\b[^>]*>(?:\s|&nbsp;|\\n|<p>\s*</p>)*</th>")
# The theme's own parts: two landmarks without a name, and headings without a level.
NAMED = {'<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="All pages">',
         '<aside class="toc-drawer': '<aside aria-label="On this page" class="toc-drawer',
         '<p class="caption" role="heading">': '<p class="caption" role="heading" aria-level="2">'}


def setup(app):
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def finish(app, exception):
    """Mend the pages that were written; those of earlier builds are mended already."""
    for path in Path(app.outdir).rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        mended = named(accessible(text))
        if mended != text:
            path.write_text(mended, encoding="utf-8")


def named(page):
    """A page whose landmarks have names and whose headings have levels.

    >>> named('<aside class="sidebar-drawer">')
    '<aside class="sidebar-drawer" aria-label="All pages">'
    """
    for before, after in NAMED.items():
        page = page.replace(before, after)
    return page


def accessible(text):
    """HTML, also within JSON, in which header cells without words are plain cells, and pandas' borders are gone.

    >>> accessible('<table border="1" class="dataframe"><tr><th></th></tr></table>')
    '<table class="dataframe"><tr><td></td></tr></table>'
    """
    return re.sub(r'<table border=(\\?)"1\1" ', "<table ", EMPTY_HEADER.sub("<td></td>", text))
