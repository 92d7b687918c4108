"""Values as JSON, so that a student's function can run in another process than the check that judges it.

`encode` turns numbers, strings, lists, dicts, arrays, tensors and the course's models into plain JSON values;
`decode` makes them again. There is no pickle: reading a hostile message can only give one of these kinds.
What JSON has no word for is a dict with the key "$": `{"$": "tuple", "items": [...]}`.
"""

import base64
import json
import math
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

from shrinklab import files, models
from shrinklab.errors import need
from shrinklab.quantize.file import load_quantized, save_quantized
from shrinklab.quantize.model import QuantizedModel
from shrinklab.refs import Ref

MAX_DEPTH = 24
MAX_ITEMS = 200_000
MAX_BYTES = 16 * 2**20
# A check may go through a value row by row, and each row of a tensor takes some 500 bytes in Python.
MAX_LENGTH = 1_000_000
MAX_INT_BITS = 4096
# Of all dicts of a value. Keys chosen so that their hashes are equal take time with the square of their number.
MAX_PAIRS = 5_000
MAX_WEIGHTS = 8_000_000  # of a quantized network: as floats they take sixteen times the room of two bits

TORCH_DTYPES = {name: getattr(torch, name) for name in (
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float8_e4m3fn",
    "float8_e5m2", "float16", "bfloat16", "float32", "float64", "complex64", "complex128")}
NUMPY_DTYPES = ("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64",
                "float16", "float32", "float64", "complex64", "complex128")


class WireError(ValueError):
    """A value that cannot cross, or a message that is not one of ours."""


def encode(value, refs=None):
    """Turn a value into JSON-able lists, dicts, strings and numbers.

    value: None, bool, int, float, str, list, tuple, dict, numpy array or scalar, torch tensor, `Ref`, a
    model of `shrinklab.models`, or a QuantizedModel of one (as the bytes of its file). Subclasses cross as their
    base (a named tuple as a tuple). Tensors cross as their numbers, without their gradients.
    refs: {id(object): Ref} of objects that cross as their reference.
    Raises WireError for anything else, and for what is too deep, too long or too large.

    >>> encode((1, [2.5, None]))
    {'$': 'tuple', 'items': [1, [2.5, None]]}
    """
    return _Encoder(refs or {}).encode(value, 0)


def decode(message):
    """Make the value that `encode` was given. The message may come from anybody; it is checked in full.

    Raises WireError when it is not a message of `encode`.

    >>> decode(encode({"scale": 0.5, "shape": (2, 3)}))
    {'scale': 0.5, 'shape': (2, 3)}
    """
    try:
        return _Decoder().decode(message, 0)
    except WireError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError, MemoryError) as error:
        raise WireError(f"the message cannot be read ({type(error).__name__}: {error}); it must come from "
                        "encode; send encode(value).") from error


class _Budget:
    """Counts what has crossed, so that neither side fills its memory."""

    def __init__(self):
        self.items = self.bytes = self.pairs = 0

    def spend(self, depth, size=0):
        self.items += 1
        self.bytes += size
        need(depth <= MAX_DEPTH, f"the value is nested more than {MAX_DEPTH} deep",
             "lists and dicts inside each other may not go deeper", "return a flatter value", WireError)
        need(self.items <= MAX_ITEMS, f"the value has more than {MAX_ITEMS:,} parts",
             "long rows of numbers cross as one array", "return a tensor instead of a list", WireError)
        need(self.bytes <= MAX_BYTES, f"the value has more than {MAX_BYTES // 2**20} MiB",
             "a returned value must stay below that", "return less, for example a summary", WireError)

    def pair(self, number):
        self.pairs += number
        need(self.pairs <= MAX_PAIRS, f"the value's dicts have more than {MAX_PAIRS:,} keys",
             "long rows of numbers cross as one array", "return a tensor instead of a dict", WireError)

    def lay(self, depth, shape, size):
        self.spend(depth, size)
        need(all(length <= MAX_LENGTH for length in shape), f"the array has the shape {tuple(shape)}",
             f"no dimension may be longer than {MAX_LENGTH:,}", "return less, for example a summary", WireError)


