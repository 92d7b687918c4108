"""From a prepared float graph, integer weights and grids to a graph of integer layers and quantizers."""

import torch

from shrinklab.affine import choose_qparams
from shrinklab.quantize import graph
from shrinklab.quantize.calibration import observer_named
from shrinklab.quantize.layers import QuantizedLayer, Quantizer


def weight_grid(layer, scheme, input_grid=None):
    """The symmetric grid of a layer's weights, one for each output channel or one for all."""
    weight, top = layer.weight.detach(), 2 ** (scheme.weight_bits - 1) - 1
    rows = weight.flatten(1) if scheme.per_channel else weight.reshape(1, -1)
    low, high = observer_named(scheme.weight_observer, bits=scheme.weight_bits, symmetric=True)(rows)
    reach = torch.maximum(-low, high)
    if layer.bias is not None and input_grid is not None:
        # The bias is stored in steps of scale_x * scale_w and has to fit in 32 bits, however small the weights are.
        least = layer.bias.detach().abs() / (input_grid.scale * 2**30) * top
        reach = torch.maximum(reach, least if scheme.per_channel else least.amax(0, keepdim=True))
    # Any grid holds a channel of zeros, but training may fill it: then it needs steps of a usual size.
    reach = torch.where(rows.any(1), reach, reach.amax())
    if not scheme.per_channel:
        return choose_qparams(-reach[0], reach[0], bits=scheme.weight_bits, symmetric=True)
    return choose_qparams(-reach, reach, bits=scheme.weight_bits, symmetric=True, axis=0)


def assemble(body, weights, grids):
    """Put integer layers and quantizers into a prepared graph, which changes; return it.

    weights: {layer name: (integers, QParams)}; grids: {site name: QParams}, empty for none.
    """
    nodes, inputs, sites = graph.layer_nodes(body), graph.input_sites(body), graph.sites(body)
    relus = {name: graph.fused_relu(node, body) for name, node in nodes.items()}
    inside = {relus[name] or node for name, node in nodes.items()}
    for name, site in sites.items():
        if name in grids and site not in inside:
            _insert_quantizer(body, site, grids[name])
    for name, node in nodes.items():
        relu = relus[name]
        layer = QuantizedLayer(body.get_submodule(name), *weights[name])
        layer.connect(grids.get(inputs[name]), grids.get(node.name))
        if relu is not None:
            layer.clip = 0.0, 6.0 if graph.kind(relu, body) in graph.UP_TO_SIX else None
            relu.replace_all_uses_with(node)
            body.graph.erase_node(relu)
        body.set_submodule(name, layer)
    body.delete_all_unused_submodules()
    body.recompile()
    return body


def layers_of(body):
    """{name: QuantizedLayer} of an assembled graph, in the order of execution."""
    modules = {node.target: body.get_submodule(node.target) for node in body.graph.nodes if node.op == "call_module"}
    return {name: module for name, module in modules.items() if isinstance(module, QuantizedLayer)}


def _insert_quantizer(body, site, qparams):
    name = f"{site.name}_quantizer"
    body.add_submodule(name, Quantizer(qparams))
    with body.graph.inserting_after(site):
        node = body.graph.call_module(name, (site,))
    site.replace_all_uses_with(node, delete_user_cb=lambda user: user is not node)
