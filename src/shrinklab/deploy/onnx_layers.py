"""Convolution and linear layers as ONNX nodes: in floats, on integers, and on integers chosen for each batch."""

import numpy as np
from onnx import TensorProto, helper
from torch import nn

from shrinklab.deploy.onnx_file import Value
from shrinklab.errors import need

INT4 = 4  # weights of up to so many bits are stored two to a byte


def quantized_layer(file, layer, value, name, unsigned=False):
    """A QuantizedLayer: layer, Value of its input, name of its result -> Value."""
    if layer.dynamic_bits is not None:
        return Value(_dynamic(file, layer, file.real(value), name, unsigned), clip=layer.clip)
    value, extra = _aligned(file, layer, value, name)
    weight = _weight(file, layer, name, unsigned, extra)
    bias = _bias(file, layer, name)
    done = _run(file, layer, [file.real(value), weight, *bias], name)
    if layer.output_grid is not None:
        return file.rounded(done, layer.output_grid.qparams, f"{name}_integers", layer.clip)
    return Value(done, clip=layer.clip)


def _aligned(file, layer, value, name):
    """The input with channels added up to a multiple of 4, all zero, and how many: -> (Value, number).

    ONNX Runtime's fast integer convolution takes 4 channels at a time, in and out; with others it falls back to a
    slower one. For an image's 3 channels a fourth one nearly halves the time of the first layer.
    """
    out, channels = layer.weight.shape[:2]
    extra = -channels % 4
    if layer.kind is not nn.Conv2d or layer.settings["groups"] > 1 or out % 4 or not extra or value.integers is None:
        return value, 0
    _, zero = file.grid(value.grid, f"{name}_aligned")
    pads = file.constant(np.array([0, 0, 0, 0, 0, extra, 0, 0]), f"{name}_pads")
    done = file.node("Pad", [value.integers, pads, zero], f"{name}_aligned")
    return Value(integers=done, grid=value.grid), extra


def float_layer(file, layer, value, name):
    """A float convolution or linear layer."""
    weight = file.constant(layer.weight.detach().numpy(), f"{name}_weight")
    bias = [] if layer.bias is None else [file.constant(layer.bias.detach().numpy(), f"{name}_bias")]
    return Value(_run(file, layer, [file.real(value), weight, *bias], name))


def _run(file, layer, inputs, name):
    if layer_kind(layer) is nn.Linear:
        return file.node("Gemm", inputs, name, transB=1)
    return file.node("Conv", inputs, name, **conv_settings(layer))


def layer_kind(layer):
    return getattr(layer, "kind", type(layer))


def conv_settings(layer):
    """The attributes of Conv and ConvInteger."""
    settings = getattr(layer, "settings", None) or vars(layer)
    stride, padding, dilation = (settings[key] for key in ("stride", "padding", "dilation"))
    size = layer.weight.shape[2:]
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(dilation, size, strict=True)]
        padding = [t // 2 for t in total] + [t - t // 2 for t in total]
    else:
        padding = [0] * 2 * len(size) if padding == "valid" else list(padding) * 2
    return {"strides": list(stride), "pads": padding, "dilations": list(dilation), "group": settings["groups"]}


def _integers(file, layer, name, unsigned, extra=0):
    """The names of a layer's integer weights, their scale and zero point. extra: input channels of zeros to add."""
    grid, integers = layer.weight_grid.qparams, layer.weight.numpy()
    if extra:
        integers = np.pad(integers, [(0, 0), (0, extra), (0, 0), (0, 0)])
    kind = np.uint8 if unsigned else np.int8
    # Integer convolutions with a grid for each batch take one zero point, the others one for each scale.
    zero_point = np.full(() if layer.dynamic_bits else tuple(grid.scale.shape), 128 * unsigned, kind)
    if grid.bits <= INT4 and not unsigned:
        packed = file.constant(_int4(integers, f"{name}_weight_int4"), f"{name}_weight_int4")
        # Widened once, when a runtime opens the file: the kernels multiply int8.
        stored = file.node("Cast", [packed], f"{name}_weight", to=TensorProto.INT8)
    else:
        stored = file.constant((integers.astype(np.int16) + 128 * unsigned).astype(kind), f"{name}_weight")
    return (stored, file.constant(grid.scale.numpy(), f"{name}_weight_scale"),
            file.constant(zero_point, f"{name}_weight_zero_point"))


def _int4(integers, name):
    """Integers -8 to 7 as an INT4 tensor: two to a byte, the first in the low half."""
    flat = integers.flatten() & 15
    flat = np.append(flat, np.zeros(flat.size % 2, flat.dtype)).astype(np.uint8)
    packed = (flat[::2] | flat[1::2] << 4).tobytes()
    return helper.make_tensor(name, TensorProto.INT4, integers.shape, packed, raw=True)


def _weight(file, layer, name, unsigned, extra):
    return file.node("DequantizeLinear", list(_integers(file, layer, name, unsigned, extra)), f"{name}_weight_real",
                     **_axis(layer))


def _axis(layer):
    return {} if layer.weight_grid.axis is None else {"axis": 0}


def _bias(file, layer, name):
    if layer.bias is None:
        return []
    stored = file.constant(layer.bias.numpy(), f"{name}_bias")
    if layer.bias.is_floating_point():
        return [stored]
    scale = layer.input_grid.scale * layer.weight_grid.scale
    names = [stored, file.constant(scale.numpy(), f"{name}_bias_scale")]  # the zero point is 0 where none is given
    return [file.node("DequantizeLinear", names, f"{name}_bias_real", **_axis(layer))]


def _dynamic(file, layer, real, name, unsigned):
    """DynamicQuantizeLinear, then integer sums, then floats again."""
    need(layer.dynamic_bits == 8, f"{name} chooses grids of {layer.dynamic_bits} bits for each batch",
         "ONNX's DynamicQuantizeLinear has 8 bits", "quantize with activation_bits=8")
    parts = [f"{name}_input", f"{name}_input_scale", f"{name}_input_zero_point"]
    file.nodes.append(helper.make_node("DynamicQuantizeLinear", [real], parts))
    weight, scale, zero_point = _integers(file, layer, name, unsigned)
    inputs = [parts[0], weight, parts[2], zero_point]
    if layer.kind is nn.Linear:
        inputs[1] = file.node("Transpose", [weight], f"{name}_weight_columns", perm=[1, 0])
        sums = file.node("MatMulInteger", inputs, f"{name}_sums")
    else:
        sums = file.node("ConvInteger", inputs, f"{name}_sums", **conv_settings(layer))
        scale = file.constant(layer.broadcast(layer.weight_grid.scale).numpy(), f"{name}_weight_scale")
    floats = file.node("Cast", [sums], f"{name}_sums_float", to=TensorProto.FLOAT)
    step = file.node("Mul", [parts[1], scale], f"{name}_step")
    done = file.node("Mul", [floats, step], f"{name}_scaled")
    if layer.bias is not None:
        bias = file.constant(layer.broadcast(layer.bias).numpy(), f"{name}_bias")
        done = file.node("Add", [done, bias], f"{name}_shifted")
    return done
