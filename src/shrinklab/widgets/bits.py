"""Lesson 07's explorer: move the number of bits; each move rounds every weight of the network and tests it again."""

import torch

from shrinklab.affine import dequantize, fake_quantize, quantize, sqnr
from shrinklab.data import load
from shrinklab.errors import need
from shrinklab.fast import fast, fast_images
from shrinklab.metrics import correct, predict
from shrinklab.models import pretrained
from shrinklab.quantize import round_weights, weight_qparams
from shrinklab.scoring import prunable
from shrinklab.stability import flip_rate
from shrinklab.widgets.controls import Range, Select
from shrinklab.widgets.explorer import Explorer
from shrinklab.widgets.shares import accuracy_number
from shrinklab.widgets.views import Histogram, Lines, NumberLine

BITS = 2, 8
KINDS = ["symmetric", "affine"]
SCOPES = [("each layer", "layer"), ("each output channel", "channel")]
SHOWN = 15  # weights on the number line


def bits_explorer(model=None, split=None, *, layer=None):
    """Explorer: bits, kind of grid and layer -> where weights land, stored integers, SQNR, accuracy.

    It opens with 8 bits. Batch norm is folded first, as before every quantization.

    model, split: the trained LeNet and 1,000 MNIST validation images unless given; layer: the one shown at first.
    Each move rounds the weights of all layers and runs the images; values between the layers stay floats.

    >>> from shrinklab.models import build
    >>> explorer = bits_explorer(build("lenet", channels=[2, 4], hidden=[20, 10]), load("mnist").validation[:50])
    >>> explorer.compute(bits=2, kind="symmetric")["integers"]["edges"]
    [-1.5, -0.5, 0.5, 1.5]
    """
    model = pretrained("lenet") if model is None else model
    split = load("mnist").validation[:1000] if split is None else split
    need(len(split) > 0, f"{split.name} holds 0 images", "accuracy needs at least one", "take a larger slice")
    folded, images = fast(model), fast_images(split.images)
    weights = {name: dict(folded.named_parameters())[name].detach() for name in prunable(folded)}
    logits = predict(folded, images)
    before, classes = correct(logits, split.labels).double().mean().item(), logits.argmax(1)

    def settings(bits, kind, scope, layer):
        def grid(weight, bits=bits):
            return weight_qparams(weight, bits, symmetric=kind == "symmetric", per_channel=scope == "channel")

        logits = predict(round_weights(folded, lambda weight: fake_quantize(weight, grid(weight))), images)
        share = correct(logits, split.labels).double().mean().item()
        flips, weight = flip_rate(classes, logits.argmax(1)), weights[layer]
        integers, qparams, noise = quantize(weight, grid(weight)), grid(weight), _noise(weight, grid)
        channel = _quietest(weight)
        step = qparams.scale.reshape(-1)[channel if scope == "channel" else 0].item()
        return {
            "headline": f"{bits} bits, one {kind} grid for each {scope}: {_percent(share)} of {len(split):,} images "
                        f"right ({_percent(before)} before); {_percent(flips)} of the predictions changed.",
            "numbers": {
                "accuracy": accuracy_number(share, len(split)),
                "predictions changed": {"value": flips, "unit": "%", "text": _percent(flips)},
                "SQNR of this layer": {"value": noise[bits - BITS[0]], "unit": "dB",
                                       "text": f"{noise[bits - BITS[0]]:.1f} dB"},
                "step on the number line": {"value": step, "unit": "", "text": f"{step:.2g}"},
            },
            "line": _line(weight, integers, qparams, channel),
            "integers": _integers(integers, qparams),
            "noise": {"series": _curves(noise), "marker": bits},
        }

    kind = split.name.split("/")[-1].split("[")[0]
    title = f"Round the weights of a {type(model).__name__} and test it on {len(split):,} {kind} images"
    return Explorer(settings, title=title, controls=[
        Range("bits", *BITS, value=8, label="Bits of each weight"),
        Select("kind", KINDS, label="Grid"),
        Select("scope", SCOPES, label="A grid for"),
        Select("layer", list(weights), value=layer or max(weights, key=lambda name: weights[name].numel()),
               label="Layer shown"),
    ], views=[
        NumberLine("line", "Weights of the quietest channel, and where they land", x="weight"),
        Histogram("integers", "How many weights of the layer are stored as each integer", x="stored integer",
                  y="number of weights"),
        Lines("noise", "Signal to rounding noise of the layer", x="bits of each weight", y="SQNR (dB)"),
    ])


def _percent(value):
    return f"{value:.1%}".replace("%", " %")


def _quietest(weight):
    """The output channel with the smallest largest weight, channels of zeros left out."""
    reach = weight.flatten(1).abs().amax(1)
    return int(torch.where(reach > 0, reach, torch.inf).argmin())


def _line(weight, integers, qparams, channel):
    """Weights of one channel from lowest to highest, and the grid points around them."""
    order = weight[channel].flatten().argsort()
    places = order[torch.linspace(0, len(order) - 1, min(SHOWN, len(order))).round().long()]
    codes = torch.arange(qparams.low, qparams.high + 1)
    # The grid's points in the shape of a weight with one channel for each: so dequantize takes them as it is.
    every = codes.expand(len(weight), -1)
    points = dequantize(every, qparams)[channel]
    values, landed = weight[channel].flatten()[places], dequantize(integers, qparams)[channel].flatten()[places]
    used = integers[channel].int()
    near = (codes >= used.min() - 1) & (codes <= used.max() + 1)
    return {"grid": points[near].tolist(), "codes": codes[near].tolist(),
            "values": values.tolist(), "rounded": landed.tolist()}


def _integers(integers, qparams):
    """A bar for each integer of the grid, as high as the number of weights that are stored as it."""
    levels = qparams.high - qparams.low + 1
    counts = torch.bincount(integers.flatten().long() - qparams.low, minlength=levels)
    return {"edges": [qparams.low - 0.5 + place for place in range(levels + 1)], "counts": counts.tolist(), "cut": None}


def _noise(weight, grid):
    """SQNR of the layer at every number of bits, in decibel."""
    return [sqnr(weight, fake_quantize(weight, grid(weight, bits))) for bits in range(BITS[0], BITS[1] + 1)]


def _curves(noise):
    """The measured SQNR, and the rule of thumb: 6.02 dB for each bit, drawn back from the most bits."""
    bits = list(range(BITS[0], BITS[1] + 1))
    rule = [noise[-1] - 6.02 * (BITS[1] - width) for width in bits]
    return [{"name": "measured", "x": bits, "y": noise}, {"name": "6 dB for each bit", "x": bits, "y": rule}]
