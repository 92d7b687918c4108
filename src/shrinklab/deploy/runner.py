"""One interface to a model in a file, whatever runtime runs it."""

from pathlib import Path

import numpy as np

from shrinklab.errors import need


class Runner:
    """A model in a file, ready to run: `runner(images)` takes float (N, C, H, W), gives float32 logits (N, classes).

    path: the file; target: "onnx", "executorch", "litert" or "torchao"; threads: how many one call may use;
    file_bytes: the file's size. Made by `export` and `load_runner`.
    call: the runtime's function, float32 array (N, C, H, W) -> float32 array (N, classes).

    >>> Runner("double.onnx", "onnx", 1, lambda images: 2 * images).run(np.ones((1, 2), np.float32))
    array([[2., 2.]], dtype=float32)
    """

    def __init__(self, path, target, threads, call):
        self.path, self.target, self.threads, self._call = Path(path), target, threads, call

    @property
    def file_bytes(self):
        return self.path.stat().st_size

    def __call__(self, images):
        import torch  # here, because `run` also serves processes without torch

        need(isinstance(images, torch.Tensor), f"images is a {type(images).__name__}",
             "a runner takes a float tensor (N, C, H, W)", "pass split.images, or an array to runner.run")
        need(images.is_floating_point(), f"images holds {images.dtype}", "a runner takes floats",
             "normalise the images first")
        return torch.from_numpy(self.run(images.detach().to("cpu", torch.float32).numpy()))

    def run(self, images):
        """The same on NumPy arrays, without torch: float (N, C, H, W) -> float32 (N, classes)."""
        images = np.asarray(images)
        need(images.dtype.kind == "f", f"images holds {images.dtype}", "a runner takes floats",
             "normalise the images first")
        need(images.ndim > 1 and len(images) > 0, f"images has shape {images.shape}",
             "a runner takes a batch of one image or more", "pass images (N, C, H, W)")
        return self._call(np.ascontiguousarray(images, np.float32))

    def __repr__(self):
        return f"Runner({self.path.name!r}, target={self.target!r}, threads={self.threads})"
