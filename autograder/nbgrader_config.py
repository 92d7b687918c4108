"""nbgrader's settings for this course; the file of the same name in the repository root loads it."""

from pathlib import Path

from autograder.course import Course

Course(Path(__file__).resolve().parent.parent).configure(get_config())  # noqa: F821
