"""How good are the predictions? Plain functions on labels, predictions and logits.

Labels and predictions may be tensors, arrays or lists.
"""

from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from shrinklab.detection import average_precision, iou
from shrinklab.errors import need

__all__ = [
    "McNemar", "accuracy", "average_precision", "bootstrap_interval", "confusion_matrix", "correct",
    "evaluating", "expected_calibration_error", "f1", "forward", "iou", "mcnemar", "precision", "predict", "recall",
]


@contextmanager
def evaluating(model):
    """Put every module of the model in evaluation mode, and each back in its own mode afterwards.

    Module by module, because `model.train()` would also wake a batch norm that someone froze on purpose.

    >>> layer = torch.nn.Dropout()
    >>> with evaluating(layer): layer.training
    False
    >>> layer.training
    True
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield model
    finally:
        for module, training in modes:
            module.training = training


def predict(model, images, batch_size=500):
    """Logits of a model in evaluation mode: images (N, ...) -> float (N, classes). The model stays as it was.

    >>> predict(torch.nn.Flatten(), torch.tensor([[[1.0, 2.0]]]))
    tensor([[1., 2.]])
    """
    need(batch_size >= 1, f"batch_size is {batch_size}", "a batch holds at least one image", "use 1 or more")
    _images(images)
    with evaluating(model), torch.inference_mode():
        batches = [forward(model, batch) for batch in images.split(batch_size)]
    # Outside inference mode, so that the result is an ordinary tensor that autograd can use.
    return torch.cat(batches)


def forward(model, images):
    """model(images), with a readable error where they do not fit; mode and gradients are the caller's business.

    >>> forward(torch.nn.Linear(4, 2), torch.zeros(1, 3))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: the images have shape (1, 3); Linear cannot take them: ...
    """
    _images(images)
    try:
        return model(images)
    except RuntimeError as error:
        raise ValueError(f"the images have shape {tuple(images.shape)}; {type(model).__name__} cannot take them: "
                         f"{error}; pass images of the shape that the model was built for.") from error


def accuracy(model, split):
    """Share of right predictions, 0 to 1. split: anything with .images (N, ...) and .labels (N,).

    >>> from types import SimpleNamespace as Split
    >>> split = Split(images=torch.tensor([[2.0, 1.0], [0.0, 3.0]]), labels=torch.tensor([0, 0]))
    >>> accuracy(torch.nn.Identity(), split)
    0.5
    """
    return correct(predict(model, split.images), split.labels).double().mean().item()


def correct(logits, labels):
    """Which predictions are right: logits (N, classes), labels (N,) -> bool (N,).

    >>> correct([[2.0, 1.0], [0.0, 3.0]], [0, 0])
    tensor([ True, False])
    """
    logits, labels = _logits(logits, labels)
    return logits.argmax(1) == labels


def confusion_matrix(labels, predictions, classes):
    """Count each pair of true and predicted class: (N,), (N,) -> int64 (C, C); rows are the truth.

    classes: how many there are, or their names.

    >>> confusion_matrix([0, 1, 1], [0, 1, 0], classes=2)
    tensor([[1, 0],
            [1, 1]])
    """
    count = classes if isinstance(classes, int) else len(classes)
    labels, predictions = _indices(labels, "labels"), _indices(predictions, "predictions")
    _same_length(labels, predictions, "labels", "predictions")
    for values, what in ((labels, "labels"), (predictions, "predictions")):
        low, high = int(values.min()), int(values.max())
        need(low >= 0 and high < count, f"the {what} run from {low} to {high}",
             f"with {count} classes they are 0 to {count - 1}", "check the class count and the labels")
    return torch.bincount(labels * count + predictions, minlength=count * count).reshape(count, count)


def precision(matrix):
    """Of what was predicted as each class, the share that is: confusion matrix (C, C) -> float64 (C,).

    A class that was never predicted gets 0 (scikit-learn's zero_division=0). `.mean()` is the macro average.

    >>> precision([[95, 10], [5, 90]])[1].item()  # TP 90, FP 10
    0.9
    """
    matrix = _square(matrix)
    return _share(matrix.diag(), matrix.sum(0))


def recall(matrix):
    """Of each class, the share that was found: confusion matrix (C, C) -> float64 (C,). Absent class: 0.

    >>> round(recall([[95, 10], [5, 90]])[1].item(), 3)  # TP 90, FN 5
    0.947
    """
    matrix = _square(matrix)
    return _share(matrix.diag(), matrix.sum(1))


def f1(matrix):
    """Harmonic mean of precision and recall per class: (C, C) -> float64 (C,). 0 where both are 0.

    >>> round(f1([[95, 10], [5, 90]])[1].item(), 3)
    0.923
    """
    matrix = _square(matrix)
    return _share(2 * matrix.diag(), matrix.sum(0) + matrix.sum(1))


def expected_calibration_error(logits, labels, bins=15):
    """How far confidence is from accuracy, 0 to 1: logits (N, C), labels (N,) -> float.

    Confidence is the largest softmax value; bins (low, high] of equal width; the gap between accuracy and
    confidence in each bin is weighted by its share of the images.
    Source: Guo et al., "On Calibration of Modern Neural Networks", 2017.

    >>> round(expected_calibration_error([[0.0, 0.0], [0.0, 0.0]], [0, 1]), 3)  # says 50 %, right in 50 %
    0.0
    """
    need(isinstance(bins, int) and bins >= 1, f"bins is {bins}", "bins is a count, 1 or more", "use 15")
    logits, labels = _logits(logits, labels)
    confidence, prediction = logits.double().softmax(1).max(1)
    gap = (prediction == labels).double() - confidence
    inner = torch.linspace(0, 1, bins + 1, dtype=torch.float64)[1:-1]
    total = torch.zeros(bins, dtype=torch.float64).index_add(0, torch.bucketize(confidence, inner), gap)
    return (total.abs().sum() / len(labels)).item()


def bootstrap_interval(correct, level=0.95, repeats=2000, seed=0):
    """Percentile bootstrap interval of an accuracy: correct, bool (N,) -> (low, high).

    Drawing N right/wrong values with replacement and counting the right ones is drawing from
    Binomial(N, accuracy), so no sample is built. When all N are right the interval has no width: N images
    cannot show a mistake that is rarer.
    Source: Efron, "Bootstrap Methods: Another Look at the Jackknife", 1979.

    >>> low, high = bootstrap_interval([True] * 90 + [False] * 10)
    >>> bool(0.80 < low < 0.90 < high < 0.97)
    True
    """
    need(0 < level < 1, f"level is {level}", "level is a fraction between 0 and 1", "use 0.95 for 95 %")
    need(repeats >= 1, f"repeats is {repeats}", "at least one repeat is needed", "use 2000")
    right = _flags(correct, "correct")
    counts = np.random.default_rng(seed).binomial(len(right), right.double().mean().item(), repeats)
    low, high = np.quantile(counts / len(right), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


@dataclass(frozen=True)
class McNemar:
    """b: only the first model is right; c: only the second; p_value: two-sided, exact."""

    b: int
    c: int
    p_value: float


def mcnemar(correct_a, correct_b):
    """Do two models differ on the same images? bool (N,), bool (N,) -> McNemar, the exact binomial test.

    Only images on which one is right and the other wrong tell them apart; without a difference each falls to
    b or c like a fair coin. Source: McNemar, "Note on the sampling error of the difference between correlated
    proportions or percentages", 1947.

    >>> mcnemar([True] * 6 + [False], [False] * 6 + [False])
    McNemar(b=6, c=0, p_value=0.03125)
    """
    first, second = _flags(correct_a, "correct_a"), _flags(correct_b, "correct_b")
    _same_length(first, second, "correct_a", "correct_b")
    b, c = int((first & ~second).sum()), int((~first & second).sum())
    tail = choose = 1  # of b + c, choose k: whole numbers, so exact, and each from the one before
    for k in range(min(b, c)):
        choose = choose * (b + c - k) // (k + 1)
        tail += choose
    return McNemar(b, c, min(1.0, 2 * tail / 2 ** (b + c)))


def _images(images):
    need(isinstance(images, torch.Tensor), f"the images are a {type(images).__name__}",
         "a model takes a tensor of images", "pass split.images", TypeError)
    need(images.ndim and len(images), f"the images have shape {tuple(images.shape)}",
         "at least one image is needed", "pass images of shape (N, C, H, W) with N of 1 or more")


def _share(part, whole):
    return torch.where(whole > 0, part / whole.clamp(min=1), 0.0)


def _square(matrix):
    matrix = torch.as_tensor(matrix).double()
    need(matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1] > 0,
         f"the matrix has shape {tuple(matrix.shape)}", "a confusion matrix is square",
         "make it with confusion_matrix")
    need(bool((matrix >= 0).all()), f"the matrix holds {matrix.min().item():g}",
         "a confusion matrix holds counts, 0 or more", "make it with confusion_matrix")
    return matrix


def _same_length(first, second, name, other):
    need(len(first) == len(second), f"there are {len(first)} {name} and {len(second)} {other}",
         "they describe the same images, one each", "take both from the same split, in the same order")


def _indices(values, what):
    values = torch.as_tensor(values)
    need(values.ndim == 1 and len(values) > 0, f"the {what} have shape {tuple(values.shape)}",
         f"{what} are one class index per image, at least one", "pass shape (N,); for logits use .argmax(1)")
    need(not values.dtype.is_floating_point, f"the {what} are {values.dtype}", f"{what} are whole numbers",
         "for logits use .argmax(1)")
    return values.long()


def _flags(values, what):
    values = torch.as_tensor(values)
    need(values.ndim == 1 and len(values) > 0, f"{what} has shape {tuple(values.shape)}",
         "it is one right or wrong per image, at least one", "pass predictions == labels")
    need(bool(((values == 0) | (values == 1)).all()), f"{what} holds {values.unique().tolist()[:5]}",
         "it holds only right (True) and wrong (False)", "pass predictions == labels")
    return values.bool()


def _logits(logits, labels):
    logits, labels = torch.as_tensor(logits), _indices(labels, "labels")
    need(logits.ndim == 2 and logits.shape[1] > 0, f"the logits have shape {tuple(logits.shape)}",
         "logits are one row per image and one column per class", "pass shape (N, classes)")
    _same_length(labels, logits, "labels", "rows of logits")
    need(not logits.isnan().any(), f"{int(logits.isnan().any(1).sum())} rows of logits hold NaN",
         "a prediction needs numbers", "look for NaN weights or a diverged training")
    return logits, labels
