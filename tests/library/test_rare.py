"""The detector of a rare class: its stream of images, its scores and its threshold."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_score, recall_score, roc_curve

from shrinklab.data import Split, load
from shrinklab.metrics import predict
from shrinklab.models import build
from shrinklab.rare import class_scores, precision_recall, threshold_for_recall, two_by_two, with_share

VALIDATION = load("mnist").validation


def made(positives, others):
    labels = torch.tensor([1] * positives + [0] * others)
    return Split("made", torch.arange(len(labels), dtype=torch.float32)[:, None], labels)


@pytest.mark.parametrize("share", [0.01, 0.02, 0.1, 0.3, 0.5, 0.9])
def test_the_share_is_the_one_asked_for_and_no_image_comes_twice(share):
    stream = with_share(VALIDATION, 0, share)
    assert (stream.labels == 0).double().mean().item() == pytest.approx(share, abs=0.5 / len(stream))
    everything = zip(VALIDATION.images, VALIDATION.labels.tolist(), strict=True)
    known = {image.numpy().tobytes(): label for image, label in everything}
    drawn = [image.numpy().tobytes() for image in stream.images]
    assert len(set(drawn)) == len(drawn)
    assert [known[image] for image in drawn] == stream.labels.tolist()
    assert stream.name.startswith("mnist/validation with")


def test_a_smaller_share_takes_a_part_of_the_same_positives():
    def positives(share):
        stream = with_share(VALIDATION, 0, share)
        return {image.numpy().tobytes() for image in stream.images[stream.labels == 0]}

    assert positives(0.01) < positives(0.02) < positives(0.1)


def test_the_seed_decides_which_images_are_drawn():
    first, again, other = (with_share(VALIDATION, 0, 0.02, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.images, again.images)
    assert not torch.equal(first.images, other.images)


@given(st.integers(1, 60), st.integers(1, 60), st.floats(0.01, 0.99))
@settings(deadline=None)
def test_with_share_uses_as_many_images_as_it_can(positives, others, share):
    split = made(positives, others)
    try:
        stream = with_share(split, 1, share)
    except ValueError:
        assert round(others * share / (1 - share)) == 0 or round(positives * (1 - share) / share) == 0
        return
    count = int((stream.labels == 1).sum())
    rest = len(stream) - count
    assert abs(count - rest * share / (1 - share)) <= 1 + 0.5 * share / (1 - share)
    assert count == positives or rest >= others - (1 - share) / share


@pytest.mark.parametrize("share", [0, 1, -0.5, 2])
def test_a_share_that_is_no_fraction_is_refused(share):
    with pytest.raises(ValueError, match="share is"):
        with_share(VALIDATION, 0, share)


def test_a_class_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="has 0 images of class 7"):
        with_share(made(3, 5), 7, 0.5)


def test_scores_are_the_softmax_of_one_class():
    torch.manual_seed(0)
    model = build("lenet", channels=[2, 3], hidden=[10, 10])
    images = VALIDATION.images[:20]
    assert torch.equal(class_scores(model, images, 3), predict(model, images).softmax(1)[:, 3])
    for wrong in (10, -1, "3"):
        with pytest.raises(ValueError, match="0 to 9"):
            class_scores(model, images, wrong)


def test_the_four_counts_and_rates_agree_with_scikit_learn():
    generator = np.random.default_rng(0)
    labels, flagged = generator.random((2, 300)) < 0.3
    matrix = two_by_two(labels, flagged)
    assert matrix.tolist() == [[(~labels & ~flagged).sum(), (~labels & flagged).sum()],
                               [(labels & ~flagged).sum(), (labels & flagged).sum()]]
    assert precision_recall(matrix) == pytest.approx((precision_score(labels, flagged), recall_score(labels, flagged)))


def test_nothing_flagged_and_nothing_there_give_zero():
    assert precision_recall([[5, 0], [3, 0]]) == (0.0, 0.0)
    assert precision_recall([[5, 2], [0, 0]]) == (0.0, 0.0)


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=60), st.floats(0.01, 1.0))
@settings(deadline=None)
def test_the_threshold_is_the_highest_that_finds_enough(pairs, wanted):
    scores, labels = torch.tensor([score / 20 for score, _ in pairs]), torch.tensor([label for _, label in pairs])
    if not labels.any():
        with pytest.raises(ValueError, match="no label is True"):
            threshold_for_recall(scores, labels, wanted)
        return
    cut = threshold_for_recall(scores, labels, wanted)
    found = (scores[labels] >= cut).double().mean().item()
    above = (scores[labels] > cut).double().mean().item()
    assert above < wanted + 1e-6
    assert found >= wanted - 1e-6


def test_the_threshold_is_on_scikit_learns_roc_curve():
    generator = np.random.default_rng(1)
    labels, scores = generator.random(500) < 0.2, generator.random(500).astype(np.float32)
    _, recalls, cuts = roc_curve(labels, scores, drop_intermediate=False)
    for wanted in (0.5, 0.9, 1.0):
        assert threshold_for_recall(scores, labels, wanted) == pytest.approx(cuts[recalls >= wanted][0])


def test_a_share_that_floating_point_makes_larger_asks_for_no_extra_positive():
    scores = torch.linspace(1, 0.01, 100)
    assert 0.55 * 100 > 55
    assert threshold_for_recall(scores, torch.ones(100), 0.55) == scores[54].item()


@pytest.mark.parametrize("wanted", [0, -0.1, 1.01])
def test_a_recall_that_is_no_share_is_refused(wanted):
    with pytest.raises(ValueError, match="wanted is"):
        threshold_for_recall([0.5], [True], wanted)


def test_scores_and_labels_of_different_length_are_refused():
    with pytest.raises(ValueError, match="one score and one label"):
        threshold_for_recall([0.5, 0.4], [True], 1.0)
