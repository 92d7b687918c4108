"""nbgrader itself, set up for a course: its API, and a lesson's way into its gradebook."""

import contextlib
import logging
import shutil
import tempfile
import warnings
from pathlib import Path

from nbgrader.apps.api import NbGraderAPI
from sqlalchemy.exc import SAWarning
from traitlets.config import Config

from autograder.course import read_notebook
from autograder.lessons import solution_path
from shrinklab.errors import need


@contextlib.contextmanager
def nbgrader(course, **changes):
    """nbgrader's own API, set up for a course. changes: CourseDirectory settings that differ."""
    config = Config()
    course.configure(config, listed=False)
    for setting, value in changes.items():
        config.CourseDirectory[setting] = value
    course.grading.mkdir(parents=True, exist_ok=True)
    log = logging.getLogger("traitlets")
    before, log.propagate = log.propagate, False
    try:
        with warnings.catch_warnings():
            # nbgrader enters a new student's submission in an order that SQLAlchemy remarks upon, without harm.
            warnings.simplefilter("ignore", SAWarning)
            yield NbGraderAPI(config=config)
    finally:
        log.propagate = before


def enter(course, name):
    """Enter a lesson, or its mended checks, into the gradebook. What students got (course/) is not touched.

    Raises RuntimeError when graded cells came or went after submissions were graded.
    """
    source = solution_path(course, name)
    released = Path(tempfile.mkdtemp(prefix="shrinklab-release-"))
    try:
        with nbgrader(course, release_directory=released.as_posix()) as api:
            result = api.generate_assignment(name)
        need(result["success"], f"nbgrader could not enter {source} into the gradebook:\n"
             f"{(result.get('log', '') + result.get('error', ''))[-3000:]}",
             "cells may not come or go while there are graded submissions",
             "mend the lesson, or start again without autograder/gradebook.db", RuntimeError)
        fresh, old = (read_notebook(path) for path in (
            released / name / f"{name}.ipynb", course.released(name)))
        if [cell["source"] for cell in fresh["cells"]] != [cell["source"] for cell in old["cells"]]:
            print(f"note: {course.released(name)} is older than the lesson's source; run make build and release it.")
    finally:
        shutil.rmtree(released, ignore_errors=True)
