"""Models as real files: a dense one, a sparse one that stores only the nonzero values, and their sizes.

Both are safetensors files (no pickle: loading one runs no code). The header carries the name and the widths of
the architecture, so that `load_file` can build the model again.
"""

import copy
import gzip
import json
import math
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from shrinklab.errors import need
from shrinklab.inference import need_network
from shrinklab.models import ARCHITECTURES, architecture, build


def save_dense(model, path):
    """Write every tensor of the model as it is; return the path.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_dense(build("lenet"), Path(folder) / "lenet.safetensors").stat().st_size > 4 * 61_706
    True
    """
    _floats(model)
    return _write(path, dict(model.state_dict()), _header(model))


def save_sparse(model, path):
    """Write, for each tensor, its nonzero values and a bit mask of where they are; return the path.

    The mask of n values takes n/8 bytes. A tensor with so few zeros that this would be larger is stored as it
    is. Nothing is lost: the model comes back bit for bit.

    >>> model = torch.nn.Linear(80, 100)
    >>> model.weight.data[:, 8:] = 0  # 800 of 8,000 values are left: 3,200 bytes, and 1,000 of mask
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     5_000 > save_sparse(model, Path(folder) / "small").stat().st_size
    True
    """
    _floats(model)
    tensors, shapes = {}, {}
    for name, tensor in model.state_dict().items():
        kept = _nonzero_bits(tensor)
        if math.ceil(kept.numel() / 8) + int(kept.sum()) * tensor.itemsize < tensor.nbytes:
            shapes[name] = list(tensor.shape)
            tensors[f"{name}#values"] = tensor.reshape(-1)[kept]
            tensors[f"{name}#mask"] = torch.from_numpy(np.packbits(kept.numpy()))
        else:
            tensors[name] = tensor
    return _write(path, tensors, _header(model) | {"sparse": shapes})


def load_file(path, like=None):
    """Build the model of a file written by `save_dense` or `save_sparse`, in evaluation mode.

    like: for a network that `models.build` does not know, a model of the same shape; it is copied, not changed.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     load_file(save_sparse(build("lenet", channels=[2, 3]), Path(folder) / "small")).conv2
    Conv2d(2, 3, kernel_size=(5, 5), stride=(1, 1))
    """
    header, tensors = _read(Path(path))
    if like is None:
        name = header["architecture"]
        need(name in ARCHITECTURES, f"{path} holds a network of the unknown kind {name}",
             f"{', '.join(ARCHITECTURES)} can be built by name", "pass like=, a model of the same shape")
        model = build(name, **header["config"])
    else:
        model = copy.deepcopy(like)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit: {error}; its tensors must be those of the model; "
                         "pass as like= a model of the same shape.") from error
    return model.eval()


def file_bytes(model):
    """Bytes of the dense file, measured on a real one: 4 for each float32, zeros too, and a header.

    >>> file_bytes(torch.nn.Linear(100, 50)) - 4 * 5050 < 300
    True
    """
    return _size(lambda path: save_dense(model, path))


def gzip_bytes(model):
    """Bytes of the dense file after gzip (level 6, as the command has it), a real one. Runs of zeros pack well.

    >>> model = torch.nn.Linear(100, 50)
    >>> before = gzip_bytes(model)
    >>> model.weight.data[:, 20:] = 0
    >>> gzip_bytes(model) < before / 3
    True
    """
    with tempfile.TemporaryDirectory() as folder:
        return gzip_bytes_of(save_dense(model, Path(folder) / "model"))


def gzip_bytes_of(path):
    """Bytes of any file after gzip (level 6); the file stays as it is.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "zeros"
    ...     path.write_bytes(bytes(1000)), gzip_bytes_of(path)
    (1000, 29)
    """
    # Level 9 packs a pruned network 1 or 2 per cent smaller and takes 5 to 15 times as long: too slow for a slider.
    return len(gzip.compress(Path(path).read_bytes(), compresslevel=6, mtime=0))


def sparse_bytes(model):
    """Bytes of the sparse file, measured on a real one.

    >>> model = torch.nn.Linear(100, 50)
    >>> model.weight.data[:] = 0
    >>> sparse_bytes(model) < file_bytes(model) / 10
    True
    """
    return _size(lambda path: save_sparse(model, path))


def _size(write):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        write(path)
        return path.stat().st_size


def _floats(model):
    """Refuse what is no network, or has a file format of its own: bytes of its tensors as they are would mislead."""
    need_network(model)
    own = {"QuantizedModel": "save_quantized", "CodebookModel": "save_codebook"}.get(type(model).__name__)
    need(own is None, f"the model is a {type(model).__name__}", "its file packs the bits of its weights",
         f"use {own}; measure(model, split) gives its bytes")


def _header(model):
    known = type(model) in ARCHITECTURES.values()
    return {"architecture": architecture(model) if known else None, "config": model.config if known else {}}


def _write(path, tensors, header):
    """Write beside the target and rename: a failure on the way leaves an older file whole."""
    path = Path(path)
    need(path.parent.is_dir(), f"the folder {path.parent} does not exist", "the file goes into an existing folder",
         "make the folder first")
    part = path.with_name(path.name + ".part")
    # One metadata key: safetensors writes several in no fixed order, and the same model gives the same bytes here.
    # Cloned, because it refuses two tensors that share memory.
    content = save({name: tensor.contiguous().clone() for name, tensor in tensors.items()},
                   {"shrinklab": json.dumps(header, sort_keys=True)})
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _read(path):
    """Header and dense tensors of a file of either kind."""
    need(path.is_file(), f"{path} is not there", "load_file reads an existing file", "check the name",
         FileNotFoundError)
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads(file.metadata()["shrinklab"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
        for name, shape in header.get("sparse", {}).items():
            tensors[name] = _spread(tensors.pop(f"{name}#values"), tensors.pop(f"{name}#mask"), shape)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} cannot be read ({type(error).__name__}: {error}); load_file reads whole files "
                         "of save_dense and save_sparse; save the model again with one of them.") from error
    return header, tensors


def _nonzero_bits(tensor):
    """Where a tensor's bits are not all zero, bool (N,). By bits and not by value, because -0.0 == 0.0."""
    return tensor.contiguous().reshape(-1).view(torch.uint8).reshape(-1, tensor.itemsize).ne(0).any(1)


def _spread(values, mask, shape):
    """The inverse of the sparse form: values back to their places, zeros elsewhere."""
    count = math.prod(shape)
    kept = torch.from_numpy(np.unpackbits(mask.numpy(), count=count)).bool()
    need(int(kept.sum()) == len(values), f"a bit mask marks {int(kept.sum())} places for {len(values)} values",
         "there is one place for each value", "save the file again with save_sparse")
    flat = torch.zeros(count, dtype=values.dtype)
    flat[kept] = values
    return flat.reshape(shape)
