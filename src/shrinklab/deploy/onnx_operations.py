"""Operations without weights as ONNX nodes: those that move values, on integers where they are integers, and others."""

import operator

import torch
from torch import nn
from torch.nn import functional as F

from shrinklab.deploy.onnx_file import Value
from shrinklab.errors import need
from shrinklab.quantize import graph

SAME = {nn.Identity, nn.Dropout, nn.Dropout2d, F.dropout, "contiguous", "detach"}
SHAPES = {nn.Flatten, nn.Unflatten, torch.flatten, torch.squeeze, torch.unsqueeze, torch.reshape, "flatten", "view",
          "reshape", "squeeze", "unsqueeze"}
MAX_POOLS = {nn.MaxPool1d, nn.MaxPool2d, F.max_pool1d, F.max_pool2d, torch.max_pool2d}
AVERAGE_POOLS = {nn.AvgPool1d, nn.AvgPool2d, F.avg_pool2d}
ADAPTIVE = {nn.AdaptiveAvgPool1d: "AveragePool", nn.AdaptiveAvgPool2d: "AveragePool",
            F.adaptive_avg_pool2d: "AveragePool", nn.AdaptiveMaxPool2d: "MaxPool"}
TWO_VALUES = {operator.add: "Add", operator.iadd: "Add", torch.add: "Add", "add": "Add", "add_": "Add",
              operator.sub: "Sub", torch.sub: "Sub", operator.mul: "Mul", operator.imul: "Mul", torch.mul: "Mul",
              "mul": "Mul", operator.truediv: "Div", torch.div: "Div"}
ONE_VALUE = {nn.Sigmoid: "Sigmoid", torch.sigmoid: "Sigmoid", F.sigmoid: "Sigmoid", "sigmoid": "Sigmoid",
             nn.Tanh: "Tanh", torch.tanh: "Tanh", F.tanh: "Tanh", "tanh": "Tanh", nn.Hardswish: "HardSwish",
             F.hardswish: "HardSwish"}
MEANS = {torch.mean, "mean"}
TRANSPOSES = {torch.permute, torch.transpose, "permute", "transpose"}


def write_operation(writer, node, result):
    """Write one operation: the walk, its node, the example's result -> Value."""
    kind = graph.kind(node, writer.module)
    for kinds, write in OPERATIONS:
        if kind in kinds:
            return write(writer, node, result)
    name = getattr(kind, "__name__", kind)
    raise ValueError(f"{node.name} is a {name}; this operation has no ONNX form here; replace it, or write the file "
                     "with torch.onnx.export and open it with load_runner.")


def _same(writer, node, result):
    return writer.values[node.args[0]]


def _relu(writer, node, result):
    """Left to the rounding that follows, if only roundings do."""
    value, clip = writer.values[node.args[0]], (0, 6 if graph.kind(node, writer.module) in graph.UP_TO_SIX else None)
    return Value(writer.file.real(value), clip=clip)


def _reshape(writer, node, result):
    need(result.shape[0] == 2, f"{node.name} gives shape {tuple(result.shape)} for two images",
         "the file takes any number of images", "keep the first dimension")
    shape = writer.file.constant(torch.tensor([-1, *result.shape[1:]]).numpy(), f"{node.name}_shape")
    return _moved(writer, node, "Reshape", [shape])


def _moved(writer, node, operation, inputs=(), **attributes):
    """An operation that only moves values: what is an integer on a grid stays one."""
    value, file = writer.values[node.args[0]], writer.file
    if value.integers is not None:
        done = file.node(operation, [value.integers, *inputs], node.name, **attributes)
        return Value(integers=done, grid=value.grid)
    return Value(file.node(operation, [file.real(value), *inputs], node.name, **attributes))


def _max_pool(writer, node, result):
    get = _settings(writer, node, kernel_size=None, stride=None, padding=0, dilation=1, ceil_mode=False,
                    return_indices=False)
    return _moved(writer, node, "MaxPool", dilations=_each(get["dilation"], result), **_window(get, result))


def _average_pool(writer, node, result):
    get = _settings(writer, node, kernel_size=None, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
                    divisor_override=None)
    need(get["divisor_override"] is None, f"{node.name} divides by {get['divisor_override']}",
         "ONNX's AveragePool divides by the window's size", "leave divisor_override out")
    real = writer.file.real(writer.values[node.args[0]])
    return Value(writer.file.node("AveragePool", [real], node.name, **_window(get, result),
                                  count_include_pad=int(get["count_include_pad"])))


def _window(get, result):
    """The attributes that every pooling node has."""
    size = _each(get["kernel_size"], result)
    return {"kernel_shape": size, "strides": _each(get["stride"], result) if get["stride"] else size,
            "pads": _each(get["padding"], result) * 2, "ceil_mode": int(get["ceil_mode"])}


