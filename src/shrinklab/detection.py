"""How good is a detector? Boxes, and the area under its precision-recall curve."""

import torch

from shrinklab.errors import need


def iou(first, second):
    """Intersection over union of two boxes (x1, y1, x2, y2), 0 to 1.

    >>> iou((0, 0, 2, 2), (1, 0, 3, 2))  # 2 shared of 6
    0.3333333333333333
    """
    for box in (first, second):
        need(len(box) == 4 and box[0] < box[2] and box[1] < box[3], f"the box is {tuple(box)}",
             "a box is (x1, y1, x2, y2) with x1 < x2 and y1 < y2", "give left, top, right, bottom")
    width = max(0.0, float(min(first[2], second[2]) - max(first[0], second[0])))
    height = max(0.0, float(min(first[3], second[3]) - max(first[1], second[1])))
    area = [float((box[2] - box[0]) * (box[3] - box[1])) for box in (first, second)]
    return width * height / (sum(area) - width * height)


def average_precision(scores, hits, truths):
    """Area under a detector's precision-recall curve, 0 to 1; the mean over classes is mAP.

    scores: confidence of each detection (N,); hits: whether it found an object not found before (N,); truths:
    how many objects there are. Every point counts, and precision is the best at that recall or a higher one.
    Equal scores are one threshold, so their order does not matter.
    Source: Everingham et al., "The PASCAL Visual Object Classes (VOC) Challenge", 2010 and its 2010+ rule.

    >>> average_precision([0.9, 0.8, 0.7], [True, False, True], truths=2)  # 1/2 x 1 + 1/2 x 2/3
    0.8333333333333333
    """
    scores = torch.as_tensor(scores, dtype=torch.float64).reshape(-1)
    hits = torch.as_tensor(hits, dtype=torch.bool).reshape(-1)
    need(len(scores) == len(hits), f"there are {len(scores)} scores and {len(hits)} hits",
         "each detection has one of each", "build both in the same loop over the detections")
    need(not scores.isnan().any(), "a score is NaN", "scores are numbers", "remove or mend those detections")
    need(truths >= 1 and int(hits.sum()) <= truths, f"truths is {truths} and the hits are {int(hits.sum())}",
         "there is at least one object, and each is hit at most once",
         "count a second hit on the same object as False")
    if not len(scores):
        return 0.0
    order = scores.argsort(descending=True)
    found = hits[order].double().cumsum(0)
    last = torch.cat([scores[order].diff() != 0, torch.tensor([True])])  # the end of each run of equal scores
    recalls = found[last] / truths
    precisions = (found / torch.arange(1, len(found) + 1))[last]
    best = precisions.flip(0).cummax(0).values.flip(0)
    return (recalls.diff(prepend=torch.zeros(1, dtype=torch.float64)) * best).sum().item()