class _Encoder(_Budget):
    def __init__(self, refs):
        super().__init__()
        self.refs = refs

    def encode(self, value, depth):
        if id(value) in self.refs:
            value = self.refs[id(value)]
        self.spend(depth, _written(value))
        if isinstance(value, np.generic | np.ndarray):
            return self.numpy(value, depth)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            need(abs(value).bit_length() <= MAX_INT_BITS, "an integer has thousands of digits",
                 f"integers cross up to {MAX_INT_BITS} bits", "return a smaller number", WireError)
            return int(value)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else {"$": "float", "value": repr(float(value))}
        if isinstance(value, str):
            return str(value)
        return self.container(value, depth)

    def container(self, value, depth):
        if isinstance(value, list | tuple):
            items = [self.encode(item, depth + 1) for item in value]
            return items if isinstance(value, list) else {"$": "tuple", "items": items}
        if isinstance(value, dict):
            self.pair(len(value))
            pairs = [[self.encode(part, depth + 1) for part in pair] for pair in value.items()]
            return {"$": "dict", "items": pairs}
        if isinstance(value, torch.Tensor):
            return self.tensor(value, depth)
        if isinstance(value, Ref):
            return {"$": "ref", "name": value.name}
        if isinstance(value, QuantizedModel):
            return self.quantized(value, depth)
        if isinstance(value, nn.Module):
            return self.model(value, depth)
        raise WireError(f"the value is {describe(value)}; only numbers, strings, lists, dicts, arrays and "
                        f"the course's models can cross; {_fix(value)}.")

    def numpy(self, value, depth):
        name = value.dtype.name
        need(name in NUMPY_DTYPES, f"the array's dtype is {name}", "arrays of numbers or booleans can cross",
             "convert it, for example with .tolist()", WireError)
        self.lay(depth, value.shape, value.nbytes)
        data = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<")).tobytes()
        kind = "array" if isinstance(value, np.ndarray) else "scalar"
        return {"$": kind, "dtype": name, "shape": list(value.shape), "data": _text(data)}

    def tensor(self, value, depth):
        name = str(value.dtype).removeprefix("torch.")
        need(value.layout == torch.strided and name in TORCH_DTYPES and value.device.type != "meta",
             f"the tensor is {name}, {value.layout}, on {value.device}",
             "dense tensors of the usual dtypes can cross", "use .dequantize(), .to_dense() or .cpu()",
             WireError)
        self.lay(depth, value.shape, value.numel() * value.element_size())
        flat = value.detach().cpu().resolve_conj().resolve_neg()
        # contiguous() would keep the stride of a single number cut out of a row, and that cannot be viewed as bytes.
        flat = flat.clone(memory_format=torch.contiguous_format).reshape(-1)
        data = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
        return {"$": "tensor", "dtype": name, "shape": list(value.shape), "data": _text(data)}

    def model(self, model, depth):
        try:
            name = models.architecture(model)
        except ValueError as error:
            raise WireError(str(error)) from None
        return {"$": "model", "name": name, "config": self.encode(model.config, depth + 1),
                "training": bool(model.training), "state": self.encode(dict(model.state_dict()), depth + 1)}


    def quantized(self, model, depth):
        need(model.source is not None, "the QuantizedModel was made from a network of its own",
             f"those of {', '.join(models.ARCHITECTURES)} can cross", "quantize one of them", WireError)
        with tempfile.TemporaryDirectory() as folder:
            data = save_quantized(model, Path(folder) / "model").read_bytes()
        return {"$": "quantized", "file": self.encode(np.frombuffer(data, np.uint8), depth + 1)}