def _adaptive_pool(writer, node, result):
    before = writer.env[node.args[0]].shape[2:]
    after, operation = result.shape[2:], ADAPTIVE[graph.kind(node, writer.module)]
    if before == after:
        return writer.values[node.args[0]]
    need(all(b % a == 0 for b, a in zip(before, after, strict=True)),
         f"{node.name} pools {tuple(before)} to {tuple(after)}", "ONNX pools with windows of one size",
         "use a size that divides the input's")
    if operation == "AveragePool" and after.numel() == 1:
        real = writer.file.real(writer.values[node.args[0]])
        return Value(writer.file.node("GlobalAveragePool", [real], node.name))
    size = [b // a for b, a in zip(before, after, strict=True)]
    if operation == "MaxPool":
        return _moved(writer, node, operation, kernel_shape=size, strides=size)
    real = writer.file.real(writer.values[node.args[0]])
    return Value(writer.file.node(operation, [real], node.name, kernel_shape=size, strides=size))


def _two_values(writer, node, result):
    kind, names = graph.kind(node, writer.module), []
    need(set(node.kwargs) <= {"inplace"}, f"{node.name} has the options {node.kwargs}",
         "only plain sums and products are written", "multiply in a step of its own")
    for i, argument in enumerate(node.args):
        if isinstance(argument, torch.fx.Node):
            names.append(writer.file.real(writer.values[argument]))
        else:
            names.append(writer.file.constant(torch.tensor(float(argument)).numpy(), f"{node.name}_{i}"))
    return Value(writer.file.node(TWO_VALUES[kind], names, node.name))


def _one_value(writer, node, result):
    real = writer.file.real(writer.values[node.args[0]])
    return Value(writer.file.node(ONE_VALUE[graph.kind(node, writer.module)], [real], node.name))


def _silu(writer, node, result):
    real = writer.file.real(writer.values[node.args[0]])
    gate = writer.file.node("Sigmoid", [real], f"{node.name}_gate")
    return Value(writer.file.node("Mul", [real, gate], node.name))


def _mean(writer, node, result):
    get = _settings(writer, node, dim=None, keepdim=False)
    rank = writer.env[node.args[0]].ndim
    axes = sorted(d % rank for d in ([get["dim"]] if isinstance(get["dim"], int) else get["dim"] or range(rank)))
    need(0 not in axes, f"{node.name} averages over {tuple(axes)}", "images stay apart", "leave dimension 0 out")
    real = writer.file.real(writer.values[node.args[0]])
    if axes == list(range(2, rank)):  # the form with an integer kernel
        pooled = writer.file.node("GlobalAveragePool", [real], f"{node.name}_pooled")
        if get["keepdim"]:
            return Value(pooled)
        return Value(writer.file.node("Flatten", [pooled], node.name))
    axes = writer.file.constant(torch.tensor(axes).numpy(), f"{node.name}_axes")
    return Value(writer.file.node("ReduceMean", [real, axes], node.name, keepdims=int(get["keepdim"])))


def _transpose(writer, node, result):
    rank, order = writer.env[node.args[0]].ndim, node.args[1:]
    if graph.kind(node, writer.module) in (torch.transpose, "transpose"):
        first, second = (d % rank for d in order)
        order = list(range(rank))
        order[first], order[second] = second, first
    else:
        order = [d % rank for d in (order[0] if isinstance(order[0], tuple | list) else order)]
    need(order[0] == 0, f"{node.name} moves dimension 0 to another place", "images stay apart",
         "leave dimension 0 where it is")
    return _moved(writer, node, "Transpose", perm=order)


def _concatenate(writer, node, result):
    get = _settings(writer, node, tensors=None, dim=0)
    need(get["dim"] % result.ndim != 0, f"{node.name} joins along dimension 0", "images stay apart",
         "join channels, dimension 1")
    names = [writer.file.real(writer.values[part]) for part in node.args[0]]
    return Value(writer.file.node("Concat", names, node.name, axis=get["dim"]))


def _batch_norm(writer, node, result):
    norm, file = writer.fetch_attr(node.target), writer.file
    need(norm.track_running_stats, f"{node.target} keeps no statistics", "a file is the same for every batch",
         "use track_running_stats=True")
    ones = torch.ones(norm.num_features)
    parts = {"gain": norm.weight if norm.affine else ones, "shift": norm.bias if norm.affine else 0 * ones,
             "mean": norm.running_mean, "variance": norm.running_var}
    names = [file.constant(part.detach().numpy(), f"{node.name}_{name}") for name, part in parts.items()]
    return Value(file.node("BatchNormalization", [file.real(writer.values[node.args[0]]), *names], node.name,
                           epsilon=norm.eps))


def _settings(writer, node, **defaults):
    """The settings of a pooling module or of the function of the same name, by name."""
    if node.op == "call_module":
        module = writer.fetch_attr(node.target)
        return {name: getattr(module, name, default) for name, default in defaults.items()}
    given = dict(zip(defaults, node.args[1:] if "tensors" not in defaults else node.args, strict=False))
    return defaults | given | {name: value for name, value in node.kwargs.items() if name in defaults}


def _each(value, result):
    """A setting for each dimension of a window: 2 -> [2, 2] for images."""
    return list(value) if isinstance(value, tuple | list) else [value] * (result.ndim - 2)


OPERATIONS = [
    (SAME, _same), (graph.RELUS, _relu), (SHAPES, _reshape), (MAX_POOLS, _max_pool), (AVERAGE_POOLS, _average_pool),
    (ADAPTIVE, _adaptive_pool), (TWO_VALUES, _two_values), (ONE_VALUE, _one_value), ({nn.SiLU, F.silu}, _silu),
    (MEANS, _mean), (TRANSPOSES, _transpose), ({torch.cat, torch.concat}, _concatenate),
    (set(graph.NORMS), _batch_norm),
]
