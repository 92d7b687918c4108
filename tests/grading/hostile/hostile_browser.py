"""Opens pages in Chromium and tells what they did: python hostile_browser.py PAGES.json, {id: path of a page}.

In a process of its own: Playwright's plain interface bears no second one in the same thread, and pytest has one.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ELSEWHERE = "127.0.0.1:9/"


def find():
    """The path of a browser, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def look(pages):
    """{id: {"ran", "went", "asked", "styled", "asks": bool}} of HTML pages. pages: {id: path}."""
    done = subprocess.run([sys.executable, __file__], input=json.dumps({one: str(path) for one, path in pages.items()}),
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def main():
    from playwright.sync_api import sync_playwright
    pages, found = json.loads(sys.stdin.read()), {}
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=["--disable-dev-shm-usage", *root])
        for one, path in pages.items():
            context = browser.new_context()
            found[one] = _seen(context.new_page(), one, Path(path).as_uri())
            context.close()
        browser.close()
    print(json.dumps(found))


def _seen(page, one, address):
    asked = []

    def answer(route):
        asked.append(route.request.url)
        route.continue_() if route.request.url.startswith(("file:", "about:", "data:")) else route.abort()
    page.route("**/*", answer)
    page.goto(address, wait_until="load")
    page.wait_for_timeout(200)
    if page.url != address:
        return {"ran": False, "went": True, "asked": False, "styled": False, "asks": False}
    for link in page.query_selector_all("a.go, a[href^='javascript:']"):
        link.evaluate("link => link.click()")
    page.wait_for_timeout(50)
    style = page.evaluate("getComputedStyle(document.body, '::before').content")
    return {"ran": page.evaluate("window.hostile || null") == one, "went": False,
            "asked": any(ELSEWHERE in url for url in asked), "styled": "Score" in style,
            "asks": page.query_selector("input[name='hostile']") is not None}


if __name__ == "__main__":
    main()
