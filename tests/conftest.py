"""What all tests share: in which order and groups they run side by side, and the real Chromium of some."""

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect

# Not to be searched for doctests: by then a folder's own conftest has taken the name of this module.
collect_ignore = ["conftest.py"]
# A busy machine is slow, not wrong: no expectation here is about time.
expect.set_options(timeout=30_000)
# Long ones first: side by side, the short ones then fill the gap at the end. Doctests come last.
FOLDERS = ("site", "browser", "grading", "lessons", "library")
HERE = Path(__file__).parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: _place(item.path))  # stable: within a folder as collected
    _skip_without_browser(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With pytest -n, each process runs whole files, and one of them all tests of the site, which is built once."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return "site" if nodeid.startswith("tests/site/") else nodeid.split("::")[0]

    return ByFile(config, log)


def _place(path):
    folder = path.relative_to(HERE).parts[0] if HERE in path.parents else ""
    return FOLDERS.index(folder) if folder in FOLDERS else len(FOLDERS)


def _skip_without_browser(items):
    """Skip what needs a browser where there is none, in one line; in CI a missing browser is a failure."""
    if os.environ.get("CI") or any(map(shutil.which, BROWSERS)):
        return
    for item in items:
        if {"page", "browser"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.skip(reason=f"no browser: none of {', '.join(BROWSERS)} is on PATH"))


@pytest.fixture(scope="session")
def base_url():
    """None: our addresses are whole. (pytest-base-url's own fixture is deprecated by pytest 9.2, and warnings fail.)"""


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert found, f"CI is set, and none of {', '.join(BROWSERS)} is on PATH; install Chromium"
    # Only this machine: a page that needs the network must fail here.
    rules = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return {**browser_type_launch_args, "executable_path": found, "args": [rules, "--disable-dev-shm-usage", *root]}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args):
    return {**browser_context_args, "viewport": {"width": 1280, "height": 1000}}
