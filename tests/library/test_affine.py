"""The integer grid against torch's and ONNX Runtime's own quantizers, and the observers against known ranges."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shrinklab import affine
from shrinklab.affine import QParams, choose_qparams, dequantize, fake_quantize, quantize

BITS = range(2, 9)


def normal(*shape, seed=0, spread=1.0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * spread


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("symmetric", [False, True])
def test_fake_quantize_is_torchs_bit_for_bit(bits, symmetric):
    x = normal(5000, seed=bits) + 0.3
    grid = choose_qparams(x.min() * 0.8, x.max() * 0.8, bits=bits, symmetric=symmetric)
    theirs = torch.fake_quantize_per_tensor_affine(x, grid.scale, grid.zero_point, grid.low, grid.high)
    assert torch.equal(fake_quantize(x, grid), theirs)


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("axis", [0, 1, 3])
def test_fake_quantize_per_channel_is_torchs_bit_for_bit(bits, axis):
    x = normal(6, 5, 4, 3, seed=bits)
    rows = x.movedim(axis, 0).flatten(1)
    grid = choose_qparams(rows.amin(1), rows.amax(1), bits=bits, axis=axis)
    theirs = torch.fake_quantize_per_channel_affine(x, grid.scale, grid.zero_point, axis, grid.low, grid.high)
    assert torch.equal(fake_quantize(x, grid), theirs)


def test_on_ties_too_where_the_scale_is_a_power_of_two():
    x = torch.arange(-300, 300) / 8  # every second value lies half way between two integers of the grid
    for zero_point in (0, 100, 255):
        grid = QParams(torch.tensor(0.25), torch.tensor(zero_point, dtype=torch.int32), 0, 255)
        theirs = torch.fake_quantize_per_tensor_affine(x, 0.25, zero_point, 0, 255)
        assert torch.equal(fake_quantize(x, grid), theirs)


@pytest.mark.parametrize("symmetric", [False, True])
def test_quantize_is_onnx_runtimes_bit_for_bit_on_ties_too(symmetric):
    import onnxruntime as ort
    from onnx import helper

    steps = torch.arange(-600, 600) / 2
    grid = choose_qparams(-0.7, 1.1, symmetric=symmetric)
    x = steps * grid.scale  # here division by the scale and multiplication by its inverse differ now and then
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(np.int8 if symmetric else np.uint8))
    graph = helper.make_graph(
        [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"])], "g",
        [helper.make_tensor_value_info("x", 1, [len(x)])], [helper.make_tensor_value_info("q", kind, [len(x)])],
        [helper.make_tensor("s", 1, [], [grid.scale.item()]),
         helper.make_tensor("z", kind, [], [grid.zero_point.item()])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    theirs = torch.from_numpy(session.run(None, {"x": x.numpy()})[0])
    assert theirs.dtype == grid.dtype
    # Symmetric grids leave -128 out, which ONNX has.
    assert torch.equal(quantize(x, grid), theirs.clamp(min=grid.low))


@pytest.mark.parametrize("bits", BITS)
def test_choose_qparams_is_torchs_min_max_observer(bits):
    from torch.ao.quantization import MinMaxObserver

    x = normal(1000, seed=bits) + 0.5
    observer = MinMaxObserver(dtype=torch.quint8, quant_min=0, quant_max=2**bits - 1)
    observer(x)
    scale, zero_point = observer.calculate_qparams()
    grid = choose_qparams(*affine.min_max(x), bits=bits)
    assert torch.equal(grid.scale, scale[0])
    assert grid.zero_point == zero_point[0]


ranges = st.tuples(st.floats(-1e6, 1e6, width=32), st.floats(-1e6, 1e6, width=32)).map(sorted)


@settings(deadline=None)
@given(ranges, st.sampled_from(list(BITS)), st.booleans(), st.integers(0, 2**31))
def test_the_error_inside_the_range_is_at_most_half_a_step(ends, bits, symmetric, seed):
    low, high = ends
    grid = choose_qparams(low, high, bits=bits, symmetric=symmetric)
    real_low = (grid.low - grid.zero_point) * grid.scale
    real_high = (grid.high - grid.zero_point) * grid.scale
    x = real_low + (real_high - real_low) * torch.rand(200, generator=torch.Generator().manual_seed(seed))
    error = (dequantize(quantize(x, grid), grid) - x).abs().max()
    assert error <= grid.scale * 0.5 * (1 + 1e-4)


@settings(deadline=None)
@given(ranges, st.sampled_from(list(BITS)), st.booleans())
def test_zero_is_exact_and_the_ends_are_covered_to_half_a_step(ends, bits, symmetric):
    low, high = ends
    grid = choose_qparams(low, high, bits=bits, symmetric=symmetric)
    assert fake_quantize(torch.zeros(1), grid).item() == 0
    ends = torch.tensor([min(low, 0.0), max(high, 0.0)])
    assert (fake_quantize(ends, grid) - ends).abs().max() <= grid.scale * 0.5001


@settings(deadline=None)
@given(st.sampled_from(list(BITS)), st.booleans(), st.integers(0, 2**31))
def test_quantizing_twice_changes_nothing(bits, symmetric, seed):
    x = normal(100, seed=seed)
    grid = choose_qparams(x.min(), x.max(), bits=bits, symmetric=symmetric)
    once = fake_quantize(x, grid)
    assert torch.equal(fake_quantize(once, grid), once)
    assert torch.equal(dequantize(quantize(x, grid), grid), once)


def test_bits_and_dtype_of_a_grid():
    for bits in BITS:
        assert choose_qparams(-1, 1, bits=bits).bits == bits
        assert choose_qparams(-1, 1, bits=bits, symmetric=True).bits == bits
    assert choose_qparams(-1, 1).dtype == torch.uint8
    assert choose_qparams(-1, 1, symmetric=True).dtype == torch.int8


def test_a_range_of_width_zero_still_gives_a_grid():
    assert fake_quantize(torch.zeros(3), choose_qparams(0, 0)).tolist() == [0, 0, 0]
    grid = choose_qparams(torch.tensor([0.0, -1.0]), torch.tensor([0.0, 1.0]), symmetric=True, axis=0)
    assert grid.scale[0] == 1


def test_each_bit_is_worth_six_decibel():
    x = torch.rand(20_000, generator=torch.Generator().manual_seed(0))
    noise = [affine.sqnr(x, fake_quantize(x, choose_qparams(0, 1, bits=bits))) for bits in BITS]
    assert all(5 < more - less < 7.5 for less, more in zip(noise, noise[1:], strict=False))
    assert affine.sqnr(x, x) == float("inf")


def test_percentile_is_numpys():
    x = normal(10_000)
    low, high = affine.percentile(x, share=0.99)
    assert low.item() == pytest.approx(np.percentile(x.numpy(), 0.5))
    assert high.item() == pytest.approx(np.percentile(x.numpy(), 99.5))
    after_relu = affine.percentile(x.relu(), share=0.99)
    assert after_relu[0] == 0
    assert after_relu[1] == high


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_mse_finds_the_best_range_of_a_scan(bits):
    x = torch.cat([normal(4000), torch.tensor([9.0, -9.0])])
    low, high = affine.mse(x, bits=bits, symmetric=True)

    def error(top):
        return (fake_quantize(x, choose_qparams(-top, top, bits=bits, symmetric=True)) - x).square().mean().item()

    best = min(error(9 * share) for share in np.linspace(0.2, 1, 400))
    assert error(high.item()) <= best * 1.02
    assert error(high.item()) < error(9.0)


def test_mse_of_many_values_is_that_of_all_of_them():
    """Beyond some ten thousand values a histogram stands for them; a single row is searched value by value."""
    for x in (normal(60_000), normal(60_000).relu(), normal(60_000) ** 3):
        for bits in (4, 8):
            low, high = affine.mse(x, bits=bits)
            rows = affine.mse(x[None], bits=bits)

            def error(low, high, x=x, bits=bits):
                return (fake_quantize(x, choose_qparams(low, high, bits=bits)) - x).square().mean().item()

            assert error(low, high) <= 1.01 * error(*(end[0] for end in rows))


def test_mse_works_row_by_row():
    rows = torch.stack([normal(500), normal(500, seed=1, spread=7.0)])
    together = affine.mse(rows, bits=4, symmetric=True)
    for row, low, high in zip(rows, *together, strict=True):
        assert affine.mse(row, bits=4, symmetric=True) == (low, high)


def test_entropy_cuts_outliers_and_keeps_an_even_spread():
    even = torch.linspace(0, 1, 50_000)
    assert affine.entropy(even)[1] > 0.95
    assert affine.entropy(torch.cat([even, torch.tensor([20.0])]), bits=4)[1] < 3
    assert affine.entropy(torch.zeros(10))[1] == 0
    low, high = affine.entropy(torch.cat([normal(50_000), torch.tensor([100.0])]))
    assert low == pytest.approx(normal(50_000).min())  # one end was short: it stays
    assert high < 20


def test_entropy_does_not_count_the_zeros_that_a_relu_leaves():
    x = normal(20_000).abs()
    assert affine.entropy(torch.cat([x, torch.zeros(200_000)]))[1] == affine.entropy(x)[1]


def divergence(counts, cut, levels):
    """Migacz's divergence, bin by bin."""
    reference, quantized = counts[:cut].astype(float), np.zeros(cut)
    reference[-1] += counts[cut:].sum()
    for start, stop in zip(np.arange(levels) * cut // levels, (np.arange(levels) + 1) * cut // levels, strict=True):
        filled = counts[start:stop] > 0
        quantized[start:stop][filled] = counts[start:stop].sum() / max(1, filled.sum())
    p, q = reference / reference.sum(), (quantized / quantized.sum()).clip(1e-9)
    return sum(a * np.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)


@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_all_cuts_at_once_are_the_plain_sums(share):
    generator = np.random.default_rng(0)
    counts = (generator.integers(1, 50, 256) * (generator.random(256) < share)).astype(float)
    counts[3] = 7.0  # below every cut
    cuts = np.array([16, 17, 40, 100, 255, 256])
    expected = [divergence(counts, cut, 16) for cut in cuts]
    np.testing.assert_allclose(affine._divergences(counts, cuts, 16), expected, rtol=1e-9, atol=1e-12)


def test_entropy_cuts_about_where_onnx_runtime_does():
    from onnxruntime.quantization import calibrate

    x = normal(100_000).abs().square()  # a long tail
    counts, edges = np.histogram(torch.cat([x, -x]).numpy(), bins=4095, range=(-x.max().item(), x.max().item()))
    collector = calibrate.HistogramCollector("entropy", False, 128, 128, 99.99, None)
    theirs = collector.get_entropy_threshold((counts, edges, -x.max(), x.max(), x.max()), 128)[1]
    ours = affine.entropy(torch.cat([x, -x]))[1]
    assert ours == pytest.approx(float(theirs), rel=0.1)


@pytest.mark.parametrize(("call", "text"), [
    (lambda: choose_qparams(0, 1, bits=1), "bits is 1; a grid has 2 to 8 bits; use 8, or 4."),
    (lambda: choose_qparams(0, 1, bits=16), "bits is 16"),
    (lambda: choose_qparams(0, 1, bits=True), "bits is True"),
    (lambda: choose_qparams(2, 1), "low is not above high"),
    (lambda: choose_qparams(float("nan"), 1), "finite"),
    (lambda: choose_qparams(0, float("inf")), "finite"),
    (lambda: choose_qparams(torch.zeros(3), torch.ones(3)), "axis=0"),
    (lambda: quantize(torch.tensor([float("nan")]), choose_qparams(0, 1)), "the values hold 1 NaN"),
    (lambda: quantize(torch.zeros(2, 2), choose_qparams(torch.zeros(3), torch.ones(3), axis=0)), "3 scales along"),
    (lambda: affine.sqnr(torch.zeros(2), torch.zeros(3)), "value by value"),
    (lambda: affine.min_max(torch.tensor([])), "at least one value"),
    (lambda: affine.mse(torch.tensor([1.0, float("nan")])), "1 NaN or inf"),
    (lambda: affine.percentile(torch.ones(3), share=99), "share is 99"),
])
def test_bad_input_is_refused_with_value_rule_and_fix(call, text):
    with pytest.raises(ValueError, match=text):
        call()
