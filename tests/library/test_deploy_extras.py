"""ExecuTorch, LiteRT and torchao: a file from our integers, run in a fresh process, agrees with the simulation."""

import copy
import os
import random
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch import nn

from shrinklab.data import load
from shrinklab.deploy import TARGETS, export, load_runner
from shrinklab.deploy.qdq import Style, integer_body, program
from shrinklab.metrics import predict
from shrinklab.models import pretrained
from shrinklab.quantize import Scheme, quantize_model

PACKAGES = {"executorch": "executorch", "litert": "litert_torch", "torchao": "torchao"}


@pytest.fixture(scope="module")
def images():
    return load("cifar10").validation.images[:1000]


@pytest.fixture(scope="module")
def models():
    model = pretrained("resnet8")
    return {"float": model, "int8": quantize_model(model, load("cifar10").train.images[:256])}


@pytest.fixture(scope="module", params=PACKAGES)
def target(request):
    # `make test` installs all three, so that a skip in CI can only be a fault of the installation.
    if find_spec(PACKAGES[request.param]) is None and not os.environ.get("CI"):
        pytest.skip(f"{PACKAGES[request.param]} is not installed: pip install 'shrinklab[deploy]'")
    return request.param


@pytest.fixture(scope="module")
def runners(target, models, tmp_path_factory):
    """{kind: Runner} of the float and the quantized ResNet8 in a target's files."""
    folder = tmp_path_factory.mktemp(target)
    before = {kind: copy.deepcopy(model.state_dict()) for kind, model in models.items()}
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    example = load("cifar10").validation.images[:2]
    made = {kind: export(model, target, folder / f"{kind}{TARGETS[target]}", example=example)
            for kind, model in models.items()}
    # The first export imports the target's packages, some of which draw from all three.
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states[1:]
    for kind, model in models.items():
        assert all(torch.equal(tensor, before[kind][name]) for name, tensor in model.state_dict().items())
    return made


@pytest.mark.parametrize("kind", ["float", "int8"])
def test_a_thousand_images_through_the_file_in_a_fresh_process(runners, models, images, kind, tmp_path):
    np.save(tmp_path / "images.npy", images.numpy())
    subprocess.run([sys.executable, "-m", "shrinklab.deploy.run", runners[kind].path, tmp_path / "images.npy",
                    tmp_path / "logits.npy"], check=True, capture_output=True, text=True)
    deployed, ours = torch.from_numpy(np.load(tmp_path / "logits.npy")), predict(models[kind], images)
    assert (deployed.argmax(1) == ours.argmax(1)).double().mean() >= 0.998
    # One step more or less in a value between layers moves the logits a little; a wrong grid would do far more.
    assert (deployed - ours).abs().quantile(0.99) < 0.2
    if kind == "float":
        torch.testing.assert_close(deployed, ours, atol=1e-4, rtol=1e-4)
    else:
        floats = predict(models["float"], images).argmax(1)
        assert (deployed.argmax(1) == floats).double().mean() > 0.95


def test_the_runner_and_the_loaded_file_give_the_same_logits(runners, target, images):
    again = load_runner(runners["int8"].path)
    assert again.target == target
    assert torch.equal(again(images[:20]), runners["int8"](images[:20]))


def test_integers_make_the_file_smaller(runners):
    assert runners["int8"].file_bytes < runners["float"].file_bytes * (0.6 if runners["int8"].target == "torchao"
                                                                       else 0.4)


def test_no_file_tells_where_it_was_made(runners):
    for runner in runners.values():
        assert b"qdq.py" not in (content := runner.path.read_bytes())
        assert str(runner.path.parent).encode() not in content


def test_images_of_another_shape_are_refused(runners):
    with pytest.raises(ValueError, match=r"the images have shape \(2, 1, 28, 28\); .* takes \(N, 3, 32, 32\); pass"):
        runners["float"](torch.zeros(2, 1, 28, 28))


