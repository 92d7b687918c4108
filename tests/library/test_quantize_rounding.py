"""AdaRound finds roundings that a search through all of them finds too, and helps a network at few bits."""

from itertools import product

import pytest
import torch
from torch import nn

from shrinklab.data import load
from shrinklab.metrics import accuracy, predict
from shrinklab.models import pretrained
from shrinklab.quantize import Scheme, adaround, quantize_model


def correlated(rows, columns, seed=0):
    """Inputs that move together, as those of a network do: there the sum of the errors counts."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 1, generator=generator) + 0.3 * torch.randn(rows, columns, generator=generator)


def error(model, reference, x):
    return (predict(model, x) - predict(reference, x)).square().mean().item()


@pytest.mark.parametrize("seed", range(5))
def test_a_small_layer_gets_about_the_best_of_all_roundings(seed):
    torch.manual_seed(seed)
    model, x = nn.Linear(8, 1), correlated(100, 8, seed)
    # As rounding down leaves them, which is worst for inputs that move together.
    small = quantize_model(model, scheme=Scheme(3, activation_bits=None))
    scale = small.layers["0"].weight_grid.scale
    floor = (model.weight.detach() / scale).floor()
    small.layers["0"].weight.copy_(floor.clamp(-3, 3))
    choices = (floor + torch.tensor(up) for up in product((0.0, 1.0), repeat=8))
    errors = sorted(((w.clamp(-3, 3) * scale - model.weight.detach()) @ x.T).square().mean().item() for w in choices)
    rounded = adaround(small, model, x, steps=500, progress=False)
    assert error(rounded, model, x) <= errors[2] * 1.001  # among the best three of 256
    assert error(small, model, x) > errors[50]


def test_two_bit_weights_become_usable_without_training():
    data, model = load("mnist"), pretrained("lenet")
    images = data.train.images[:100]
    small = quantize_model(model, images, Scheme(2, weight_observer="mse"))
    rounded = adaround(small, model, images, steps=100, progress=False)
    part = data.validation[:500]
    assert accuracy(rounded, part) > accuracy(small, part)
    assert error(rounded, model, part.images) < error(small, model, part.images) / 2


@pytest.mark.parametrize("scheme", [Scheme(4), Scheme(4, dynamic=True), Scheme(4, per_channel=False)])
def test_weights_move_by_one_step_at_most_and_the_rest_stays(scheme):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
    x = torch.randn(20, 2, 6, 6)
    small = quantize_model(model, x, scheme)
    before = [tensor.clone() for tensor in [*small.state_dict().values(), *model.state_dict().values()]]
    mode = [module.training for module in model.modules()]
    rounded = adaround(small, model, x, steps=60, progress=False)
    after = [*small.state_dict().values(), *model.state_dict().values()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert [module.training for module in model.modules()] == mode
    old, new = small.state_dict(), rounded.state_dict()
    changed = [name for name in old if not torch.equal(old[name], new[name])]
    assert changed
    assert set(changed) <= {"body.0.weight", "body.4.weight"}
    for name, layer in rounded.layers.items():
        assert layer.weight.dtype == torch.int8
        assert (layer.weight.int() - small.layers[name].weight.int()).abs().max() <= 1
        assert layer.weight.abs().max() <= 7
    again = adaround(small, model, x, steps=60, progress=False)
    assert torch.equal(again(x), rounded(x))
    assert error(rounded, model, x) < error(small, model, x)


def test_eight_bits_are_never_made_worse():
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(10, 4)), torch.randn(50, 10)
    small = quantize_model(model, scheme=Scheme(activation_bits=None))
    assert error(adaround(small, model, x, steps=1, progress=False), model, x) <= error(small, model, x)


@pytest.mark.parametrize(("options", "text"), [
    ({"steps": 0}, "steps is 0; each layer is trained for at least one step; use 500."),
    ({"batch_size": 0}, "batch_size is 0"),
    ({"images": torch.zeros(0, 3)}, "0 images"),
    ({"quantized": nn.Linear(3, 2)}, "quantized is a Linear"),
    ({"model": nn.Linear(4, 2)}, "pass the model that was quantized"),
])
def test_bad_input_is_refused_with_value_rule_and_fix(options, text):
    model, images = nn.Linear(3, 2), torch.randn(4, 3)
    given = {"quantized": quantize_model(model, images), "model": model, "images": images, "progress": False}
    with pytest.raises(ValueError, match=text):
        adaround(**(given | options))
