"""AdaRound: learn for each weight whether to round up or down, so that the layer's output changes least.

Rounding to the nearest integer is best for each weight alone, not for their sum. Layer after layer, each weight
gets a number between 0 (down) and 1 (up), trained on a few images without labels to give the float layer's output,
and pushed to 0 or 1 in the end.
Source: Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization", 2020.
"""

import copy

import torch
from torch.nn import functional as F
from tqdm.auto import tqdm

from shrinklab.errors import need
from shrinklab.quantize.calibration import calibration_images
from shrinklab.quantize.equalization import float_body
from shrinklab.quantize.layers import RUN
from shrinklab.quantize.model import QuantizedModel
from shrinklab.quantize.steps import Steps

RATE, PUSH = 0.03, 1.0
LOW, HIGH = -0.1, 1.1  # the sigmoid is stretched, so that it reaches 0 and 1


def adaround(quantized, model, images, *, steps=500, batch_size=32, seed=0, progress=True):
    """A copy of the quantized model with every weight rounded up or down for the sake of its layer's output.

    quantized: from `quantize_model(model, ...)`; model: its float model. images: float (N, ...) or a split, some
    hundred, without labels. steps: of Adam, for each layer. A layer whose output error did not fall keeps its
    weights. Both models stay as they were.

    >>> from shrinklab.quantize import Scheme, quantize_model
    >>> model = torch.nn.Linear(3, 1, bias=False)
    >>> model.weight.data = torch.tensor([[1.0, 0.45, 0.3]])  # their sum is 1.75; at 2 bits: 1, 0, 0
    >>> small = quantize_model(model, scheme=Scheme(weight_bits=2, activation_bits=None))
    >>> adaround(small, model, torch.ones(8, 3), progress=False).layers["0"].weight
    tensor([[1, 1, 0]], dtype=torch.int8)
    """
    need(isinstance(quantized, QuantizedModel), f"quantized is a {type(quantized).__name__}",
         "AdaRound mends a QuantizedModel", "make one with quantize_model")
    need(isinstance(steps, int) and steps >= 1, f"steps is {steps!r}", "each layer is trained for at least one step",
         "use 500")
    need(isinstance(batch_size, int) and batch_size >= 1, f"batch_size is {batch_size!r}",
         "a batch holds at least one image", "use 32")
    images, body = calibration_images(images), float_body(model, quantized)
    done, generator = copy.deepcopy(quantized), torch.Generator().manual_seed(seed)
    floats, integers = Steps(body, images), Steps(done.body, images)
    for name, layer in tqdm(done.layers.items(), desc="AdaRound", unit="layer", disable=not progress):
        weight = body.get_submodule(name).weight.detach()
        # Inputs as the rounded layers before give them, so that later layers make up for earlier ones.
        inputs, wanted = integers.before(name), floats.after(name)
        order = [torch.randint(len(images), (min(batch_size, len(images)),), generator=generator)
                 for _ in range(steps)]
        learned = round_layer(layer, weight, inputs, wanted, order)
        if _error(layer, learned, inputs, wanted) < _error(layer, layer.weight, inputs, wanted):
            layer.weight = learned
    return done


def round_layer(layer, weight, inputs, wanted, order):
    """Integers (int8) for one layer: each float weight rounded up or down, as its outputs ask.

    inputs and wanted: float (N, ...), the layer's inputs and the float layer's outputs before its ReLU; order: the
    rows of each step's batch.
    """
    grid = layer.weight_grid.qparams
    scale, _ = grid.along(weight)
    floor = (weight / scale).floor()
    rest = (weight / scale - floor).clamp(0.01, 0.99)
    # The start: a soft rounding that gives the weight itself.
    gate = (-torch.log((HIGH - LOW) / (rest - LOW) - 1)).requires_grad_()
    optimizer = torch.optim.Adam([gate], lr=RATE)
    # In units of what rounding to nearest costs, so that the push to 0 or 1 weighs the same in every layer.
    unit = max(_error(layer, layer.weight, inputs, wanted), 1e-20)
    for step, rows in enumerate(order):
        up = soft(gate)
        got = _output(layer, (floor + up).clamp(grid.low, grid.high) * scale, inputs[rows])
        loss = F.mse_loss(_clip(layer, got), _clip(layer, wanted[rows])) / unit + _push(up, step / len(order))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (floor + (soft(gate.detach()) >= 0.5)).clamp(grid.low, grid.high).to(torch.int8)


def soft(gate):
    """Rounding between 0 (down) and 1 (up): the stretched sigmoid of equation 23.

    >>> soft(torch.tensor([-9.0, 0.0, 9.0]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    return (torch.sigmoid(gate) * (HIGH - LOW) + LOW).clamp(0, 1)


def _push(up, progress):
    """The regularizer of equation 24: 0 when each is 0 or 1. Off for the first fifth, then sharper and sharper."""
    if progress < 0.2:
        return 0.0
    power = 2 + 18 * (1 - (progress - 0.2) / 0.8)
    return PUSH * (1 - (2 * up - 1).abs().pow(power)).mean()


def _output(layer, weight, inputs):
    return RUN[layer.kind](inputs, weight, layer.real_bias(), **layer.settings)


def _clip(layer, y):
    return y if layer.clip is None else y.clamp(*layer.clip)


def _error(layer, integers, inputs, wanted):
    """Mean squared error of the layer's outputs, after its ReLU, with these integer weights."""
    scale, _ = layer.weight_grid.qparams.along(integers)
    with torch.inference_mode():
        return F.mse_loss(_clip(layer, _output(layer, integers * scale, inputs)), _clip(layer, wanted)).item()
