"""The network as a graph of operations: batch norm folded, and the places where values are rounded.

Tracing is torch.fx's; what it can't follow (a branch on a value) is refused with the module's name.
"""

import copy

import torch
from torch import fx, nn
from torch.nn import functional as F

from shrinklab.errors import need
from shrinklab.inference import need_network

LAYERS = nn.Conv1d, nn.Conv2d, nn.Linear
NORMS = nn.BatchNorm1d, nn.BatchNorm2d
UP_TO_SIX = {nn.ReLU6, F.relu6}
RELUS = UP_TO_SIX | {nn.ReLU, F.relu, torch.relu, "relu"}
# Operations whose result holds only values of their input: what lies on a grid before lies on it afterwards.
MOVES = {nn.MaxPool1d, nn.MaxPool2d, nn.AdaptiveMaxPool2d, nn.Flatten, nn.Identity, F.max_pool1d, F.max_pool2d,
         torch.max_pool2d, torch.flatten, torch.squeeze, torch.permute, torch.transpose, "flatten", "view",
         "reshape", "squeeze", "unsqueeze", "permute", "transpose", "contiguous"}


def fold_batch_norm(model):
    """A copy of the model, in evaluation mode, with each batch norm merged into the layer before it.

    At inference y = gamma (conv(x) - mean) / sqrt(var + eps) + beta is again a convolution: weight times
    gamma / sqrt(var + eps), bias likewise. The batch norm becomes an `nn.Identity`, the layer gets a bias, and the
    outputs stay the same up to float rounding. A batch norm that follows no single layer stays.
    Source: Jacob et al., 2018, section 3.2.

    >>> model = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.BatchNorm2d(2))
    >>> fold_batch_norm(model)
    Sequential(
      (0): Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1))
      (1): Identity()
    )
    """
    _finite(model)
    return _folded(model)[0]


def trace(model):
    """The graph of a model; modules of torch.nn stay whole."""
    try:
        return fx.Tracer().trace(model)
    except (fx.proxy.TraceError, TypeError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{type(model).__name__} cannot be traced ({error}); its forward must be the same sequence "
                         "of operations for every input; move the branch out of forward.") from error


def prepare(model):
    """The folded model as an fx.GraphModule with one convolution or linear layer per call, nothing in place.

    Refuses what can't be quantized: a layer used twice, padding other than zeros, NaN weights, no layer at all.
    """
    _finite(model)
    model = nn.Sequential(model) if isinstance(model, LAYERS) else model
    folded, graph = _folded(model)
    for node in list(graph.nodes):
        if node.op == "call_module" and isinstance(folded.get_submodule(node.target), nn.Dropout | nn.Identity):
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    body = fx.GraphModule(folded, graph, type(model).__name__)
    for module in body.modules():
        if getattr(module, "inplace", False):
            module.inplace = False
    _layers_once(body)
    return body


def layer_nodes(body):
    """{layer name: node} of the convolutions and linear layers, in the order of execution."""
    return {node.target: node for node in body.graph.nodes
            if node.op == "call_module" and isinstance(body.get_submodule(node.target), LAYERS)}


def kind(node, body):
    """What a node does, comparable with MOVES and RELUS: a module's class, a function, or a method's name."""
    if node.op == "call_module":
        return type(body.get_submodule(node.target))
    return node.target if node.op.startswith("call") else None  # an argument could be named "flatten"


def fused_relu(node, body):
    """The ReLU (or ReLU6) that alone uses this node's value, or None."""
    user = next(iter(node.users)) if len(node.users) == 1 else None
    return user if user is not None and kind(user, body) in RELUS else None