class _Decoder(_Budget):
    def decode(self, message, depth):
        self.spend(depth, len(message) if isinstance(message, str) else 0)
        if message is None or isinstance(message, bool | float | str):
            return message
        if isinstance(message, int):
            need(abs(message).bit_length() <= MAX_INT_BITS, "an integer has thousands of digits",
                 f"integers cross up to {MAX_INT_BITS} bits", "send a smaller number", WireError)
            return message
        if isinstance(message, list):
            return [self.decode(item, depth + 1) for item in message]
        readers = {"float": self.float, "tuple": self.tuple, "dict": self.dict, "array": self.numpy,
                   "scalar": self.numpy, "tensor": self.tensor, "ref": self.ref, "model": self.model,
                   "quantized": self.quantized}
        kind = message.get("$") if isinstance(message, dict) else type(message).__name__
        need(isinstance(kind, str) and kind in readers, f"the message has the kind {kind!r:.60}",
             f"known kinds are {', '.join(readers)}", "send encode(value)", WireError)
        return readers[kind](message, depth)

    def float(self, message, depth):
        need(message["value"] in ("nan", "inf", "-inf"), "a number is written as text",
             "only nan, inf and -inf are", "send encode(value)", WireError)
        return float(message["value"])

    def tuple(self, message, depth):
        return tuple(self.decode(list(message["items"]), depth))

    def dict(self, message, depth):
        self.pair(len(message["items"]))
        return {self.decode(key, depth + 1): self.decode(item, depth + 1) for key, item in message["items"]}

    def ref(self, message, depth):
        return Ref(message["name"])

    def numpy(self, message, depth):
        need(message["dtype"] in NUMPY_DTYPES, "an array has an unknown dtype",
             f"known are {', '.join(NUMPY_DTYPES)}", "send encode(value)", WireError)
        dtype = np.dtype(message["dtype"])
        shape, data = self.payload(message, depth, dtype.itemsize)
        # A hostile byte such as 2 in a boolean array would be neither true nor false.
        stored = np.dtype(np.uint8) if dtype.kind == "b" else dtype.newbyteorder("<")
        array = np.frombuffer(data, stored).astype(dtype).reshape(shape)
        return array if message["$"] == "array" else array[()]

    def tensor(self, message, depth):
        need(message["dtype"] in TORCH_DTYPES, "a tensor has an unknown dtype",
             f"known are {', '.join(TORCH_DTYPES)}", "send encode(value)", WireError)
        dtype = TORCH_DTYPES[message["dtype"]]
        shape, data = self.payload(message, depth, dtype.itemsize)
        if not data:
            return torch.empty(shape, dtype=dtype)
        if dtype == torch.bool:
            return (torch.frombuffer(data, dtype=torch.uint8) != 0).reshape(shape)
        return torch.frombuffer(data, dtype=dtype).reshape(shape)

    def payload(self, message, depth, itemsize):
        shape, data = message["shape"], bytearray(base64.b64decode(message["data"], validate=True))
        fits = isinstance(shape, list) and len(shape) <= 16 and all(
            type(size) is int and 0 <= size < 2**31 for size in shape)
        need(fits and math.prod(shape) * itemsize == len(data), f"an array has {len(data)} bytes",
             "shape and dtype must give the same number", "send encode(value)", WireError)
        self.lay(depth, shape, len(data))
        return shape, data

    def model(self, message, depth):
        config, state = self.decode(message["config"], depth + 1), self.decode(message["state"], depth + 1)
        # On the meta device no memory is taken, whatever widths the message claims.
        with torch.device("meta"):
            model = models.build(message["name"], **config)
        expected = {name: (tensor.shape, tensor.dtype) for name, tensor in model.state_dict().items()}
        found = {name: (tensor.shape, tensor.dtype) for name, tensor in state.items()}
        wrong = [name for name in expected | found if expected.get(name) != found.get(name)]
        need(not wrong, f"the tensors {', '.join(map(str, wrong[:4]))} do not fit the config {config}",
             "a model is judged from its name, its config and its tensors",
             "build it with models.build(name, **config) and keep its layers", WireError)
        model.load_state_dict(state, assign=True)
        return model.train(message["training"] is True)

    def quantized(self, message, depth):
        data = self.decode(message["file"], depth + 1)
        need(isinstance(data, np.ndarray) and data.dtype == np.uint8, f"a quantized network is {describe(data)}",
             "it crosses as the bytes of its file", "send encode(value)", WireError)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model"
            path.write_bytes(data.tobytes())
            header, _ = files._read(path)
            with torch.device("meta"):  # as above: no memory for what the file only claims
                claimed = models.build(header["architecture"], **header["config"])
            weights = sum(parameter.numel() for parameter in claimed.parameters())
            # A weight takes two bits at least. What batch norms hold is folded away in the file, and little beside it.
            need(weights <= min(4 * data.size + 10_000, MAX_WEIGHTS),
                 f"the file of {data.size:,} bytes claims {weights:,} weights",
                 f"a weight takes at least two bits, and {MAX_WEIGHTS:,} may cross", "send encode(value)", WireError)
            return load_quantized(path)


def describe(value):
    """Name what a value is in a student's words.

    >>> describe(x for x in "ab")
    'a generator'
    """
    kind = type(value).__name__
    if kind in ("function", "method", "builtin_function_or_method"):
        return f"a function ({getattr(value, '__name__', '?')})"
    return f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}"


def _fix(value):
    if callable(value) and not isinstance(value, type):
        return "call the function, with its parentheses, and return what it gives"
    if hasattr(value, "to_numpy"):
        return "return value.to_numpy()"
    if hasattr(value, "__iter__"):
        return "turn it into a list with list(...) or into a tensor"
    return "return its numbers"


def _written(value):
    """Bytes of a string or an integer in JSON: one character can take twelve."""
    if isinstance(value, str):
        return len(json.dumps(value))
    return value.bit_length() // 3 if isinstance(value, int) else 0


def _text(data):
    if sys.byteorder == "big":
        raise WireError("this machine stores numbers big end first; the course needs a little-endian one; "
                        "use an x86 or ARM machine.")
    return base64.b64encode(data).decode("ascii")
