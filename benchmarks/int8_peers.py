"""Post-training int8 as the other tools do it: ONNX Runtime's quantize_static and torchao's PT2E.

Both as their own documentation recommends on a processor with VNNI: uint8 activations, int8 weights for each channel,
batch norm folded before. What has to happen once for each network (export, ONNX Runtime's pre-processing) is not timed.
"""

import contextlib
import copy
import io
import logging
import warnings

import torch

from shrinklab.quantize.calibration import BATCH

ORT = ("min_max", "percentile", "entropy")


def batches(images):
    """As many images at a time as our calibration takes, down to a power of two.

    Then 256 images make batches of one size (64 of CIFAR-10, where ours takes 85): ONNX Runtime's histograms need that.
    """
    most = max(1, BATCH // images[0].numel())
    return images.split(2 ** (most.bit_length() - 1))


def ort_prepared(model, example, path):
    """The float network as ONNX, pre-processed by ONNX Runtime (shapes inferred, batch norm folded): -> path."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    raw = path.with_name(f"{path.stem}_raw.onnx")
    with quiet():
        torch.onnx.export(model, (example[:2],), raw, input_names=["images"], dynamic_shapes=[{0: "N"}],
                          dynamo=True, external_data=False, verbose=False)
        quant_pre_process(str(raw), str(path))
    return path


def ort_quantized(prepared, images, method, path, *, threads=1, singly=False):
    """Calibrate and convert with quantize_static on so many threads: writes path, a QDQ file, and returns it.

    singly: image by image, as the data readers of its documentation do; else in batches about as large as ours.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    methods = {"min_max": CalibrationMethod.MinMax, "percentile": CalibrationMethod.Percentile,
               "entropy": CalibrationMethod.Entropy}
    reader = _reader(images.split(1) if singly else batches(images))
    with quiet(), calibrating(threads):
        quantize_static(str(prepared), str(path), reader, quant_format=QuantFormat.QDQ, per_channel=True,
                        weight_type=QuantType.QInt8, activation_type=QuantType.QUInt8,
                        calibrate_method=methods[method])
    return path


@contextlib.contextmanager
def calibrating(threads):
    """quantize_static takes all processors and has no option for it: its session gets as many threads as ours."""
    from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions
    from onnxruntime.quantization.calibrate import CalibraterBase

    def create(self):
        options = SessionOptions()
        options.graph_optimization_level = GraphOptimizationLevel.ORT_DISABLE_ALL  # its own choice
        options.intra_op_num_threads = threads
        self.infer_session = InferenceSession(self.augmented_model_path, options, providers=self.execution_providers)

    theirs, CalibraterBase.create_inference_session = CalibraterBase.create_inference_session, create
    try:
        yield
    finally:
        CalibraterBase.create_inference_session = theirs


def _reader(parts):
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.left = iter([{"images": batch.numpy()} for batch in parts])

        def get_next(self):
            return next(self.left, None)

    return Reader()


def torchao_prepared(model, example):
    """The network exported for PT2E, with a batch of any size."""
    shapes = ({0: torch.export.Dim("N", min=1)},)
    with quiet():
        # strict: without it, the quantizer takes all calls of one nn.ReLU for a single operation and gives up.
        return torch.export.export(model, (example[:2],), dynamic_shapes=shapes, strict=True).module()


def torchao_quantized(exported, images):
    """Calibrate and convert with PT2E and its quantizer for x86: -> a function images -> logits, run eagerly."""
    with quiet():  # importing torch._inductor, which torchao needs, calls torch.jit.script_method, deprecated
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
        from torchao.quantization.pt2e.quantizer.x86_inductor_quantizer import (
            X86InductorQuantizer,
            get_default_x86_inductor_quantization_config,
        )

    with quiet(), torch.no_grad():
        quantizer = X86InductorQuantizer().set_global(get_default_x86_inductor_quantization_config())
        prepared = prepare_pt2e(copy.deepcopy(exported), quantizer)
        for batch in batches(images):
            prepared(batch)
        return convert_pt2e(prepared)


@contextlib.contextmanager
def quiet():
    """Without the tools' progress texts and deprecation notes."""
    level = logging.root.manager.disable
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(level)
