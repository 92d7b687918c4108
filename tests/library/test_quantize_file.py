"""Quantized files hold what they claim and load back; mixed precision keeps its byte budget."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from shrinklab.files import save_dense
from shrinklab.models import LeNet, ResNet8, build
from shrinklab.quantize import (
    Scheme,
    bit_sensitivity,
    load_quantized,
    mixed_precision,
    quantize_model,
    quantized_bytes,
    save_quantized,
)
from shrinklab.quantize.file import pack, unpack
from shrinklab.quantize.mixed import _least_noise


@pytest.fixture(scope="module")
def lenet():
    torch.manual_seed(0)
    return LeNet(channels=(3, 4), hidden=(20, 10))


@pytest.fixture(scope="module")
def digits():
    return torch.rand(20, 1, 28, 28, generator=torch.Generator().manual_seed(0))


@settings(deadline=None)
@given(st.integers(2, 8), st.integers(1, 50), st.integers(0, 2**31))
def test_packed_integers_come_back_and_take_their_bits(bits, count, seed):
    integers = torch.randint(0, 2**bits, (count,), generator=torch.Generator().manual_seed(seed))
    packed = pack(integers, bits)
    assert len(packed) == -(-count * bits // 8)
    assert torch.equal(unpack(packed, bits, count).long(), integers)


@pytest.mark.parametrize("scheme", [
    Scheme(), Scheme(weight_bits=4), Scheme(weight_bits=3, activation_bits=5), Scheme(per_channel=False),
    Scheme(symmetric=True, observer="mse"), Scheme(dynamic=True), Scheme(activation_bits=None, weight_bits=2)])
def test_a_file_loads_back_to_the_same_numbers(lenet, digits, scheme, tmp_path):
    small = quantize_model(lenet, digits, scheme)
    back = load_quantized(save_quantized(small, tmp_path / "small"))
    assert torch.equal(back(digits), small(digits))
    assert back.scheme == scheme
    ours, theirs = small.state_dict(), back.state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert save_quantized(back, tmp_path / "again").read_bytes() == (tmp_path / "small").read_bytes()


def test_bits_of_single_layers_are_in_the_file(tmp_path):
    torch.manual_seed(0)
    model = ResNet8(widths=(4, 4, 4, 8, 8, 8, 8))
    x = torch.randn(3, 3, 32, 32)
    small = quantize_model(model, x, Scheme(4, 4), layers={"conv": Scheme(8, 8), "fc": Scheme(8, 8)})
    back = load_quantized(save_quantized(small, tmp_path / "small"))
    assert torch.equal(back(x), small(x))


def test_the_file_is_as_small_as_its_bits(digits):
    model = build("lenet")
    sizes = {bits: quantized_bytes(quantize_model(model, digits, Scheme(weight_bits=bits))) for bits in (2, 4, 8)}
    assert abs(sizes[8] - sizes[4] - 61_470 / 2) < 64
    assert abs(sizes[4] - sizes[2] - 61_470 / 4) < 64
    assert sizes[8] < 61_470 + 5_000


def test_an_observer_of_ones_own_loads_as_the_default(lenet, digits, tmp_path):
    small = quantize_model(lenet, digits, Scheme(observer=lambda values: (values.min(), values.max() * 0.9)))
    back = load_quantized(save_quantized(small, tmp_path / "small"))
    assert torch.equal(back(digits), small(digits))


def test_networks_that_build_does_not_know_load_into_a_model_like_them(tmp_path):
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    x = torch.randn(5, 4)
    path = save_quantized(small := quantize_model(model, x), tmp_path / "small")
    like = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    assert torch.equal(load_quantized(path, like)(x), small(x))
    with pytest.raises(ValueError, match="unknown kind None"):
        load_quantized(path)
    with pytest.raises(ValueError, match="those of the model are"):
        load_quantized(path, nn.Sequential(nn.Linear(4, 2)))
    with pytest.raises(ValueError, match="quantized already"):
        load_quantized(path, small)


def test_float_files_and_float_models_are_refused(lenet, tmp_path):
    with pytest.raises(ValueError, match="use load_file"):
        load_quantized(save_dense(lenet, tmp_path / "dense"))
    with pytest.raises(ValueError, match="the model is a LeNet"):
        save_quantized(lenet, tmp_path / "dense")


def test_sensitivity_knows_each_layer_and_falls_with_the_bits(lenet, digits):
    table = bit_sensitivity(lenet, digits, bits=(2, 4, 8))
    assert list(table.columns) == ["layer", "bits", "weight_bytes", "noise"]
    assert list(table.layer.unique()) == ["conv1", "conv2", "fc1", "fc2", "fc3"]
    for _, part in table.groupby("layer"):
        assert part.noise.is_monotonic_decreasing
    assert table[(table.layer == "fc2") & (table.bits == 4)].weight_bytes.item() == 100


def test_mixed_precision_keeps_the_budget_and_beats_even_bits(lenet, digits):
    even = quantize_model(lenet, digits, Scheme(weight_bits=4, weight_observer="mse"))
    budget = quantized_bytes(even)
    mixed = mixed_precision(lenet, digits, budget)
    assert quantized_bytes(mixed) <= budget
    assert len({layer.weight_grid.qparams.bits for layer in mixed.layers.values()}) > 1
    expected = lenet(digits)
    noise = {name: (model(digits) - expected).square().mean() for name, model in (("even", even), ("mixed", mixed))}
    assert noise["mixed"] < noise["even"]


def test_the_choice_of_bits_is_the_best_of_all():
    from itertools import product

    import pandas as pd

    generator = torch.Generator().manual_seed(0)
    rows = [{"layer": name, "bits": bits, "weight_bytes": size * bits // 8,
             "noise": torch.rand(1, generator=generator).item() / bits}
            for name, size in (("a", 100), ("b", 400), ("c", 70)) for bits in (2, 4, 8)]
    table = pd.DataFrame(rows)
    for room in (150, 250, 400, 1000):
        fits = [choice for choice in product(*(table[table.layer == name].itertuples() for name in "abc"))
                if sum(row.weight_bytes for row in choice) <= room]
        best = min(fits, key=lambda choice: sum(row.noise for row in choice))
        assert _least_noise(table, room) == {row.layer: row.bits for row in best}
    assert _least_noise(table, 100) == {}


def test_a_large_budget_leaves_eight_bits_and_a_tiny_one_is_refused(lenet, digits):
    mixed = mixed_precision(lenet, digits, 10**6)
    assert {layer.weight_grid.qparams.bits for layer in mixed.layers.values()} == {8}
    with pytest.raises(ValueError, match="budget_bytes is 500; even the fewest bits"):
        mixed_precision(lenet, digits, 500)
    with pytest.raises(ValueError, match="bits is empty"):
        bit_sensitivity(lenet, digits, bits=())
