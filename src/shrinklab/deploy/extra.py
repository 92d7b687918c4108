"""What the runtimes of the extra `deploy` share: packages that may be missing or noisy, and files for one image."""

import logging
import random
import sys
import warnings
from contextlib import contextmanager
from importlib.util import find_spec

import numpy as np

from shrinklab.errors import need


def installed(*packages):
    """Raise ModuleNotFoundError for the first that is missing, without the seconds that importing one takes.

    >>> installed("numpy", "no_such_package")
    Traceback (most recent call last):
        ...
    ModuleNotFoundError: No module named 'no_such_package'
    """
    for package in packages:
        if find_spec(package) is None:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)


@contextmanager
def quiet():
    """Neither warnings nor log nor random numbers of other packages.

    Their exporters call deprecated parts of PyTorch, and draw from the global random states when first imported.

    >>> random.seed(0)
    >>> with quiet():
    ...     warnings.warn("not shown")
    ...     unseen = random.random()
    >>> unseen == random.random()
    True
    """
    disabled, torch = logging.root.manager.disable, sys.modules.get("torch")  # LiteRT's files run without torch
    states = random.getstate(), np.random.get_state(), torch and torch.get_rng_state()
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        random.setstate(states[0])
        np.random.set_state(states[1])
        if torch:
            torch.set_rng_state(states[2])


def one_by_one(path, shape, run):
    """The function of a runner, float32 (N, ...) -> float32 (N, classes), from `run`, which takes one image (1, ...).

    shape: what the file takes, with its leading 1.

    >>> from pathlib import Path
    >>> one_by_one(Path("double.pte"), (1, 2), lambda image: 2 * image)(np.ones((3, 2), np.float32)).shape
    (3, 2)
    """
    shape = tuple(int(size) for size in shape)

    def call(images):
        need(images.shape[1:] == shape[1:], f"the images have shape {images.shape}",
             f"{path.name} takes (N, {', '.join(map(str, shape[1:]))})",
             "pass images of the shape that it was exported for")
        return np.concatenate([run(images[i : i + 1]) for i in range(len(images))])

    return call
