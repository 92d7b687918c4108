"""Training really learns, holds masks, repeats with a seed and keeps the best epoch on validation."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from shrinklab.data import load
from shrinklab.metrics import accuracy
from shrinklab.models import LeNet
from shrinklab.quantize import Scheme, quantize_model
from shrinklab.train import Recipe, augmented, fit, set_seed


@pytest.fixture(scope="module")
def small():
    data = load("mnist")
    return SimpleNamespace(train=data.train[:3000], validation=data.validation[:500])


def trained(data, **options):
    set_seed(3)
    model = LeNet()
    fit(model, data, Recipe(**{"epochs": 2, "seed": 3, "batch_size": 64} | options), progress=False)
    return model


def test_two_epochs_on_3000_images_learn_digits(small):
    assert accuracy(trained(small), small.validation) > 0.8


def test_the_same_seed_gives_the_same_weights(small):
    first, second = trained(small, augment="shift"), trained(small, augment="shift")
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_a_mask_is_held_through_training(small):
    set_seed(0)
    model = LeNet()
    mask = torch.rand(model.fc1.weight.shape) < 0.3
    fit(model, small, Recipe(epochs=1, weight_decay=5e-4), masks={"fc1.weight": mask}, progress=False)
    assert torch.equal(model.fc1.weight != 0, mask)


def test_a_mask_is_held_in_the_moving_average_too(small):
    set_seed(0)
    model = LeNet()
    mask = torch.rand(model.fc1.weight.shape) < 0.3
    fit(model, small, Recipe(epochs=1, ema_decay=0.9), masks={"fc1.weight": mask}, progress=False)
    assert not model.fc1.weight[~mask].any()


def test_the_best_epoch_on_validation_is_kept_and_the_mode_restored(small):
    set_seed(0)
    model = LeNet().eval()
    history = fit(model, small, Recipe(epochs=3, learning_rate=0.3), progress=False)
    assert accuracy(model, small.validation) == max(r["validation_accuracy"] for r in history)
    assert [r["epoch"] for r in history] == [1, 2, 3]
    assert not model.training


def test_of_equally_good_epochs_the_first_is_kept(small, monkeypatch):
    figures, seen, model = iter([0.1, 0.5, 0.5]), [], LeNet()
    monkeypatch.setattr("shrinklab.train.accuracy", lambda model, split: next(figures))
    part = SimpleNamespace(train=small.train[:64], validation=small.validation[:8])
    fit(model, part, Recipe(epochs=3), progress=False,
        on_epoch=lambda record: seen.append(model.fc1.weight.detach().clone()))
    assert torch.equal(model.fc1.weight, seen[1])


def test_the_moving_average_is_judged_and_returned(small):
    """By hand from the weights before each step, which a loss of one's own can look at."""
    part, path = SimpleNamespace(train=small.train[:192], validation=small.validation), []
    set_seed(0)
    plain = nn.Sequential(nn.BatchNorm2d(1), LeNet())
    model = copy.deepcopy(plain)

    def loss(logits, labels, images):
        path.append([p.detach().clone() for p in plain.parameters()])
        return F.cross_entropy(logits, labels)

    fit(plain, part, Recipe(batch_size=64), loss=loss, progress=False)
    expected, *later = [*path, [p.detach() for p in plain.parameters()]]
    for weights in later:
        expected = [mean.lerp(now, 0.1) for mean, now in zip(expected, weights, strict=True)]
    record, = fit(model, part, Recipe(batch_size=64, ema_decay=0.9), progress=False)
    for ours, mean in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(ours.detach(), mean)
    assert model[0].num_batches_tracked == 3
    assert record["validation_accuracy"] == accuracy(model, small.validation) != accuracy(plain, small.validation)


def test_on_epoch_sees_each_record_and_may_stop_the_training(small):
    seen = []

    def stop(record):
        seen.append(record["epoch"])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(LeNet(), small, Recipe(epochs=5), on_epoch=stop, progress=False)
    assert seen == [1]


def test_augmentation_only_moves_pixels_and_mirrors():
    generator = torch.Generator().manual_seed(0)
    image = torch.zeros(1, 1, 28, 28)
    image[0, 0, 10:14, 10:12] = 1.0
    many = augmented(image.expand(200, -1, -1, -1), "shift", generator)
    assert many.shape == (200, 1, 28, 28)
    assert (many.sum((1, 2, 3)) == 8).all()
    rows = many[:, 0].any(2).float().argmax(1)
    assert rows.min() == 8
    assert rows.max() == 12
    arrow = torch.zeros(1, 3, 32, 32)
    arrow[..., 12:20, 12] = 1.0
    arrow[..., 12, 12:20] = 1.0
    turned = augmented(arrow.expand(64, -1, -1, -1), "crop_flip", generator)
    heavier_left = (turned[:, 0].argmax(2).amax(1) >= 0) & (turned[:, 0].any(1).float().argmax(1) < 20)
    columns = turned[:, 0].sum(1)
    mirrored = columns.argmax(1) > columns.bool().float().argmax(1)  # the upright stroke is now on the right
    assert heavier_left.any()
    assert 10 < mirrored.sum() < 54


@pytest.mark.parametrize(("recipe", "message"), [
    (Recipe(epochs=0), "epochs is 0; training needs at least one epoch; use 1 or more"),
    (Recipe(augment="rotate"), "augment is 'rotate'; known ways are none, shift, crop_flip"),
    (Recipe(batch_size=0), "batch_size is 0"),
    (Recipe(patience=0), "patience is 0; patience counts epochs without a better validation accuracy; use 1 or more"),
])
def test_bad_recipes_are_refused(small, recipe, message):
    with pytest.raises(ValueError, match=message):
        fit(LeNet(), small, recipe, progress=False)


