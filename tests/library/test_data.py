"""The bundled subsets, the full sets' cache and the errors on the way."""

import hashlib
import json

import numpy as np
import pytest
import torch

from shrinklab import data
from shrinklab.data import load


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_every_bundled_split_has_its_size_shape_and_statistics(name):
    loaded = load(name)
    sizes = {part: len(getattr(loaded, part)) for part in ("train", "validation", "test")}
    assert sizes == {"train": 10_000, "validation": 4_000, "test": 10_000}
    images = loaded.train.images
    assert images.shape[1:] == {"mnist": (1, 28, 28), "cifar10": (3, 32, 32)}[name]
    assert images.mean((0, 2, 3)).abs().max() < 0.02
    assert (images.std((0, 2, 3)) - 1).abs().max() < 0.02
    assert loaded.train.labels.bincount().min() > 800
    assert len(loaded.classes) == 10


def test_mnist_test_split_is_the_official_one_in_the_official_order():
    # The first labels of t10k-labels-idx1-ubyte are public knowledge: 7 2 1 0 4 1 4 9 5 9.
    assert load("mnist").test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert load("mnist").test.labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_cifar_test_split_is_the_official_one():
    assert load("cifar10").test.labels[:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
    assert load("cifar10").test.labels.bincount().tolist() == [1000] * 10


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_no_image_is_in_two_splits(name):
    loaded = load(name)
    seen = [{hashlib.md5(image.numpy().tobytes()).digest() for image in split.images}
            for split in (loaded.train, loaded.validation)]
    assert not seen[0] & seen[1]


def test_to_pixels_is_the_exact_way_back():
    loaded = load("cifar10")
    pixels, _ = data._bundled_pixels("cifar10", "validation")
    assert np.array_equal(loaded.to_pixels(loaded.validation.images), pixels)


def test_the_bundle_is_at_most_45_megabytes():
    assert sum(f.stat().st_size for f in data.BUNDLED.rglob("*") if f.is_file()) <= 45e6


def test_a_changed_sheet_is_refused(tmp_path, monkeypatch):
    (tmp_path / "mnist").mkdir()
    for file in (data.BUNDLED / "mnist").iterdir():
        (tmp_path / "mnist" / file.name).write_bytes(file.read_bytes())
    other = (data.BUNDLED / "mnist" / "train-00.webp").read_bytes()
    (tmp_path / "mnist" / "validation-00.webp").write_bytes(other)
    monkeypatch.setattr(data, "BUNDLED", tmp_path)
    with pytest.raises(OSError, match="mnist/validation has pixel hash .*; the bundled set has .*; reinstall"):
        data._bundled_pixels("mnist", "validation")


def made_up(name, rng):
    shape = {"mnist": (28, 28), "cifar10": (32, 32, 3)}[name]
    arrays = {"x_train": rng.integers(0, 256, (5000, *shape), np.uint8), "y_train": rng.integers(0, 10, 5000, np.uint8),
              "x_test": rng.integers(0, 256, (50, *shape), np.uint8), "y_test": rng.integers(0, 10, 50, np.uint8)}
    return arrays, data.pixel_hash(*arrays.values())


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_the_full_set_is_read_from_the_cache_and_split_as_documented(name, tmp_path, monkeypatch):
    arrays, digest = made_up(name, np.random.default_rng(0))
    np.savez(tmp_path / f"{name}.npz", **arrays)
    monkeypatch.setenv("SHRINKLAB_DATA", str(tmp_path))
    monkeypatch.setitem(data.FULL_SHA256, name, digest)
    full = data.Data(name, data._full_pixels(name))
    assert (len(full.train), len(full.validation), len(full.test)) == (1000, 4000, 50)
    first = arrays["x_train"][data.order(5000)[0]]
    assert np.array_equal(full.to_pixels(full.validation.images[:1])[0].squeeze(), first)


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_a_full_set_with_other_pixels_is_refused(name, tmp_path, monkeypatch):
    arrays, _ = made_up(name, np.random.default_rng(0))
    np.savez(tmp_path / f"{name}.npz", **arrays)
    monkeypatch.setenv("SHRINKLAB_DATA", str(tmp_path))
    with pytest.raises(OSError, match=f"the full {name} in .* has pixel hash .*; the official set has .*; delete it"):
        data.full_arrays(name)


@pytest.mark.parametrize(("name", "kind"), [("mnist", "MNIST"), ("cifar10", "CIFAR10")])
def test_the_full_set_comes_through_torchvision_and_is_cached(name, kind, tmp_path, monkeypatch):
    from shrinklab.vision import torchvision

    arrays, digest = made_up(name, np.random.default_rng(1))
    calls = []

    class Stand:
        def __init__(self, root, train, download):
            calls.append((str(root), train, download))
            half = "train" if train else "test"
            self.data, self.targets = arrays[f"x_{half}"], arrays[f"y_{half}"].tolist()
            if name == "mnist":  # torchvision gives tensors for MNIST and arrays and lists for CIFAR-10
                self.data, self.targets = torch.from_numpy(self.data), torch.tensor(self.targets)

    monkeypatch.setattr(torchvision.datasets, kind, Stand)
    monkeypatch.setenv("SHRINKLAB_DATA", str(tmp_path))
    monkeypatch.setitem(data.FULL_SHA256, name, digest)
    for _ in range(2):
        got = data.full_arrays(name)
        assert all(np.array_equal(got[key], arrays[key]) for key in arrays)
    assert calls == [(str(tmp_path), True, True), (str(tmp_path), False, True)]  # the second time from the cache


def test_offline_and_nothing_cached_names_the_bundled_set_and_the_variable(tmp_path, monkeypatch):
    from shrinklab.vision import torchvision

    def unreachable(*_, **__):
        raise RuntimeError("Error downloading train-images-idx3-ubyte.gz")

    monkeypatch.setattr(torchvision.datasets, "MNIST", unreachable)
    monkeypatch.setenv("SHRINKLAB_DATA", str(tmp_path))
    with pytest.raises(OSError, match=r'load\("mnist"\).*SHRINKLAB_DATA'):
        data.full_arrays("mnist")


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="the data set is 'imagenet'; shrinklab knows mnist and cifar10"):
        load("imagenet")


def test_a_split_is_cut_with_a_slice_only():
    split = load("mnist").validation
    assert split[:256].name == "mnist/validation[:256]"
    assert len(split[:256]) == 256
    with pytest.raises(TypeError, match="the index is 3; a split is cut with a slice"):
        split[3]


def test_the_order_is_frozen():
    # If this ever changes, validation images leak into training.
    digest = hashlib.sha256(data.order(50_000).astype("<i8").tobytes()).hexdigest()
    assert digest[:16] == ORDER_50000


ORDER_50000 = "7338720c9b8f1223"


def test_the_cards_name_the_full_sets():
    for name in data.CLASSES:
        card = json.loads((data.BUNDLED / name / "card.json").read_text())
        assert card["full_sha256"] == data.FULL_SHA256[name]
