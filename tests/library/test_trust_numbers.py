"""Paired intervals and sample sizes against SciPy and statsmodels; splits and near-duplicates that leak nothing."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.model_selection import GroupShuffleSplit
from statsmodels.stats.contingency_tables import mcnemar as mcnemar_of_statsmodels

from shrinklab.data import load
from shrinklab.leakage import closest_pairs, split_groups
from shrinklab.significance import bootstrap_interval, drop_interval, images_needed, mcnemar

RNG = np.random.default_rng(0)
FIRST = RNG.random(800) < 0.9
SECOND = np.where(RNG.random(800) < 0.05, ~FIRST, FIRST)


def test_the_interval_of_a_drop_is_scipys_paired_bootstrap():
    theirs = stats.bootstrap((FIRST.astype(float), SECOND.astype(float)), lambda a, b, axis: (a - b).mean(axis=axis),
                             paired=True, method="percentile", n_resamples=5000, rng=1, batch=500)
    ours = drop_interval(FIRST, SECOND, repeats=5000)
    np.testing.assert_allclose(ours, theirs.confidence_interval, atol=0.002)
    assert ours[0] < FIRST.mean() - SECOND.mean() < ours[1]


def test_pairing_makes_the_interval_of_a_drop_much_narrower():
    low, high = drop_interval(FIRST, SECOND)
    one, other = bootstrap_interval(FIRST), bootstrap_interval(SECOND)
    apart = math.hypot(one[1] - one[0], other[1] - other[0])
    assert high - low < 0.7 * apart


def test_the_sign_of_a_drop_is_first_minus_second():
    low, high = drop_interval([True] * 100, [False] * 20 + [True] * 80)
    assert 0.1 < low < 0.2 < high < 0.3
    assert drop_interval([False] * 20 + [True] * 80, [True] * 100) == (-high, -low)


def test_so_many_images_show_the_drop_in_four_of_five_draws():
    lost, gained = 0.04, 0.02
    images, rng = images_needed(lost, gained), np.random.default_rng(3)
    assert images == round(7.85 * 0.06 / 0.02 ** 2)
    draws = rng.multinomial(images, [lost, gained, 1 - lost - gained], 1000)
    seen = [mcnemar_of_statsmodels([[0, b], [c, 0]], exact=True).pvalue < 0.05 for b, c, _ in draws]
    assert 0.74 < np.mean(seen) < 0.84


def test_mcnemar_unpacks_like_the_students_function():
    b, c, p = mcnemar([True] * 6 + [False], [False] * 7)
    assert (b, c, p) == (6, 0, 0.03125)


def test_no_number_of_images_shows_no_drop_and_shares_are_shares():
    assert images_needed(0.02, 0.02) == math.inf
    assert images_needed(0.01, 0.02) == images_needed(0.02, 0.01)
    for lost, gained, words in ((2.0, 0.0, "lost is 2"), (0.1, -0.1, "gained is -0.1"), (0.6, 0.6, "sum is 1")):
        with pytest.raises(ValueError, match=words):
            images_needed(lost, gained)


def test_a_split_by_groups_tears_none_apart():
    groups = RNG.integers(0, 40, 300)
    held = split_groups(groups, 0.25, seed=5)
    assert held.dtype == torch.bool
    assert held.shape == (300,)
    inside, outside = set(groups[held.numpy()]), set(groups[~held.numpy()])
    assert inside.isdisjoint(outside)
    train, test = next(GroupShuffleSplit(1, test_size=0.25, random_state=0).split(groups, groups=groups))
    assert len(inside) == len(set(groups[test]))
    assert len(outside) == len(set(groups[train]))
    assert torch.equal(held, split_groups(groups, 0.25, seed=5))
    assert not torch.equal(held, split_groups(groups, 0.25, seed=6))


def test_bad_groups_and_shares_are_refused():
    with pytest.raises(ValueError, match="share is 25"):
        split_groups([1, 2], 25)
    with pytest.raises(ValueError, match="groups has shape"):
        split_groups([[1, 2]], 0.5)


def test_a_copy_is_found_however_bright_it_is():
    images = load("cifar10").validation.images[:300]
    planted = torch.cat([images[100:110] * 0.6 + 0.4, images[200:300]])
    pairs = closest_pairs(images[:200], planted, count=10)
    assert sorted(pairs.places.tolist()) == list(range(100, 110))
    assert torch.equal(pairs.partners, pairs.places - 100)
    assert pairs.similarity.min() > 0.999
    assert len(pairs) == 10


def test_pairs_come_most_alike_first_and_their_similarity_is_the_correlation():
    images = load("cifar10").validation.images
    pairs = closest_pairs(images[:200], images[200:600], count=5)
    for place, partner, similarity in zip(pairs.places, pairs.partners, pairs.similarity, strict=True):
        theirs = np.corrcoef(images[place].flatten(), images[200 + partner].flatten())[0, 1]
        assert similarity.item() == pytest.approx(theirs, abs=1e-4)
    assert pairs.similarity.tolist() == sorted(pairs.similarity.tolist(), reverse=True)


def test_images_of_different_sizes_are_no_pairs():
    with pytest.raises(ValueError, match="same size"):
        closest_pairs(torch.zeros(1, 1, 28, 28), torch.zeros(1, 3, 32, 32))
    with pytest.raises(ValueError, match="at least one image"):
        closest_pairs(torch.zeros(0, 1, 28, 28), torch.zeros(1, 1, 28, 28))
