"""What the lessons show and let the reader move: explorers, plain sliders, guesses and quizzes.

Widgets connect controls to functions and draw what comes back; they compute nothing themselves.
Each name is loaded when it is first used, so a lesson pays only for what it shows.
"""

from importlib import import_module

_HOME = {
    "Explorer": "explorer", "Ask": "explorer",
    "Range": "controls", "Select": "controls", "Toggle": "controls",
    "Histogram": "views", "Lines": "views", "Scatter": "views", "NumberLine": "views",
    "Confusion": "grids", "Heatmap": "grids", "Bars": "grids", "Network": "grids", "Table": "grids",
    "explore": "explore", "Guess": "guess",
    "Job": "job", "Cancelled": "job",
    "Practice": "quiz", "Placement": "quiz", "RecallCards": "quiz",
    "recover_explorer": "recover", "fine_tune_job": "recover",
    "magnitude_explorer": "magnitude", "threshold_explorer": "threshold",
    "bits_explorer": "bits",
    "cost_explorer": "cost",
    "calibration_explorer": "calibration",
    "trust_explorer": "trust",
    "channels_explorer": "channels",
    "low_bits_explorer": "low_bits",
    "pareto_explorer": "pareto",
}
__all__ = list(_HOME)


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(set(globals()) | set(__all__))
