"""Does this processor's integer kernel saturate? A probe, and the two ways out.

Without VNNI, x86 kernels multiply uint8 values with int8 weights by an instruction (VPMADDUBSW) that adds two
products in 16 bits. 255 x 127 twice is 64,770, which 16 bits cut off at 32,767: sums come out wrong, silently.
The ways out: weights of 7 bits (255 x 63 twice is 32,130 and fits), or weights stored as uint8, whose kernel adds in
32 bits. Source: Intel 64 and IA-32 Architectures Software Developer's Manual, VPMADDUBSW and VPDPBUSD; ONNX Runtime's
documentation, "Quantize ONNX models", "When and why do I need to try U8U8?".
"""

import warnings
from functools import cache

import numpy as np

CHANNELS, SIZE = 64, 8


class SaturationWarning(UserWarning):
    """The integer sums of a file may be cut off on this processor."""


@cache
def saturates(weights="int8"):
    """Whether ONNX Runtime's kernels give wrong sums for extreme values on this processor.

    Runs a convolution and a matrix product of uint8 values 255 with weights of 127 and -127, stored as `weights`
    ("int8" or "uint8"), and compares with the sums in 64 bits. Asked once a process, a few milliseconds.

    >>> saturates("uint8")
    False
    """
    return not all(np.array_equal(probe(kind, weights), exact(kind)) for kind in ("convolution", "product"))


def warn_if_saturating(largest_sum):
    """Warn when 8-bit products of this file can pass 16 bits and the processor cuts them off.

    largest_sum: of two neighbouring products, for example 2 x 255 x 127.
    """
    if largest_sum > np.iinfo(np.int16).max and saturates():
        warnings.warn(
            "this processor's kernels for uint8 values and int8 weights saturate: two products can reach "
            f"{largest_sum:,}, 16 bits end at 32,767; the file's predictions can differ from the simulation; quantize "
            'with Scheme(weight_bits=7), or export with weights="uint8".', SaturationWarning, stacklevel=4)


def extremes():
    """Values and weights (integers) whose neighbouring products add up: (1, C, 8, 8), (C, C, 1, 1)."""
    values = np.full((1, CHANNELS, SIZE, SIZE), 255)
    signs = np.where(np.arange(CHANNELS) % 2, -1, 1)[:, None, None, None]
    return values, np.broadcast_to(127 * signs, (CHANNELS, CHANNELS, 1, 1))


def exact(kind):
    """The sums of the probe, in 64-bit integers: (1, C, 8, 8), or (64, C) for the product."""
    values, weights = extremes()
    rows = values[0].reshape(CHANNELS, -1).T @ weights[:, :, 0, 0].T
    return rows if kind == "product" else rows.T.reshape(values.shape)


def probe(kind, weights):
    """The same sums from ONNX Runtime's own kernel, through the nodes that our files have; rounded integers."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(_model(kind, weights).SerializeToString(), options,
                                           providers=["CPUExecutionProvider"])
    values, _ = extremes()
    inputs = values if kind == "convolution" else values[0].reshape(CHANNELS, -1).T
    # The result's grid has 256 steps over the range of the sums: exact sums lie on its ends.
    return session.run(None, {"x": inputs.astype(np.float32)})[0].round().astype(np.int64)


def _model(kind, weights):
    """Quantize, convolution or product, quantize: with scale 1 for values and weights."""
    from onnx import TensorProto, helper, numpy_helper

    shift, (_, integers) = 128 * (weights == "uint8"), extremes()
    integers = integers if kind == "convolution" else integers[:, :, 0, 0]
    step = np.float32(exact(kind).max() / 127)
    constants = {"one": np.float32(1), "zero": np.uint8(0), "middle": np.uint8(128), "step": step,
                 "w": (integers + shift).astype(weights), "shift": np.array(shift, weights)}
    layer = helper.make_node("Conv", ["xr", "wr"], ["y"]) if kind == "convolution" else \
        helper.make_node("Gemm", ["xr", "wr"], ["y"], transB=1)
    nodes = [helper.make_node("QuantizeLinear", ["x", "one", "zero"], ["xq"]),
             helper.make_node("DequantizeLinear", ["xq", "one", "zero"], ["xr"]),
             helper.make_node("DequantizeLinear", ["w", "one", "shift"], ["wr"]), layer,
             helper.make_node("QuantizeLinear", ["y", "step", "middle"], ["yq"]),
             helper.make_node("DequantizeLinear", ["yq", "step", "middle"], ["logits"])]
    rest = [SIZE, SIZE] if kind == "convolution" else []
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", CHANNELS, *rest]) for name in ("x", "logits")]
    graph = helper.make_graph(nodes, "probe", ends[:1], ends[1:],
                              [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
