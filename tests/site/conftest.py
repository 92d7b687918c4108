"""The site, built once for all its tests, and a page of it in a browser that reaches nothing else."""

import functools
import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from site_pages import SitePage

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "site" / "_build" / "tested"


@pytest.fixture(scope="session")
def site():
    """The folder of the built site: SITE_HTML where one was built before, else a build now. What was executed before
    and has not changed is not executed again.

    Explorers' tables are short: a page asks long ones in the same way, and computing those takes most of a build."""
    if os.environ.get("SITE_HTML"):
        return Path(os.environ["SITE_HTML"]).resolve()
    done = subprocess.run([sys.executable, "site", "--answers", "40", "--target", str(TARGET)], cwd=ROOT,
                          capture_output=True, text=True)
    assert done.returncode == 0, f"the site does not build:\n{done.stdout[-2000:]}\n{done.stderr[-6000:]}"
    return TARGET / "html"


@pytest.fixture(scope="session")
def served(site):
    """The address of the site on this machine."""
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(params=["http", "file"])
def base(request, site, served):
    """The address of the site over http, then as files."""
    return served if request.param == "http" else site.as_uri()


@pytest.fixture
def site_page(page, base):
    """A page of the site; at the end no error, no warning and no request that failed or left this site."""
    opened = SitePage(page, base)
    yield opened
    assert opened.failures == []


@pytest.fixture
def http_page(page, served):
    """The same, over http alone."""
    opened = SitePage(page, served)
    yield opened
    assert opened.failures == []



