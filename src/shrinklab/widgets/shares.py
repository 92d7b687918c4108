"""An accuracy as an explorer shows it: never without the interval that its few images leave open."""

from shrinklab.significance import bootstrap_interval


def accuracy_number(share, images):
    """A figure for an answer's "numbers": share of right predictions, 0 to 1, on so many images.

    >>> accuracy_number(0.872, 250)
    {'value': 0.872, 'unit': '%', 'text': '87.2 % (95 % interval 82.8 to 91.2 %)'}
    """
    right = round(share * images)
    low, high = bootstrap_interval([True] * right + [False] * (images - right))
    text = f"{100 * share:.1f} % (95 % interval {100 * low:.1f} to {100 * high:.1f} %)"
    return {"value": share, "unit": "%", "text": text}
