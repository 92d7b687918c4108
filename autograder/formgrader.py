"""Start JupyterLab with nbgrader's formgrader, rooted where nbgrader needs it: at the repository."""

import os
import subprocess
import sys

from autograder.course import put_tools_on_path
from autograder.lessons import solution_path

PAGE = "/formgrader"


def serve(course, words=()):
    """Build what formgrader lists, then run JupyterLab until it is stopped; returns its exit status.

    words: further options for jupyter lab, for example --no-browser --port 9999.
    """
    for name in course.lessons():
        if course.term or (course.root / "solutions" / f"{name}.py").is_file():
            solution_path(course, name)
    put_tools_on_path()
    print(f"Formgrader is the page {PAGE} of the address below, and the menu Nbgrader > Formgrader in JupyterLab.",
          flush=True)
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={course.root}",
               f"--LabApp.default_url={PAGE}", *root, *words]
    os.chdir(course.root)
    os.environ["SHRINKLAB_TERM"] = course.term or ""  # nbgrader_config.py reads it
    if os.name == "posix":
        # Lab takes this process's place, so that Ctrl-C and a stop signal reach it and nothing stays behind.
        os.execv(sys.executable, command)
    return subprocess.run(command, check=False).returncode
