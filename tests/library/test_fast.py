import copy

import pytest
import torch
from torch import nn

from shrinklab.data import load
from shrinklab.fast import fast, fast_images
from shrinklab.masks import apply_masks, global_masks
from shrinklab.metrics import predict
from shrinklab.models import DATA_OF, pretrained


@pytest.mark.parametrize("name", ["lenet", "resnet8", "mobilenet"])
def test_logits_are_the_same_up_to_float_rounding_for_pruned_models_too(name):
    model, images = pretrained(name), load(DATA_OF[name]).validation.images[:60]
    for masks in ({}, global_masks(model, 0.8)):
        expected = predict(apply_masks(model, masks), images)
        quick = apply_masks(fast(model), masks)  # masks made for the model fit its copy
        torch.testing.assert_close(predict(quick, fast_images(images)), expected, rtol=1e-3, atol=1e-3)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in quick.modules())


@pytest.mark.parametrize("name", ["lenet", "resnet8"])
def test_bfloat16_changes_few_predictions(name):
    split = load(DATA_OF[name]).validation[:200]
    model = pretrained(name)
    logits = predict(fast(model, torch.bfloat16), fast_images(split.images, torch.bfloat16), 50)
    assert logits.dtype == torch.bfloat16
    same = logits.argmax(1) == predict(model, split.images).argmax(1)
    assert same.double().mean() >= 0.98


def test_the_model_stays_as_it_was():
    model = pretrained("resnet8").train()
    before, images = copy.deepcopy(model.state_dict()), torch.randn(2, 3, 32, 32)
    state = torch.random.get_rng_state()
    quick, changed = fast(model, torch.bfloat16), fast_images(images, torch.bfloat16)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert model.training
    assert not quick.training
    assert (images.dtype, changed.dtype) == (torch.float32, torch.bfloat16)


def test_messages_show_value_rule_and_fix():
    image = torch.zeros(1, 1, 2, 2)
    for call in (lambda: fast(nn.Linear(1, 1), torch.float16), lambda: fast_images(image, torch.int8)):
        with pytest.raises(ValueError, match=r"dtype is torch\..*; predictions are made in torch.float32 or .*; use"):
            call()
    with pytest.raises(ValueError, match=r"images is a Tensor of shape \(3, 4\); images are a tensor .*; pass"):
        fast_images(torch.zeros(3, 4))
    with pytest.raises(ValueError, match=r"images is a str of shape \(\); "):
        fast_images("these")
    with pytest.raises(TypeError, match="the model is a str; a network is an nn.Module; pass the network itself"):
        fast("lenet")
    broken = nn.Sequential(nn.Conv2d(1, 1, 1))
    broken[0].weight.data.fill_(torch.nan)
    with pytest.raises(ValueError, match="NaN"):
        fast(broken)
