"""Quantization-aware training: derivatives as published, what was trained is what comes out, and it helps."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from shrinklab.affine import choose_qparams, fake_quantize
from shrinklab.data import load
from shrinklab.metrics import accuracy, predict
from shrinklab.models import ResNet8, pretrained
from shrinklab.quantize import Scheme, qat, quantize_model
from shrinklab.quantize.training import RoundedGrid, frozen, straight_through, trainable
from shrinklab.train import Recipe


@pytest.fixture(scope="module")
def digits():
    data = load("mnist")
    return SimpleNamespace(train=data.train[:1500], validation=data.validation[:500])


@pytest.fixture(scope="module")
def lenet():
    return pretrained("lenet")


@pytest.fixture(scope="module")
def coarse(lenet, digits):
    edge = Scheme(8, 8)
    return quantize_model(lenet, digits.train[:100], Scheme(2, 2, observer="mse", weight_observer="mse"),
                          layers={"conv1": edge, "fc3": edge})


def test_the_forward_pass_and_its_derivative_are_torchs_fake_quantize():
    x = torch.randn(500, generator=torch.Generator().manual_seed(0)) * 2
    grid = choose_qparams(-1.5, 2.0, bits=4)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    torch.fake_quantize_per_tensor_affine(theirs, grid.scale, grid.zero_point, grid.low, grid.high).sum().backward()
    rounded = straight_through(ours, grid)
    rounded.sum().backward()
    torch.testing.assert_close(rounded.detach(), fake_quantize(x, grid), rtol=1e-5, atol=1e-6)
    # torch lets the derivative through where the rounded value is on the grid: half a step more at either end.
    inside = ((x / grid.scale) > grid.low - grid.zero_point) & ((x / grid.scale) < grid.high - grid.zero_point)
    assert torch.equal(ours.grad, inside.float())
    assert (ours.grad != theirs.grad).float().mean() < 0.05


@pytest.mark.parametrize("symmetric", [False, True])
def test_the_steps_derivative_is_torchs_learnable_fake_quantize(symmetric):
    """Equation 3 of Esser et al.: round(v) - v inside the grid, its end beyond; PyTorch has it built in.

    Up to half a step beyond the grid the two differ (the paper looks at v, PyTorch at round(v)): left out here.
    """
    x = torch.randn(50, 40, generator=torch.Generator().manual_seed(0)) * 2
    grid = choose_qparams(-1.5, 2.0, bits=4, symmetric=symmetric)
    ours = RoundedGrid(grid, learned=True, per_image=False)
    scale = grid.scale.clone().reshape(1).requires_grad_()
    damping = (x.numel() * grid.high) ** -0.5
    up = torch.randn(50, 40, generator=torch.Generator().manual_seed(1))
    steps = x / grid.scale + grid.zero_point
    up[((steps < grid.low) & (steps > grid.low - 0.6)) | ((steps > grid.high) & (steps < grid.high + 0.6))] = 0
    torch._fake_quantize_learnable_per_tensor_affine(
        x, scale, grid.zero_point.float().reshape(1), grid.low, grid.high, damping).backward(up)
    ours(x).backward(up)
    torch.testing.assert_close(ours.scale.grad, scale.grad[0], rtol=1e-3, atol=1e-5)


def test_a_step_that_training_carries_past_zero_stops_and_can_come_back():
    grid = RoundedGrid(choose_qparams(-1.0, 1.0, bits=4, symmetric=True), learned=True)
    start = grid.scale.item()
    grid.scale.data.fill_(-0.5)
    assert grid.qparams.scale.item() == pytest.approx(start / 4)
    y = grid(torch.tensor([[0.9, -0.2]]))
    assert y.isfinite().all()
    y.sum().backward()
    assert grid.scale.grad != 0


@pytest.mark.parametrize("scales", ["learned", "observed"])
def test_training_regains_what_two_bits_lost(lenet, coarse, digits, scales):
    before = accuracy(coarse, digits.validation)
    recipe = Recipe(epochs=1, learning_rate=0.01, batch_size=50)
    trained = qat(coarse, lenet, digits, recipe, scales=scales, progress=False)
    assert accuracy(trained, digits.validation) > before + 0.003
    assert {layer.weight.dtype for layer in trained.layers.values()} == {torch.int8}
    assert trained.layers["conv2"].weight.unique().tolist() == [-1, 0, 1]
    moved = trained.activations["conv2"].scale != coarse.activations["conv2"].scale
    assert bool(moved) == (scales == "learned")


def test_what_was_trained_is_what_comes_out(digits):
    torch.manual_seed(0)
    model = ResNet8(widths=(4, 4, 4, 8, 8, 8, 8)).eval()
    x = torch.randn(30, 3, 32, 32)
    small = quantize_model(model, x, Scheme(4, 4))
    student = trainable(small, model)
    assert torch.equal(predict(student, x).argmax(1), predict(small, x).argmax(1))
    generator = torch.Generator().manual_seed(0)
    for name, parameter in student.named_parameters():  # as after training
        factor = torch.rand(parameter.shape, generator=generator)
        parameter.data *= 1 + 0.2 * factor if "scale" in name else 1 + factor
    done = frozen(student, small)
    expected = predict(student, x)
    assert not torch.allclose(expected, predict(small, x), atol=1e-2)
    error = (predict(done, x) - expected).norm() / expected.norm()
    assert error < 0.002  # a value at a tie may be rounded the other way


def test_models_and_mode_stay_and_a_seed_repeats(lenet, coarse, digits):
    before = [tensor.clone() for model in (lenet, coarse) for tensor in model.state_dict().values()]
    part = SimpleNamespace(train=digits.train[:200], validation=digits.validation[:50])
    first, second = (qat(coarse, lenet, part, Recipe(learning_rate=0.01), progress=False) for _ in range(2))
    after = [tensor for model in (lenet, coarse) for tensor in model.state_dict().values()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    states = first.state_dict().values(), second.state_dict().values()
    assert all(torch.equal(a, b) for a, b in zip(*states, strict=True))
    assert not first.training
    assert not any(parameter.requires_grad for parameter in first.parameters())


def test_masks_are_held_and_end_as_integer_zeros(lenet, digits):
    mask = torch.rand(lenet.fc1.weight.shape, generator=torch.Generator().manual_seed(0)) < 0.3
    part = SimpleNamespace(train=digits.train[:200], validation=digits.validation[:50])
    small = quantize_model(lenet, part.train, Scheme(4))
    trained = qat(small, lenet, part, Recipe(learning_rate=0.01), masks={"fc1.weight": mask}, progress=False)
    assert not trained.layers["fc1"].weight[~mask].any()


def test_weights_only_schemes_train_too(lenet, digits):
    part = SimpleNamespace(train=digits.train[:200], validation=digits.validation[:50])
    small = quantize_model(lenet, scheme=Scheme(4, activation_bits=None, per_channel=False))
    trained = qat(small, lenet, part, Recipe(learning_rate=0.01), progress=False)
    assert trained.activations == {}
    assert accuracy(trained, part.validation) > 0.9


def linear():
    return quantize_model(nn.Linear(2, 2), torch.ones(1, 2))


@pytest.mark.parametrize(("call", "text"), [
    (lambda: qat(nn.Linear(2, 2), nn.Linear(2, 2), None), "quantized is a Linear"),
    (lambda: qat(linear(), nn.Linear(2, 2), None, scales="fixed"), "scales is 'fixed'"),
    (lambda: qat(linear(), linear(), None), "quantized already"),
    (lambda: qat(linear(), nn.Sequential(nn.ReLU(), nn.Linear(2, 2)), None), "the float model has the layers 1"),
    (lambda: qat(quantize_model(nn.Linear(2, 2), scheme=Scheme(dynamic=True)), nn.Linear(2, 2), None), "0 is dynamic"),
])
def test_bad_input_is_refused_with_value_rule_and_fix(call, text):
    with pytest.raises(ValueError, match=text):
        call()
