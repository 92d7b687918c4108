"""Rebuild the bundled subsets in src/shrinklab/datasets from the full sets.

usage: python tools/build_datasets.py [--check]

The full sets come through shrinklab.data (SHRINKLAB_DATA, or torchvision's download). The pixels are stored without
loss, so the same pixel hashes come out on every machine. --check compares with the stored cards and writes nothing.
"""

import json
import sys

import numpy as np
from PIL import Image

from shrinklab import data

COLUMNS, ROWS = 40, 25  # a sheet of 1,000 images


def parts(name):
    """The bundled splits of a full set: {part: (images (N, H, W, C) uint8, labels (N,) uint8)}."""
    arrays = data.full_arrays(name)
    rows = data.order(len(arrays["y_train"]))
    validation, train = rows[: data.VALIDATION], rows[data.VALIDATION : data.VALIDATION + data.TRAIN]
    everything = {part: (arrays["x_train"][r], arrays["y_train"][r]) for part, r in
                  (("train", train), ("validation", validation))}
    everything["test"] = arrays["x_test"], arrays["y_test"]
    return {part: (x if x.ndim == 4 else x[..., None], y) for part, (x, y) in everything.items()}


def write_sheet(images, path):
    """Store 1,000 images as one lossless WebP sheet."""
    _, height, width, channels = images.shape
    grid = images.reshape(ROWS, COLUMNS, height, width, channels).swapaxes(1, 2)
    sheet = np.repeat(grid.reshape(ROWS * height, COLUMNS * width, channels), 3 // channels, axis=2)
    Image.fromarray(sheet).save(path, "WEBP", lossless=True, quality=100, method=6)


def build(name, check):
    folder = data.BUNDLED / name
    folder.mkdir(parents=True, exist_ok=True)
    card = {"name": name, "full_sha256": data.FULL_SHA256[name], "splits": {}}
    for part, (images, labels) in parts(name).items():
        sheets = [f"{part}-{i:02d}.webp" for i in range(len(images) // (COLUMNS * ROWS))]
        for i, sheet in enumerate(sheets):
            if not check:
                write_sheet(images[i * 1000 : (i + 1) * 1000], folder / sheet)
        card["splits"][part] = {
            "images": len(images),
            "sha256": data.pixel_hash(images, labels),
            "sheets": sheets,
            "labels": "".join(map(str, labels)),
        }
    text = json.dumps(card, indent=1) + "\n"
    if check:
        same = (folder / "card.json").read_text() == text
        print(f"{name}: {'the same pixels and labels' if same else 'DIFFERENT from the stored card'}")
        return same
    (folder / "card.json").write_text(text)
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"{name}: {size / 1e6:.1f} MB in {folder}")
    return True


if __name__ == "__main__":
    done = [build(wanted, "--check" in sys.argv) for wanted in ("mnist", "cifar10")]
    sys.exit(0 if all(done) else 1)
