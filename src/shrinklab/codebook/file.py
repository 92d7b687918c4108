"""A network with codebooks as a real file: coded indices, tables of centroids, and the rest as it is.

A safetensors file like those of `files`: no pickle, loading runs no code. Its header names few tensors, because each
name costs about 100 bytes: indices, tables, and the rest of the state by dtype, each in one piece.
"""

import copy
import hashlib
import json
import math
import tempfile
import zlib
from pathlib import Path

import pandas as pd
import torch

from shrinklab import files
from shrinklab.codebook.coding import CODINGS, decoded, encoded
from shrinklab.codebook.layers import shared_layer
from shrinklab.codebook.model import CodebookModel, replace_layer, share_weights, shareable  # noqa: F401 (an example)
from shrinklab.errors import need
from shrinklab.models import ARCHITECTURES, build
from shrinklab.quantize.graph import fold_batch_norm


def save_codebook(shared, path, *, coding=None):
    """Write a CodebookModel; return the path. Nothing is lost: it comes back bit for bit.

    coding: "packed" (b bits for each index), "huffman" or "gzip"; unless given, each layer takes its shortest, and
    the header and `codebook_sizes` say which.

    >>> shared = share_weights(build("lenet"), 4)
    >>> with tempfile.TemporaryDirectory() as folder:  # 61,470 weights at half a byte, 236 biases, 5 tables
    ...     save_codebook(shared, Path(folder) / "lenet").stat().st_size < 34_000
    True
    """
    need(isinstance(shared, CodebookModel), f"the model is a {type(shared).__name__}",
         "save_codebook writes a CodebookModel", "make one with share_weights, or use save_dense")
    need(coding is None or coding in CODINGS, f"coding is {coding!r}", f"known codings are {', '.join(CODINGS)}",
         "use one of them, or None for the shortest")
    layers, contents = [], []  # a list, because a file's header sorts the keys of a dict
    for name, layer in shared.layers.items():
        used, content = encoded(layer.indices, layer.bits, coding)
        layers.append([name, layer.bits, len(layer.centroids), used, len(content)])
        contents.append(content)
    names = list(shared.layers)
    rest = _rest(shared.body, names)
    tensors = {"indices": torch.cat(contents),
               "centroids": torch.cat([layer.centroids.detach() for layer in shared.layers.values()])}
    for kind in sorted({str(tensor.dtype) for tensor in rest.values()}):
        tensors[kind] = torch.cat([value.flatten() for value in rest.values() if str(value.dtype) == kind])
    header = (shared.source or {"architecture": None, "config": {}}) | {
        "codebooks": layers, "layout": _layout(shared.to_float(), names)}
    return files._write(path, tensors, header)


def load_codebook(path, like=None):
    """Build the CodebookModel of a file written by `save_codebook`, in evaluation mode.

    like: for a network that `models.build` does not know, a float model of the same shape; it is copied, not changed.

    >>> shared, x = share_weights(build("lenet"), 4), torch.rand(1, 1, 28, 28)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.equal(load_codebook(save_codebook(shared, Path(folder) / "lenet"))(x), shared(x))
    True
    """
    header, tensors = files._read(Path(path))
    need("codebooks" in header, f"{path} holds no codebooks", "load_codebook reads files of save_codebook",
         "use load_file, or load_quantized")
    body = _float_body(path, header, like)
    try:
        _fill(body, header["codebooks"], tensors)
    except (KeyError, RuntimeError, ValueError, IndexError, zlib.error) as error:
        raise ValueError(f"{path} cannot be read ({type(error).__name__}: {error}); load_codebook reads whole files "
                         "of save_codebook; save the model again.") from error
    known = header["architecture"] is not None
    return CodebookModel(body, {key: header[key] for key in ("architecture", "config")} if known else None).eval()


def codebook_bytes(shared, *, coding=None):
    """Bytes of the file of `save_codebook`, measured on a real one.

    >>> shared = share_weights(torch.nn.Linear(100, 100), 2)
    >>> codebook_bytes(shared, coding="packed") < 10_000 / 4 + 100 * 4 + 600  # indices, biases, table and header
    True
    """
    with tempfile.TemporaryDirectory() as folder:
        return save_codebook(shared, Path(folder) / "model", coding=coding).stat().st_size


