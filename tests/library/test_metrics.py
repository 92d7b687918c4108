import copy
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve
from statsmodels.stats.contingency_tables import mcnemar as mcnemar_of_statsmodels
from torch import nn

from shrinklab import metrics
from shrinklab.models import LeNet, ResNet8
from shrinklab.vision import torchvision

LABELLED = st.integers(2, 6).flatmap(lambda classes: st.tuples(
    st.just(classes),
    st.lists(st.tuples(st.integers(0, classes - 1), st.integers(0, classes - 1)), min_size=1, max_size=60)))


@settings(max_examples=80, deadline=None)
@given(LABELLED)
def test_confusion_precision_recall_and_f1_are_those_of_scikit_learn(case):
    classes, pairs = case
    labels, predictions = zip(*pairs, strict=True)
    matrix = metrics.confusion_matrix(labels, predictions, classes)
    assert matrix.dtype == torch.int64
    assert matrix.tolist() == sk.confusion_matrix(labels, predictions, labels=range(classes)).tolist()
    expected = sk.precision_recall_fscore_support(labels, predictions, labels=range(classes), zero_division=0)
    for ours, theirs in zip((metrics.precision, metrics.recall, metrics.f1), expected, strict=False):
        np.testing.assert_allclose(ours(matrix), theirs, rtol=1e-12)


def test_the_worked_numbers_of_lesson_1():
    # Positive is class 1; rows are the truth: [[TN, FP], [FN, TP]].
    before, after = torch.tensor([[95, 10], [5, 90]]), torch.tensor([[90, 15], [10, 85]])
    assert [round(metrics.precision(m)[1].item(), 3) for m in (before, after)] == [0.900, 0.850]
    assert [round(metrics.recall(m)[1].item(), 3) for m in (before, after)] == [0.947, 0.895]


def test_classes_may_be_names_and_inputs_arrays():
    matrix = metrics.confusion_matrix(np.array([0, 1, 2]), torch.tensor([0, 1, 1]), ("cat", "dog", "frog"))
    assert matrix.tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0]]


def test_predict_evaluates_in_batches_and_puts_back_each_modules_mode():
    model = ResNet8().train()
    model.block2.bn1.eval()  # frozen by someone, inside a model in training
    modes, state = [m.training for m in model.modules()], copy.deepcopy(model.state_dict())
    images = torch.randn(7, 3, 32, 32)
    logits = metrics.predict(model, images, batch_size=3)
    with torch.no_grad():
        torch.testing.assert_close(logits, copy.deepcopy(model).eval()(images))
    assert [m.training for m in model.modules()] == modes
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())


def test_modes_come_back_after_an_error_too():
    model = LeNet().train()
    with pytest.raises(ValueError, match=r"the images have shape \(2, 3, 8, 8\); LeNet cannot take them"):
        metrics.predict(model, torch.zeros(2, 3, 8, 8))
    assert model.training


def test_predicted_logits_are_ordinary_tensors_that_a_loss_can_use():
    teacher, student = nn.Linear(3, 2), nn.Linear(3, 2)
    logits = metrics.predict(teacher, torch.randn(4, 3))
    assert not logits.requires_grad
    (student(torch.randn(4, 3)) * logits).sum().backward()  # an inference tensor raises here
    assert student.weight.grad is not None


def test_accuracy_is_that_of_scikit_learn():
    torch.manual_seed(0)
    model = LeNet()
    split = SimpleNamespace(images=torch.randn(50, 1, 28, 28), labels=torch.randint(10, (50,)))
    predictions = metrics.predict(model, split.images).argmax(1)
    assert metrics.accuracy(model, split) == pytest.approx(sk.accuracy_score(split.labels, predictions))
    assert metrics.correct(metrics.predict(model, split.images), split.labels).sum() == (
        predictions == split.labels).sum()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200), st.integers(1, 20), st.integers(0, 99))
