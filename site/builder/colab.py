"""The lessons as Colab is offered them: with a first cell that installs the course, there and nowhere else.

They lie on the site, in colab/, and not in course/: what students hand in must be what nbgrader released.
"""

import nbformat
import nbformat.v4 as v4

FIRST = '''# For Google Colab: installs the course and goes to the lesson's folder. Elsewhere this cell does nothing.
import importlib.util

if importlib.util.find_spec("google") and importlib.util.find_spec("google.colab"):
    import os
    import subprocess
    import sys

    if not os.path.exists("/content/shrinklab"):
        subprocess.run(["git", "clone", "-q", "--depth", "1", "{repository}", "/content/shrinklab"], check=True)
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "/content/shrinklab"], check=True)
    os.chdir("/content/shrinklab/course/{lesson}")'''


def colab_notebook(released, repository, lesson):
    """The released notebook with Colab's cell in front of it."""
    cell = v4.new_code_cell(FIRST.replace("{repository}", repository).replace("{lesson}", lesson), id="colab")
    return v4.new_notebook(cells=[cell, *released.cells], metadata=released.metadata)


def colab_notebooks(root, repository, folder):
    """Write one for each lesson in course/ into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((root / "course").glob("[0-9][0-9]_*/*.ipynb")):
        made = colab_notebook(nbformat.read(path, as_version=4), repository, path.stem)
        nbformat.validate(made)
        (folder / path.name).write_text(nbformat.writes(made) + "\n", encoding="utf-8")
