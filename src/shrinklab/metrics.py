"""How good are the predictions? Plain functions on labels, predictions and logits.

Labels and predictions may be tensors, arrays or lists. What runs the network is in `inference`, intervals and tests
are in `significance`; both can be imported from here too.
"""

import torch

from shrinklab.detection import average_precision, iou
from shrinklab.errors import need
from shrinklab.inference import evaluating, forward, predict
from shrinklab.significance import McNemar, bootstrap_interval, mcnemar, same_length

__all__ = [
    "McNemar", "accuracy", "average_precision", "bootstrap_interval", "confusion_matrix", "correct",
    "evaluating", "expected_calibration_error", "f1", "forward", "iou", "mcnemar", "precision", "predict", "recall",
]


def accuracy(model, split):
    """Share of right predictions, 0 to 1. model: as for `predict`; split: has .images (N, ...) and .labels (N,).

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
    same_length(labels, predictions, "labels", "predictions")
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


def _indices(values, what):
    values = torch.as_tensor(values)
    need(values.ndim == 1 and len(values) > 0, f"the {what} have shape {tuple(values.shape)}",
         f"{what} are one class index per image, at least one", "pass shape (N,); for logits use .argmax(1)")
    need(not values.dtype.is_floating_point, f"the {what} are {values.dtype}", f"{what} are whole numbers",
         "for logits use .argmax(1)")
    return values.long()


def _logits(logits, labels):
    logits, labels = torch.as_tensor(logits), _indices(labels, "labels")
    need(logits.ndim == 2 and logits.shape[1] > 0, f"the logits have shape {tuple(logits.shape)}",
         "logits are one row per image and one column per class", "pass shape (N, classes)")
    same_length(labels, logits, "labels", "rows of logits")
    need(not logits.isnan().any(), f"{int(logits.isnan().any(1).sum())} rows of logits hold NaN",
         "a prediction needs numbers", "look for NaN weights or a diverged training")
    return logits, labels