def test_calibration_error_is_that_of_scikit_learns_calibration_curve(n, bins, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(n, 4, generator=generator, dtype=torch.float64)
    labels = torch.randint(4, (n,), generator=generator)
    confidence, predictions = logits.softmax(1).max(1)
    hit = (predictions == labels).numpy()
    right, said = calibration_curve(hit, confidence, n_bins=bins) if hit.any() and not hit.all() else (None, None)
    if right is None:
        return  # calibration_curve takes no labels of one class only
    inner = np.linspace(0, 1, bins + 1)[1:-1]
    counts = np.bincount(np.searchsorted(inner, confidence.numpy()), minlength=bins)
    expected = (np.abs(right - said) * counts[counts > 0]).sum() / n
    assert metrics.expected_calibration_error(logits, labels, bins) == pytest.approx(expected, abs=1e-12)


def test_a_confidence_on_the_edge_belongs_to_the_lower_bin():
    # 50 % sure and right, 25 % sure and wrong: in one bin (0, 0.5] their gaps, +0.50 and -0.25, partly cancel.
    logits = torch.tensor([[0, 0, -1e9, -1e9], [0, 0, 0, 0]])
    assert metrics.expected_calibration_error(logits, [0, 1], bins=2) == pytest.approx(0.125)


def test_calibration_error_at_its_ends():
    sure = torch.tensor([[50.0, 0.0]] * 4)
    assert metrics.expected_calibration_error(sure, [0, 0, 0, 0]) == pytest.approx(0)
    assert metrics.expected_calibration_error(sure, [1, 1, 1, 1]) == pytest.approx(1)
    assert metrics.expected_calibration_error(sure, [0, 0, 0, 1]) == pytest.approx(0.25)


@pytest.mark.parametrize(("n", "right"), [(200, 185), (1000, 870), (40, 5)])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_bootstrap_interval_is_that_of_scipy(n, right, level):
    correct = np.arange(n) < right
    ours = metrics.bootstrap_interval(correct, level=level, repeats=20_000)
    theirs = stats.bootstrap((correct,), np.mean, confidence_level=level, n_resamples=20_000, method="percentile",
                             batch=1000, rng=np.random.default_rng(1)).confidence_interval
    # Both move in steps of one image; a step of each may fall to the other side of the quantile.
    np.testing.assert_allclose(ours, theirs, atol=1.01 / n)


def test_bootstrap_repeats_for_a_seed_narrows_with_n_and_has_no_width_without_a_mistake():
    some = torch.arange(100) < 90
    assert metrics.bootstrap_interval(some) == metrics.bootstrap_interval(some)
    assert metrics.bootstrap_interval(some, seed=1, repeats=50) != metrics.bootstrap_interval(some, repeats=50)
    (low, high), (low9, high9) = metrics.bootstrap_interval(some), metrics.bootstrap_interval(some.repeat(9))
    assert (high9 - low9) == pytest.approx((high - low) / 3, rel=0.1)
    assert metrics.bootstrap_interval([True] * 5) == (1.0, 1.0)


def test_bootstrap_leaves_both_global_random_states_alone():
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    metrics.bootstrap_interval([True, False])
    assert torch.equal(torch.get_rng_state(), state)
    assert (np.random.get_state()[1] == numpy_state).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=80))
