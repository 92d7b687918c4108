"""What the runtimes of the extra `deploy` share: packages that may be missing or noisy, and files for one image."""

import logging
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
    """Neither the warnings nor the log of other packages, whose exporters call deprecated parts of PyTorch.

    >>> with quiet():
    ...     warnings.warn("not shown")
    """
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def one_by_one(path, shape, run):
    """The function of a runner, float32 (N, ...) -> float32 (N, classes), from `run`, which takes one image (1, ...).

    shape: what the file takes, with its leading 1.

    >>> one_by_one("double.pte", (1, 2), lambda image: 2 * image)(np.ones((3, 2), np.float32)).shape
    (3, 2)
    """
    shape = tuple(int(size) for size in shape)

    def call(images):
        need(images.shape[1:] == shape[1:], f"the images have shape {images.shape}",
             f"{path.name} takes (N, {', '.join(map(str, shape[1:]))})",
             "pass images of the shape that it was exported for")
        return np.concatenate([run(images[i : i + 1]) for i in range(len(images))])

    return call
