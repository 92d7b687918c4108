"""The result of measuring a model: numbers with their units, as a table."""

import html
from dataclasses import dataclass, field

import torch

# What runs a QuantizedModel. Its latency and memory say nothing of integer kernels.
SIMULATED = "PyTorch, integers simulated in floats"


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one model costs. Accuracy 0 to 1 with its 95 % interval, latency in milliseconds, sizes in bytes.

    latency_ms is the median, and `macs` counts one image. None: not measured, as in an example on paper. runtime: what
    ran, "PyTorch", "ONNX Runtime" or another; latency, memory and file are this runtime's.

    >>> print(Measurement(accuracy=0.95, file_bytes=247_900, latency_ms=0.3))
    accuracy         95.0 %
    dense file       247,900 bytes
    latency, median  0.300 ms
    """

    accuracy: float
    file_bytes: int | None
    latency_ms: float
    accuracy_low: float | None = None
    accuracy_high: float | None = None
    parameters: int | None = None
    nonzeros: int | None = None
    macs: int | None = None
    gzip_bytes: int | None = None
    sparse_bytes: int | None = None
    latency_p95_ms: float | None = None
    peak_memory_bytes: int | None = None
    threads: int | None = None
    batch: int | None = None
    images: int | None = None
    split: str | None = None
    runtime: str | None = None
    predictions: torch.Tensor | None = field(default=None, repr=False, compare=False)

    def rows(self):
        """(name, value with its unit) of everything measured, as both tables show it."""
        table = [
            ("accuracy", self.accuracy, "{:.1%}"), ("95 % interval", self.accuracy_low, "{:.1%}"),
            ("parameters", self.parameters, "{:,}"), ("nonzeros", self.nonzeros, "{:,}"),
            ("MACs an image", self.macs, "{:,}"), ("dense file", self.file_bytes, "{:,} bytes"),
            ("gzip file", self.gzip_bytes, "{:,} bytes"), ("sparse file", self.sparse_bytes, "{:,} bytes"),
            ("latency, median", self.latency_ms, "{:.3f} ms"), ("latency, p95", self.latency_p95_ms, "{:.3f} ms"),
            ("peak memory", self.peak_memory_bytes, "{:,} bytes"), ("threads", self.threads, "{}"),
            ("batch", self.batch, "{}"), ("images", self.images, "{:,}"), ("split", self.split, "{}"),
            ("runtime", self.runtime, "{}"),
        ]
        texts = {name: form.format(value).replace("%", " %") for name, value, form in table if value is not None}
        if "95 % interval" in texts:
            texts["95 % interval"] += f" to {100 * self.accuracy_high:.1f} %"
        return list(texts.items())

    def __str__(self):
        return "\n".join(f"{name:17}{text}" for name, text in self.rows())

    def _repr_html_(self):
        cells = (f"<tr><th scope='row'>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>"
                 for name, text in self.rows())
        return f"<table>{''.join(cells)}</table>"
