"""Convolution and linear layers on integers: what ONNX Runtime's QLinearConv computes, value for value.

int8 weights times (input - zero point) are summed to integers and the int32 bias is added; the sum, times
scale_x * scale_w / scale_y, is rounded to the output grid, whose clipping does the ReLU's work.
Source: Jacob et al., 2018, section 2.
"""

import torch
from torch import nn
from torch.nn import functional as F

from shrinklab.affine import QParams, choose_qparams, dequantize, fake_quantize, min_max

RUN = {nn.Conv1d: F.conv1d, nn.Conv2d: F.conv2d, nn.Linear: F.linear}
EXACT = 2**24  # float32 holds every integer up to here


class Grid(nn.Module):
    """A QParams as part of a module: scale and zero point are buffers, so that they travel in its state dict."""

    def __init__(self, qparams):
        super().__init__()
        self.register_buffer("scale", qparams.scale.clone())
        self.register_buffer("zero_point", qparams.zero_point.clone())
        self.low, self.high, self.axis = qparams.low, qparams.high, qparams.axis

    @property
    def qparams(self):
        return QParams(self.scale, self.zero_point, self.low, self.high, self.axis)

    def extra_repr(self):
        return f"{self.qparams.bits} bits, low={self.low}, high={self.high}, axis={self.axis}"


class Quantizer(Grid):
    """Rounds a value to its grid: QuantizeLinear followed by DequantizeLinear."""

    def forward(self, x):
        return fake_quantize(x, self.qparams)


class QuantizedLayer(nn.Module):
    """A convolution or linear layer with integer weights.

    weight: int8, of the float layer's shape; weight_grid, and input_grid and output_grid or None: modules with
    .qparams; bias: int32 at scale_x * scale_w where the input grid is known, else float32, or None.
    kind: nn.Conv1d, nn.Conv2d or nn.Linear; settings: stride, padding, dilation, groups of a convolution.
    clip: (low, high) of a ReLU that belongs to the layer, or None. dynamic_bits: the input grid is chosen for each
    batch, with so many bits, as ONNX DynamicQuantizeLinear does; or None.
    """

    def __init__(self, layer, integers, qparams):
        super().__init__()
        self.kind = type(layer)
        names = () if self.kind is nn.Linear else ("stride", "padding", "dilation", "groups")
        self.settings = {name: getattr(layer, name) for name in names}
        self.register_buffer("weight", integers.to(torch.int8))
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach().clone())
        self.weight_grid, self.input_grid, self.output_grid = Grid(qparams), None, None
        self.clip = self.dynamic_bits = None

    def connect(self, input_qparams, output_qparams):
        """Set the grids of input and output (QParams or None); the bias becomes int32. Changes the layer."""
        bias = self.real_bias()
        self.input_grid = None if input_qparams is None else Grid(input_qparams)
        self.output_grid = None if output_qparams is None else Grid(output_qparams)
        self.set_bias(bias)

    def forward(self, x):
        if self.input_grid is not None:
            grid = self.input_grid.qparams
            # The values lie on the grid already: rounding only takes the float error away.
            return self._rescaled(self.accumulate((x / grid.scale).round(), grid, self.bias), grid)
        if self.dynamic_bits:
            grid = choose_qparams(*min_max(x.flatten()), bits=self.dynamic_bits)
            sums = self.accumulate((fake_quantize(x, grid) / grid.scale).round(), grid)
            return self._real(sums * (grid.scale * self.broadcast(self.weight_grid.scale)), self.bias)
        y = self._real(self._run(x, dequantize(self.weight, self.weight_grid.qparams)), self.bias)
        # Floats in, but a later layer reads integers: then the result is rounded, and clipped to its grid.
        return y if self.output_grid is None else fake_quantize(y, self.output_grid.qparams)

    def accumulate(self, centred, grid, bias=None):
        """The integer sums, as floats, of centred integers (q - zero_point) on the grid and an int32 bias."""
        reach = max(grid.high - int(grid.zero_point), int(grid.zero_point) - grid.low)
        # In double where a sum could pass what float32 holds exactly; almost never.
        largest = reach * int(self.weight.abs().flatten(1).sum(1).max())
        kind = torch.float32 if largest < EXACT else torch.float64
        sums = self._run(centred.to(kind), self.weight.to(kind))
        return (sums if bias is None else sums + self.broadcast(bias)).to(torch.float32)

    def broadcast(self, values):
        """A value for each output channel, (C,) or (), in a shape that fits the layer's output."""
        return values.reshape(-1, *[1] * (self.weight.ndim - 2)) if values.ndim else values

    def set_bias(self, bias):
        """Store a float bias (C,) or None, as int32 where the input grid is known. Changes the layer."""
        if bias is not None and self.input_grid is not None:
            step = (self.input_grid.scale * self.weight_grid.scale).double()
            bias = (bias.double() / step).round().clamp(-(2**31), 2**31 - 1).to(torch.int32)
        self.bias = bias

    def real_bias(self):
        """The bias as float32 (C,), or None."""
        if self.bias is None or self.bias.is_floating_point():
            return self.bias
        return self.bias * (self.input_grid.scale * self.weight_grid.scale)

    def _run(self, x, weight):
        return RUN[self.kind](x, weight, **self.settings)

    def _real(self, y, bias):
        y = y if bias is None else y + self.broadcast(bias)
        return y if self.clip is None else y.clamp(*self.clip)

    def _rescaled(self, sums, grid):
        scale = grid.scale * self.broadcast(self.weight_grid.scale)
        if self.output_grid is None:
            return self._real(sums * scale, None)
        out = self.output_grid.qparams
        low, high = out.low - out.zero_point, out.high - out.zero_point
        if self.clip is not None:
            low = low.clamp(min=0)
            high = high if self.clip[1] is None else torch.minimum(high, (self.clip[1] / out.scale).round())
        return (sums * (scale / out.scale)).round().clamp(low, high) * out.scale

    def extra_repr(self):
        shape = tuple(self.weight.shape)
        return f"{self.kind.__name__}, weight {shape}, clip={self.clip}, dynamic_bits={self.dynamic_bits}"
