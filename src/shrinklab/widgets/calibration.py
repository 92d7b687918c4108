"""Lesson 08's explorer: choose how ranges are observed; each move quantizes the network again and tests it."""

from functools import lru_cache

import torch

from shrinklab.affine import fake_quantize, percentile, sqnr
from shrinklab.data import load
from shrinklab.errors import need
from shrinklab.metrics import correct, predict
from shrinklab.models import pretrained
from shrinklab.quantize import Collected, Scheme, collect, quantize_model
from shrinklab.stability import flip_rate
from shrinklab.widgets.controls import Range, Select
from shrinklab.widgets.explorer import Explorer
from shrinklab.widgets.shares import accuracy_number
from shrinklab.widgets.views import Bars, Histogram

OBSERVERS = [("min-max: the whole range", "min_max"), ("percentile: cut off the rarest", "percentile"),
             ("MSE: least squared error", "mse"), ("entropy: least information lost", "entropy")]
GRIDS = [("one for each channel", "channel"), ("one for each layer (per tensor)", "tensor")]
BINS = 60
BATCH = 50  # as many photos at once as keep a layer's values in the processor's cache


def calibration_explorer(model=None, split=None, images=None):
    """Explorer: observer, percentile, granularity, bits -> one layer's values with the clipping cut, and accuracy.

    model, split, images: the trained MobileNet, 250 CIFAR-10 validation photos to test on and 128 training photos to
    calibrate on, unless given. The calibration photos run once, here; each move observes their values, quantizes the
    network and runs the photos of the split.

    >>> from shrinklab.models import LeNet
    >>> digits = load("mnist").validation
    >>> explorer = calibration_explorer(LeNet((2, 4), (20, 10)), digits[:50], digits[50:60])
    >>> answer = explorer.compute(observer="percentile", percentile=95.0, layer="conv1")
    >>> answer["numbers"]["clipped in this layer"]["value"] > 0.01
    True
    """
    model = pretrained("mobilenet") if model is None else model
    split = load("cifar10").validation[:250] if split is None else split
    need(len(split) > 0, f"{split.name} holds 0 images", "accuracy needs at least one", "take a larger slice")
    seen = collect(model, load("cifar10").train[:128] if images is None else images)
    # For the observers sorted: none minds the order, and a percentile of sorted values is found sooner.
    ordered = Collected({name: values.sort().values for name, values in seen.values.items()})
    photos = split.images.contiguous(memory_format=torch.channels_last)
    before = predict(model, photos, BATCH)

    @lru_cache(500)  # another layer to look at quantizes nothing anew, nor does a percentile that no observer asks for
    def quantized(observer, share, granularity, weight_bits, activation_bits):
        scheme = Scheme(weight_bits=weight_bits, activation_bits=activation_bits, per_channel=granularity == "channel",
                        observer=_observer(observer, share))
        small = quantize_model(model, ordered, scheme)
        return predict(small, photos, BATCH), small.activations

    def settings(observer, percentile, granularity, weight_bits, activation_bits, layer):
        share = percentile if observer == "percentile" else None
        after, grids = quantized(observer, share, granularity, weight_bits, activation_bits)
        values = seen.values[layer]
        low, high = _ends(grids[layer])
        right, whole = (correct(logits, split.labels).double().mean().item() for logits in (after, before))
        flips, clipped = flip_rate(before.argmax(1), after.argmax(1)), _outside(values, grids[layer])
        noise = sqnr(values, fake_quantize(values, grids[layer]))
        return {
            "headline": f"{right:.1%} of {len(split):,} images right ({whole:.1%} in floats), {flips:.1%} of the "
                        "answers changed.".replace("%", " %"),
            "numbers": {
                "accuracy": accuracy_number(right, len(split)),
                "answers changed": _number(flips, "%", f"{100 * flips:.1f} %"),
                "clipped in this layer": _number(clipped, "%", f"{100 * clipped:.3f} %"),
                "step in this layer": _number(grids[layer].scale.item(), "", f"{grids[layer].scale.item():.4f}"),
                "signal to noise in this layer": _number(noise, "dB", f"{noise:.1f} dB"),
            },
            "values": _histogram(values, low, high),
            "kept": {"labels": list(grids), "values": [_kept(ordered.values[name], grids[name]) for name in grids],
                     "unit": "%"},
        }

    layers = list(quantize_model(model, seen).activations)
    kind = split.name.split("/")[-1].split("[")[0]
    return Explorer(settings, title=f"Calibrate a {type(model).__name__} and test it on {len(split):,} {kind} images",
                    controls=[
        Select("observer", OBSERVERS, label="Observer of the values"),
        Range("percentile", 95.0, 100.0, step=0.05, value=99.9, unit="%", label="Percentile: values kept"),
        Select("granularity", GRIDS, label="Grids of the weights"),
        Range("weight_bits", 2, 8, value=8, label="Bits of the weights"),
        Range("activation_bits", 2, 8, value=8, label="Bits of the values between layers"),
        Select("layer", layers, value=layers[min(2, len(layers) - 1)], label="Layer shown"),
    ], views=[
        Histogram("values", "What the layer gave for the calibration images: outside of the lines it is clipped",
                  x="value after the ReLU", y="number of values", parts=("clipped", "kept"), log=True),
        Bars("kept", "How much of each layer's range is kept", x="share of the observed range", x_max=1.0),
    ])


def _observer(name, share):
    """The observer as a Scheme takes it; the percentile with its share, given in per cent."""
    return (lambda values: percentile(values, share / 100)) if name == "percentile" else name


def _ends(grid):
    """The smallest and the largest number of a grid."""
    return tuple(((end - grid.zero_point) * grid.scale).item() for end in (grid.low, grid.high))


def _outside(values, grid):
    """The share of values that are clipped: farther than half a step beyond the grid's ends."""
    low, high = _ends(grid)
    step = grid.scale.item()
    return ((values < low - step / 2) | (values > high + step / 2)).double().mean().item()


def _kept(values, grid):
    """The share of the range of sorted values that the grid keeps."""
    low, high = _ends(grid)
    return min(1.0, (high - low) / ((values[-1] - values[0]).item() or 1.0))


def _histogram(values, low, high):
    """Bars over the values, a little room at both sides, and the ends of the grid."""
    least, most = min(values.min().item(), low), max(values.max().item(), high)
    room = 0.02 * (most - least) or 1.0
    counts, edges = torch.histogram(values, bins=BINS, range=(least - room, most + room))
    return {"edges": edges.tolist(), "counts": counts.int().tolist(), "cut": [low, high]}


def _number(value, unit, text):
    return {"value": value, "unit": unit, "text": text}
