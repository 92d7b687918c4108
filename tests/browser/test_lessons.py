"""The released lessons as a student meets them: opened in JupyterLab, run from top to bottom, explorers moved.

With the environment variable SCREENSHOTS set (`make screenshots`) the pictures of the README are taken on the way.
"""

import os
from pathlib import Path

import pytest
from everyone import fit_for_everyone
from notebook_page import NotebookPage, settled
from playwright.sync_api import expect

from shrinklab.data import load
from shrinklab.masks import apply_masks, global_masks
from shrinklab.metrics import accuracy
from shrinklab.models import pretrained
from shrinklab.widgets import threshold_explorer

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "screenshots"


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


def opened(browser, options, jupyterlab, name):
    context = browser.new_context(**options)
    notebook = NotebookPage(context.new_page(), jupyterlab)
    notebook.errors = notebook.open(f"{name}/{name}.ipynb").run_all(600)
    yield notebook
    notebook.shut_down()
    context.close()


@pytest.fixture(scope="module")
def magnitude(browser, browser_context_args, jupyterlab):
    yield from opened(browser, browser_context_args, jupyterlab, "04_magnitude_pruning")


@pytest.fixture(scope="module")
def metrics(browser, browser_context_args, jupyterlab):
    yield from opened(browser, browser_context_args, jupyterlab, "01_metrics")


def shown(explorer, number):
    """The value behind a figure of the explorer, once it shows the present setting."""
    settled(explorer)
    return float(explorer.locator(f"[data-number='{number}']").get_attribute("data-value"))


def test_lesson_04_runs_and_its_explorer_shows_what_the_library_computes(magnitude):
    assert magnitude.errors == []
    explorer = magnitude.reach_explorer()
    model, images = pretrained("lenet"), load("mnist").validation[:1000]
    slider = explorer.get_by_label("Share of weights removed")
    slider.focus()
    assert shown(explorer, "accuracy") == pytest.approx(accuracy(model, images)), "it opens whole"
    seen = set()
    for keys, amount in [(["End"], 0.95), (["ArrowLeft"] * 2, 0.85), (["Home"], 0.0), (["ArrowRight"] * 18, 0.9)]:
        for key in keys:
            slider.press(key)
        expect(explorer.locator(".sl-headline")).to_contain_text(f"{amount:.1%}".replace("%", " %"))
        assert settled(explorer)["amount"] == amount
        expected = accuracy(apply_masks(model, global_masks(model, amount)), images)
        assert shown(explorer, "accuracy") == pytest.approx(expected)
        seen.add(expected)
    assert len(seen) > 2
    fit_for_everyone(magnitude)
    assert magnitude.failures == []
    picture(magnitude, "04", explorer)


HIDDEN = """() => Array.from(window.jupyterapp.shell.currentWidget.content.widgets)
  .filter((cell) => /^(at_sixty.*\\n)?Guess\\(/.test(cell.model.sharedModel.source))
  .map((cell) => cell.inputHidden)"""


def test_no_guess_of_lesson_04_shows_the_code_of_its_answer(magnitude):
    hidden = magnitude.page.evaluate(HIDDEN)
    assert len(hidden) >= 7
    assert all(hidden)


def test_lesson_01_runs_and_its_explorer_shows_what_the_library_computes(metrics):
    assert metrics.errors == []
    explorer = metrics.reach_explorer()
    here = threshold_explorer()
    slider = explorer.get_by_label("Decision threshold")
    slider.focus()
    for keys, threshold in [(["End"], 0.99), (["Home"], 0.01), (["ArrowRight"] * 29, 0.3)]:
        for key in keys:
            slider.press(key)
        expected = here.compute(threshold=threshold)
        expect(explorer.locator(".sl-headline")).to_have_text(expected["headline"])
        assert settled(explorer)["threshold"] == threshold
        for name, number in expected["numbers"].items():
            assert shown(explorer, name) == pytest.approx(number["value"])
    fit_for_everyone(metrics)
    assert metrics.failures == []
    picture(metrics, "01", explorer)
