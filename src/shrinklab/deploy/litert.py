"""LiteRT files (.tflite): the runtime of Android, once called TensorFlow Lite, with the kernels of XNNPACK.

Source: LiteRT's documentation, "LiteRT Torch" and "8-bit quantization specification".
"""

import numpy as np
from IPython.utils.capture import capture_output

from shrinklab.deploy.extra import installed, one_by_one, quiet

installed("ai_edge_litert", "litert_torch")


def write(model, path, example):
    """Write a float model or a `QuantizedModel` as a .tflite file for one image at a time.

    LiteRT's integers are int8: grids of 0 to 255 are shifted by 128, with the same real values. The file takes
    images as PyTorch does, (1, C, H, W) in floats.
    """
    with quiet(), capture_output(stderr=False):  # its progress goes to the notebook's display as well as to stdout
        import litert_torch
        from litert_torch.quantize.pt2e_quantizer import PT2EQuantizer, get_symmetric_quantization_config
        from litert_torch.quantize.quant_config import QuantConfig

        from shrinklab.deploy.qdq import Style, program

        exported = program(model, example, Style("LiteRT", shift=True, weights="rounded"))
        # Only says that the program holds static grids; the quantizer itself is not run, its grids are ours.
        static = QuantConfig(PT2EQuantizer().set_global(get_symmetric_quantization_config()))
        lowered = litert_torch.convert(exported.module(), exported.example_inputs[0], quant_config=static)
        lowered.export(str(path))


def open(path, threads):
    """path -> function from float32 array (N, C, H, W) to float32 array (N, classes), on `threads` threads."""
    with quiet():
        from ai_edge_litert.interpreter import Interpreter
    try:
        interpreter = Interpreter(str(path), num_threads=threads)
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"{path} is no file that LiteRT can run ({error}); a runner opens .tflite files; "
                         "export the model again.") from error
    image, logits = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def run(one):
        interpreter.set_tensor(image["index"], _integers(one, image) if image["dtype"] == np.int8 else one)
        interpreter.invoke()
        return interpreter.get_tensor(logits["index"])

    return one_by_one(path, image["shape"], run)


def _integers(images, tensor):
    """Real values on the grid of the file's input: the converter leaves this first rounding to the caller."""
    scale, zero_point = tensor["quantization"]
    return (np.round(images / np.float32(scale)) + zero_point).clip(-128, 127).astype(np.int8)
