"""A network run layer by layer: the same values as in one run, each computed once, and no more of them kept."""

import torch
from torch import nn

from shrinklab.models import ResNet8
from shrinklab.quantize.graph import layer_nodes, prepare
from shrinklab.quantize.steps import BATCH, Steps


def hooked(body, images):
    """What each layer takes and gives in an ordinary run."""
    seen, hooks = {}, []
    for name in layer_nodes(body):
        hooks.append(body.get_submodule(name).register_forward_hook(
            lambda _, given, result, name=name: seen.__setitem__(name, (given[0], result))))
    with torch.no_grad():
        body(images)
    for hook in hooks:
        hook.remove()
    return seen


def test_inputs_and_outputs_are_those_of_an_ordinary_run_and_each_layer_runs_once():
    torch.manual_seed(0)
    body, images = prepare(ResNet8((4, 4, 4, 4, 6, 6, 6))), torch.rand(3, 3, 16, 16)
    wanted, calls = hooked(body, images), []
    for name in wanted:
        body.get_submodule(name).register_forward_hook(lambda *_, name=name: calls.append(name))
    starts, ends = Steps(body, images), Steps(body, images)
    for name, (given, result) in wanted.items():
        torch.testing.assert_close(starts.before(name), given)
        torch.testing.assert_close(ends.after(name), result)
        assert len(ends.env) <= 3  # a value, and what a shortcut still waits for
    assert sorted(calls) == sorted([*wanted, *list(wanted)[:-1]])  # the last one's input needs no output


def test_a_layer_changed_while_the_run_waits_runs_as_it_is_then():
    body = prepare(nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1)))
    steps = Steps(body, torch.ones(2, 1))
    steps.before("0")
    body.get_submodule("0").weight.data.fill_(3.0)
    body.get_submodule("0").bias.data.fill_(0.5)
    assert steps.before("1").tolist() == [[3.5], [3.5]]


def test_many_images_go_through_a_module_in_batches():
    body, sizes = prepare(nn.Sequential(nn.Linear(1, 1))), []
    body.get_submodule("0").register_forward_hook(lambda _, given, result: sizes.append(len(given[0])))
    assert Steps(body, torch.ones(BATCH + 1, 1)).after("0").shape == (BATCH + 1, 1)
    assert sizes == [BATCH, 1]
