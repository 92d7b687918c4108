"""`python site`: all steps from the lessons' sources to site/_build/html."""

import shutil
from pathlib import Path

import nbformat
from sphinx.cmd.build import main as sphinx_build

from autograder.authoring.build import sources
from autograder.authoring.source import read_lesson
from builder import bundle, documents
from builder.colab import colab_notebooks
from builder.execute import MOST_ANSWERS, executed
from builder.front import front_cells, front_page
from builder.lesson import code_cells
from builder.lesson_pages import lesson_page
from builder.links_check import check
from builder.outputs import Assets
from builder.reference import reference_pages
from builder.settings import read_settings

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "site" / "_build"


def build(settings=None, target=BUILD, *, answers=MOST_ANSWERS):
    """Build the site into target/html; returns Sphinx's exit status, 0 when there was no warning.

    answers: about how many settings of an explorer are computed.
    """
    settings = settings or read_settings(ROOT / "site" / "settings.toml")
    write_sources(settings, target, answers)
    shutil.rmtree(target / "html" / "_static" / "widgets", ignore_errors=True)
    status = sphinx_build(["-b", "html", "-c", str(ROOT / "site"), "-d", str(target / "doctrees"), "-W", "--keep-going",
                           "-q", "-D", f"html_static_path=static/public,{target / 'static'}",
                           str(target / "source"), str(target / "html")])
    broken, external, _ = check(target / "html")
    (target / "external-links.txt").write_text("".join(f"{one}\n" for one in external), encoding="utf-8")
    for line in broken:
        print(f"[site] broken link: {line}")
    status = status or int(bool(broken))
    if not status and "colab" in settings.links:
        colab_notebooks(ROOT, settings.repository, target / "html" / "colab")
    return status


def write_sources(settings, target, answers=MOST_ANSWERS):
    """Run what must be run, and write what Sphinx reads: target/source and target/static."""
    lessons = sources(ROOT)
    banks = {path.stem: path.with_name(f"{path.stem}.questions.yml").read_text(encoding="utf-8") for path in lessons}
    runs = {path.stem: (code_cells(read_lesson(path)), banks[path.stem]) for path in lessons}
    outputs = executed(runs | {"front": (front_cells(ROOT), "")}, BUILD / "cache", answers)
    assets, pages = Assets(target / "static"), {}
    for path in lessons:
        page = lesson_page(read_lesson(path), outputs[path.stem], assets, settings)
        pages[f"lessons/{path.stem}.ipynb"] = nbformat.writes(page)
    front = front_page(ROOT, lessons, outputs["front"], assets)
    pages["index.md"] = front.replace("{{lessons}}", "\n".join(f"lessons/{path.stem}" for path in lessons))
    pages |= {"glossary.md": documents.glossary_page(ROOT), "references.md": documents.references_page(lessons),
              **documents.guide_pages(ROOT, settings),
              **documents.benchmark_pages(ROOT / "benchmarks" / "results"),
              **reference_pages(ROOT / "src" / "shrinklab")}
    assets.write("shrinklab.js", bundle.script().encode())
    assets.write("shrinklab.css", bundle.style().encode())
    assets.sweep()
    _write(pages, target / "source")


def _write(pages, folder):
    """Write what differs, so that Sphinx reads only changed pages again; delete what is no page any more."""
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for path in folder.rglob("*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in pages:
            path.unlink()