def codebook_sizes(shared):
    """Where the bytes are: a table with a row for each layer.

    Columns: layer, weights, bits, centroids, table_bytes (float32), packed_bytes, huffman_bytes, gzip_bytes, coding
    (the shortest of the three, which the file uses) and entropy_bits: the least that a code for single indices can
    take for each, the sum of -p log2 p over how often each is used (Shannon, 1948).

    >>> layer = torch.nn.Linear(4, 2)
    >>> layer.weight.data = torch.tensor([[0.0, 1.0, 2.0, 3.0]] * 2)
    >>> codebook_sizes(share_weights(layer, 2))[["weights", "table_bytes", "packed_bytes", "entropy_bits"]]
       weights  table_bytes  packed_bytes  entropy_bits
    0        8           16             2           2.0
    """
    need(isinstance(shared, CodebookModel), f"the model is a {type(shared).__name__}",
         "codebook_sizes reads a CodebookModel", "make one with share_weights", TypeError)
    return pd.DataFrame([{"layer": name, **_sizes(layer)} for name, layer in shared.layers.items()])


def _sizes(layer):
    lengths = {name: len(encoded(layer.indices, layer.bits, name)[1]) for name in CODINGS}
    used = layer.indices.flatten().bincount(minlength=1).double()
    share = used[used > 0] / used.sum()
    return {"weights": layer.indices.numel(), "bits": layer.bits, "centroids": len(layer.centroids),
            "table_bytes": layer.centroids.nbytes, **{f"{name}_bytes": size for name, size in lengths.items()},
            "coding": min(lengths, key=lengths.get), "entropy_bits": float((share * -share.log2()).sum())}


def _rest(body, names):
    """{name: tensor} of a body's state outside the codebooks of these layers, in its order."""
    own = {f"{name}.{part}" for name in names for part in ("centroids", "indices", "weight")}
    return {name: tensor for name, tensor in body.state_dict().items() if name not in own}


def _layout(body, names):
    """A short hash of the names, shapes and dtypes of a float model's state: what the file's pieces are cut by."""
    weights = [[name, list(body.get_submodule(name).weight.shape)] for name in names]
    rest = [[name, list(tensor.shape), str(tensor.dtype)] for name, tensor in _rest(body, names).items()]
    return hashlib.sha256(json.dumps([weights, rest]).encode()).hexdigest()[:16]


def _float_body(path, header, like):
    """A float network of the file's shape: by name, with batch norm or with it folded, or a copy of `like`."""
    name, layers = header["architecture"], [layer for layer, *_ in header["codebooks"]]
    if like is None:
        need(name in ARCHITECTURES, f"{path} holds a network of the unknown kind {name}",
             f"{', '.join(ARCHITECTURES)} can be built by name", "pass like=, a float model of the same shape")
        plain = build(name, **header["config"])
        bodies = [plain, fold_batch_norm(plain)]
    else:
        bodies = [copy.deepcopy(like) if list(like.children()) else torch.nn.Sequential(copy.deepcopy(like))]
    for body in bodies:
        if set(layers) <= set(shareable(body)) and _layout(body, layers) == header["layout"]:
            return body
    raise ValueError(f"{path} holds layers {', '.join(layers)}, which do not fit the model; names and "
                     "shapes must be the same; pass as like= a float model of the same shape.")


def _fill(body, layers, tensors):
    """Put the file's codebooks and the rest of its state into a float network of the right layout, in place."""
    contents = tensors["indices"].split([size for *_, size in layers])
    tables = tensors["centroids"].split([clusters for _, _, clusters, *_ in layers])
    for (name, bits, clusters, coding, _), content, table in zip(layers, contents, tables, strict=True):
        layer = body.get_submodule(name)
        indices = decoded(content, coding, bits, layer.weight.numel()).reshape(layer.weight.shape)
        need(int(indices.max()) < clusters, f"{name} has an index {int(indices.max())}",
             f"its table has {clusters} centroids", "save the file again")
        replace_layer(body, name, shared_layer(layer, table, indices, bits))
    rest = _rest(body, [name for name, *_ in layers])
    for kind in {str(tensor.dtype) for tensor in rest.values()}:
        own = [tensor for tensor in rest.values() if str(tensor.dtype) == kind]
        for tensor, piece in zip(own, tensors[kind].split([math.prod(t.shape) for t in own]), strict=True):
            tensor.copy_(piece.reshape(tensor.shape))
