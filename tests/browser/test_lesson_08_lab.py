"""Lesson 08 as a student meets it: opened in JupyterLab, run from top to bottom, its explorer moved."""

import pytest
from everyone import fit_for_everyone
from lesson_pages import own_slider, picture, shown
from notebook_page import settled
from playwright.sync_api import expect

from shrinklab.affine import min_max
from shrinklab.data import load
from shrinklab.metrics import accuracy
from shrinklab.models import pretrained
from shrinklab.quantize import Scheme, collect, quantize_model
from shrinklab.widgets import calibration_explorer


def test_lesson_08_runs_and_its_explorer_shows_what_the_library_computes(lesson):
    assert lesson.errors == []
    explorer = lesson.reach_explorer()
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
    data, model = load("cifar10"), pretrained("mobilenet")
    scheme = Scheme(activation_bits=4, observer=lambda values: min_max(values[::8]))
    share = accuracy(quantize_model(model, collect(model, data.train.images[:128]), scheme), data.validation[:250])
    own_slider(lesson, "End", f"{share:.1%} of 250 photos right", within=0.5)
    fit_for_everyone(lesson)
    assert lesson.failures == []
    picture(lesson, "08", explorer)
