"""The roofs, the bound that they set, and the costs of layers; against PyTorch's own counters where it has one."""

import pytest
import torch
from torch import nn

from shrinklab import profiling, timing
from shrinklab.data import load
from shrinklab.measure import count_macs
from shrinklab.models import ResNet8, pretrained
from shrinklab.profiling import bound_ms, profile
from shrinklab.roofline import Machine, arithmetic_intensity, conv_cost, measure_machine, roofline

MACHINE = Machine(macs_per_second=4e9, bytes_per_second=1e9, cache_bytes_per_second=2e9)
LAYERS = [(nn.Conv2d(3, 16, 3, padding=1, bias=False), (2, 3, 32, 32)),
          (nn.Conv2d(8, 8, 3, stride=2, groups=8), (1, 8, 9, 7)), (nn.Conv2d(4, 6, (1, 5)), (3, 4, 6, 8)),
          (nn.Linear(20, 7), (5, 20)), (nn.Linear(20, 7, bias=False), (1, 20)),
          (nn.Conv1d(4, 6, 3, dilation=2), (1, 4, 30))]


@pytest.mark.parametrize(("layer", "shape"), LAYERS)
def test_the_cost_of_a_layer_is_what_pytorch_holds_and_what_the_library_counts(layer, shape):
    example = torch.zeros(shape)
    parameters, macs = conv_cost(layer.weight.shape, layer(example).shape, layer.bias is not None)
    assert parameters == sum(one.numel() for one in layer.parameters())
    assert macs == count_macs(layer, example)


@pytest.mark.parametrize("shapes", [((16, 3, 3, 3), (1, 15, 32, 32)), ((16, 3), (1, 16, 4, 4)), ((16,), (16,))])
def test_shapes_that_do_not_belong_together_are_refused(shapes):
    with pytest.raises(ValueError, match="begin with the outputs"):
        conv_cost(*shapes)


def test_the_slower_of_the_two_sets_the_bound():
    assert roofline(8e9, 1e9, 4e9, 1e9) == (2000.0, "compute")
    assert roofline(1e9, 3e9, 4e9, 1e9) == (3000.0, "memory")
    assert roofline(0, 2e6, 4e9, 1e9) == (2.0, "memory")
    at_the_ridge = MACHINE.ridge * 1e9
    assert roofline(at_the_ridge, 1e9, 4e9, 1e9) == (1000.0, "compute")
    assert arithmetic_intensity(at_the_ridge, 1e9) == MACHINE.ridge == 4


@pytest.mark.parametrize("rate", [0, -1.0, float("nan"), float("inf"), "fast", None])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(ValueError, match="is a number above 0"):
        Machine(rate, 1e9, 1e9)
    with pytest.raises(ValueError, match="is a number above 0"):
        roofline(1, 1, 1e9, rate)


def test_a_measured_machine_takes_the_fastest_run_of_each(monkeypatch):
    """With a clock of our own: 1 s for the products, 2 s for the copies, and slower runs beside them."""
    asked = []

    def given(run, calls, *, threads):
        run()
        asked.append((calls, threads))
        seconds = 1 if len(asked) <= 2 else 2
        return [1.0] * 3 + [9000 * seconds] * (calls - 4) + [1000 * seconds]

    monkeypatch.setattr("shrinklab.roofline.call_times", given)
    assert measure_machine(repeats=4, threads=3) == Machine(4 * 16 * 16 * 128 * 128 * 9, 64e6, 256e3, 3)
    assert asked == [(7, 3)] * 4


@pytest.mark.parametrize("repeats", [0, 1.5, "2"])
def test_no_repeats_are_refused(repeats):
    with pytest.raises(ValueError, match="at least one"):
        measure_machine(repeats=repeats)
    with pytest.raises(ValueError, match="at least one"):
        profile(nn.Linear(2, 2), torch.zeros(1, 2), repeats=repeats)


