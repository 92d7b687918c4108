"""MNIST and CIFAR-10: `load("mnist")` gives train, validation and test splits.

A subset travels with the package, so that no lesson needs a download: 10,000 training images, 4,000 validation
images and the whole official test set of 10,000. `load(name, full=True)` takes everything through torchvision.
Both use the same validation images, which no training here has ever seen.
"""

import hashlib
import json
import os
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from shrinklab.errors import need

BUNDLED = resources.files("shrinklab") / "datasets"
VALIDATION, TRAIN = 4_000, 10_000  # images of the bundled splits
# SHA-256 of the pixels and labels of the full sets: x_train, y_train, x_test, y_test as uint8, in the official order.
FULL_SHA256 = {
    "mnist": "06b0d1f124c4e5fa796686ade41a9b778edacc8622f2195a352ef479ad44fc16",
    "cifar10": "80387ddb9a0edf3fc4a964ee3770296169bb26a651050df20035579673099660",
}
CLASSES = {
    "mnist": tuple("0123456789"),
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
}
# Mean and standard deviation of each colour channel over the training images, pixels scaled to 0..1.
STATISTICS = {
    "mnist": ((0.13061239,), (0.30805305,)),
    "cifar10": ((0.49147202, 0.4822452, 0.44646747), (0.2470, 0.2435, 0.2616)),
}


@dataclass(frozen=True)
class Split:
    """Some images and their labels. images: float32 (N, C, H, W), normalised; labels: int64 (N,).

    >>> split = Split("demo", torch.zeros(4, 1, 2, 2), torch.tensor([0, 1, 2, 3]))
    >>> len(split), split[1:3].labels.tolist(), split[1:3].name
    (4, [1, 2], 'demo[1:3]')
    """

    name: str
    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, rows):
        need(isinstance(rows, slice), f"the index is {rows!r}", "a split is cut with a slice",
             "write split[:256]; one image is split.images[0]", TypeError)
        bounds = ":".join("" if b is None else str(b) for b in (rows.start, rows.stop))
        return replace(self, name=f"{self.name}[{bounds}]", images=self.images[rows], labels=self.labels[rows])


class Data:
    """One data set; its splits are decoded when first asked for.

    pixels: a function, split name -> (uint8 images (N, H, W, C), uint8 labels (N,)).
    """

    def __init__(self, name, pixels):
        self.name, self.classes, self._pixels = name, CLASSES[name], pixels
        self.mean, self.std = (torch.tensor(v) for v in STATISTICS[name])

    def _split(self, part):
        images, labels = self._pixels(part)
        return Split(f"{self.name}/{part}", self.normalise(images), torch.from_numpy(labels.astype(np.int64)))

    @cached_property
    def train(self):
        return self._split("train")

    @cached_property
    def validation(self):
        return self._split("validation")

    @cached_property
    def test(self):
        return self._split("test")

    def first(self, images):
        """A `Data` of the same set whose splits end after so many images: enough to see whether code runs.

        >>> len(load("mnist").first(100).train)
        100
        """
        need(isinstance(images, int) and images >= 1, f"images is {images!r}", "a split holds at least one", "use 256")

        def pixels(part):
            arrays, labels = self._pixels(part)
            return arrays[:images], labels[:images]

        return Data(self.name, pixels)

    @property
    def example(self):
        """The first validation image, as a batch of one: float32 (1, C, H, W)."""
        return self.validation.images[:1]

    def normalise(self, pixels):
        """uint8 pixels (N, H, W, C) -> float32 (N, C, H, W), each channel with mean 0 and deviation 1."""
        images = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))).float().div_(255)
        return images.sub_(self.mean[:, None, None]).div_(self.std[:, None, None])

    def to_pixels(self, images):
        """The way back, for showing: float32 (N, C, H, W) -> uint8 array (N, H, W, C)."""
        scaled = (images * self.std[:, None, None] + self.mean[:, None, None]) * 255
        return scaled.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


def pixel_hash(*arrays):
    """SHA-256 of uint8 arrays, one after the other: what identifies a set, however it is stored.

    >>> pixel_hash(np.zeros(2, np.uint8))[:8]
    '96a296d2'
    """
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array, np.uint8).tobytes())
    return digest.hexdigest()


def order(n):
    """The shuffled positions of the n official training images: validation first, then training.

    RandomState's permutation is frozen by NumPy's compatibility policy, so it is the same on every machine.

    >>> order(5).tolist()
    [2, 0, 1, 3, 4]
    """
    return np.random.RandomState(0).permutation(n)


