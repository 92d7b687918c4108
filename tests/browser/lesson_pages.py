"""The released lessons in JupyterLab: each opened once, run from top to bottom, and looked at by its test.

With the environment variable SCREENSHOTS set (`make screenshots`) the pictures of the README are taken on the way.
"""

import os
import re
from pathlib import Path

import pytest
from notebook_page import NotebookPage, settled
from playwright.sync_api import expect

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "screenshots"
AT_ONCE = 3  # the lesson that is looked at, and two that run meanwhile: that keeps two cores busy


def lesson_of(path):
    """The lesson that a test file is about: test_lesson_04_lab.py -> "04_magnitude_pruning"; None for other files."""
    number = re.fullmatch(r"test_lesson_(\d\d)_lab\.py", Path(path).name)
    return next((ROOT / "course").glob(f"{number[1]}_*")).name if number else None


class LessonPages:
    """A page for each lesson. names: those whose tests follow, in their order; the next ones run beforehand."""

    def __init__(self, new_context, jupyterlab, names=()):
        self.new_context, self.lab, self.names, self.pages = new_context, jupyterlab, list(names), {}
        self._begin(self.names[:AT_ONCE - 1])

    def finished(self, name):
        """The page of this lesson, once all its cells have run; `errors` is what they ended with."""
        coming = self.names[self.names.index(name):] if name in self.names else [name]
        self._begin(coming[:AT_ONCE - 1])
        self.pages[name].errors = self.pages[name].wait_for_all(600)
        self._begin(coming[:AT_ONCE])
        return self.pages[name]

    def _begin(self, names):
        for name in names:
            if name not in self.pages:
                self.pages[name] = NotebookPage(self.new_context().new_page(), self.lab).begin(f"{name}/{name}.ipynb")


def shown(explorer, number):
    """The value behind a figure of the explorer, once it shows the present setting."""
    settled(explorer)
    return float(explorer.locator(f"[data-number='{number}']").get_attribute("data-value"))


OWN_SLIDER = r"""() => Array.from(window.jupyterapp.shell.currentWidget.content.widgets)
  .findIndex((cell) => /^ipywidgets\.VBox\(\[\w+, result\]\)$/m.test(cell.model.sharedModel.source))"""
NUMBER = r"-?\d[\d,]*(?:\.\d+)?"


def own_slider(notebook, key, expected, within=1e-9):
    """Press a key on the plain ipywidgets slider of the lesson: the label beside it changes to the expected text.

    within: how far the numbers in it may lie from the expected ones.
    """
    index = notebook.page.evaluate(OWN_SLIDER)
    notebook.reach(index)
    box = notebook.page.locator(f".jp-Cell[data-windowed-list-index='{index}'] .widget-vbox")
    label = box.locator(":scope > .widget-label")
    expect(label).to_have_text(re.compile(r"\d"))  # at first a label holds a space of no width
    before = label.text_content()  # what `expect` compares with
    box.get_by_role("slider").press(key)
    expect(label).not_to_have_text(before)
    said = label.inner_text()
    assert re.sub(NUMBER, "#", said) == re.sub(NUMBER, "#", expected), f"{said!r} is not {expected!r}"
    figures = [[float(number.replace(",", "")) for number in re.findall(NUMBER, text)]
               for text in (said, expected)]
    assert figures[0] == pytest.approx(figures[1], abs=within), f"{said!r} is not {expected!r}"


def picture(notebook, number, explorer):
    """The window with the whole explorer in it; only on request."""
    if not os.environ.get("SCREENSHOTS"):
        return
    PICTURES.mkdir(parents=True, exist_ok=True)
    notebook.page.set_viewport_size({"width": 1280, "height": 1100})
    notebook.page.evaluate("window.jupyterapp.commands.execute('application:toggle-left-area')")
    for _ in range(2):  # Lab moves cells once more when it has measured them
        explorer.evaluate("(node) => node.scrollIntoView({ block: 'end' })")
        notebook.page.wait_for_timeout(1500)
    notebook.page.screenshot(path=PICTURES / f"lesson-{number}.png")
