"""Does a student's value equal the expected one? And if not, what is the difference in a student's words?"""

import numpy as np
import torch

from shrinklab.wire import describe


def difference(actual, expected, *, rtol=1e-5, atol=1e-6, dtype=None):
    """None when the two agree, else what differs, in one line.

    Numbers, lists, tuples, arrays and tensors are compared by shape and by value within
    `atol + rtol * abs(expected)`, whatever their dtype unless dtype is given; nan equals nan. Where both are whole
    numbers or bools by type, they have to be equal. Strings are compared without regard to case and outer spaces,
    dicts key by key, lists of other things item by item.

    >>> difference(torch.tensor([1.0, 2.0]), [1, 2])
    >>> difference(784, 785.0, atol=2)
    >>> difference(784, 785, atol=2)
    'got 784, expected 785'
    >>> difference([1, 2, 3], [1, 2])
    'the shape is (3,), expected (2,)'
    >>> difference(None, [1, 2])
    'got None: is a return missing?'
    """
    if actual is None or expected is None:
        return None if actual is expected else _none(expected)
    if isinstance(expected, str):
        return _strings(actual, expected)
    if isinstance(expected, dict):
        return _dicts(actual, expected, rtol=rtol, atol=atol, dtype=dtype)
    wanted, found = as_array(expected), as_array(actual)
    if wanted is not None:
        return _arrays(actual, found, wanted, (rtol, atol)) or _dtype(actual, dtype)
    if isinstance(expected, list | tuple):
        return _sequences(actual, expected, rtol=rtol, atol=atol, dtype=dtype)
    same = type(actual) is type(expected) and actual == expected
    return None if same else f"got {show(actual)}, expected {show(expected)}"


def as_array(value):
    """The value as a numpy array of numbers, or None when it is something else.

    >>> as_array([torch.tensor(1.0), 2]).tolist()
    [1.0, 2.0]
    """
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        narrow = value.dtype in (torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2)
        return (value.float() if narrow else value).numpy()
    if isinstance(value, bool | int | float | complex | np.generic | np.ndarray):
        array = np.asarray(value)
        return array if array.dtype.kind in "biufc" else None
    if isinstance(value, list | tuple):
        items = [as_array(item) for item in value]
        if all(item is not None and item.shape == items[0].shape for item in items):
            return np.stack(items) if items else np.empty(0)
    return None


def show(value, limit=160):
    """A value in a line for a student: short arrays in full, long ones by shape and first values.

    >>> show(torch.zeros(3, 1))
    '[[0.0], [0.0], [0.0]]'
    >>> show(torch.zeros(100))
    'shape (100,), first values [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]'
    """
    array = as_array(value)
    if array is None or (isinstance(value, list | tuple) and array.size <= 12):
        text = repr(value)
    elif array.size <= 12:
        text = repr(_rounded(array))
    else:
        text = f"shape {array.shape}, first values {_rounded(array.reshape(-1)[:6])}"
    return text if len(text) <= limit else text[:limit] + " ..."


def _rounded(array):
    return (array.astype(np.float64).round(6) if array.dtype.kind == "f" else array).tolist()


def _none(expected):
    return "expected None, but a value came back" if expected is None else "got None: is a return missing?"


def _strings(actual, expected):
    if not isinstance(actual, str):
        return f"got {describe(actual)}, expected text"
    if actual.strip().casefold() == expected.strip().casefold():
        return None
    return f"got {show(actual)}, expected {show(expected)}" if actual.strip() else "there is no answer yet"


def _dicts(actual, expected, **options):
    if not isinstance(actual, dict):
        return f"got {describe(actual)}, expected a dict"
    if actual.keys() != expected.keys():
        return f"the keys are {show(list(actual))}, expected {show(list(expected))}"
    return _first((f"at {key!r}", difference(actual[key], expected[key], **options)) for key in expected)


def _sequences(actual, expected, **options):
    if not isinstance(actual, list | tuple):
        return f"got {describe(actual)}, expected a list"
    if len(actual) != len(expected):
        return f"got {len(actual)} items, expected {len(expected)}"
    pairs = enumerate(zip(actual, expected, strict=True))
    return _first((f"item {index}", difference(*pair, **options)) for index, pair in pairs)


def _first(found):
    return next((f"{where}: {what}" for where, what in found if what), None)


def _arrays(actual, found, wanted, tolerance):
    if found is None:
        empty = isinstance(actual, str) and not actual.strip()
        return "there is no answer yet" if empty else f"got {describe(actual)}, expected numbers"
    if found.shape != wanted.shape:
        return f"the shape is {found.shape}, expected {wanted.shape}"
    if found.dtype.kind == "c" != wanted.dtype.kind:
        return f"got complex numbers, expected real ones: {show(actual)}"
    with np.errstate(all="ignore"):
        if found.dtype.kind in "biu" and wanted.dtype.kind in "biu":
            same = found == wanted
        else:
            same = np.isclose(found, wanted, rtol=tolerance[0], atol=tolerance[1], equal_nan=True)
    if np.all(same):
        return None
    wrong = f" ({np.size(same) - np.sum(same)} of {np.size(same)} values differ)" if np.size(same) > 1 else ""
    return f"got {show(actual)}, expected {show(wanted)}{wrong}"


def _dtype(actual, dtype):
    found, wanted = (str(one).removeprefix("torch.") for one in (getattr(actual, "dtype", "none"), dtype))
    return None if dtype is None or found == wanted else f"the dtype is {found}, expected {wanted}"
