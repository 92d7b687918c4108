"""A network as a torch.export program that says where values are integers: quantize, dequantize, operation, again.

The three runtimes of the extra `deploy` read such programs, and each finds its integer kernels by their pattern:
dequantize -> operation -> quantize. Scales and zero points are those of the QuantizedModel. Source: the operators
quantized_decomposed of PyTorch's PT2E, which compute what ONNX Quantize/DequantizeLinear compute.
"""

import copy
from dataclasses import dataclass

import torch
from torch import fx, nn
from torch.nn import functional as F

from shrinklab.affine import dequantize
from shrinklab.errors import need
from shrinklab.quantize import QuantizedModel, graph
from shrinklab.quantize.layers import RUN, QuantizedLayer, Quantizer

FLATTENS = {nn.Flatten, torch.flatten, "flatten", "view", "reshape"}


@dataclass(frozen=True)
class Style:
    """What a runtime's pattern looks like.

    shift: activations of 0 to 255 are moved to -128 to 127, zero points with them: for kernels that know int8 only.
    weights: "integers" as constants, or "rounded" floats that the program itself quantizes, which lie on the grid
    already. float_results: a layer whose result is not rounded computes on floats, in runtimes without a kernel
    from integers to floats; its weights are the dequantized integers.
    """

    name: str
    shift: bool = False
    weights: str = "integers"
    float_results: bool = False


def program(model, example, style):
    """The exported program of a float model or a `QuantizedModel` for one image; the model stays as it was.

    example: images (N, C, H, W), for the shape of one. Raises ValueError for what the runtime could not compute as
    simulated: dynamic grids, and activations of fewer than 8 bits.
    """
    need(isinstance(model, nn.Module), f"the model is a {type(model).__name__}",
         "a file is made from an nn.Module", "pass a float model or a QuantizedModel")
    body = integer_body(model, style) if isinstance(model, QuantizedModel) else _float_body(model)
    image = example[:1].detach().to("cpu", torch.float32).clone()  # a view would carry its whole batch into the file
    try:
        with torch.inference_mode():
            logits = body(image)
    except RuntimeError as error:
        raise ValueError(f"example has shape {tuple(example.shape)}; {type(model).__name__} cannot take it: {error}; "
                         "pass images of the shape that it was built for.") from error
    need(isinstance(logits, torch.Tensor) and logits.shape[0] == 1, f"the model returns a {type(logits).__name__}",
         "a file for a runner gives logits, a row for each image", "return only them from forward")
    return torch.export.export(body, (image,))


def integer_body(model, style):
    """The QuantizedModel's graph with quantize and dequantize in place of its simulated integers.

    >>> from shrinklab.quantize import quantize_model
    >>> x = torch.tensor([[1.0, -3.0]])
    >>> small = quantize_model(nn.Linear(2, 1), x)
    >>> torch.allclose(integer_body(small, Style("any"))(x), small(x), atol=1e-5)
    True
    """
    # Importing it registers the operators.
    import torch.ao.quantization.fx._decomposed  # noqa: F401

    body, grids = copy.deepcopy(model.body), {}
    for node in list(body.graph.nodes):
        module = body.get_submodule(node.target) if node.op == "call_module" else None
        if isinstance(module, Quantizer):
            grids[node] = _eight_bits(node.name, module.qparams, style)
            body.set_submodule(node.target, Rounded(grids[node], style))
        elif isinstance(module, QuantizedLayer):
            _static(node.target, module, style)
            if module.output_grid is not None:
                grids[node] = _eight_bits(node.name, module.output_grid.qparams, style)
            body.set_submodule(node.target, IntegerLayer(module, style))
        elif graph.kind(node, body) in graph.MOVES and node.args[0] in grids:
            _round_again(body, node, grids, style)
    body.recompile()
    return body.eval()


class Rounded(nn.Module):
    """quantize, then dequantize, on one grid."""

    def __init__(self, grid, style):
        super().__init__()
        shift = 128 if style.shift and grid.low >= 0 else 0
        self.grid = (grid.scale.item(), int(grid.zero_point) - shift, grid.low - shift, grid.high - shift,
                     torch.int8 if shift else grid.dtype)

    def forward(self, x):
        integers = torch.ops.quantized_decomposed.quantize_per_tensor(x, *self.grid)
        return torch.ops.quantized_decomposed.dequantize_per_tensor(integers, *self.grid)


