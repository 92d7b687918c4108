"""Lesson 02 as a student meets it: opened in JupyterLab, run from top to bottom, its explorer moved."""

import pytest
import torch
from everyone import fit_for_everyone
from lesson_pages import own_slider, shown
from notebook_page import settled
from playwright.sync_api import expect

from shrinklab.channels import recalibrate_batch_norm, shrink_channels
from shrinklab.data import load
from shrinklab.measure import count_macs
from shrinklab.metrics import accuracy
from shrinklab.models import pretrained


def test_lesson_02_runs_and_its_explorer_shows_what_the_library_computes(lesson):
    assert lesson.errors == []
    explorer = lesson.reach_explorer()
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
    small = shrink_channels(model, 0.75, example=images.images[:1])
    weights = sum(layer.weight.numel() for layer in small.modules() if isinstance(layer, torch.nn.Conv2d))
    macs = count_macs(small, images.images[:1])
    own_slider(lesson, "Home", f"{weights:,} weights, {macs - small.fc.weight.numel():,} MACs "
                               f"(the library, with the last layer: {macs:,})")
    fit_for_everyone(lesson)
    assert lesson.failures == []
