"""A quantized network as a real file: integer weights packed to their bits, biases as int32, and the grids.

A safetensors file like those of `files`: no pickle, loading runs no code.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch

from shrinklab import files
from shrinklab.affine import QParams
from shrinklab.errors import need
from shrinklab.models import ARCHITECTURES, build
from shrinklab.quantize import graph
from shrinklab.quantize.assemble import assemble, layers_of
from shrinklab.quantize.model import QuantizedModel, Scheme, refuse_quantized


def pack(integers, bits):
    """Integers 0 to 2^bits - 1, any shape, -> uint8 (ceil(N bits / 8),): `bits` bits each, highest first.

    >>> pack(torch.tensor([1, 2, 3]), 4).tolist()  # 0x12, 0x30
    [18, 48]
    """
    flat = integers.reshape(-1, 1).to(torch.uint8).numpy()
    return torch.from_numpy(np.packbits(np.unpackbits(flat, axis=1)[:, -bits:]))


def unpack(packed, bits, count):
    """The way back: uint8 bytes -> uint8 (count,).

    >>> unpack(torch.tensor([18, 48], dtype=torch.uint8), 4, 3).tolist()
    [1, 2, 3]
    """
    rows = np.unpackbits(packed.numpy(), count=count * bits).reshape(count, bits)
    full = np.zeros((count, 8), np.uint8)
    full[:, -bits:] = rows
    return torch.from_numpy(np.packbits(full, axis=1)[:, 0])


def save_quantized(model, path):
    """Write a QuantizedModel; return the path. A weight of b bits takes b bits.

    >>> from shrinklab.quantize.model import quantize_model
    >>> small = quantize_model(build("lenet"), scheme=Scheme(weight_bits=4, dynamic=True))
    >>> with tempfile.TemporaryDirectory() as folder:  # 61,470 weights at half a byte, 236 float biases, the grids
    ...     save_quantized(small, Path(folder) / "lenet").stat().st_size < 36_000
    True
    """
    need(isinstance(model, QuantizedModel), f"the model is a {type(model).__name__}",
         "save_quantized writes a QuantizedModel", "quantize it first with quantize_model, or use save_dense")
    tensors, layers = {}, {}
    for name, layer in model.layers.items():
        grid = layer.weight_grid.qparams
        layers[name] = {"shape": list(layer.weight.shape), "bits": grid.bits, "axis": grid.axis,
                        "dynamic_bits": layer.dynamic_bits}
        tensors[f"{name}.weight"] = pack(layer.weight.to(torch.int16) - grid.low, grid.bits)
        tensors[f"{name}.scale"] = grid.scale
        if layer.bias is not None:
            tensors[f"{name}.bias"] = layer.bias
    grids = model.activations
    if grids:
        tensors["grids.scale"] = torch.stack([grid.scale for grid in grids.values()])
        tensors["grids.zero_point"] = torch.stack([grid.zero_point for grid in grids.values()])
    header = (model.source or {"architecture": None, "config": {}}) | {
        "layers": layers, "grids": [[name, grid.low, grid.high] for name, grid in grids.items()],
        "scheme": _plain(model.scheme)}
    return files._write(path, tensors, header)


def load_quantized(path, like=None):
    """Build the QuantizedModel of a file; it computes the same numbers as the one that was saved.

    like: for a network that `models.build` does not know, a float model of the same shape; it is not changed.

    >>> from shrinklab.quantize.model import quantize_model
    >>> small, x = quantize_model(build("lenet"), torch.rand(2, 1, 28, 28)), torch.rand(1, 1, 28, 28)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.equal(load_quantized(save_quantized(small, Path(folder) / "lenet"))(x), small(x))
    True
    """
    header, tensors = files._read(Path(path))
    need("layers" in header, f"{path} holds a float model", "load_quantized reads files of save_quantized",
         "use load_file")
    if like is None:
        name = header["architecture"]
        need(name in ARCHITECTURES, f"{path} holds a network of the unknown kind {name}",
             f"{', '.join(ARCHITECTURES)} can be built by name", "pass like=, a float model of the same shape")
        like = build(name, **header["config"])
    refuse_quantized(like)
    body = graph.prepare(like)
    shapes = {name: list(body.get_submodule(name).weight.shape) for name in graph.layer_nodes(body)}
    stored = {name: layer["shape"] for name, layer in header["layers"].items()}
    need(shapes == stored, f"{path} holds layers {stored}", f"those of the model are {shapes}",
         "pass as like= a float model of the same shape")
    weights = {name: _weight(tensors, name, layer) for name, layer in header["layers"].items()}
    body = assemble(body, weights, _grids(header, tensors))
    for name, layer in layers_of(body).items():
        layer.bias, layer.dynamic_bits = tensors.get(f"{name}.bias"), header["layers"][name]["dynamic_bits"]
    return QuantizedModel(body, Scheme(**header["scheme"]),
                          {"architecture": header["architecture"], "config": header["config"]})


def quantized_bytes(model):
    """Bytes of the file of `save_quantized`, measured on a real one.

    >>> from shrinklab.quantize.model import quantize_model
    >>> quantized_bytes(quantize_model(build("lenet"), scheme=Scheme(dynamic=True))) < 61_706 * 4 / 3
    True
    """
    with tempfile.TemporaryDirectory() as folder:
        return save_quantized(model, Path(folder) / "model").stat().st_size


def _weight(tensors, name, layer):
    """Integers (int8) and QParams of one layer of the file."""
    bits, top = layer["bits"], 2 ** (layer["bits"] - 1) - 1
    shape = torch.Size(layer["shape"])
    scale = tensors[f"{name}.scale"]
    grid = QParams(scale, torch.zeros_like(scale, dtype=torch.int32), -top, top, layer["axis"])
    integers = unpack(tensors[f"{name}.weight"], bits, shape.numel()).to(torch.int16) - top
    return integers.to(torch.int8).reshape(shape), grid


def _grids(header, tensors):
    return {name: QParams(tensors["grids.scale"][i], tensors["grids.zero_point"][i], low, high)
            for i, (name, low, high) in enumerate(header["grids"])}


def _plain(scheme):
    """The scheme as JSON; an observer of one's own is left out, since a file carries no code."""
    return {name: value for name, value in vars(scheme).items() if not callable(value)}
