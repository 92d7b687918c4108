"""Pages that are no lessons: guides, glossary, references, and the tables of the benchmarks."""

import re

from autograder.authoring.pages import glossary
from autograder.authoring.source import read_lesson
from builder.links import document_links, notebook_links

GUIDES = {"docs/instructors.md": "instructors", "docs/grading.md": "grading", "docs/hostile.md": "hostile",
          "docs/authoring.md": "authoring", "docs/questions.md": "questions"}


def guide_pages(root, settings):
    """{path: MyST} of the guides in docs/ that are there, and of their index."""
    there = {path: name for path, name in GUIDES.items() if (root / path).exists()}
    pages = {path: f"/guide/{name}.md" for path, name in there.items()}
    made = {f"guide/{name}.md": document_links((root / path).read_text(encoding="utf-8"), pages, folder="docs",
                                               repository=settings.repository) for path, name in there.items()}
    tree = "\n".join(there.values())
    index = (root / "site" / "pages" / "guide.md").read_text(encoding="utf-8")
    return made | {"guide/index.md": f"{index}\n```{{toctree}}\n:maxdepth: 1\n\n{tree}\n```\n"}


def benchmark_pages(folder):
    """{path: MyST} of the tables that `make bench` wrote, each with its machine and date, and of their index."""
    pages, names = {}, []
    for path in sorted(folder.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        title = text.split("\n", 1)[0].removeprefix("# ")
        found = re.search(r"(\d{4}-\d\d-\d\d).*?; (.*)", text.strip().split("\n")[-1])
        names.append((path.stem, title, found[1] if found else ""))
        # A number and its unit stay on one line of a narrow column.
        pages[f"benchmarks/{path.stem}.md"] = re.sub(r"(\d) (%|µs|ms|s|kB|MB|points)(?= +\|)", "\\1\u00a0\\2", text)
    rows = "\n".join(f"- [{title}]({name}.md), {date}" for name, title, date in names)
    tree = "\n".join(name for name, *_ in names)
    text = ("# Benchmarks\n\nThe library beside the best tools of the field. Everything was chosen on validation "
            "images and measured once on the test set. Targets that were missed say NO; they are not hidden. The last "
            f"line of each page names command, date, processor, threads and versions.\n\n{rows}\n\n"
            f"```{{toctree}}\n:hidden:\n\n{tree}\n```\n")
    return pages | {"benchmarks/index.md": text}


def glossary_page(root):
    """The terms of all lessons, each with links back to the sections that define it."""
    cells = glossary(root, sorted((root / "solutions").glob("[0-9][0-9]_*.glossary.yml")))
    head = "# Glossary\n\nThe terms of this course, with links to the places in the lessons that define them."
    return notebook_links("\n\n".join([head, *cells[1:]])) + "\n"


def references_page(lessons):
    """What the lessons cite, from the cells called "sources"."""
    parts = ["# References\n\nThe papers and documents that the lessons name, lesson by lesson."]
    for path in lessons:
        lesson = read_lesson(path)
        title = lesson.cells[0].source.split("\n")[0].removeprefix("# ")
        for cell in lesson.cells:
            if cell.options.get("key") == "sources":
                entries = "\n".join(f"- {one}" for one in sources_of(cell.source))
                parts.append(f"## [{title}](/lessons/{lesson.name}.ipynb)\n\n{entries}")
    return "\n\n".join(parts) + "\n"


def sources_of(text):
    """The entries of a paragraph of sources; each ends with its year, or with what stands in brackets after it.

    >>> sources_of("Sources: A. Bee, *One*, 2015. C. Dee and others, *Two*,\\n2016 (why). Documentation of X.")
    ['A. Bee, *One*, 2015.', 'C. Dee and others, *Two*, 2016 (why).', 'Documentation of X.']
    """
    text = " ".join(text.split()).removeprefix("Sources: ")
    return [part.strip() for part in re.split(r"(?<=\d{4}\.)\s|(?<=\)\.)\s", text) if part.strip()]
