"""ExecuTorch files (.pte): PyTorch's runtime for phones and microcontrollers, here with the kernels of XNNPACK.

Source: ExecuTorch's documentation, "Model Export and Lowering" and "XNNPACK Backend".
"""

from shrinklab.deploy.extra import installed, one_by_one, quiet
from shrinklab.deploy.qdq import Style, program

installed("executorch")

STYLE = Style("ExecuTorch", shift=True, float_results=True)


def write(model, path, example):
    """Write a float model or a `QuantizedModel` as a .pte file for one image at a time.

    XNNPACK computes activations as int8: grids of 0 to 255 are shifted by 128, with the same real values. It has no
    kernel from integers to floats: a layer whose result is not rounded (the last one) computes on the same values
    in floats.
    """
    with quiet():
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

        lowered = to_edge_transform_and_lower(program(model, example, STYLE), partitioner=[XnnpackPartitioner()])
        path.write_bytes(lowered.to_executorch().buffer)


def open(path, threads):
    """path -> function from float32 array (N, C, H, W) to float32 array (N, classes), on `threads` threads."""
    import torch

    with quiet():
        from executorch.extension.pybindings import portable_lib
        from executorch.runtime import Runtime

    portable_lib._unsafe_reset_threadpool(threads)
    try:
        method = Runtime.get().load_program(path).load_method("forward")
    except RuntimeError as error:
        raise ValueError(f"{path} is no file that ExecuTorch can run ({error}); a runner opens .pte files; "
                         "export the model again.") from error
    shape = method.metadata.input_tensor_meta(0).sizes()
    return one_by_one(path, shape, lambda image: method.execute((torch.from_numpy(image),))[0].numpy().copy())
