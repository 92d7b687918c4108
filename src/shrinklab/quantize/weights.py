"""Weights alone on an integer grid, as floats: what rounding them costs, seen without calibration.

Nothing gets smaller or faster by this. `quantize_model` makes the network that a file of integers holds.
"""

import copy

import torch

from shrinklab.affine import choose_qparams, min_max
from shrinklab.errors import need
from shrinklab.scoring import prunable


def weight_qparams(weight, bits=8, *, symmetric=True, per_channel=True):
    """The grid over a weight's whole range: weight (outputs, ...) -> QParams.

    per_channel: a grid for each output channel, along axis 0; else one for all.

    >>> weight = torch.tensor([[1.27, 0.0], [0.0, -0.254]])
    >>> weight_qparams(weight).scale
    tensor([0.0100, 0.0020])
    >>> weight_qparams(weight, per_channel=False).scale
    tensor(0.0100)
    """
    need(isinstance(weight, torch.Tensor) and weight.ndim >= 2, f"weight is {_kind(weight)}",
         "a weight has a row for each output channel: (outputs, ...)", "pass layer.weight")
    values = weight.detach().flatten(1) if per_channel else weight.detach().flatten()
    return choose_qparams(*min_max(values), bits=bits, symmetric=symmetric, axis=0 if per_channel else None)


def round_weights(model, rounder):
    """A copy of the model with `rounder(weight)` in place of the weight of each convolution and linear layer.

    rounder: a function, float tensor -> float tensor of that shape; `affine.fake_quantize` with a grid, or one of
    your own. Biases and batch norm stay. The model itself stays as it was.

    >>> layer = torch.nn.Linear(2, 1)
    >>> layer.weight.data = torch.tensor([[0.6, -1.7]])
    >>> round_weights(layer, torch.round).weight.data
    tensor([[ 1., -2.]])
    """
    need(callable(rounder), f"rounder is {_kind(rounder)}", "it is a function, weight -> rounded weight",
         "pass the function itself", TypeError)
    names, rounded = prunable(model), copy.deepcopy(model)
    need(names, f"the model is a {type(model).__name__} without convolution or linear weights",
         "there is nothing to round", "pass a float model with such layers")
    parameters = dict(rounded.named_parameters())
    for name in names:
        weight = parameters[name].data
        broken = int((~weight.isfinite()).sum())
        need(broken == 0, f"{name} holds {broken} weights that are NaN or inf", "only numbers can be rounded to a grid",
             "load the model again, or train with a lower learning rate")
        values = rounder(weight.clone())
        right = isinstance(values, torch.Tensor) and values.shape == weight.shape and values.is_floating_point()
        need(right, f"the rounded {name} is {_kind(values)}", f"it is a float tensor of shape {tuple(weight.shape)}",
             "give back real numbers, not integers: dequantize them")
        parameters[name].data = values.detach().to(weight.dtype)
    return rounded


def _kind(value):
    if isinstance(value, torch.Tensor):
        return f"{value.dtype} of shape {tuple(value.shape)}"
    return f"a {type(value).__name__}"
