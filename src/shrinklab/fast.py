"""The same predictions sooner: for a slider that prunes and measures at every move.

Batch norms are folded into the layers before them, and channels lie last in memory, as the convolution kernels like
it. Nothing about the network is judged here: what a technique saves is measured on the plain model.
"""

import torch
from torch import nn  # noqa: F401  (the examples use it)

from shrinklab.errors import need
from shrinklab.inference import need_network
from shrinklab.quantize import fold_batch_norm
from shrinklab.quantize.model import refuse_quantized

TYPES = torch.float32, torch.bfloat16


def fast(model, dtype=torch.float32):
    """A copy of the model for `predict`, in evaluation mode, folded, channels last; use it with `fast_images`.

    dtype: torch.float32 changes logits by float rounding alone; torch.bfloat16 keeps 8 bits of each number, which
    can change a prediction in a few hundred, and is faster only where the processor multiplies in it.
    The weights keep their names, and folding multiplies whole rows, so a weight of 0 stays one: masks made for the
    model fit the copy, and pruning the copy is copying the pruned model.

    >>> fast(nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.BatchNorm2d(2)))
    Sequential(
      (0): Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1))
      (1): Identity()
    )
    """
    need_network(model)
    refuse_quantized(model)
    _known(dtype)
    return fold_batch_norm(model).to(dtype=dtype, memory_format=torch.channels_last)


def fast_images(images, dtype=torch.float32):
    """Images (N, C, H, W) as `fast` takes them: the same numbers, channels last in memory.

    >>> fast_images(torch.zeros(2, 3, 4, 4)).stride()
    (48, 1, 12, 3)
    """
    need(isinstance(images, torch.Tensor) and images.ndim == 4,
         f"images is a {type(images).__name__} of shape {tuple(getattr(images, 'shape', ()))}",
         "images are a tensor (N, C, H, W)", "pass split.images")
    _known(dtype)
    return images.to(dtype=dtype, memory_format=torch.channels_last)


def _known(dtype):
    need(dtype in TYPES, f"dtype is {dtype}", "predictions are made in torch.float32 or torch.bfloat16",
         "use one of them")
