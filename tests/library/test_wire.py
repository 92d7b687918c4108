"""Values cross unchanged, hostile messages are refused."""

import base64
import contextlib
import json
import math
from collections import OrderedDict, namedtuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn

from shrinklab import models
from shrinklab.refs import Ref
from shrinklab.wire import MAX_DEPTH, MAX_PAIRS, NUMPY_DTYPES, TORCH_DTYPES, WireError, decode, encode


def cross(value):
    """There and back through real JSON text that every JSON reader accepts."""
    return decode(json.loads(json.dumps(encode(value), allow_nan=False)))


def same(a, b):
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    return a == b


keys = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
arrays = hnp.arrays(st.sampled_from([np.dtype(name) for name in NUMPY_DTYPES]),
                    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
leaves = (st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | arrays
          | arrays.map(lambda array: array[tuple(0 for _ in array.shape)] if array.size else 0))
values = st.recursive(leaves, lambda inner: (
    st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple)
    | st.dictionaries(keys, inner, max_size=4)), max_leaves=12)


@given(values)
@settings(deadline=None, max_examples=200)
def test_what_crosses_comes_back_the_same(value):
    assert same(cross(value), value)


json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
                           lambda inner: st.lists(inner, max_size=5) | st.dictionaries(
                               st.sampled_from(["$", "items", "dtype", "shape", "data", "value", "name", "state"]),
                               inner | st.sampled_from(["tuple", "dict", "array", "tensor", "model", "ref", "float32"]),
                               max_size=5), max_leaves=20)


@given(json_values)
@settings(deadline=None, max_examples=300)
def test_any_json_is_read_or_refused_with_a_wire_error(message):
    with contextlib.suppress(WireError):
        decode(message)


@pytest.mark.parametrize("name", TORCH_DTYPES)
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (2, 3, 4)])
def test_tensors_of_every_dtype(name, shape):
    numbers = torch.arange(math.prod(shape), dtype=torch.float32).reshape(shape)
    tensor = numbers.to(TORCH_DTYPES[name])
    back = cross(tensor)
    assert back.dtype == tensor.dtype
    assert back.shape == tensor.shape
    assert bytes(encode(back)["data"], "ascii") == bytes(encode(tensor)["data"], "ascii")
    if name in ("int64", "float64", "bool"):
        assert torch.equal(back, tensor)


def test_a_strided_tensor_and_a_foreign_byte_order_cross_by_value():
    tensor = torch.arange(6.0).reshape(2, 3).T
    assert torch.equal(cross(tensor), tensor)
    big = np.array([1, 2, 3], dtype=">i4")
    assert cross(big).tolist() == [1, 2, 3]
    assert np.array_equal(cross(np.arange(6).reshape(2, 3)[:, ::-1]), np.arange(6).reshape(2, 3)[:, ::-1])


def test_a_single_number_cut_out_of_a_row_crosses():
    assert same(cross(torch.arange(3.0)[1:2:2]), torch.tensor([1.0]))
    assert same(cross(torch.arange(6.0).reshape(3, 2).T[:1, 1:2]), torch.tensor([[2.0]]))


def test_a_tensor_crosses_as_its_numbers_without_its_gradients():
    leaf = torch.ones(2, requires_grad=True)
    for tensor in (leaf, leaf * 2, nn.Parameter(leaf)):
        assert not cross(tensor).requires_grad
        assert torch.equal(cross(tensor), tensor.detach())


def test_what_was_decoded_can_be_written_to():
    for value in (np.zeros(3), torch.zeros(3)):
        back = cross(value)
        back[0] = 1
        assert back.tolist() == [1, 0, 0]


def test_subclasses_cross_as_their_base():
    point = namedtuple("point", "x y")(1, 2.0)
    assert same(cross(point), (1, 2.0))
    assert same(cross(torch.Size([2, 3])), (2, 3))
    assert same(cross(OrderedDict(a=1)), {"a": 1})


def test_a_dict_cannot_be_mistaken_for_a_message():
    trap = {"$": "ref", "name": "resnet8"}
    assert same(cross(trap), trap)


def test_a_reference_crosses_as_its_name():
    assert cross([Ref("mnist/validation[:8]")]) == [Ref("mnist/validation[:8]")]


@pytest.mark.parametrize(("name", "config"), [("lenet", {}), ("resnet8", {"widths": [4, 4, 4, 6, 6, 8, 8]})])
def test_a_model_is_rebuilt_with_its_tensors_and_mode(name, config):
    model = models.build(name, **config).eval()
    back = cross(model)
    assert type(back) is type(model)
    assert back is not model
    assert back.config == model.config
    assert not back.training
    assert cross(model.train()).training
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), back.state_dict().values(), strict=True))
    assert all(p.requires_grad and not p.is_meta for p in back.parameters())


