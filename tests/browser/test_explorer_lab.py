"""An explorer over a real function in a real JupyterLab: what it shows is what Python computes."""

import pytest
from notebook_page import opened, settled
from playwright.sync_api import expect

SETTINGS = '''
import numpy
from shrinklab.widgets import (Bars, Confusion, Explorer, Guess, Heatmap, Histogram, Lines, Network, NumberLine, Range,
                               Scatter, Select, Table, Toggle)

weights = numpy.random.default_rng(0).normal(size=2000)
calls = []

def settings(amount, layer, signed):
    """Cut the smallest weights; fails at exactly 60 %, so that the error line can be seen."""
    calls.append(amount)
    if amount == 0.6:
        raise ValueError("amount is 0.6; this test refuses it; move on")
    kept = weights if signed else abs(weights)
    cut = float(numpy.quantile(abs(weights), amount))
    counts, edges = numpy.histogram(kept, bins=40)
    left = int((abs(weights) >= cut).sum())
    return {"headline": f"{left} of 2000 weights left in {layer}",
            "numbers": {"share": {"value": left / 2000, "unit": "%", "text": f"{left / 20:.1f} %"}},
            "weights": {"edges": edges, "counts": counts, "cut": [-cut, cut]},
            "curve": {"series": [{"name": "kept", "x": [0, 0.5, 0.95], "y": [1, 0.5, 0.05]},
                                 {"name": "gone", "x": [0, 0.5, 0.95], "y": [0, 0.5, 0.95]}], "marker": amount},
            "matrix": {"labels": ["cat", "dog"], "counts": [[left, 2000 - left], [3, 4]]},
            "size": {"labels": ["dense", "sparse"], "values": [8.0, left / 250], "unit": "kB", "reference": 8.0},
            "choice": {"points": [{"label": "dense", "x": 8, "y": 0.98},
                                  {"label": "sparse", "x": left / 250, "y": 0.9}],
                       "front": [1, 0], "budget": {"x": 5}, "now": {"x": 4, "y": 0.95}},
            "heat": {"rows": ["conv1", "fc1"], "columns": ["50 %", "90 %"], "values": [[0.9, amount], [0.8, 0.1]]},
            "line": {"grid": [-1, 0, 1], "values": [0.4, -2], "rounded": [0, -1], "clip": [-1, 1]},
            "net": {"layers": [{"name": layer, "inputs": 3, "outputs": left}],
                    "before": [{"name": layer, "inputs": 3, "outputs": 2000}]},
            "rows": {"columns": ["layer", "left"], "rows": [[layer, left]]}}

explorer = Explorer(settings, title="Cut the small weights", controls=[
    Range("amount", 0, 0.95, step=0.05, value=0.5, label="Share of weights removed", percent=True),
    Select("layer", options=["conv1", "fc1"]), Toggle("signed", True, label="keep the sign")],
    views=[Histogram("weights", title="Weights", x="weight", y="count"),
           Lines("curve", title="Shares", x="removed", y="share", percent="xy"),
           Confusion("matrix", title="Confusion"), Bars("size", title="File size", x="kB"),
           Scatter("choice", title="Choice", x="kB", y="accuracy", percent="y"),
           Heatmap("heat", title="Heat", unit="%"), NumberLine("line", title="Number line"),
           Network("net", title="Network"), Table("rows", title="Layers")])
'''

GUESS = """
slow = Guess("What is 6 times 7?", lambda: 6 * 7, explain="Six sevens.")
slow
"""

PLAIN = """
from shrinklab.widgets import explore
explore(lambda amount, bits: {"product": amount * bits}, amount=(0, 0.95), bits=[2, 4])
"""


@pytest.fixture(scope="module")
def notebook(lab_context, jupyterlab, lesson_pages):
    """One notebook for all tests here: each begins with a reset, and the one that restarts the kernel is the last.

    The first lessons run meanwhile, if their tests follow.
    """
    with opened(lab_context, jupyterlab, jupyterlab.write("explorer.ipynb", SETTINGS, "explorer", GUESS, PLAIN)) as one:
        yield one


@pytest.fixture
def explorer(notebook):
    found = notebook.reach_explorer()
    found.get_by_role("button", name="Reset").click()
    expect(found.locator(".sl-headline")).to_contain_text(str(left(0.5)))
    return found


def headline(explorer):
    return explorer.locator(".sl-headline")


def left(amount):
    """What the notebook's function computes, here in Python."""
    import numpy

    weights = numpy.abs(numpy.random.default_rng(0).normal(size=2000))
    return int((weights >= float(numpy.quantile(weights, amount))).sum())


def test_keys_move_the_slider_and_every_view_follows(explorer, notebook):
    slider = explorer.get_by_label("Share of weights removed")
    expect(headline(explorer)).to_have_text(f"{left(0.5)} of 2000 weights left in conv1")
    slider.focus()
    for key, amount in [("ArrowRight", 0.55), ("ArrowLeft", 0.5), ("End", 0.95), ("Home", 0.0)]:
        slider.press(key)
        expect(headline(explorer)).to_have_text(f"{left(amount)} of 2000 weights left in conv1")
        assert settled(explorer)["amount"] == amount
        share = explorer.locator("[data-number=share]").get_attribute("data-value")
        assert float(share) == left(amount) / 2000
    slider.press("PageUp")
    assert settled(explorer)["amount"] > 0
    explorer.get_by_label("layer", exact=True).select_option("fc1")
    expect(headline(explorer)).to_contain_text("left in fc1")
    explorer.get_by_label("keep the sign").press("Space")
    assert settled(explorer)["signed"] is False
    explorer.get_by_role("button", name="Reset").press("Enter")
    expect(headline(explorer)).to_have_text(f"{left(0.5)} of 2000 weights left in conv1")
    assert settled(explorer) == {"amount": 0.5, "layer": "conv1", "signed": True}
    assert notebook.failures == []