def test_a_broken_file_is_refused(target, tmp_path):
    path = tmp_path / f"broken{TARGETS[target]}"
    path.write_bytes(b"not a model")
    with pytest.raises(ValueError, match="is no file that .* can (run|load).*; export the model again"):
        load_runner(path)


@pytest.mark.parametrize("target", PACKAGES)
def test_a_missing_package_is_named_with_the_command_that_installs_it(target, tmp_path, monkeypatch):
    hidden = PACKAGES[target]
    for name in [f"shrinklab.deploy.{target}", *[n for n in sys.modules if n.split(".")[0] == hidden]]:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr("shrinklab.deploy.extra.find_spec", lambda name: None if name == hidden else find_spec(name))
    with pytest.raises(ImportError, match=rf'{hidden} is missing; .*pip install "shrinklab\[deploy\]"'):
        export(pretrained("lenet"), target, tmp_path / f"model{TARGETS[target]}", example=torch.zeros(1, 1, 28, 28))


# The program that all three are made from: no package of the extra is needed for it. ----------------------------


@pytest.mark.parametrize("style", [Style("ExecuTorch", shift=True, float_results=True), Style("torchao"),
                                   Style("LiteRT", shift=True, weights="rounded")], ids=lambda style: style.name)
@pytest.mark.parametrize("scheme", [Scheme(), Scheme(weight_bits=4), Scheme(per_channel=False)], ids=str)
def test_the_program_computes_what_the_simulation_computes(models, images, style, scheme):
    small = quantize_model(models["float"], images[:64], scheme)
    with torch.inference_mode():
        logits = integer_body(small, style)(images[:200])
    ours = predict(small, images[:200])
    assert (logits.argmax(1) == ours.argmax(1)).double().mean() >= 0.995
    assert (logits - ours).abs().mean() < 0.02


def test_scales_and_zero_points_are_the_models_own(models):
    small = models["int8"]
    grids = {node.args[1:4] for node in program(small, torch.zeros(1, 3, 32, 32), Style("any", shift=True)).graph.nodes
             if "quantize_per_tensor" in str(node.target)}
    own = {(grid.scale.item(), int(grid.zero_point) - 128, -128) for grid in small.activations.values()}
    assert grids == own


def test_relu_up_to_six_is_kept():
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.ReLU6(), nn.Linear(1, 1, bias=False))
    for layer in (model[0], model[2]):
        layer.weight.data.fill_(1.0)
    small = quantize_model(model, torch.tensor([[0.0], [9.0]]))
    y = integer_body(small, Style("any"))(torch.tensor([[9.0], [3.0]]))
    assert y.flatten().tolist() == pytest.approx([6, 3], abs=0.05)


@pytest.mark.parametrize(("scheme", "message"), [
    (Scheme(dynamic=True), "chooses its grid for each batch; .*; calibrate"),
    (Scheme(activation_bits=None), "integer weights and float inputs; .*; use activation_bits=8"),
    (Scheme(activation_bits=4), "have 4 bits; the kernels of LiteRT round to 8; use activation_bits=8"),
])
def test_what_the_kernels_cannot_compute_is_refused(models, images, scheme, message):
    small = quantize_model(models["float"], images[:16], scheme)
    with pytest.raises(ValueError, match=message):
        program(small, images, Style("LiteRT", shift=True, weights="rounded"))


def test_other_bad_models_and_examples_are_refused(models):
    with pytest.raises(ValueError, match="the model is a str; .*; pass a float model"):
        program("resnet8", torch.zeros(1, 3, 32, 32), Style("any"))
    with pytest.raises(ValueError, match=r"example has shape \(1, 1, 28, 28\); .*; pass images"):
        program(models["int8"], torch.zeros(1, 1, 28, 28), Style("any"))
    broken = copy.deepcopy(models["float"])
    broken.fc.bias.data[0] = torch.nan
    with pytest.raises(ValueError, match=r"fc\.bias holds NaN or inf; .*; load the model again"):
        program(broken, torch.zeros(1, 3, 32, 32), Style("any"))
