"""ONNX files: write one from a model, run one with ONNX Runtime.

Source: the ONNX operator specification (opset 21); Quantize/DequantizeLinear around each operation tell a runtime
which integer kernel to use.
"""

import onnxruntime

from shrinklab.deploy.saturation import warn_if_saturating
from shrinklab.errors import need


def write(model, path, example, *, weights="int8"):
    """Write a float model or a `QuantizedModel` as ONNX. example: images (N, C, H, W); the file takes any N.

    weights: "int8", or "uint8" with zero point 128: the same numbers for kernels that multiply uint8 with uint8,
    which cannot saturate (see `saturation`).
    """
    from shrinklab.deploy.onnx_graph import largest_pair, onnx_model  # here, because running a file needs no torch

    need(weights in ("int8", "uint8"), f"weights is {weights!r}", 'integer weights are stored as "int8" or "uint8"',
         'use "int8"')
    file = onnx_model(model, example, unsigned=weights == "uint8").SerializeToString()
    if weights == "int8":
        warn_if_saturating(largest_pair(model))
    path.write_bytes(file)


def open(path, threads):
    """path -> function from float32 array (N, C, H, W) to float32 array (N, classes), on `threads` threads."""
    session = _session(path, threads)
    need(len(session.get_inputs()) == len(session.get_outputs()) == 1,
         f"{path} has {len(session.get_inputs())} inputs and {len(session.get_outputs())} outputs",
         "a runner gives images and takes logits", "export the model without the others")
    image, logits = session.get_inputs()[0], session.get_outputs()[0].name

    def call(images):
        fits = len(image.shape) == images.ndim and all(
            size == wanted or not isinstance(wanted, int)
            for size, wanted in zip(images.shape, image.shape, strict=True))
        need(fits, f"the images have shape {images.shape}", f"{path.name} takes {tuple(image.shape)}",
             "pass images of the shape that it was exported for")
        return session.run([logits], {image.name: images})[0]

    return call


def _session(path, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3  # errors only; they are raised as well
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
        raise ValueError(f"{path} is no file that ONNX Runtime can run ({error}); a runner opens ONNX files; "
                         "export the model again.") from error
