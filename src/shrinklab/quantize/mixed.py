"""Mixed precision: fewer bits where they hurt least, until the file fits a budget of bytes.

Source: Dong et al., "HAWQ: Hessian AWare Quantization of Neural Networks with Mixed-Precision", 2019, for the idea
that layers differ; here the harm is measured on the logits, layer by layer, without labels.
"""

import copy
from dataclasses import replace

import pandas as pd
import torch  # noqa: F401  (the examples use it)

from shrinklab.affine import fake_quantize
from shrinklab.errors import need
from shrinklab.metrics import predict
from shrinklab.quantize import graph
from shrinklab.quantize.assemble import weight_grid
from shrinklab.quantize.calibration import calibration_images
from shrinklab.quantize.file import quantized_bytes
from shrinklab.quantize.model import Scheme, chosen_scheme, quantize_model, refuse_quantized

BITS = 2, 3, 4, 5, 6, 8


def bit_sensitivity(model, images, bits=BITS, scheme=None):
    """Quantize the weights of one layer at a time: a DataFrame of layer, bits, weight_bytes and noise.

    images: float (N, ...) or a split, without labels. noise: mean squared change of the logits, relative to their
    mean square: 0 for a harmless layer, about 2 for logits that have nothing to do with the model's any more.

    >>> model = torch.nn.Linear(2, 1, bias=False)
    >>> model.weight.data = torch.tensor([[1.0, 0.3]])  # 1.3 becomes 1 at 2 bits: (0.3 / 1.3)^2
    >>> bit_sensitivity(model, torch.ones(1, 2), bits=[2], scheme=Scheme()).noise.round(3).tolist()
    [0.053]
    """
    scheme = chosen_scheme(scheme, Scheme(weight_observer="mse"))
    refuse_quantized(model)
    need(len(bits) > 0, "bits is empty", "a scan needs at least one bit width", "use (2, 4, 8)")
    images, body = calibration_images(images), graph.prepare(model)
    logits = predict(body, images)
    rows = []
    for name in graph.layer_nodes(body):
        for width in bits:
            changed = copy.deepcopy(body)
            layer = changed.get_submodule(name)
            grid = weight_grid(layer, replace(scheme, weight_bits=width))
            layer.weight.data = fake_quantize(layer.weight.detach(), grid)
            noise = (predict(changed, images) - logits).square().mean() / logits.square().mean()
            rows.append({"layer": name, "bits": width, "weight_bytes": -(-layer.weight.numel() * width // 8),
                         "noise": noise.item()})
    return pd.DataFrame(rows)


def mixed_precision(model, images, budget_bytes, scheme=None, *, bits=BITS):
    """A quantized copy of the model whose file (`save_quantized`) has at most budget_bytes.

    The bits are those with the least sum of `bit_sensitivity`'s noise that fit. images, scheme: as for
    `quantize_model`. Raises ValueError when even the fewest bits do not fit.

    >>> from shrinklab.models import LeNet
    >>> small = mixed_precision(LeNet(), torch.rand(2, 1, 28, 28), budget_bytes=25_000, bits=(2, 4, 8))
    >>> quantized_bytes(small) <= 25_000
    True
    """
    scheme = chosen_scheme(scheme, Scheme(weight_observer="mse"))
    table = bit_sensitivity(model, images, bits, scheme)
    # What every width stores alike (biases, grids, header) is the file at the most bits less its weights.
    full = quantize_model(model, images, replace(scheme, weight_bits=max(bits)))
    room = budget_bytes - quantized_bytes(full) + int(table[table.bits == max(bits)].weight_bytes.sum())
    while True:
        chosen = _least_noise(table, room)
        need(chosen, f"budget_bytes is {budget_bytes}", "even the fewest bits in every layer give a larger file",
             "raise the budget, allow fewer bits, or prune channels first")
        layers = {name: replace(scheme, weight_bits=width) for name, width in chosen.items()}
        small = quantize_model(model, images, scheme, layers=layers)
        over = quantized_bytes(small) - budget_bytes
        if over <= 0:
            return small
        room -= over  # alignment can add a few bytes


def _least_noise(table, room, parts=1000):
    """{layer: bits} with the least total noise in `room` bytes, {} if none fits: the knapsack problem, by tables.

    Bytes are counted in units of a `parts`-th of the room, rounded up, which keeps the table small.
    """
    unit = max(1, room // parts)
    best = {0: (0.0, {})}  # units spent -> least noise, choice
    for name, rows in table.groupby("layer", sort=False):
        longer = {}
        for spent, (noise, choice) in best.items():
            for row in rows.itertuples():
                total, sum_ = spent + -(-row.weight_bytes // unit), noise + row.noise
                if total * unit <= room and sum_ < longer.get(total, (float("inf"),))[0]:
                    longer[total] = sum_, choice | {name: row.bits}
        best = longer
    return min(best.values(), key=lambda entry: entry[0], default=(0, {}))[1]
