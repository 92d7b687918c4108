"""A real JupyterLab in a real Chromium: one server and one browser for all tests, and the pages that they share."""

import os
import shutil
from functools import partial
from pathlib import Path

import pytest
from lab_server import Lab
from lesson_pages import LessonPages, lesson_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def jupyterlab(tmp_path_factory):
    """One JupyterLab for all browser tests, with the course's lessons in its folder, as a student has them."""
    started = Lab(tmp_path_factory.mktemp("lab"))
    shutil.copytree(ROOT / "course", started.files, dirs_exist_ok=True)
    started.start()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def lab_context(browser, browser_context_args):
    """Makes the context for one page with JupyterLab: two in one context quarrel about the name of their window."""
    return partial(browser.new_context, **browser_context_args)


@pytest.fixture(scope="session")
def lesson_pages(request, lab_context, jupyterlab):
    if "PYTEST_XDIST_WORKER" in os.environ:  # nobody knows which file comes next, and all cores are at work
        return LessonPages(lab_context, jupyterlab)
    names = dict.fromkeys(lesson_of(item.path) for item in request.session.items)
    return LessonPages(lab_context, jupyterlab, filter(None, names))


@pytest.fixture(scope="module")
def lesson(request, lesson_pages):
    """The page with the released lesson of this test file (test_lesson_04_lab.py: lesson 04), its cells run."""
    opened = lesson_pages.finished(lesson_of(request.path))
    yield opened
    opened.close()