def test_an_unknown_mask_name_and_an_empty_split_are_refused(small):
    with pytest.raises(ValueError, match="the mask names 'fc9.weight'; .*fc3.weight"):
        fit(LeNet(), small, masks={"fc9.weight": torch.ones(1)}, progress=False)
    empty = SimpleNamespace(train=small.train[:0], validation=small.validation)
    with pytest.raises(ValueError, match="the training split has 0 images"):
        fit(LeNet(), empty, progress=False)


def test_without_options_fit_is_the_plain_loop_bit_for_bit(small):
    """The published weights come from this loop: options that came later may not change it."""
    recipe = Recipe(epochs=2, batch_size=20, learning_rate=0.1, seed=4)
    part = SimpleNamespace(train=small.train[:450], validation=small.validation[:100])
    set_seed(0)
    ours = LeNet()
    theirs = LeNet()
    theirs.load_state_dict(ours.state_dict())
    fit(ours, part, recipe, progress=False)

    generator, steps = torch.Generator().manual_seed(4), 46  # of which two are the warm-up
    groups = [{"params": [p for p in theirs.parameters() if p.ndim > 1], "weight_decay": recipe.weight_decay},
              {"params": [p for p in theirs.parameters() if p.ndim == 1], "weight_decay": 0}]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True)
    rates = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: (step + 1) / 2 if step < 2 else 0.5 * (1 + np.cos(np.pi * (step - 2) / (steps - 2))))
    kept = []
    for _ in range(2):
        theirs.train()
        for rows in torch.randperm(450, generator=generator).split(20):
            x = part.train.images[rows].contiguous(memory_format=torch.channels_last)
            optimizer.zero_grad()
            F.cross_entropy(theirs(x), part.train.labels[rows]).backward()
            optimizer.step()
            rates.step()
        kept.append((accuracy(theirs, part.validation), [p.detach().clone() for p in theirs.parameters()]))
    best = max(kept, key=lambda record: record[0])[1]
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), best, strict=True))


def test_a_loss_of_ones_own_gets_logits_labels_and_the_augmented_images(small):
    seen = []

    def loss(logits, labels, images):
        seen.append((logits.shape, labels.clone(), images.clone()))
        return F.cross_entropy(logits, labels)

    part = SimpleNamespace(train=small.train[:64], validation=small.validation[:50])
    own, plain = LeNet(), LeNet()
    plain.load_state_dict(own.state_dict())
    fit(own, part, Recipe(augment="shift", batch_size=64), loss=loss, progress=False)
    fit(plain, part, Recipe(augment="shift", batch_size=64), progress=False)
    assert all(torch.equal(a, b) for a, b in zip(own.parameters(), plain.parameters(), strict=True))
    (shape, labels, images), = seen
    assert shape == (64, 10)
    assert torch.equal(labels.sort().values, part.train.labels.sort().values)
    assert images.shape == (64, 1, 28, 28)
    assert not torch.equal(images.sum((1, 2, 3)).sort().values, part.train.images.sum((1, 2, 3)).sort().values)


def test_patience_ends_the_training_after_epochs_without_progress(small):
    """A loss without a gradient: the accuracy never gets better than after the first epoch."""
    part = SimpleNamespace(train=small.train[:64], validation=small.validation[:50])

    def still(logits, labels, images):
        return (logits * 0).sum()

    recipe = {"epochs": 9, "weight_decay": 0}
    assert len(fit(LeNet(), part, Recipe(**recipe, patience=2), loss=still, progress=False)) == 3
    assert len(fit(LeNet(), part, Recipe(**recipe, patience=1), loss=still, progress=False)) == 2
    assert len(fit(LeNet(), part, Recipe(**recipe), loss=still, progress=False)) == 9


def test_patience_counts_from_the_last_better_epoch(small, monkeypatch):
    figures = iter([0.1, 0.1, 0.3, 0.2, 0.3, 0.9])
    monkeypatch.setattr("shrinklab.train.accuracy", lambda model, split: next(figures))
    part = SimpleNamespace(train=small.train[:8], validation=small.validation[:8])
    history = fit(LeNet(), part, Recipe(epochs=6, patience=2), progress=False)
    assert [record["validation_accuracy"] for record in history] == [0.1, 0.1, 0.3, 0.2, 0.3]


def test_the_callers_random_numbers_and_each_modules_mode_stay(small):
    part = SimpleNamespace(train=small.train[:64], validation=small.validation[:50])
    model = LeNet()
    model.conv1.eval()
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    fit(model, part, progress=False)
    assert torch.equal(torch.rand(3), expected)
    assert not model.conv1.training
    assert model.training


def test_a_model_that_cannot_be_trained_is_refused(small):
    with pytest.raises(ValueError, match="the QuantizedModel has no parameter to train; .*; .*quantize.training.qat"):
        fit(quantize_model(LeNet(), scheme=Scheme(dynamic=True)), small, progress=False)
    broken = LeNet()
    broken.fc1.weight.data[0, 0] = float("nan")
    with pytest.raises(ValueError, match="fc1.weight holds NaN; training starts from numbers; load"):
        fit(broken, small, progress=False)
    with pytest.raises(ValueError, match="loss is 'mse'; a loss is a function of logits, labels and images; leave"):
        fit(LeNet(), small, loss="mse", progress=False)
