"""In a notebook a converter's own progress would fill the screen: an export says nothing there."""

import nbformat
import pytest
from nbclient import NotebookClient

pytest.importorskip("litert_torch", reason="the extra deploy is not installed")

EXPORT = """
from shrinklab.data import load
from shrinklab.deploy import export
from shrinklab.models import pretrained
runner = export(pretrained("lenet"), "litert", "lenet.tflite", example=load("mnist").example)
"""


def test_an_export_to_litert_shows_nothing(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(EXPORT)])
    NotebookClient(notebook, kernel_name="python3", timeout=240,
                   resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert (tmp_path / "lenet.tflite").stat().st_size > 10_000
    assert notebook.cells[0].outputs == []
