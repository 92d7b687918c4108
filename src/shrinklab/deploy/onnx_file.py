"""The growing list of nodes and constants of an ONNX file."""

from dataclasses import dataclass, field

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from shrinklab.affine import QParams

OPSET = 21  # the first with 4-bit integers in DequantizeLinear
IR_VERSION = 10
ENDS = "low", "high"


@dataclass
class Value:
    """A value in the file: the name of its floats, or of its integers with their grid, or both.

    clip: (low, high) of a ReLU that has not been written yet, because the rounding after it does its work.
    """

    real: str | None = None
    integers: str | None = None
    grid: QParams | None = None
    clip: tuple | None = None


@dataclass
class OnnxFile:
    """Nodes in the order of execution, and constants by name."""

    nodes: list = field(default_factory=list)
    constants: dict = field(default_factory=dict)

    def node(self, operation, inputs, name, **attributes):
        """Add a node whose one result has this name; return the name."""
        self.nodes.append(helper.make_node(operation, inputs, [name], **attributes))
        return name

    def constant(self, value, name):
        """Add a constant (tensor, array, number or TensorProto); return its name."""
        if not isinstance(value, TensorProto):
            value = numpy_helper.from_array(np.asarray(value), name)
        self.constants[name] = value
        return name

    def real(self, value):
        """The name of a value's floats; DequantizeLinear is written when they are first asked for."""
        if value.real is None:
            name = value.integers
            value.real = self.node("DequantizeLinear", [name, *self.grid(value.grid, name)], f"{name}_real")
        if value.clip is not None:
            value.real, value.clip = self.clipped(value.real, value.clip), None
        return value.real

    def clipped(self, real, clip):
        """A ReLU, (0, None), or ReLU6, (0, 6), on floats."""
        if clip[1] is None:
            return self.node("Relu", [real], f"{real}_relu")
        names = [self.constant(np.float32(end), f"{real}_{what}") for end, what in zip(clip, ENDS, strict=True)]
        return self.node("Clip", [real, *names], f"{real}_clipped")

    def grid(self, grid, name):
        """The names of a grid's scale and zero point."""
        zero_point = grid.zero_point.numpy() + shift(grid)
        return (self.constant(grid.scale.numpy(), f"{name}_scale"),
                self.constant(zero_point.astype(np.uint8), f"{name}_zero_point"))

    def rounded(self, real, grid, name, clip=None):
        """QuantizeLinear to a grid, with the ReLU (low, high) done on the integers: -> Value."""
        low, high, zero = grid.low, grid.high, int(grid.zero_point)
        if clip is not None:
            low = max(low, zero)
            high = high if clip[1] is None else min(high, zero + int((clip[1] / grid.scale).round()))
        ends = low + shift(grid), high + shift(grid)
        narrow = ends != (0, 255)  # then QuantizeLinear alone, which clips to its 8 bits, is not enough
        done = self.node("QuantizeLinear", [real, *self.grid(grid, name)], f"{name}_wide" if narrow else name)
        if narrow:
            names = [self.constant(np.uint8(end), f"{name}_{what}") for end, what in zip(ends, ENDS, strict=True)]
            self.node("Clip", [done, *names], name)
        return Value(integers=name, grid=grid)

    def model(self, image, logits):
        """The finished ModelProto. image, logits: (name, shape) with "N" for the number of images."""
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (image, logits)]
        graph = helper.make_graph(self.nodes, "shrinklab", ends[:1], ends[1:], list(self.constants.values()))
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION,
                                 producer_name="shrinklab")


def shift(grid):
    """What is added to a grid's integers in the file: 128 where they are int8, since values are stored as uint8.

    x86 processors multiply uint8 values with int8 weights; for int8 values ONNX Runtime has no integer convolution
    there and goes back to floats. The scale stays, the zero point moves along, the numbers are the same.
    """
    return 0 if grid.low >= 0 else 128
