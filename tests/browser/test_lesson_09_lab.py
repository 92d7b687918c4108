"""Lesson 09 as a student meets it: opened in JupyterLab, run from top to bottom, its explorer moved."""

import copy

import pytest
from everyone import fit_for_everyone
from lesson_pages import own_slider, shown
from notebook_page import settled
from playwright.sync_api import expect

from shrinklab.codebook import kmeans
from shrinklab.data import load
from shrinklab.metrics import accuracy
from shrinklab.models import pretrained
from shrinklab.widgets import low_bits_explorer


def test_lesson_09_runs_and_its_explorer_shows_what_the_library_computes(lesson):
    assert lesson.errors == []
    explorer = lesson.reach_explorer()
    here = low_bits_explorer(pretrained("lenet"), load("mnist").validation[:1000])
    slider = explorer.get_by_role("slider", name="Bits a weight")
    for way in ("codebook", "weights", "all"):
        label = next(text for text, value in here.controls[0]["options"] if value == way)
        explorer.get_by_label("Round to").select_option(label=label)
        slider.focus()
        for keys, bits in [(["Home"], 2), (["ArrowRight"] * 2, 4), (["End"], 8)]:
            for key in keys:
                slider.press(key)
            expected = here.compute(way=way, bits=bits)
            expect(explorer.locator(".sl-headline")).to_contain_text(f"{bits} bits a weight")
            assert settled(explorer)["bits"] == bits
            for name in ("no training", "different values in the layer", "file", "times smaller"):
                assert shown(explorer, name) == pytest.approx(expected["numbers"][name]["value"]), (way, bits, name)
    explorer.get_by_label("Round to").select_option(label="even grid, everything")
    slider.press("Home")
    settled(explorer)
    assert shown(explorer, "after training") > shown(explorer, "no training") + 0.3
    shared, digits = copy.deepcopy(pretrained("lenet")), load("mnist").validation[:1000]
    for name, weight in shared.named_parameters():
        if name.endswith("weight"):
            centroids, places = kmeans(weight.data, 2)
            weight.data = centroids[places.long()]
    own_slider(lesson, "Home", f"2 values a layer: {accuracy(shared, digits):.1%} right", within=0.15)
    fit_for_everyone(lesson)
    assert lesson.failures == []
