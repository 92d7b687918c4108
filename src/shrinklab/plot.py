"""Pictures: each function draws what it is given on an `ax` and computes nothing.

Every picture has a title, named axes and units; `ax.set_title` afterwards changes the words. Colours are those of
Okabe and Ito, which colour-blind readers can tell apart; lines differ in their markers too.
"""

from itertools import cycle

import numpy as np
from matplotlib.ticker import PercentFormatter

from shrinklab.errors import need

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# Column names of the library's tables, in words and with their unit. Shares are drawn as per cent.
LABELS = {
    "amount": "share of weights removed", "accuracy": "accuracy", "sparsity": "share of zeros",
    "file_bytes": "dense file (bytes)", "gzip_bytes": "gzip file (bytes)", "sparse_bytes": "sparse file (bytes)",
    "latency_ms": "latency, median (ms)", "latency_p95_ms": "latency, p95 (ms)", "macs": "MACs an image",
    "peak_memory_bytes": "peak memory (bytes)", "parameters": "parameters", "nonzeros": "nonzero parameters",
    "validation_accuracy": "validation accuracy", "epoch": "epoch", "loss": "loss", "layer": "layer",
}
SHARES = ("amount", "accuracy", "sparsity", "validation_accuracy")


def weight_histogram(ax, weights, cut=None):
    """How many weights have which value. weights: tensor or array of any shape.

    cut: (low, high), or one number c for (-c, c); the weights between are marked as removed.
    """
    flat = np.asarray(_array(weights)).ravel()
    need(len(flat) and np.isfinite(flat).all(), f"there are {len(flat)} weights, {np.isfinite(flat).sum()} finite",
         "a histogram needs at least one weight, and none NaN or inf", "check the tensor")
    ax.hist(flat, bins=80, color=COLOURS[0])
    ax.set(title=f"{len(flat):,} weights", xlabel="value of the weight", ylabel="number of weights")
    if cut is not None:
        low, high = (-abs(cut), abs(cut)) if np.isscalar(cut) else cut
        ax.axvspan(low, high, color=COLOURS[1], alpha=0.25, label=f"removed: {low:.3g} to {high:.3g}")
        ax.legend()
    return ax


def confusion(ax, matrix, classes):
    """A confusion matrix with its counts. matrix: (C, C), rows are the truth; classes: C names."""
    counts = np.asarray(_array(matrix))
    need(counts.shape == (len(classes), len(classes)), f"the matrix has shape {counts.shape}",
         f"with {len(classes)} classes it is {len(classes)} x {len(classes)}", "pass the names of all classes")
    ax.imshow(counts, cmap="Blues", vmin=0)
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if count > 0.65 * counts.max() else "black"
        ax.text(column, row, f"{count:,}", ha="center", va="center", color=colour, fontsize="small")
    turn = {"rotation": 45, "ha": "right"} if max(map(len, map(str, classes))) > 3 else {}
    ax.set_xticks(range(len(classes)), classes, **turn)
    ax.set_yticks(range(len(classes)), classes)
    ax.set(title=f"Confusion matrix of {int(counts.sum()):,} images", xlabel="predicted class", ylabel="true class")
    return ax


def lines(ax, frame, x, y, by=None):
    """y over x for each value of the column `by`, with a legend. frame: DataFrame; x, y, by: column names."""
    for column in (x, y, by):
        need(column is None or column in frame.columns, f"the column is {column!r}",
             f"this table has {', '.join(map(str, frame.columns))}", "use one of them")
    groups = [(None, frame)] if by is None else frame.groupby(by, sort=False)
    for (name, rows), colour, marker in zip(groups, cycle(COLOURS), cycle(_markers()), strict=False):
        rows = rows.sort_values(x)
        ax.plot(rows[x], rows[y], color=colour, marker=marker, markersize=4, label=name)
    for axis, column in ((ax.xaxis, x), (ax.yaxis, y)):
        axis.set_label_text(LABELS.get(column, column) + (" (%)" if column in SHARES else ""))
        if column in SHARES:
            axis.set_major_formatter(PercentFormatter(1, symbol=""))
    title = f"{LABELS.get(y, y)} by {LABELS.get(x, x)}"
    ax.set_title(title[0].upper() + title[1:])
    if by is not None:
        ax.legend(title=LABELS.get(by, by), fontsize="small")
    ax.grid(alpha=0.3)
    return ax


def images(axes, pixels, titles=None):
    """One image on each ax. pixels: uint8 (N, H, W, C) with 1 or 3 channels, from `data.to_pixels`; titles: N."""
    axes, pixels = np.atleast_1d(axes).ravel(), np.asarray(_array(pixels))
    need(pixels.ndim == 4 and pixels.shape[3] in (1, 3), f"the pixels have shape {pixels.shape}",
         "images to show are (N, height, width, 1 or 3)", "use data.to_pixels(split.images[:n])")
    titles = [""] * len(pixels) if titles is None else list(titles)
    need(len(titles) == len(pixels) <= len(axes),
         f"there are {len(pixels)} images, {len(titles)} titles and {len(axes)} axes",
         "each image has a title and an ax", "cut them to the same number")
    for ax in axes:
        ax.axis("off")
    for ax, image, title in zip(axes, pixels, titles, strict=False):
        ax.imshow(image.squeeze(2) if image.shape[2] == 1 else image, cmap="gray", vmin=0, vmax=255)
        ax.set_title(title, fontsize="small")
    return axes


def _array(values):
    """A tensor, also one that needs gradients, or anything that NumPy takes."""
    return values.detach().cpu().numpy() if hasattr(values, "detach") else values


def _markers():
    """Markers step on once more after each round of colours, so that the pairs repeat late."""
    for turn in range(len(MARKERS)):
        for step in range(len(COLOURS)):
            yield MARKERS[(turn + step) % len(MARKERS)]
