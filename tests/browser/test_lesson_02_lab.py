"""Lesson 02 as a student meets it: opened in JupyterLab, run from top to bottom, its explorer moved."""

import pytest
from everyone import fit_for_everyone
from notebook_page import settled
from playwright.sync_api import expect
from test_lessons import opened, shown

from shrinklab.channels import recalibrate_batch_norm, shrink_channels
from shrinklab.data import load
from shrinklab.measure import count_macs
from shrinklab.metrics import accuracy
from shrinklab.models import pretrained


@pytest.fixture(scope="module")
def costs(browser, browser_context_args, jupyterlab):
    yield from opened(browser, browser_context_args, jupyterlab, "02_size_work_time")


def test_lesson_02_runs_and_its_explorer_shows_what_the_library_computes(costs):
    assert costs.errors == []
    explorer = costs.reach_explorer()
    model, data = pretrained("resnet8"), load("cifar10")
    images, calibration = data.validation[:250], data.train.images[:500]
    slider = explorer.get_by_label("Share of channels kept")
    slider.focus()
    assert shown(explorer, "accuracy") == pytest.approx(accuracy(model, images)), "it opens whole"
    seen = set()
    for keys, width in [(["Home"], 0.3), (["ArrowRight"] * 2, 0.5), (["End"], 1.0), (["ArrowLeft"], 0.9)]:
        for key in keys:
            slider.press(key)
        expect(explorer.locator(".sl-headline")).to_contain_text(f"{100 * width:.0f} % of the channels")
        assert settled(explorer)["width"] == width
        narrow = recalibrate_batch_norm(shrink_channels(model, 1 - width, example=images.images[:1]), calibration)
        assert shown(explorer, "MACs an image") == count_macs(narrow, images.images[:1])
        assert shown(explorer, "accuracy") == pytest.approx(accuracy(narrow, images), abs=0.009)
        assert shown(explorer, "latency") > 0
        seen.add(shown(explorer, "accuracy"))
    explorer.get_by_label("Images at a time").select_option("8")
    expect(explorer.locator(".sl-headline")).to_contain_text("batch 8")
    assert len(seen) > 2
    fit_for_everyone(costs)
    assert costs.failures == []
