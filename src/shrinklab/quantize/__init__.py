"""Quantizing whole networks: from float weights to integers that a file holds and integer kernels run."""

from shrinklab.quantize.calibration import Collected, calibrate, collect
from shrinklab.quantize.equalization import correct_bias, equal_ranges, equalize, unbalance
from shrinklab.quantize.file import load_quantized, quantized_bytes, save_quantized
from shrinklab.quantize.graph import fold_batch_norm
from shrinklab.quantize.mixed import bit_sensitivity, mixed_precision
from shrinklab.quantize.model import QuantizedModel, Scheme, quantize_model
from shrinklab.quantize.rounding import adaround
from shrinklab.quantize.training import frozen, qat, trainable
from shrinklab.quantize.weights import round_weights, weight_qparams

__all__ = ["Collected", "QuantizedModel", "Scheme", "adaround", "bit_sensitivity", "calibrate", "collect",
           "correct_bias", "equal_ranges", "equalize", "fold_batch_norm", "frozen", "load_quantized", "mixed_precision",
           "qat", "quantize_model", "quantized_bytes", "round_weights", "save_quantized", "trainable", "unbalance",
           "weight_qparams"]
