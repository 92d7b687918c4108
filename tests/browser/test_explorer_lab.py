"""An explorer over a real function in a real JupyterLab: what it shows is what Python computes."""

import pytest
from notebook_page import settled
from playwright.sync_api import expect

SETTINGS = '''
import time
import numpy
from shrinklab.widgets import Bars, Confusion, Explorer, Histogram, Lines, Range, Select, Table, Toggle

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
            "rows": {"columns": ["layer", "left"], "rows": [[layer, left]]}}

explorer = Explorer(settings, title="Cut the small weights", controls=[
    Range("amount", 0, 0.95, step=0.05, value=0.5, label="Share of weights removed", percent=True),
    Select("layer", options=["conv1", "fc1"]), Toggle("signed", True, label="keep the sign")],
    views=[Histogram("weights", title="Weights", x="weight", y="count"),
           Lines("curve", title="Shares", x="removed", y="share", percent="xy"),
           Confusion("matrix", title="Confusion"), Bars("size", title="File size", x="kB"),
           Table("rows", title="Layers")])
'''


@pytest.fixture
def explorer(notebook, jupyterlab):
    jupyterlab.write("explorer.ipynb", SETTINGS, "explorer")
    assert notebook.open("explorer.ipynb").run_all() == []
    return notebook.reach_explorer()


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
        expect(explorer.locator("[data-number=share]")).to_have_attribute("data-value", str(left(amount) / 2000).replace("1.0", "1"))
    slider.press("PageUp")
    assert settled(explorer)["amount"] > 0
    explorer.get_by_label("layer").select_option("fc1")
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
    expect(explorer.get_by_role("alert")).to_have_text("This setting failed: amount is 0.6; this test refuses it; move on")
    slider.press("ArrowRight")
    expect(explorer.get_by_role("alert")).to_have_text("")
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


def test_the_explorer_outlives_nothing_but_says_so(explorer, notebook):
    """A restarted kernel knows nothing of the explorer: the widget says what to do."""
    notebook.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    expect(explorer.get_by_role("alert")).to_contain_text("Run this cell again")
    expect(explorer.get_by_label("Share of weights removed")).to_be_disabled()