def test_mcnemar_is_the_exact_test_of_statsmodels(pairs):
    first, second = zip(*pairs, strict=True)
    ours = metrics.mcnemar(first, second)
    table = np.zeros((2, 2), int)
    for a, b in pairs:
        table[1 - a, 1 - b] += 1
    assert (ours.b, ours.c) == (table[0, 1], table[1, 0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # statsmodels divides by zero where the two never disagree
        theirs = mcnemar_of_statsmodels(table, exact=True).pvalue
    if ours.b + ours.c:
        assert ours.p_value == pytest.approx(theirs)
    else:
        assert ours.p_value == 1.0


def test_mcnemar_of_a_whole_test_set_does_not_overflow():
    first = torch.arange(10_000) < 5_100
    found = metrics.mcnemar(first, ~first)
    assert found.p_value == pytest.approx(stats.binomtest(4_900, 10_000).pvalue)


BOX = st.tuples(*[st.integers(0, 20)] * 2, *[st.integers(1, 20)] * 2).map(
    lambda v: (v[0], v[1], v[0] + v[2], v[1] + v[3]))


@given(BOX, BOX)
def test_iou_is_that_of_torchvision(first, second):
    boxes = [torch.tensor([box], dtype=torch.float64) for box in (first, second)]
    expected = torchvision.ops.box_iou(*boxes)
    assert metrics.iou(first, second) == pytest.approx(expected.item())
    assert metrics.iou(first, first) == 1.0


DETECTIONS = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=25)


@given(DETECTIONS, st.integers(0, 4), st.randoms())
def test_average_precision_is_the_area_under_the_best_precision_at_each_recall(detections, missed, order):
    scores, hits = (list(column) for column in zip(*detections, strict=True))
    truths = max(1, sum(hits) + missed)
    ours = metrics.average_precision(scores, hits, truths)
    if not any(hits):
        assert ours == 0
        return
    precisions, recalls, _ = sk.precision_recall_curve(hits, scores)
    recalls = recalls * sum(hits) / truths  # scikit-learn does not know of the objects that nobody found
    steps = np.diff(recalls[::-1])
    best = np.maximum.accumulate(precisions[:-1])[::-1]  # from high recall down: the best at this recall or more
    assert ours == pytest.approx((steps * best).sum())
    # Without taking the best, scikit-learn's average precision is the area; it can only be smaller.
    assert ours >= sk.average_precision_score(hits, scores) * sum(hits) / truths - 1e-12
    order.shuffle(detections)
    shuffled = [list(column) for column in zip(*detections, strict=True)]
    assert metrics.average_precision(*shuffled, truths) == pytest.approx(ours)


def test_where_precision_only_falls_average_precision_is_that_of_scikit_learn():
    scores, hits = [0.9, 0.8, 0.7, 0.6, 0.5], [True, True, False, False, False]
    assert metrics.average_precision(scores, hits, truths=2) == sk.average_precision_score(hits, scores) == 1.0
    # Five detections by hand, three objects: 1/3 x 1 + 1/3 x 2/3 + 1/3 x 3/5.
    by_hand = 1 / 3 * (1 + 2 / 3 + 3 / 5)
    assert metrics.average_precision(scores, [True, False, True, False, True], truths=3) == pytest.approx(by_hand)
    assert metrics.average_precision([], [], truths=4) == 0.0


def test_messages_show_value_rule_and_fix():
    model, logits = LeNet(), torch.zeros(3, 4)
    images, nan = torch.zeros(2, 1, 28, 28), torch.full((3, 4), float("nan"))
    cases = [
        (lambda: metrics.predict(model, images[:0]), r"shape \(0, 1, 28, 28\); at least one image is needed; pass"),
        (lambda: metrics.predict(model, images, batch_size=0), "batch_size is 0; a batch holds at least one image"),
        (lambda: metrics.predict(model, images[:, 0]), r"shape \(2, 28, 28\); LeNet cannot take them: .*; pass"),
        (lambda: metrics.accuracy(model, SimpleNamespace(images=images, labels=torch.zeros(3, dtype=torch.long))),
         "there are 3 labels and 2 rows of logits; they describe the same images, one each; take both from the"),
        (lambda: metrics.correct(nan, [0, 1, 2]), "3 rows of logits hold NaN; a prediction needs numbers; look for"),
        (lambda: metrics.correct(logits[0], [0, 1]), r"the logits have shape \(4,\); .*; pass shape \(N, classes\)"),
        (lambda: metrics.confusion_matrix([0, 1], [0], 2), "there are 2 labels and 1 predictions; they describe"),
        (lambda: metrics.confusion_matrix([0, 5], [0, 1], 2),
         "the labels run from 0 to 5; with 2 classes they are 0 to 1; check the class count"),
        (lambda: metrics.confusion_matrix([0, 1], [-1, 1], 2), "the predictions run from -1 to 1"),
        (lambda: metrics.confusion_matrix([], [], 2), r"the labels have shape \(0,\)"),
        (lambda: metrics.confusion_matrix([0, 1, 2], logits, 4), r"predictions have shape \(3, 4\); .*use .argmax"),
        (lambda: metrics.confusion_matrix([0], [0.5], 2), "the predictions are torch.float32; .*; for logits"),
        (lambda: metrics.precision(torch.zeros(2, 3)), r"the matrix has shape \(2, 3\); a confusion matrix is square"),
        (lambda: metrics.recall([[1, -2], [0, 1]]), "the matrix holds -2; .* counts, 0 or more; make it with"),
        (lambda: metrics.expected_calibration_error(logits, [0, 1, 2], bins=0), "bins is 0; bins is a count, 1 or"),
        (lambda: metrics.expected_calibration_error(logits, [0, 1]), "there are 2 labels and 3 rows of logits"),
        (lambda: metrics.bootstrap_interval([]), r"correct has shape \(0,\); .*; pass predictions == labels"),
        (lambda: metrics.bootstrap_interval([0.5, 1]), r"correct holds \[0.5, 1.0\]; it holds only right"),
        (lambda: metrics.bootstrap_interval([True], level=95), "level is 95; .*; use 0.95 for 95 %"),
        (lambda: metrics.bootstrap_interval([True], repeats=0), "repeats is 0; at least one repeat is needed"),
        (lambda: metrics.mcnemar([True], [True, False]), "there are 1 correct_a and 2 correct_b; they describe"),
        (lambda: metrics.iou((0, 0, 2, 2), (3, 0, 1, 2)), r"the box is \(3, 0, 1, 2\); .* x1 < x2 and y1 < y2; give"),
        (lambda: metrics.average_precision([1], [True, True], 2), "there are 1 scores and 2 hits; each detection"),
        (lambda: metrics.average_precision([1, 2], [True, True], 1), "truths is 1 and the hits are 2; .*; count a"),
        (lambda: metrics.average_precision([1], [False], 0), "truths is 0 and the hits are 0"),
        (lambda: metrics.average_precision([float("nan")], [True], 1), "a score is NaN; scores are numbers"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=r"(?s)" + message):
            call()
    with pytest.raises(TypeError, match="the images are a ndarray; a model takes a tensor of images; pass split"):
        metrics.predict(model, np.zeros((1, 1, 28, 28)))
