"""Bring workbook/ up to date and open JupyterLab in it. Arguments go on to JupyterLab.

usage: python tools/lab.py [--no-browser] [--port 9999] [...]
"""

import os
import subprocess
import sys
from pathlib import Path

import workbook

START = "00_start_here.ipynb"
CONFIG = Path(__file__).resolve().parent / "lab_config"


def environment(base):
    """The variables for JupyterLab: base, with lab_config as its first folder of settings.

    lab_config turns off nbgrader's panels and JupyterLab's look-ups on the network, and lets a kernel's answers go out
    at once (`shrinklab.widgets.websocket`). nbgrader's Validate button calls an unwritten exercise a success, because
    our checks score and don't raise; `make check` is right.
    """
    folders = [str(CONFIG), base.get("JUPYTER_CONFIG_PATH", "")]
    return {**base, "JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, folders))}


def command(arguments):
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    home = f"--ServerApp.root_dir={workbook.Workbook().home}"
    return [sys.executable, "-m", "jupyterlab", home, f"--LabApp.default_url=/lab/tree/{START}", *root, *arguments]


def main(arguments):
    workbook.main()
    line, variables = command(arguments), environment(dict(os.environ))
    if os.name == "nt":  # execve there returns to the shell while JupyterLab goes on
        return subprocess.call(line, env=variables)
    return os.execve(line[0], line, variables)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except workbook.Mistake as mistake:
        sys.exit(f"error: {mistake}")
