"""Affine quantization: real numbers on an integer grid, x = scale * (q - zero_point), with 2 to 8 bits.

First the range of the values is observed (min-max, percentile, MSE, entropy), then `choose_qparams` lays the grid
over it, then `quantize` rounds. Zero always lies on the grid: padding and ReLU need it exact.
Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", 2018; the rounding rule is that of ONNX QuantizeLinear (divide by the scale, ties to even).
"""

from dataclasses import dataclass

import numpy as np
import torch

from shrinklab.errors import need


@dataclass(frozen=True, eq=False)
class QParams:
    """An integer grid: real = scale * (integer - zero_point), integers from low to high.

    scale: float32, zero_point: int32, both of shape () for one grid, or (C,) for one per channel along `axis`.

    >>> QParams(torch.tensor(0.5), torch.tensor(3, dtype=torch.int32), 0, 255)
    QParams(scale=tensor(0.5000), zero_point=tensor(3, dtype=torch.int32), low=0, high=255, axis=None)
    """

    scale: torch.Tensor
    zero_point: torch.Tensor
    low: int
    high: int
    axis: int | None = None

    @property
    def bits(self):
        """Bits that an integer of this grid takes."""
        return (self.high - self.low).bit_length()

    @property
    def dtype(self):
        """torch.uint8 for grids from 0 up, torch.int8 for grids around 0: the types of QuantizeLinear."""
        return torch.uint8 if self.low >= 0 else torch.int8

    def along(self, x):
        """scale and zero_point shaped so that they broadcast over x."""
        if self.axis is None:
            return self.scale, self.zero_point
        shape = [1] * x.ndim
        shape[self.axis] = -1
        need(x.shape[self.axis] == len(self.scale), f"the values have shape {tuple(x.shape)}",
             f"the grid has {len(self.scale)} scales along axis {self.axis}", "choose the grid from these values")
        return self.scale.reshape(shape), self.zero_point.reshape(shape)


def choose_qparams(low, high, *, bits=8, symmetric=False, axis=None):
    """The grid that covers the real range low to high, widened to hold 0.

    low, high: numbers, or tensors (C,) together with axis for one grid per channel. Affine grids run from 0 to
    2^bits - 1; symmetric ones from -(2^(bits-1) - 1) to 2^(bits-1) - 1, with zero point 0. A range of width 0 gets
    scale 1. Raises ValueError for bits outside 2 to 8 and for ranges that are not finite.

    >>> grid = choose_qparams(-1.0, 3.0)  # 256 steps of 4/255; real 0 lies at 1 / (4/255) = 63.75, rounded
    >>> round(grid.scale.item(), 5), grid.zero_point.item(), grid.low, grid.high
    (0.01569, 64, 0, 255)
    """
    _bits(bits)
    low, high = (torch.as_tensor(v, dtype=torch.float32) for v in (low, high))
    _range(low, high, axis)
    low, high = low.clamp(max=0), high.clamp(min=0)
    if symmetric:
        top = 2 ** (bits - 1) - 1
        scale = _positive(torch.maximum(-low, high) / top)
        return QParams(scale, torch.zeros_like(scale, dtype=torch.int32), -top, top, axis)
    top = 2**bits - 1
    scale = _positive((high - low) / top)
    return QParams(scale, (-low / scale).round().clamp(0, top).to(torch.int32), 0, top, axis)


def quantize(x, qparams):
    """Round real values to the grid: float tensor -> uint8 or int8 tensor of the same shape.

    Values beyond the grid are clipped to its ends. NaN is refused.

    >>> quantize(torch.tensor([-1.0, 0.0, 0.3, 9.0]), choose_qparams(-1.0, 3.0)).tolist()
    [0, 64, 83, 255]
    """
    broken = int(x.isnan().sum())
    need(broken == 0, f"the values hold {broken} NaN", "only numbers can be rounded to a grid",
         "look for the layer that made them")
    return _integers(x, qparams).to(qparams.dtype)


def dequantize(q, qparams):
    """The real values of integers on the grid: integer tensor -> float32 tensor of the same shape.

    >>> dequantize(torch.tensor([0, 64, 255]), choose_qparams(-1.0, 3.0))
    tensor([-1.0039,  0.0000,  2.9961])
    """
    scale, zero_point = qparams.along(q)
    return (q.to(torch.float32) - zero_point) * scale


