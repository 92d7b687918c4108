"""No test here asserts a timing: the capstone's stop watch is replaced by one that reads the file."""

import onnx
import pytest

from autograder.capstone import Capstone


def steady(runners, image):
    """Milliseconds that a file takes in these tests: integers for the values between layers make it fast."""
    kinds = [{node.op_type for node in onnx.load(runner.path).graph.node} for runner in runners]
    return [0.6 if "QuantizeLinear" in kind else 1.0 for kind in kinds]


@pytest.fixture(autouse=True)
def steady_capstone(monkeypatch):
    monkeypatch.setattr(Capstone, "timer", staticmethod(steady))