def sites(body):
    """{name: node} of the values that are rounded to a grid: input, results of layers and of sums, after their ReLU.

    A layer's value has the name of the layer's node, whether a ReLU follows or not. Values that are only moved (max
    pooling, flatten) stay on their grid. The network's output stays as it is, because rounded logits would tie.
    """
    layers, found = set(layer_nodes(body).values()), {}
    for node in body.graph.nodes:
        if node.op in ("output", "get_attr") or kind(node, body) in MOVES:
            continue
        relu = fused_relu(node, body)
        if relu is not None and (node in layers or kind(node, body) not in RELUS) and node.op != "placeholder":
            continue
        if _reaches_compute(node, body):
            found[node.args[0].name if _is_fused(node, layers, body) else node.name] = node
    return found


def consumers(node, body):
    """The nodes that compute with a node's value, looked up through those that only move it."""
    found = []
    for user in node.users:
        found += consumers(user, body) if kind(user, body) in MOVES else [user]
    return found


def input_sites(body):
    """{layer name: name of the value that it reads}, looked up through operations that only move values."""
    found, names = {}, {node: name for name, node in sites(body).items()}
    for name, node in layer_nodes(body).items():
        source = node.args[0]
        while kind(source, body) in MOVES:
            source = source.args[0]
        found[name] = names[source]
    return found


def _is_fused(node, layers, body):
    return bool(node.args) and node.args[0] in layers and fused_relu(node.args[0], body) is node


def _reaches_compute(node, body):
    return any(user.op != "output" for user in consumers(node, body))


def _folded(model):
    """The folded copy of a model and its graph, in which a folded batch norm is the call of an `nn.Identity`."""
    folded = copy.deepcopy(model).eval()
    modules, graph = dict(folded.named_modules()), trace(folded)
    nodes = [node for node in graph.nodes if node.op == "call_module"]
    calls = [node.target for node in nodes]
    for node in nodes:
        before = node.args[0] if node.args else None
        fits = (isinstance(modules[node.target], NORMS) and before in nodes and len(before.users) == 1
                and isinstance(modules[before.target], LAYERS)
                and calls.count(before.target) == calls.count(node.target) == 1)
        if fits and modules[node.target].track_running_stats:
            _fold(modules[before.target], modules[node.target])
            parent, _, name = node.target.rpartition(".")
            setattr(folded.get_submodule(parent), name, nn.Identity())
    return folded, graph


def _fold(layer, norm):
    """Merge a batch norm into the layer, in place. In double precision, so that nothing is rounded twice."""
    gain = (norm.running_var.double() + norm.eps).rsqrt()
    gain = gain * norm.weight.detach().double() if norm.affine else gain
    shift = norm.bias.detach().double() if norm.affine else 0.0
    bias = 0.0 if layer.bias is None else layer.bias.detach().double()
    weight = layer.weight.detach().double()
    layer.weight.data = (weight * gain.reshape(-1, *[1] * (weight.ndim - 1))).to(layer.weight.dtype)
    layer.bias = nn.Parameter(((bias - norm.running_mean.double()) * gain + shift).to(layer.weight.dtype))


def _finite(model):
    need_network(model)
    for name, tensor in model.state_dict().items():
        broken = int((~tensor.isfinite()).sum()) if tensor.is_floating_point() else 0
        need(broken == 0, f"{name} holds {broken} values that are NaN or inf", "weights are finite numbers",
             "load the model again, or train with a lower learning rate")


def _layers_once(body):
    names = [node.target for node in body.graph.nodes if node.op == "call_module"
             and isinstance(body.get_submodule(node.target), LAYERS)]
    need(names, f"the model is a {type(body).__name__} without convolution or linear layers",
         "quantization needs at least one", "pass a model with such layers")
    for name in names:
        layer = body.get_submodule(name)
        need(names.count(name) == 1, f"{name} is used {names.count(name)} times",
             "each layer has one place, with one input grid", "give each place a layer of its own")
        need(getattr(layer, "padding_mode", "zeros") == "zeros", f"{name} pads with {layer!r}",
             "integer convolutions pad with zeros", 'use padding_mode="zeros"')