def test_tables_hold_the_numbers_of_the_pictures(explorer):
    view = explorer.locator("[data-view=size]")
    view.locator("summary").press("Enter")
    expect(view.locator("tbody tr").nth(1)).to_have_text(f"sparse{left(0.5) / 250:g} kB8 kB")
    explorer.get_by_label("Share of weights removed").press("Home")
    expect(view.locator("tbody tr").nth(1)).to_have_text("sparse8 kB8 kB")


def test_a_failing_setting_is_a_line_and_the_next_one_works(explorer):
    slider = explorer.get_by_label("Share of weights removed")
    slider.press("ArrowRight")
    expect(headline(explorer)).to_contain_text(str(left(0.55)))
    slider.press("ArrowRight")
    alert = explorer.get_by_role("alert")
    expect(alert).to_have_text("This setting failed: amount is 0.6; this test refuses it; move on")
    slider.press("ArrowRight")
    expect(alert).to_have_text("")
    expect(headline(explorer)).to_contain_text(str(left(0.65)))


def test_a_burst_of_keys_ends_at_the_last_value(explorer):
    slider = explorer.get_by_label("Share of weights removed")
    slider.press("Home")
    for _ in range(9):
        slider.press("ArrowRight", delay=1)
    expect(headline(explorer)).to_contain_text(f"{left(0.45)} of 2000")
    assert settled(explorer)["amount"] == 0.45


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_no_accessibility_violation(explorer, notebook, theme):
    notebook.theme(theme)
    for summary in explorer.locator("summary").all():
        summary.press("Enter")
    dark = explorer.evaluate("(node) => getComputedStyle(node).colorScheme") == "dark"
    assert dark == (theme == "Dark")
    assert notebook.violations(".sl-explorer") == []


def test_python_and_linked_widgets_move_the_slider(explorer, notebook):
    run = """(code) => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel
                        .requestExecute({code, silent: false}).done.then((reply) => reply.content.status)"""
    assert notebook.page.evaluate(run, "explorer.amount = 0.25") == "ok"
    expect(headline(explorer)).to_contain_text(str(left(0.25)))
    expect(explorer.get_by_label("Share of weights removed")).to_have_value("0.25")
    explorer.get_by_label("Share of weights removed").press("ArrowRight")
    expect(headline(explorer)).to_contain_text(str(left(0.3)))
    # Python hears of a move after its answer is on its way: ask until it has. A cell that waits would wait in vain:
    # ipykernel 7.4 sends a widget's messages to the thread that last wrote to it, which is the cells' own.
    for _ in range(100):
        if notebook.page.evaluate(run, "assert explorer.amount == 0.3") == "ok":
            break
        notebook.page.wait_for_timeout(100)
    else:
        raise AssertionError("Python has not heard of the move in 10 s")


def test_guess_then_reveal_with_the_keyboard(notebook):
    notebook.reach(2)
    guess = notebook.page.locator(".sl-guess")
    guess.get_by_role("textbox").press("Enter")
    expect(guess.get_by_role("alert")).to_contain_text("Type a number first")
    guess.get_by_role("textbox").press_sequentially("40")
    guess.get_by_role("textbox").press("Enter")
    expect(guess.locator("[data-part=truth] dd")).to_have_text("42")
    expect(guess).to_contain_text("Off by 2")
    expect(guess).to_contain_text("Six sevens.")
    assert notebook.violations(".sl-guess") == []


def test_plain_ipywidgets_drive_a_function(notebook):
    notebook.reach(3)
    slider = notebook.page.locator(".widget-hslider").get_by_role("slider")
    expect(notebook.page.get_by_role("row", name="product 0")).to_be_visible()
    for _ in range(2):
        slider.press("ArrowRight")
    expect(notebook.page.get_by_role("row", name="product 0.19")).to_be_visible()
    notebook.page.get_by_label("bits").select_option("4")
    expect(notebook.page.get_by_role("row", name="product 0.38")).to_be_visible()


def test_a_restarted_kernel_leaves_a_line_that_says_what_to_do(explorer, notebook):
    notebook.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    expect(explorer.get_by_role("alert")).to_contain_text("Run this cell again")
    expect(explorer.get_by_label("Share of weights removed")).to_be_disabled()
    notebook.reach(3)
    plain = notebook.page.locator(".jp-OutputArea").filter(has=notebook.page.locator(".widget-vbox")).last
    expect(plain.locator(".sl-reopened")).to_contain_text("Nothing moves below? Run this cell")
    expect(plain.locator(".sl-reopened")).to_be_visible()


def test_a_reopened_notebook_says_what_to_do(notebook):
    """Saved, kernel gone, page loaded anew: JupyterLab knows no such widget any more."""
    notebook.save()
    notebook.shut_down()
    notebook.open("explorer.ipynb")
    for number in (1, 2, 3):  # the explorer, the guess, the plain sliders
        notebook.reach(number)
        cell = notebook.page.locator(".jp-Cell").nth(number)
        expect(cell.locator(".sl-reopened")).to_contain_text("Run this cell")
        expect(cell.get_by_text("Traceback")).to_have_count(0)
    assert notebook.run_all() == []
    expect(notebook.reach_explorer().locator(".sl-headline")).to_contain_text(str(left(0.5)))
    expect(notebook.page.locator(".sl-reopened:visible")).to_have_count(0)