def fake_quantize(x, qparams):
    """quantize, then dequantize, in floats: what a value becomes on the grid. NaN stays NaN.

    >>> fake_quantize(torch.tensor([0.3, 9.0]), choose_qparams(-1.0, 3.0))
    tensor([0.2980, 2.9961])
    """
    scale, zero_point = qparams.along(x)
    return (_integers(x, qparams) - zero_point) * scale


def sqnr(x, y):
    """Signal to quantization noise in decibel: 10 log10(sum x^2 / sum (x - y)^2); inf where nothing is lost.

    About 6 dB for each bit.

    >>> round(sqnr(torch.tensor([3.0, 4.0]), torch.tensor([3.0, 4.5])), 2)  # 10 log10(25 / 0.25)
    20.0
    """
    need(x.shape == y.shape, f"x has shape {tuple(x.shape)} and y {tuple(y.shape)}",
         "noise is counted value by value", "pass tensors of one shape")
    signal, noise = x.double().square().sum(), (x.double() - y.double()).square().sum()
    return float("inf") if noise == 0 else (10 * torch.log10(signal / noise)).item()


def min_max(values):
    """Observer: the whole range. values (N,) -> (low, high) of shape (); rows (C, N) -> (C,) each.

    >>> min_max(torch.tensor([1.0, -2.0, 5.0]))
    (tensor(-2.), tensor(5.))
    """
    _values(values)
    return values.amin(-1), values.amax(-1)


def percentile(values, share=0.9999):
    """Observer: the range that holds this share of the values, the rest cut off half at each end.

    values (N,) or rows (C, N). An end at 0 (after a ReLU) stays there, since the lowest values are all 0.

    >>> low, high = percentile(torch.arange(101.0), share=0.9)
    >>> low.item(), high.item()
    (5.0, 95.0)
    """
    _values(values)
    need(0 < share <= 1, f"share is {share}", "share is a fraction above 0, up to 1", "use 0.9999")
    # NumPy, because torch.quantile refuses more than 16 million values.
    low, high = np.quantile(values.detach().numpy(), [(1 - share) / 2, (1 + share) / 2], axis=-1)
    return tuple(torch.as_tensor(end, dtype=torch.float32) for end in (low, high))


