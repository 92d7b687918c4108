"""Lesson 09's explorer: move the bits; each move rounds the network or shares its weights, and tests it again."""

import torch

from shrinklab.affine import dequantize
from shrinklab.codebook import CodebookModel, codebook_bytes, codebook_sizes, share_weights, shareable
from shrinklab.data import load
from shrinklab.errors import need
from shrinklab.files import file_bytes
from shrinklab.metrics import accuracy
from shrinklab.models import pretrained
from shrinklab.quantize import Scheme, quantize_model, quantized_bytes
from shrinklab.widgets.controls import Range, Select
from shrinklab.widgets.explorer import Explorer
from shrinklab.widgets.shares import accuracy_number
from shrinklab.widgets.views import Bars, NumberLine

WAYS = [("shared values (codebook)", "codebook"), ("even grid, weights", "weights"), ("even grid, everything", "all")]
SHOWN = 120  # weights on the number line
PARTS = ["packed: b bits a weight", "the same, coded", "tables or scales", "biases and header", "whole file"]


def low_bits_explorer(model=None, split=None, calibration=None, *, trained=None):
    """Explorer: way, bits and layer -> where the layer's weights land, accuracy, and the parts of the file.

    It opens at 8 bits, so that it gives no guess away.

    model, split: the trained LeNet and 1,000 MNIST validation images unless given; calibration: images for the grids
    between the layers, float (N, C, H, W), 128 training images unless given. trained: {(way, bits): the network after
    training}, whose accuracy is shown beside; ways are "codebook", "weights" (the values between the layers keep 8
    bits) and "all" (they have as few). Each move makes a small copy of the model, writes its file and runs it.

    >>> from shrinklab.models import build
    >>> explorer = low_bits_explorer(build("lenet", channels=[2, 4], hidden=[20, 10]), load("mnist").validation[:50])
    >>> explorer.compute(bits=2, layer="fc1")["numbers"]["different values in the layer"]["value"]
    4
    """
    model = pretrained("lenet") if model is None else model
    split = load("mnist").validation[:1000] if split is None else split
    need(len(split) > 0, f"{split.name} holds 0 images", "accuracy needs at least one", "take a larger slice")
    calibration = load("mnist").train.images[:128] if calibration is None else calibration
    trained, layers = dict(trained or {}), shareable(model)
    whole, dense, known = accuracy(model, split), file_bytes(model), {}

    def after(way, bits):
        """The trained network's accuracy, measured when it is first asked for; None where none was trained."""
        if (way, bits) in trained and (way, bits) not in known:
            known[way, bits] = accuracy(trained[way, bits], split)
        return known.get((way, bits))

    def settings(way, bits, layer):
        small = smaller(model, way, bits, calibration)
        share, best, parts = accuracy(small, split), after(way, bits), file_parts(small)
        line, size = number_line(model, small, layer), parts[-1]
        return {
            "headline": f"{bits} bits a weight: {_percent(share)} of {len(split):,} images right with no training"
                        + ("." if best is None else f", {_percent(best)} after it."),
            "numbers": {
                "no training": accuracy_number(share, len(split)),
                "after training": (_number(None, "%", "not trained here") if best is None
                                   else accuracy_number(best, len(split))),
                "different values in the layer": _number(len(line["grid"]), "", f"{len(line['grid'])}"),
                "file": _number(size, "bytes", f"{size:,} bytes"),
                "times smaller": _number(dense / size, "", f"{dense / size:.1f}"),
            },
            "line": line,
            "accuracy": {"labels": ["float32", "no training", "after training"], "values": [whole, share, best],
                         "unit": "%"},
            "parts": {"labels": PARTS, "values": [None if part is None else part / 1000 for part in parts],
                      "unit": "kB"},
        }

    kind = split.name.split("/")[-1].split("[")[0]
    return Explorer(settings, title=f"A {type(model).__name__} in few bits, tested on {len(split):,} {kind} images",
                    controls=[
        Select("way", WAYS, label="Round to"),
        Range("bits", 2, 8, value=8, label="Bits a weight"),
        Select("layer", layers, value=max(layers, key=lambda name: model.get_submodule(name).weight.numel()),
               label="Layer shown"),
    ], views=[
        NumberLine("line", "Where the weights of the layer land", x="weight", parts=("weight", "beyond the grid")),
        Bars("accuracy", "Images right", x="share of the images", x_max=1.0),
        Bars("parts", "What the file is made of", x="kilobytes (1 kB = 1,000 bytes)"),
    ])


def smaller(model, way, bits, calibration):
    """The model in few bits, with no training: a CodebookModel or a QuantizedModel.

    Grids have one scale a layer, so that they fit on one number line, and the range with the least squared error.
    """
    if way == "codebook":
        return share_weights(model, bits)
    scheme = Scheme(bits, bits if way == "all" else 8, per_channel=False, observer="mse", weight_observer="mse")
    return quantize_model(model, calibration, scheme)


def number_line(model, small, name):
    """Some of a layer's weights, from the smallest to the largest, and the value that each lands on."""
    weight, layer = model.get_submodule(name).weight.detach().flatten(), small.layers[name]
    places = weight.argsort()[torch.linspace(0, weight.numel() - 1, min(SHOWN, weight.numel())).long()]
    if isinstance(small, CodebookModel):
        grid, rounded, clip = layer.centroids.detach(), layer.weight.detach(), None
    else:
        steps = layer.weight_grid.qparams
        grid = dequantize(torch.arange(steps.low, steps.high + 1), steps)
        rounded, clip = dequantize(layer.weight, steps), [grid[0].item(), grid[-1].item()]
    return {"grid": grid.tolist(), "values": weight[places].tolist(), "rounded": rounded.flatten()[places].tolist(),
            "clip": clip}


def file_parts(small):
    """Bytes of the weights packed, the same coded (None for a grid), of tables or scales, of the rest, of the file."""
    if isinstance(small, CodebookModel):
        sizes, whole = codebook_sizes(small), codebook_bytes(small)
        coded = sizes[["packed_bytes", "huffman_bytes", "gzip_bytes"]].min(axis=1).sum().item()
        packed, tables = sizes.packed_bytes.sum().item(), sizes.table_bytes.sum().item()
        return packed, coded, tables, whole - coded - tables, whole
    grids, whole = {name: layer.weight_grid.qparams for name, layer in small.layers.items()}, quantized_bytes(small)
    packed = sum(-(-small.layers[name].weight.numel() * grid.bits // 8) for name, grid in grids.items())
    scales = sum(grid.scale.nbytes for grid in grids.values())
    return packed, None, scales, whole - packed - scales, whole


def _number(value, unit, text):
    return {"value": value, "unit": unit, "text": text}


def _percent(value):
    return f"{value:.1%}".replace("%", " %")
