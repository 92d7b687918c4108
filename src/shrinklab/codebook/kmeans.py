"""k-means for one-dimensional values: which few numbers stand best for all the weights of a layer?

Weights are single numbers, so the values of a cluster lie side by side once they are sorted. A step of Lloyd's
algorithm then needs only the borders between clusters, and sums over sorted values: a million weights take no time.
Sources: Lloyd, "Least Squares Quantization in PCM", 1982; starts: Han et al., "Deep Compression", 2016, section 3.2.
"""

import torch

from shrinklab.errors import need


def kmeans(values, clusters, *, init="linear", iterations=300, seed=0):
    """Share `clusters` centroids among values: -> (centroids float32 (K,), ascending; indices uint8, values' shape).

    values: floats of any shape; clusters: 2 to 256 (fewer come back where there are fewer different values).
    init: "linear", evenly from the smallest to the largest value, so that large weights, which matter most, have
    centroids near them; "density", at equal shares of the sorted values; "random", values drawn with `seed`.
    The algorithm ends when nothing moves any more, or after so many iterations.

    >>> centroids, indices = kmeans(torch.tensor([[0.0, 1.0], [9.0, 11.0]]), 2)
    >>> centroids, indices
    (tensor([ 0.5000, 10.0000]), tensor([[0, 0],
            [1, 1]], dtype=torch.uint8))
    """
    _check(values, clusters, init, iterations)
    ordered = values.detach().double().flatten().sort().values
    distinct = ordered.unique_consecutive()
    if len(distinct) <= clusters:
        centroids = distinct
    else:
        centroids = _lloyd(ordered, STARTS[init](ordered, distinct, clusters, seed), iterations)
    centroids = centroids.float()
    return centroids, nearest(values, centroids)


def nearest(values, centroids):
    """The index of the nearest of ascending centroids (K,), the lower one in a tie: any shape -> uint8, same shape.

    >>> nearest(torch.tensor([-3.0, 0.4, 0.5, 2.0]), torch.tensor([0.0, 1.0]))
    tensor([0, 0, 0, 1], dtype=torch.uint8)
    """
    return torch.bucketize(values.detach().double(), _borders(centroids.double())).to(torch.uint8)


def inertia(values, centroids, indices):
    """What k-means makes small: the sum of the squared distances from each value to its centroid.

    >>> inertia(torch.tensor([0.0, 1.0]), torch.tensor([0.5]), torch.tensor([0, 0]))
    0.5
    """
    return (values.detach().double() - centroids.double()[indices.long()]).square().sum().item()


def _lloyd(ordered, centroids, iterations):
    """Assign, average, repeat. ordered, centroids: ascending, double."""
    sums = torch.cat([ordered.new_zeros(1), ordered.cumsum(0)])
    ends = torch.tensor([0, len(ordered)])
    for _ in range(iterations):
        cuts = torch.cat([ends[:1], torch.searchsorted(ordered, _borders(centroids), right=True), ends[1:]])
        counts = cuts.diff()
        means = sums[cuts].diff() / counts
        if (counts == 0).any():
            means = _refill(ordered, centroids, means, counts == 0)
        if torch.equal(means, centroids):
            break
        centroids = means
    return centroids


def _refill(ordered, centroids, means, empty):
    """A centroid that no value is near moves to a value that is far from its own: the usual way, as scikit-learn's."""
    distance = (ordered - centroids[nearest(ordered, centroids).long()]).abs()
    means[empty] = ordered[distance.topk(int(empty.sum())).indices]
    return means.sort().values


def _borders(centroids):
    return (centroids[1:] + centroids[:-1]) / 2


def _linear(ordered, distinct, clusters, seed):
    return torch.linspace(0, 1, clusters, dtype=torch.float64) * (ordered[-1] - ordered[0]) + ordered[0]


def _density(ordered, distinct, clusters, seed):
    return ordered[((torch.arange(clusters) + 0.5) / clusters * len(ordered)).long()]


def _random(ordered, distinct, clusters, seed):
    chosen = torch.randperm(len(distinct), generator=torch.Generator().manual_seed(seed))[:clusters]
    return distinct[chosen].sort().values


STARTS = {"linear": _linear, "density": _density, "random": _random}


def _check(values, clusters, init, iterations):
    need(isinstance(values, torch.Tensor) and values.is_floating_point(), "the values are no tensor of floats",
         "k-means shares float weights", "pass a weight tensor", TypeError)
    need(values.numel() > 0, "there are 0 values", "k-means needs at least one", "pass a weight tensor")
    wrong = values.numel() - int(values.isfinite().sum())
    need(wrong == 0, f"{wrong} of the values are NaN or infinite", "k-means averages numbers",
         "look for a diverged training")
    need(isinstance(clusters, int) and 2 <= clusters <= 256, f"clusters is {clusters!r}",
         "there are 2 to 256 centroids, so that an index fits in a byte", "use 16 for 4 bits")
    need(init in STARTS, f"init is {init!r}", f"known starts are {', '.join(STARTS)}", "use one of them")
    need(isinstance(iterations, int) and iterations >= 1, f"iterations is {iterations!r}",
         "k-means takes at least one", "use 300; it ends earlier when nothing moves")
