"""nbgrader's settings for this course; the file of the same name in the repository root loads it."""

import os
from pathlib import Path

from autograder.course import Course

Course(Path(__file__).resolve().parent.parent, term=os.environ.get("SHRINKLAB_TERM") or None).configure(get_config())  # noqa: F821