@pytest.mark.parametrize(("value", "words"), [
    ((x for x in "ab"), "a generator.*list"),
    (lambda: 1, "a function.*call the function"),
    (print, "a function .print.*call"),
    ({1, 2}, "a set.*list"),
    (range(3), "a range.*list"),
    (object(), "an object"),
    (nn.Linear(2, 2), "Linear.*known by name"),
    (10 ** 5000, "thousands of digits"),
    (np.array(["a"]), "dtype is str.*tolist"),
    (np.array([object()]), "dtype is object"),
    (torch.zeros(2, 2).to_sparse(), "sparse.*to_dense"),
    (torch.empty(2, device="meta"), "meta"),
    ([0] * 300_000, "300|200,000 parts.*tensor"),
    ("x" * (17 * 2**20), "16 MiB"),
    ("\U0001f600" * (3 * 2**20), "16 MiB"),
    ([2**4095] * 20_000, "16 MiB"),
    ([torch.zeros(9, 10**6, dtype=torch.uint8)] * 2, "16 MiB"),
    (np.zeros((9, 10**6)), "16 MiB"),
    (torch.zeros(10**6 + 1, dtype=torch.uint8), "1,000,000.*summary"),
    (np.zeros((1, 10**6 + 1), np.uint8), "1,000,000.*summary"),
], ids=lambda value: value[:20] if isinstance(value, str) and len(value) < 100 else type(value).__name__)
def test_what_cannot_cross_says_what_to_do(value, words):
    with pytest.raises(WireError, match=words):
        encode(value)


def test_the_largest_networks_of_the_course_cross_and_rows_without_end_do_not():
    state = {f"layer{index}": torch.zeros(512, 1024) for index in range(3)}
    assert cross(state)["layer2"].shape == (512, 1024)
    long = base64.b64encode(bytes(10**6 + 1)).decode()
    for kind in ("tensor", "array"):
        with pytest.raises(WireError, match="no dimension may be longer"):
            decode({"$": kind, "dtype": "uint8", "shape": [10**6 + 1], "data": long})


def test_a_list_inside_itself_is_refused():
    loop = []
    loop.append(loop)
    with pytest.raises(WireError, match=f"{MAX_DEPTH} deep"):
        encode(loop)


def test_a_model_whose_layers_were_swapped_is_refused_with_the_tensors_named():
    model = models.build("lenet")
    model.fc3 = nn.Linear(84, 7)
    with pytest.raises(WireError, match="fc3.weight, fc3.bias do not fit"):
        cross(model)


def test_a_model_that_claims_to_be_huge_takes_no_memory():
    widths = encode({"channels": [10**6, 10**6]})
    message = {"$": "model", "name": "lenet", "config": widths, "training": False, "state": encode({})}
    with pytest.raises(WireError, match="do not fit the config"):
        decode(message)


def message_of(**parts):
    return {"$": "tensor", "dtype": "float32", "shape": [1], "data": base64.b64encode(bytes(4)).decode()} | parts


@pytest.mark.parametrize("message", [
    message_of(shape=[2]), message_of(shape=[-1]), message_of(shape=[True]), message_of(shape="1"),
    message_of(shape=[0, 2**62]), message_of(shape=[1] * 40), message_of(dtype="object"), message_of(dtype=["f"]),
    message_of(data="not base64!"), message_of(data=7), message_of(shape=[0, 2**30, 2**30, 2**30], data=""),
    {"$": "pickle", "data": ""}, {"a": 1}, {"$": "float", "value": "__import__"}, {"$": "dict", "items": [[[], 1]]},
    {"$": "tuple", "items": 3}, {"$": "ref", "name": "../secret"}, {"$": "ref"},
    {"$": "model", "name": "os.system", "config": [], "state": []},
    {"$": "model", "name": "lenet", "config": {"$": "dict", "items": [["channels", [10**9, 10**9]]]},
     "training": False, "state": {"$": "dict", "items": []}},
    10 ** 5000,
], ids=lambda message: str(message)[:40] if not isinstance(message, int) else "int")
def test_hostile_messages_are_refused(message):
    with pytest.raises(WireError):
        decode(message)


def test_keys_with_equal_hashes_are_refused_before_they_take_time():
    """A dict of 100,000 whole numbers that are multiples of 2**61 - 1 takes minutes to make."""
    equal = [[number * (2**61 - 1), 0] for number in range(MAX_PAIRS + 1)]
    with pytest.raises(WireError, match="keys"):
        decode({"$": "dict", "items": equal})
    with pytest.raises(WireError, match="keys"):
        decode([{"$": "dict", "items": equal[half:half + MAX_PAIRS // 2 + 1]} for half in (0, MAX_PAIRS // 2)])
    with pytest.raises(WireError, match="return a tensor"):
        encode(dict(equal))
    assert len(decode({"$": "dict", "items": equal[1:]})) == MAX_PAIRS


def test_a_hostile_boolean_is_true_or_false():
    data = base64.b64encode(bytes([0, 1, 2])).decode()
    for kind in ("tensor", "array"):
        back = decode({"$": kind, "dtype": "bool", "shape": [3], "data": data})
        assert back.tolist() == [False, True, True]
        assert back.sum() == 2
