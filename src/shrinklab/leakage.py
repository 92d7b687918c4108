"""Leakage: images that a network knows from training, or nearly, have no place among those that judge it."""

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from shrinklab.errors import need


@dataclass(frozen=True)
class Pairs:
    """Pairs of images, the most alike first: place in the one set, partner in the other, similarity -1 to 1; (N,)."""

    places: torch.Tensor
    partners: torch.Tensor
    similarity: torch.Tensor

    def __len__(self):
        return len(self.places)


def closest_pairs(images, among, count=100):
    """The `count` images that have the most similar partner among others: (N, C, H, W), (M, C, H, W) -> Pairs.

    Similarity is the correlation of the pixels, so brightness and contrast do not matter. The partner is found on
    images of a quarter of the size, which is quick and forgives a shift by a pixel; the pair is then compared in full.
    This proposes; whether a pair shows the same photo, only a look at it can tell. (Barz and Denzler, "Do We Train on
    Test Data?", 2020, search with a network's features, and look at each pair as well.)

    >>> images = torch.arange(32.0).reshape(2, 1, 4, 4).sin()
    >>> pairs = closest_pairs(images, 2 * images.flip(0) + 1, count=1)
    >>> pairs.places.tolist() != pairs.partners.tolist(), round(pairs.similarity.item(), 3)
    (True, 1.0)
    """
    for one, name in ((images, "images"), (among, "among")):
        need(isinstance(one, torch.Tensor) and one.ndim == 4 and len(one) > 0,
             f"{name} is {tuple(getattr(one, 'shape', ()))}", "it is a tensor (N, C, H, W) of at least one image",
             "pass split.images")
    need(images.shape[1:] == among.shape[1:], f"images is {tuple(images.shape)} and among {tuple(among.shape)}",
         "both hold images of the same size", "take them from the same data set")
    need(count >= 1, f"count is {count}", "at least one pair is asked for", "use 100")
    small = _unit(_shrunk(among)).T
    best = [(part @ small).max(1) for part in _unit(_shrunk(images)).split(1000)]
    partners, coarse = (torch.cat([getattr(one, name) for one in best]) for name in ("indices", "values"))
    places = coarse.topk(min(count, len(images))).indices
    exact = (_unit(images[places]) * _unit(among[partners[places]])).sum(1)
    order = exact.argsort(descending=True)
    return Pairs(places[order], partners[places[order]], exact[order])


def split_groups(groups, share, seed=0):
    """Hold out whole groups: int (N,), fraction -> bool (N,), True = held out for testing.

    groups: the group of each image; what belongs together (copies of one image, photos of one person) has the same
    number. round(share x groups) of them are drawn by lot and held out, with all of their images.

    >>> held = split_groups([7, 7, 4, 4], 0.5)
    >>> sorted(held.tolist()), bool(held[0] == held[1])
    ([False, False, True, True], True)
    """
    groups = torch.as_tensor(groups)
    need(groups.ndim == 1 and len(groups) > 0, f"groups has shape {tuple(groups.shape)}",
         "it is one number per image, at least one", "pass shape (N,)")
    need(0 <= share <= 1, f"share is {share}", "it is a fraction from 0 to 1", "use 0.2 for one group in five")
    numbers = groups.unique()
    lot = torch.randperm(len(numbers), generator=torch.Generator().manual_seed(seed))
    return torch.isin(groups, numbers[lot[:round(share * len(numbers))]])


def _shrunk(images):
    return F.avg_pool2d(images, 4) if min(images.shape[2:]) >= 16 else images


def _unit(images):
    """Each image as a row of mean 0 and length 1; an image of one colour stays 0."""
    rows = images.flatten(1)
    return F.normalize(rows - rows.mean(1, keepdim=True), dim=1)
