"""Is a result stable? How many predictions change, and how far accuracy moves from seed to seed."""

import torch

from shrinklab.errors import need


def flip_rate(predictions_before, predictions_after):
    """Share of images whose predicted class changed, 0 to 1: class indices (N,), (N,) -> float.

    Accuracy can stand still while many predictions change, some to right and as many to wrong.

    >>> flip_rate([0, 1, 2, 3], [0, 1, 3, 2])
    0.5
    """
    before, after = torch.as_tensor(predictions_before), torch.as_tensor(predictions_after)
    need(before.shape == after.shape and before.ndim == 1 and len(before) > 0,
         f"the predictions have shapes {tuple(before.shape)} and {tuple(after.shape)}",
         "both are class indices of the same images, shape (N,)", "predict both on the same split; .argmax(1)")
    return (before != after).double().mean().item()


def spread(accuracies):
    """Largest minus smallest of accuracies 0 to 1, for example over calibration seeds: how much is luck.

    >>> round(spread([0.91, 0.88, 0.90]), 6)
    0.03

    Over seeds, with `sweep`: spread(sweep(lambda seed: ..., {"seed": range(5)}).accuracy).
    """
    values = [float(value) for value in accuracies]
    need(len(values) >= 2 and all(0 <= value <= 1 for value in values), f"accuracies is {values}",
         "a spread needs two or more, each from 0 to 1", "run at least two seeds")
    return max(values) - min(values)
