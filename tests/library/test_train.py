"""Training really learns, holds masks, repeats with a seed and keeps the best epoch on validation."""

from types import SimpleNamespace

import pytest
import torch

from shrinklab.data import load
from shrinklab.metrics import accuracy
from shrinklab.models import LeNet
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
