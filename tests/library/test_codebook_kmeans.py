"""k-means against scikit-learn, and properties that hold for any weights."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from shrinklab.codebook import inertia, kmeans, nearest
from shrinklab.codebook.kmeans import STARTS
from shrinklab.models import pretrained


@pytest.mark.parametrize("init", STARTS)
@pytest.mark.parametrize("clusters", [4, 16])
def test_from_the_same_start_it_ends_where_scikit_learn_ends(init, clusters):
    weight = pretrained("lenet").fc2.weight.detach()[:40]
    ordered = weight.double().flatten().sort().values
    start = STARTS[init](ordered, ordered.unique(), clusters, 3)
    theirs = KMeans(clusters, init=start[:, None].numpy(), n_init=1, tol=0, max_iter=300, algorithm="lloyd")
    theirs.fit(weight.double().reshape(-1, 1).numpy())
    centroids, indices = kmeans(weight, clusters, init=init, seed=3)
    assert inertia(weight, centroids, indices) == pytest.approx(theirs.inertia_, rel=1e-4)
    np.testing.assert_allclose(centroids, np.sort(theirs.cluster_centers_[:, 0]), rtol=1e-3, atol=1e-4)


def test_the_starts_are_where_they_are_said_to_be():
    values = torch.cat([torch.arange(11.0), torch.tensor([100.0])]).double()
    assert STARTS["linear"](values, values, 5, 0).tolist() == [0, 25, 50, 75, 100]
    assert STARTS["density"](values, values, 4, 0).tolist() == [1, 4, 7, 10]  # the middle one of each three
    random = STARTS["random"](values, values, 4, 0)
    assert torch.isin(random, values).all()
    assert len(random.unique()) == 4
    assert len({tuple(STARTS["random"](values, values, 4, seed).tolist()) for seed in range(9)}) > 5


def test_clusters_that_a_start_leaves_empty_are_used():
    """Two far values and a crowd: between them a linear start has centroids that no value is near."""
    torch.manual_seed(0)
    values = torch.cat([torch.randn(500) * 0.01, torch.tensor([-9.0, 9.0])])
    centroids, indices = kmeans(values, 8)
    assert len(indices.unique()) == 8
    theirs = KMeans(8, n_init=10, random_state=0).fit(values.double().reshape(-1, 1).numpy())
    assert inertia(values, centroids, indices) < 2 * theirs.inertia_


FLOATS = st.floats(-100, 100, width=32)


@settings(deadline=None, max_examples=60)
@given(st.lists(FLOATS, min_size=1, max_size=60), st.integers(2, 17), st.sampled_from(list(STARTS)),
       st.integers(0, 9))
def test_each_value_has_its_nearest_centroid_and_few_values_are_kept(values, clusters, init, seed):
    values = torch.tensor(values)
    centroids, indices = kmeans(values, clusters, init=init, seed=seed)
    assert torch.equal(centroids, centroids.sort().values)
    assert len(centroids) == min(clusters, len(values.unique()))
    distances = (values[:, None].double() - centroids.double()).abs()
    torch.testing.assert_close(distances[range(len(values)), indices.long()], distances.min(1).values)
    if len(values.unique()) <= clusters:
        assert torch.equal(centroids[indices.long()], values)


@settings(deadline=None, max_examples=60)
@given(st.lists(FLOATS, min_size=20, max_size=60, unique=True), st.integers(1, 12))
def test_no_iteration_makes_it_worse(values, iterations):
    values = torch.tensor(values)
    fewer = inertia(values, *kmeans(values, 4, init="density", iterations=iterations))
    more = inertia(values, *kmeans(values, 4, init="density", iterations=iterations + 1))
    assert more <= fewer * (1 + 1e-6) + 1e-9


def test_a_random_start_follows_its_seed():
    values = torch.randn(200, generator=torch.Generator().manual_seed(0))
    state = torch.get_rng_state()
    first, second, other = (kmeans(values, 8, init="random", seed=seed)[0] for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_tie_goes_to_the_lower_centroid():
    assert nearest(torch.tensor([0.5, 0.5001]), torch.tensor([0.0, 1.0])).tolist() == [0, 1]


@pytest.mark.parametrize(("values", "options", "kind", "message"), [
    ([1.0, 2.0], {}, TypeError, "the values are no tensor of floats; k-means shares float weights; pass a weight"),
    (torch.tensor([1, 2]), {}, TypeError, "the values are no tensor of floats"),
    (torch.zeros(0), {}, ValueError, "there are 0 values; k-means needs at least one; pass a weight tensor"),
    (torch.tensor([1.0, float("nan")]), {}, ValueError, "1 of the values are NaN or infinite; .*; look for"),
    (torch.ones(3), {"clusters": 1}, ValueError, "clusters is 1; there are 2 to 256 centroids, .*; use 16"),
    (torch.ones(3), {"clusters": 257}, ValueError, "clusters is 257; there are 2 to 256"),
    (torch.ones(3), {"init": "best"}, ValueError, "init is 'best'; known starts are linear, density, random; use"),
    (torch.ones(3), {"iterations": 0}, ValueError, "iterations is 0; k-means takes at least one; use 300"),
])
def test_bad_input_is_refused(values, options, kind, message):
    with pytest.raises(kind, match=message):
        kmeans(values, **{"clusters": 4} | options)