@pytest.mark.parametrize("name", ["lenet", "resnet8", "mobilenet"])
@pytest.mark.parametrize("batch", [1, 3])
def test_the_layers_of_a_profile_add_up(name, batch):
    model = pretrained(name)
    images = load("mnist" if name == "lenet" else "cifar10").validation.images[:batch]
    found = profile(model, images, repeats=2)
    assert found.macs == batch * count_macs(model, images)
    assert sum(layer.weight_bytes for layer in found.layers) == sum(
        tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
    assert found.rest_ms + sum(layer.time_ms for layer in found.layers) == pytest.approx(found.total_ms)
    assert found.rest_ms >= 0
    assert all(layer.time_ms > 0 for layer in found.layers)


def test_the_first_layer_s_bytes_are_those_of_its_tensors():
    first = profile(ResNet8(), torch.zeros(5, 3, 32, 32), repeats=1).layers[0]
    assert (first.name, first.kind, first.weight_shape, first.output_shape) == (
        "conv", "Conv2d", (16, 3, 3, 3), (5, 16, 32, 32))
    assert first.moved_bytes(5) == 4 * (432 + 5 * 3 * 1024 + 5 * 16 * 1024)


def test_every_time_of_a_profile_is_a_median_and_one_slow_pass_spoils_none(monkeypatch):
    """A clock that stands still but in the layers: 1 ms and 2 ms, 50 ms in one pass; the rest takes 4, 5 and 90 ms."""
    now, spent = [0], iter([0, 0] * 3 + [1, 2, 1, 50, 1, 2])
    network = nn.Sequential(nn.Linear(2, 2), nn.ReLU())

    def clock():
        now.append(now[-1])
        return now[-1]

    def given(run, calls, *, threads):
        for _ in range(calls):
            run()
        return [0.0] * 3 + [1 + 2 + 4.0, 1 + 50 + 90.0, 1 + 2 + 5.0]

    for layer in network:
        layer.register_forward_hook(lambda *_: now.append(now[-1] + next(spent) * 1_000_000))
    monkeypatch.setattr(profiling.time, "perf_counter_ns", clock)
    monkeypatch.setattr(profiling, "call_times", given)
    found = profile(network, torch.zeros(1, 2), repeats=3)
    assert [layer.time_ms for layer in found.layers] == [1, 2]
    assert (found.rest_ms, found.total_ms) == (5, 8)


def test_a_profile_leaves_the_model_as_it_was():
    model = ResNet8().train()
    profile(model, torch.zeros(1, 3, 32, 32), repeats=1)
    assert model.training
    assert model.bn.num_batches_tracked == 0
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_the_bound_of_a_network_is_the_sum_over_its_layers_and_takes_a_rule_of_your_own():
    found = profile(nn.Sequential(nn.Linear(100, 50), nn.ReLU()), torch.zeros(2, 100), repeats=1)
    moved = [4 * (5000 + 50 + 2 * 150), 4 * 2 * 100]
    assert bound_ms(found, MACHINE) == pytest.approx(sum(moved) / 2e9 * 1000)
    assert bound_ms(found, MACHINE, lambda macs, moved, rate, bytes_rate: (macs, "compute")) == 10_000


def test_a_summary_leaves_the_first_times_out():
    times = [90.0, 80.0, *range(101)]
    assert timing.summary(times, 2) == (50.0, 95.0)
    assert timing.summary([7.0], 0) == (7.0, 7.0)
    for warm_up in (-1, 103):
        with pytest.raises(ValueError, match="at least one time is left"):
            timing.summary(times, warm_up)


@pytest.mark.parametrize("threads", [0, -1, 1.5])
def test_threads_that_are_no_count_are_refused(threads):
    for measure in (lambda: timing.call_times(print, 1, threads=threads), lambda: measure_machine(threads=threads),
                    lambda: profile(nn.Linear(2, 2), torch.zeros(1, 2), threads=threads)):
        with pytest.raises(ValueError, match="threads is"):
            measure()


def test_network_times_leave_the_preparing_and_the_warm_up_out_and_the_log_as_it_was():
    log = torch.tensor([[0.0, 1.0, 9.0], [10.0, 10.5, 11.5], [20.0, 20.0, 20.25]], dtype=torch.float64)
    before = log.clone()
    assert timing.network_times(log, 1).tolist() == [1000.0, 250.0]
    assert torch.equal(log, before)
    for wrong_log, warm_up in ((log[:, :2], 0), (log[0], 0), (log, 3), (log, -1)):
        with pytest.raises(ValueError, match=r"shape|warm_up"):
            timing.network_times(wrong_log, warm_up)


def test_call_times_counts_every_call_and_puts_the_threads_back():
    before, seen = torch.get_num_threads(), []
    times = timing.call_times(lambda: seen.append((torch.get_num_threads(), torch.is_inference_mode_enabled())), 4,
                              threads=2)
    assert len(times) == 4
    assert seen == [(2, True)] * 4
    assert torch.get_num_threads() == before
