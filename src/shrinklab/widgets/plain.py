"""From what a settings function returns to what a browser understands: numbers, text, lists and dicts."""

import math


def plain(value):
    """The same value in plain Python: arrays as lists, NaN and infinity as None (JSON has neither).

    >>> import numpy
    >>> plain({"edges": numpy.array([0.0, numpy.nan]), "labels": ("cat", "dog")})
    {'edges': [0.0, None], 'labels': ['cat', 'dog']}
    """
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"the answer holds a {type(value).__name__}; it may hold numbers, text, lists, dicts "
                    "and arrays; convert it first")


def sentence(error):
    """An exception as one readable line; ValueErrors already are one, others get their kind in front.

    >>> sentence(ValueError("amount is 50; use a fraction from 0 to 1"))
    'amount is 50; use a fraction from 0 to 1'
    >>> sentence(KeyError("conv9"))
    "KeyError: 'conv9'"
    """
    text = " ".join(str(error).split())
    if type(error) is ValueError and text:
        return text
    if isinstance(error, NotImplementedError):
        return f"Not written yet: {text}" if text else "Not written yet."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