class IntegerLayer(nn.Module):
    """A QuantizedLayer as dequantize -> convolution or linear layer -> ReLU -> quantize."""

    def __init__(self, layer, style):
        super().__init__()
        self.kind, self.settings, self.clip = layer.kind, layer.settings, layer.clip
        grid, bias = layer.weight_grid.qparams, layer.real_bias()
        self.weights = "floats" if style.float_results and layer.output_grid is None else style.weights
        integers = self.weights == "integers"
        self.register_buffer("weight", layer.weight.clone() if integers else dequantize(layer.weight, grid))
        self.register_buffer("bias", None if bias is None else bias.clone())
        # The whole range of the type, whatever the bits: a kernel for 4 bits would pack the weights differently.
        low, high = (-128, 127) if style.name == "torchao" else (-127, 127)
        if grid.axis is None:
            self.suffix, self.grid = "per_tensor", (grid.scale.item(), 0, low, high, torch.int8)
        else:
            self.register_buffer("scale", grid.scale.clone())
            self.register_buffer("zero_point", grid.zero_point.long())
            self.suffix, self.grid = "per_channel", (grid.axis, low, high, torch.int8)
        self.output = None if layer.output_grid is None else Rounded(layer.output_grid.qparams, style)

    def forward(self, x):
        y = RUN[self.kind](x, self._weight(), self.bias, **self.settings)
        if self.clip is not None:
            y = F.relu(y) if self.clip[1] is None else F.hardtanh(y, *self.clip)
        return y if self.output is None else self.output(y)

    def _weight(self):
        operators, weight = torch.ops.quantized_decomposed, self.weight
        grid = self.grid if self.suffix == "per_tensor" else (self.scale, self.zero_point, *self.grid)
        if self.weights == "rounded":
            weight = getattr(operators, f"quantize_{self.suffix}")(weight, *grid)
        return weight if self.weights == "floats" else getattr(operators, f"dequantize_{self.suffix}")(weight, *grid)


def _float_body(model):
    """A float copy in evaluation mode; batch norm folded where the model can be traced."""
    model = nn.Sequential(model) if isinstance(model, graph.LAYERS) else model
    for name, tensor in model.state_dict().items():
        need(not tensor.is_floating_point() or bool(tensor.isfinite().all()), f"{name} holds NaN or inf",
             "weights are finite numbers", "load the model again, or train with a lower learning rate")
    return fx.GraphModule(folded := graph.fold_batch_norm(model), graph.trace(folded))


def _round_again(body, node, grids, style):
    """After an operation that only moves values the pattern starts anew, on the same grid: nothing is lost."""
    source = node.args[0]
    if graph.kind(node, body) in FLATTENS:  # a kernel before it may leave the channels last, which no view can flatten
        with body.graph.inserting_before(node):
            copied = body.graph.call_function(torch.clone, (source,), {"memory_format": torch.contiguous_format})
        node.args = (copied, *node.args[1:])
    body.add_submodule(f"{node.name}_rounded", Rounded(grids[source], style))
    with body.graph.inserting_after(node):
        again = body.graph.call_module(f"{node.name}_rounded", (node,))
    node.replace_all_uses_with(again, delete_user_cb=lambda user: user is not again)
    grids[node] = grids[again] = grids[source]


def _eight_bits(name, grid, style):
    need(grid.bits == 8, f"the values of {name} have {grid.bits} bits", f"the kernels of {style.name} round to 8",
         'use activation_bits=8, or the target "onnx"')
    return grid


def _static(name, layer, style):
    need(layer.dynamic_bits is None, f"{name} chooses its grid for each batch",
         f"a file for {style.name} holds the grids", 'calibrate (dynamic=False), or use the target "onnx"')
    need(layer.input_grid is not None, f"{name} has integer weights and float inputs",
         f"the kernels of {style.name} multiply integers with integers",
         'use activation_bits=8, or the target "onnx"')
