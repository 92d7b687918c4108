"""Links between the course's notebooks and documents, turned into links between pages."""

import re

NOTEBOOK = re.compile(r"\]\((?:\.\./)?(?:(\d\d_[a-z0-9_]+)/\1|(00_start_here|glossary))\.ipynb(#[^)]*)?\)")
PAGES = {"glossary": "/glossary.md", "00_start_here": "/index.md"}
RELATIVE = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#|/)([^)#\s]+)(#[^)]*)?\)")


def notebook_links(text):
    """Links to notebooks as links to pages; the anchors are the headings' own words, as in JupyterLab.

    >>> notebook_links("[02](02_size_work_time/02_size_work_time.ipynb#A-MAC) and [words](glossary.ipynb)")
    '[02](/lessons/02_size_work_time.ipynb#A-MAC) and [words](/glossary.md)'
    """
    def page(found):
        lesson, other, anchor = found.groups()
        target = f"/lessons/{lesson}.ipynb" if lesson else PAGES[other]
        return f"]({target}{anchor or ''})"
    return NOTEBOOK.sub(page, text)


def document_links(text, pages, *, folder, repository=""):
    """Links of a document of the repository: to pages where there is one, else to the repository or to nothing.

    pages: {path in the repository: page}; folder: the document's own, such as "docs".

    >>> document_links("[a](q.md) and [b](../src/x.py)", {"docs/q.md": "/guide/q.md"}, folder="docs")
    '[a](/guide/q.md) and b (`src/x.py`)'
    """
    def link(found):
        picture, words, path, anchor = found.groups()
        target = _resolved(folder, path)
        if target in pages:
            return f"{picture}[{words}]({pages[target]}{anchor or ''})"
        if repository and not picture:
            return f"[{words}]({repository.rstrip('/')}/blob/main/{target}{anchor or ''})"
        return words if target in words else f"{words} (`{target}`)"
    return RELATIVE.sub(link, text)


def _resolved(folder, path):
    parts = folder.split("/") if folder else []
    for part in path.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def jupyter_slug(title):
    """The anchor of a heading as JupyterLab makes it, so that a lesson's links hold on the site too.

    >>> jupyter_slug("How many weights can go?")
    'How-many-weights-can-go?'
    """
    return title.strip().replace(" ", "-")
