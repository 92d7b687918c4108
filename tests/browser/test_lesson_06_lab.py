"""The released lesson 06 as a student meets it: opened in JupyterLab, run from top to bottom, its explorer moved."""

import pytest
from everyone import fit_for_everyone
from lesson_pages import own_slider, picture, shown
from notebook_page import settled
from playwright.sync_api import expect

from shrinklab.channels import channel_groups, recalibrate_batch_norm, shrink_channels
from shrinklab.criteria import l1
from shrinklab.data import load
from shrinklab.files import file_bytes
from shrinklab.measure import count_macs
from shrinklab.metrics import accuracy
from shrinklab.models import pretrained


def test_lesson_06_runs_and_its_explorer_shows_what_the_library_computes(lesson):
    assert lesson.errors == []
    explorer = lesson.reach_explorer()
    data, resnet = load("cifar10"), pretrained("resnet8")
    photos = data.validation[:250]
    slider = explorer.get_by_label("Share of channels removed")
    slider.focus()
    assert shown(explorer, "accuracy") == pytest.approx(accuracy(resnet, photos)), "it opens whole"
    for keys, amount in [(["ArrowRight"] * 5, 0.25), (["End"], 0.75), (["Home"] + ["ArrowRight"] * 10, 0.5)]:
        for key in keys:
            slider.press(key)
        small = shrink_channels(resnet, amount, example=data.example)
        expect(explorer.locator(".sl-headline")).to_contain_text(f"{amount:.1%}".replace("%", " %"))
        assert settled(explorer)["amount"] == amount
        assert shown(explorer, "accuracy") == pytest.approx(accuracy(small, photos), abs=0.005)
        assert shown(explorer, "MACs") == count_macs(small, data.example)
        assert shown(explorer, "dense file") == file_bytes(small)
    explorer.get_by_label("Batch norms look").check()
    assert settled(explorer)["recalibrate"] is True
    fresh = recalibrate_batch_norm(small, data.train.images[:100])
    assert shown(explorer, "accuracy") == pytest.approx(accuracy(fresh, photos), abs=0.005)
    table = {group.name: sum(l1(resnet.get_submodule(name).weight.detach()).flatten(1).sum(1) for name in group.makes)
             for group in channel_groups(resnet, data.example)}
    small = shrink_channels(resnet, 0.15, criterion=table, example=data.example)
    size = sum(parameter.numel() for parameter in small.parameters())
    own_slider(lesson, "ArrowRight", f"{size:,} parameters, {accuracy(small, data.validation[:500]):.1%} of the photos "
                                     "right", within=0.3)
    fit_for_everyone(lesson)
    assert lesson.failures == []
    picture(lesson, "06", explorer)
