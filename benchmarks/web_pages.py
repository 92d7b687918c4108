"""The site's pages in a browser: what a lesson transfers, and when its first paint comes. Needs `make site` first.

Served from this machine, without compression; the bytes are those of the same files with gzip, and with every widget
and picture of the page, though a reader who does not scroll loads few of them. First paint is the median of fresh
browser profiles.
"""

import functools
import gzip
import http.server
import shutil
import statistics
import threading
from pathlib import Path

from playwright.sync_api import sync_playwright
from report import Row, arguments, publish

SITE = Path(__file__).resolve().parents[1] / "site" / "_build" / "html"
MOST_BYTES, MOST_MS, REPEATS = 1_500_000, 1000, 5
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def opened(browser, address):
    """A page in a profile of its own, and the addresses that it has loaded so far."""
    page, loaded = browser.new_context().new_page(), set()
    page.on("response", lambda answer: loaded.add(answer.url))
    page.goto(address, wait_until="load")
    return page, loaded


def first_paint(browser, address):
    times = []
    for _ in range(REPEATS):
        page, _ = opened(browser, address)
        page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length > 0")
        times.append(page.evaluate(PAINT))
        page.context.close()
    return statistics.median(times)


def transferred(browser, base, name):
    page, loaded = opened(browser, f"{base}/{name}")
    page.evaluate("document.querySelectorAll('img').forEach((image) => { image.loading = 'eager'; })")
    page.evaluate("window.shrinklabShowAll()")
    page.wait_for_load_state("networkidle")
    page.context.close()
    files = {SITE / url.removeprefix(base).split("?")[0].lstrip("/") for url in loaded}
    return sum(len(gzip.compress(path.read_bytes())) for path in files if path.is_file())


def rows(browser, base):
    names = ["index.html", *sorted(path.relative_to(SITE).as_posix() for path in (SITE / "lessons").glob("*.html"))]
    for name in names:
        size, paint = transferred(browser, base, name), first_paint(browser, f"{base}/{name}")
        yield Row(f"{name}: transferred with gzip", size, unit="bytes", target=f"at most {MOST_BYTES:,} bytes",
                  met=size <= MOST_BYTES)
        yield Row(f"{name}: first paint", paint, unit="ms", target=f"at most {MOST_MS:,} ms", met=paint <= MOST_MS)


def main(given):
    found = shutil.which("chromium") or shutil.which("google-chrome")
    handler = functools.partial(Quiet, directory=SITE)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, sync_playwright() as playwright:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        base = f"http://127.0.0.1:{server.server_port}"
        table = list(rows(browser, base))
        browser.close()
        server.shutdown()
    publish("web_pages", "The site's pages in a browser", table, given, packages=("sphinx", "furo", "myst-nb"))


if __name__ == "__main__":
    main(arguments(__doc__))
