"""From a traced network to an ONNX graph: one walk over the operations, with the example running along."""

import copy

import onnx
import torch
from torch import fx, nn

from shrinklab.deploy.onnx_file import OnnxFile, Value, shift
from shrinklab.deploy.onnx_layers import float_layer, quantized_layer
from shrinklab.deploy.onnx_operations import write_operation
from shrinklab.errors import need
from shrinklab.quantize import QuantizedModel, graph
from shrinklab.quantize.layers import QuantizedLayer, Quantizer


def onnx_model(model, example, *, unsigned=False):
    """A float model or a QuantizedModel as an ONNX ModelProto that takes images (N, ...) of the example's shape.

    unsigned: integer weights as uint8 with zero point 128. Operations that have no ONNX form here are refused by
    name. The model stays as it was.
    """
    writer = _Writer(_body(model), unsigned)
    images = torch.cat([example[:1]] * 2).float()  # two, so that a size of 1 is never taken for the batch
    try:
        with torch.inference_mode():
            logits = writer.run(images)
    except RuntimeError as error:
        raise ValueError(f"example has shape {tuple(example.shape)}; {type(model).__name__} cannot take it: {error}; "
                         "pass images of the shape that it was built for.") from error
    need(isinstance(logits, torch.Tensor) and logits.shape[0] == 2, f"the model returns {_described(logits)}",
         "a file for a runner gives logits, a row for each image", "return only them from forward")
    file = writer.file
    file.node("Identity", [file.real(writer.result)], "logits")
    done = file.model(("images", ["N", *images.shape[1:]]), ("logits", ["N", *logits.shape[1:]]))
    onnx.checker.check_model(done)
    return done


def largest_pair(model):
    """The largest sum of two neighbouring products that the integers of a model's file can give; 0 without any."""
    largest = [0]
    for layer in model.layers.values() if isinstance(model, QuantizedModel) else ():
        grid = layer.input_grid
        high = 255 if layer.dynamic_bits else 0 if grid is None else grid.high + shift(grid)
        largest.append(2 * high * int(layer.weight.abs().amax()))
    return max(largest)


class _Writer(fx.Interpreter):
    """Runs the example through the graph and writes each step; the example's shapes settle reshapes and pooling."""

    def __init__(self, body, unsigned):
        super().__init__(body)
        self.extra_traceback = False  # torch.fx would add the graph to each error's text
        self.file, self.unsigned, self.values, self.result = OnnxFile(), unsigned, {}, None

    def run_node(self, n):
        self.current = n
        result = super().run_node(n)
        if n.op == "output":
            self.result = self.values.get(n.args[0])
        elif isinstance(result, torch.Tensor):
            self.values[n] = self.write(n, result)
        return result

    def write(self, node, result):
        """Write one step: node, the example's result -> Value."""
        if node.op == "placeholder":
            return Value("images")
        if node.op == "get_attr":
            return Value(self.file.constant(result.detach().numpy(), node.name))
        module = self.fetch_attr(node.target) if node.op == "call_module" else None
        if isinstance(module, Quantizer):
            value = self.values[node.args[0]]
            return self.file.rounded(value.real, module.qparams, node.name, value.clip)
        if isinstance(module, QuantizedLayer):
            return quantized_layer(self.file, module, self.values[node.args[0]], node.name, self.unsigned)
        if isinstance(module, graph.LAYERS):
            return float_layer(self.file, module, self.values[node.args[0]], node.name)
        return write_operation(self, node, result)


def _body(model):
    """The graph of a QuantizedModel, or of a float model with its batch norm folded."""
    need(isinstance(model, nn.Module), f"the model is a {type(model).__name__}",
         "a file is made from an nn.Module", "pass a float model or a QuantizedModel")
    if isinstance(model, QuantizedModel):
        return copy.deepcopy(model.body)
    graph._finite(model)
    model = nn.Sequential(model) if isinstance(model, graph.LAYERS) else model
    return fx.GraphModule(folded := graph.fold_batch_norm(model), graph.trace(folded))


def _described(value):
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else f"a {type(value).__name__}"