def _bundled_pixels(name, part):
    folder = BUNDLED / name
    splits = json.loads((folder / "card.json").read_text())["splits"]
    need(part in splits, f"{name} has no split {part!r} here", "a pipeline that is graded does not see the test split",
         f"use {' or '.join(splits)}", OSError)
    card = splits[part]
    sheets = [Image.open(folder / sheet) for sheet in card["sheets"]]
    size = 28 if name == "mnist" else 32
    images = np.concatenate([_cut(np.asarray(sheet.convert("RGB")), size) for sheet in sheets])
    images = images[..., :1] if name == "mnist" else images  # WebP has no grey mode: three equal channels
    labels = np.frombuffer(card["labels"].encode(), np.uint8) - ord("0")
    got = pixel_hash(images, labels)
    need(got == card["sha256"], f"{name}/{part} has pixel hash {got[:12]}…",
         f"the bundled set has {card['sha256'][:12]}…",
         "reinstall shrinklab: a file of its datasets folder was changed", OSError)
    return images, labels


def _cut(sheet, size):
    """Cut one sheet (rows * size, columns * size, C) into its images (rows * columns, size, size, C)."""
    rows, columns = sheet.shape[0] // size, sheet.shape[1] // size
    return sheet.reshape(rows, size, columns, size, -1).swapaxes(1, 2).reshape(rows * columns, size, size, -1)


def cache_folder():
    """Where full sets are kept: the environment variable SHRINKLAB_DATA, or ~/.cache/shrinklab."""
    return Path(os.environ.get("SHRINKLAB_DATA") or Path.home() / ".cache" / "shrinklab").expanduser()


def _download(name, folder):
    """Fetch through torchvision (it shows a progress bar); -> {x_train, y_train, x_test, y_test} uint8 arrays."""
    from shrinklab.vision import torchvision  # here, because importing it takes a second

    kind = {"mnist": torchvision.datasets.MNIST, "cifar10": torchvision.datasets.CIFAR10}[name]
    arrays = {}
    for part in ("train", "test"):
        try:
            half = kind(folder, train=part == "train", download=True)
        except (OSError, RuntimeError) as error:
            raise OSError(
                f"the full {name} is not in {folder} and can't be downloaded ({error}); the full set needs the network "
                f'once; use the bundled subset, load("{name}"), or set SHRINKLAB_DATA to a folder that has it.'
            ) from error
        images = np.asarray(half.data, np.uint8)
        arrays[f"x_{part}"] = images
        arrays[f"y_{part}"] = np.asarray(half.targets, np.uint8)
    return arrays


def full_arrays(name):
    """The full set as uint8 arrays x_train, y_train, x_test, y_test, from the cache or the network, checked by hash.

    Raises OSError when it is neither cached nor reachable, or when its pixels are not the official ones.
    """
    folder = cache_folder()
    cached = folder / f"{name}.npz"
    if cached.exists():
        with np.load(cached, allow_pickle=False) as stored:
            arrays = dict(stored)
    else:
        arrays = _download(name, folder)
    got = pixel_hash(*(arrays[k] for k in ("x_train", "y_train", "x_test", "y_test")))
    need(got == FULL_SHA256[name], f"the full {name} in {folder} has pixel hash {got[:12]}…",
         f"the official set has {FULL_SHA256[name][:12]}…", f"delete it from {folder} and load again", OSError)
    if not cached.exists():
        partial = cached.with_suffix(".partial.npz")
        np.savez(partial, **arrays)
        partial.replace(cached)  # in one step, so that an interrupted run leaves no half file behind
    return arrays


def _full_pixels(name):
    arrays = full_arrays(name)
    rows = order(len(arrays["y_train"]))
    chosen = {"validation": rows[:VALIDATION], "train": rows[VALIDATION:]}

    def pixels(part):
        half = "test" if part == "test" else "train"
        images, labels = arrays[f"x_{half}"], arrays[f"y_{half}"]
        images = images[..., None] if images.ndim == 3 else images
        return (images, labels) if part == "test" else (images[chosen[part]], labels[chosen[part]])

    return pixels


@lru_cache(maxsize=4)
def load(name, full=False):
    """Load "mnist" or "cifar10" -> `Data` with .train, .validation and .test.

    full=False: the bundled subset, offline. full=True: all training images, through torchvision, cached in
    `cache_folder()`. The validation and test splits are the same in both.

    >>> len(load("mnist").validation), load("cifar10").example.shape
    (4000, torch.Size([1, 3, 32, 32]))
    """
    need(name in CLASSES, f"the data set is {name!r}", "shrinklab knows mnist and cifar10", 'write load("mnist")')
    return Data(name, _full_pixels(name) if full else lambda part: _bundled_pixels(name, part))
