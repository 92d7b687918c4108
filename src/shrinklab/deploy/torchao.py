"""torchao files (.pt2): a torch.export program with quantize and dequantize, which torchao lowers to int8 kernels.

The file is what torchao's PT2E flow saves, on any processor. Opening it on x86 replaces the patterns with the
integer kernels of oneDNN; elsewhere the program runs as it is, with the integers simulated in floats.
Source: torchao's documentation, "PyTorch 2 Export Quantization with X86 Backend through Inductor".
"""

import platform

import torch

from shrinklab.deploy.extra import installed, one_by_one, quiet
from shrinklab.deploy.qdq import Style, program

installed("torchao")
X86 = "x86_64", "AMD64"
# Where each operation came from: paths and lines of code on the machine that exported. No reader needs them.
ORIGIN = "stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node"


def write(model, path, example):
    """Write a float model or a `QuantizedModel` as a .pt2 file for one image at a time."""
    with quiet():
        exported = program(model, example, Style("torchao"))
        for node in exported.graph.nodes:
            for key in ORIGIN:
                node.meta.pop(key, None)
        torch.export.save(exported, path)


def open(path, threads):
    """path -> function from float32 array (N, C, H, W) to float32 array (N, classes).

    PyTorch has one pool of threads for the whole process: it is set to `threads`.
    """
    # Importing it registers the operators quantized_decomposed, which the file names.
    import torch.ao.quantization.fx._decomposed  # noqa: F401

    torch.set_num_threads(threads)
    try:
        with quiet():
            exported = torch.export.load(path)
            module = exported.module()
    except Exception as error:  # a zip file's, a schema's or a pickle's own error, whichever part is broken
        raise ValueError(f"{path} is no file that torch.export can load ({error}); a runner opens .pt2 files; "
                         "export the model again.") from error
    image = exported.example_inputs[0][0]
    lowered = _lowered(module, image)

    def run(one):
        with torch.inference_mode():
            return lowered(torch.from_numpy(one)).numpy()

    return one_by_one(path, image.shape, run)


def _lowered(module, image):
    """The program with oneDNN's integer kernels, where there are some."""
    rounds = any("quantize_per_tensor" in str(node.target) for node in module.graph.nodes)
    if not rounds or platform.machine() not in X86 or not torch.backends.mkldnn.is_available():
        return module
    with quiet():
        from torchao.quantization.pt2e.lowering import lower_pt2e_quantized_to_x86

        return lower_pt2e_quantized_to_x86(module, (image,))
