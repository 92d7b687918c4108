"""What all tests in a real Chromium share: which browser, that it reaches only this machine, when they are skipped."""

import os
import shutil

import pytest
from playwright.sync_api import expect

# Not to be searched for doctests: by then a folder's own conftest has taken the name of this module.
collect_ignore = ["conftest.py"]
# A busy machine is slow, not wrong: no expectation here is about time.
expect.set_options(timeout=30_000)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def pytest_collection_modifyitems(items):
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
