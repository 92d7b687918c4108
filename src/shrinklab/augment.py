"""Augmentation: each epoch sees the training images a little moved, so that a network learns what stays."""

import torch
from torch.nn import functional as F

REACH = {"none": 0, "shift": 2, "crop_flip": 4}  # how far an image is moved, in pixels


def augmented(images, how, generator):
    """Randomly shifted (and, for "crop_flip", mirrored) copies of images (N, C, H, W); padding repeats the border.

    "shift" moves by up to 2 pixels, "crop_flip" by up to 4 (the usual CIFAR-10 crop).
    """
    if how == "none":
        return images
    reach = REACH[how]
    n, _, height, width = images.shape
    padded = F.pad(images, [reach] * 4, mode="reflect" if how == "crop_flip" else "replicate")
    dy, dx = torch.randint(0, 2 * reach + 1, (2, n, 1), generator=generator)
    rows = (dy + torch.arange(height))[:, None, :, None]
    columns = dx + torch.arange(width)
    if how == "crop_flip":
        mirror = torch.rand(n, 1, generator=generator) < 0.5
        columns = torch.where(mirror, columns.flip(1), columns)
    index = torch.arange(n)[:, None, None, None], torch.arange(images.shape[1])[None, :, None, None]
    return padded[index[0], index[1], rows, columns[:, None, None, :]]