def mse(values, *, bits=8, symmetric=False):
    """Observer: of 81 ranges, the whole one down to a fifth of it, the one with the least squared error.

    values (N,) or rows (C, N). Fewer bits clip more: the few large values pay for finer steps among the many.

    >>> values = torch.cat([torch.linspace(-1, 1, 1001), torch.tensor([5.0])])
    >>> low, high = mse(values, bits=2, symmetric=True)
    >>> high.item() < 2
    True
    """
    low, high = min_max(values)
    values, counts = _condensed(values)
    rows, ends, errors = values.reshape(-1, values.shape[-1]), torch.stack([low, high]).reshape(2, 1, -1), []
    # As many shares at once as keep the work in the processor's cache.
    for shares in torch.linspace(1, 0.2, 81).split(max(1, 2**18 // rows.numel())):
        grids = choose_qparams(*(ends * shares[:, None]).flatten(1), bits=bits, symmetric=symmetric, axis=0)
        tried = rows.repeat(len(shares), 1)
        error = (fake_quantize(tried, grids) - tried).square_().mul_(counts).mean(1)
        errors.append(error.reshape(len(shares), -1))
    share = torch.linspace(1, 0.2, 81)[torch.cat(errors).argmin(0)].reshape(low.shape)
    return low * share, high * share


def entropy(values, *, bits=8, bins=2048):
    """Observer: the cut that loses the least information (smallest Kullback-Leibler divergence).

    values (N,) or rows (C, N). The values' histogram of `bins` bins is compared with itself after quantization,
    for each cut; magnitudes with half the levels where the values have two signs.
    Source: Migacz, "8-bit Inference with TensorRT", 2017.

    >>> values = torch.cat([torch.linspace(0, 1, 10_001), torch.tensor([50.0])])
    >>> entropy(values, bits=4)[1].item() < 10
    True
    """
    low, high = min_max(values)
    if values.ndim > 1:
        ends = [entropy(row, bits=bits, bins=bins) for row in values]
        return tuple(torch.stack(end) for end in zip(*ends, strict=True))
    magnitudes = values.detach().abs()
    magnitudes = magnitudes[magnitudes > 0]  # 0 is on the grid whatever the cut; after a ReLU it would outweigh all
    if not len(magnitudes):
        return low, high
    levels = 2**bits if low >= 0 or high <= 0 else 2 ** (bits - 1)
    top = magnitudes.amax().item()
    counts = torch.histc(magnitudes, bins, 0, top).double().numpy()
    cuts = np.arange(levels, bins + 1, max(1, levels // 16))
    cut = cuts[_divergences(counts, cuts, levels).argmin()] if len(cuts) else bins
    top = float(np.float32(top * cut / bins))
    return low.clamp(min=-top), high.clamp(max=top)


OBSERVERS = {"min_max": min_max, "percentile": percentile, "mse": mse, "entropy": entropy}


def _divergences(counts, cuts, levels):
    """KL divergence between the histogram cut off at each cut (the tail in its last bin) and its quantized form.

    A quantized bin spreads its count over those of its bins that held something, so that sum p log(p / q) needs only
    the count, the filled bins and sum c log c of each quantized bin: differences of running sums, for all cuts at once.
    """
    running = [np.concatenate([[0], np.cumsum(v)]) for v in (counts, counts > 0)]
    edges = np.arange(levels + 1) * cuts[:, None] // levels
    inside, places = (np.diff(total[edges]) for total in running)
    kept, last = running[0][cuts], counts[cuts - 1]
    tail = counts.sum() - kept
    own = np.concatenate([[0], np.cumsum(_xlogx(counts))])[cuts] - _xlogx(last) + _xlogx(last + tail)
    share = np.log(np.where(inside > 0, inside, 1) / places.clip(1))
    # Where the quantized form has nothing for the last bin, which holds the tail, a small floor stands for infinity.
    floor = np.log(1e-9 * kept.clip(1))
    cross = (inside * share).sum(1) + tail * np.where(last > 0, share[:, -1], floor)
    whole = counts.sum()
    divergence = (own - cross) / whole + np.log(kept.clip(1) / whole)
    return np.where(kept > 0, divergence, np.inf)


def _xlogx(values):
    return values * np.log(np.where(values > 0, values, 1))


def _condensed(values, bins=4096):
    """Many values (N,) as the means of a histogram's bins and their counts, whose mean is 1; few, or rows, as they are.

    16 bins for each step of an 8-bit grid leave the search for its range what it is, at a hundredth of the work.
    """
    if values.ndim > 1 or len(values) <= 4 * bins:
        return values, 1.0
    low, high = min_max(values)
    places = ((values - low) * ((bins - 1) / (high - low).clamp(min=torch.finfo(torch.float32).tiny))).int()
    counts = torch.bincount(places, minlength=bins)
    sums = torch.bincount(places, weights=values.double(), minlength=bins)
    filled = counts > 0
    counts = counts[filled]
    return (sums[filled] / counts).float(), (counts / counts.double().mean()).float()


def _integers(x, qparams):
    """Grid positions as floats, which hold integers up to 2^24 exactly."""
    scale, zero_point = qparams.along(x)
    return ((x / scale).round() + zero_point).clamp(qparams.low, qparams.high)


def _positive(scale):
    """Scales with 1 in place of 0; those too small to divide by are raised to the smallest normal float."""
    return torch.where(scale == 0, torch.ones_like(scale), scale.clamp(min=torch.finfo(torch.float32).tiny))


def _bits(bits):
    right = isinstance(bits, int) and not isinstance(bits, bool) and 2 <= bits <= 8
    need(right, f"bits is {bits!r}", "a grid has 2 to 8 bits", "use 8, or 4")


def _range(low, high, axis):
    right = low.shape == high.shape and low.ndim == (axis is not None)
    if right and bool(((high - low).isfinite() & (low <= high)).all()):
        return  # the texts below take longer than the check
    need(bool((high - low).isfinite().all()), f"low is {low.tolist()} and high {high.tolist()}",
         "a grid covers a finite range", "look for NaN or inf in the values")
    need(right, f"low has shape {tuple(low.shape)}, high {tuple(high.shape)} and axis is {axis}",
         "one grid takes two numbers, one per channel two tensors (C,) and the axis", "use axis=0 for weights")
    need(False, f"low is {low.tolist()} and high {high.tolist()}", "low is not above high", "swap them")


def _values(values):
    need(values.ndim in (1, 2) and values.numel() > 0, f"the values have shape {tuple(values.shape)}",
         "an observer takes at least one value: (N,), or rows (C, N)", "flatten them first")
    broken = int((~values.isfinite()).sum())
    need(broken == 0, f"the values hold {broken} NaN or inf", "a range is made of finite numbers",
         "look for the layer that made them")
