"""Lesson 08 as a student meets it: opened in JupyterLab, run from top to bottom, its explorer moved."""

import pytest
from everyone import fit_for_everyone
from notebook_page import settled
from playwright.sync_api import expect
from test_lessons import opened, picture, shown

from shrinklab.widgets import calibration_explorer


@pytest.fixture(scope="module")
def quantization(browser, browser_context_args, jupyterlab):
    yield from opened(browser, browser_context_args, jupyterlab, "08_quantize_a_model")


def test_lesson_08_runs_and_its_explorer_shows_what_the_library_computes(quantization):
    assert quantization.errors == []
    explorer = quantization.reach_explorer()
    here = calibration_explorer()
    slider = explorer.get_by_label("Bits of the values between layers")
    slider.focus()
    for key, bits in [("ArrowLeft", 7), ("Home", 2), ("ArrowRight", 3), ("ArrowRight", 4)]:
        slider.press(key)
        expected = here.compute(activation_bits=bits)
        expect(explorer.locator(".sl-headline")).to_have_text(expected["headline"])
        assert settled(explorer)["activation_bits"] == bits
        for name, number in expected["numbers"].items():
            assert shown(explorer, name) == pytest.approx(number["value"])
    explorer.get_by_label("Observer of the values").select_option(label="MSE: least squared error")
    expected = here.compute(activation_bits=4, observer="mse")
    expect(explorer.locator(".sl-headline")).to_have_text(expected["headline"])
    assert shown(explorer, "accuracy") == pytest.approx(expected["numbers"]["accuracy"]["value"])
    fit_for_everyone(quantization)
    assert quantization.failures == []
    picture(quantization, "08", explorer)
