"""What students write runs nothing and asks nobody: attacks that work in stock nbgrader's pages do not work in ours."""

import http.server
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat import v4
from tiny_course import NAME, TinyCourse

from autograder.course import put_tools_on_path
from autograder.demo import fill
from autograder.harmless import MOST_TAGS, clean, plain, shown, typed

HERE = Path(__file__).parent
ATTACKS = yaml.safe_load((HERE / "attacks.yml").read_text(encoding="utf-8"))
RIGHT = {"scores": "def scores(weight):\n    return weight.abs()", "answer_1": 'answer_1 = "b"'}
# nbgrader's formgrader asks for this itself, on every page.
MATHJAX = "https://cdnjs.cloudflare.com/ajax/libs/mathjax/"


@pytest.mark.parametrize("source", [
    "**bold** and `a < b`, $x < y$, 3 < 4 & 5", "- [x] done\n- [ ] open\n\n1. one\n2. two", "> quoted\n\n***\n\n~~x~~",
    "| a | b |\n|:-:|---|\n| 1 | 2 |", "```python\nif a < b:\n    print('<b>')\n```", "x<sub>2</sub><br>y <b>z</b>",
    "[paper](https://arxiv.org/abs/1) <https://example.org>", "# Title\n\nTerm\n: what it is", "    indented <code>",
    "<details><summary>More</summary>\n\ntext\n\n</details>"])
def test_plain_markdown_stays_as_it_is(source):
    assert shown(source) == source


@pytest.mark.parametrize("name", [name for name, one in ATTACKS.items()
                                  if one["how"] == "markdown" and one.get("stock", True)])
def test_no_attack_is_plain(name):
    source = attack(name, "http://127.0.0.1:1")["text"]
    assert shown(source) == typed(source)
    assert shown(shown(source)) == shown(source), "what was typed once is not typed again"


@pytest.mark.parametrize("source", [
    "![x](attachment:none.png)", "# 04-check-scores", "x" * 20_001, '<b class="score">b</b>', "[x](../api/grades)",
    "[x](data:text/html,<script>)", "[x](JaVaScRiPt:x)", "[x](vbscript:x)", "<b onclick=x>", "<scr<b>ipt>x"])
def test_these_are_shown_as_typed(source):
    assert shown(source) == typed(source)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(["<", ">", "/", "b", "img", " ", "\n", "`", "```", "[a]", "(", ")", "javascript:", "!",
                                 "onerror=x", '"', "'", "=", "&lt;", "<b>", "</b>", "<!--", "-->", "$", "#", "*", "\\",
                                 "script", "<br>", "|", "---", "src", "\u00a0", "\x0c", "<p>", "http://e", "<pre>"]),
                max_size=14))
def test_whatever_is_plain_has_no_tag_that_bs4_finds_harmful(parts):
    """Two parsers other than ours read what would be shown: no element but text's, no attribute that acts."""
    from bs4 import BeautifulSoup
    from nbconvert.filters.markdown_mistune import markdown2html_mistune
    source = "".join(parts)
    html = markdown2html_mistune(shown(source))
    for parser in ("html.parser", "html5lib") if _has("html5lib") else ("html.parser",):
        for tag in BeautifulSoup(html, parser).find_all(True):
            assert tag.name not in ("script", "iframe", "object", "embed", "svg", "style", "link", "meta", "base")
            assert not [key for key in tag.attrs if key.startswith("on")]
            assert not str(tag.get("href", "")).lower().startswith(("javascript:", "data:"))
            assert tag.name != "img" or tag["src"].startswith("data:image/")


def _has(module):
    import importlib.util
    return importlib.util.find_spec(module) is not None


def test_a_table_of_pandas_keeps_its_numbers_and_colours():
    import pandas as pd
    frame = pd.DataFrame({"layer": ["conv1", "<b>"], "left": [0.5, -0.25]})
    assert "<td>conv1</td>" in clean(frame.to_html())
    assert "&lt;b&gt;" in clean(frame.to_html())
    kept = clean(frame._repr_html_())
    assert "only-of-type" not in kept, "the style sheet is not shown as text"
    assert "<td>0.50</td>" in kept
    assert 'style="color: red;"' in clean('<table><tr><td style="color: red; position: fixed">1</td></tr></table>')


@pytest.mark.parametrize("html", ["<p>" * (MOST_TAGS + 1), "x" * 70_000])
def test_html_that_would_take_long_to_clean_is_dropped(html):
    assert clean(html) == ""


def test_a_picture_that_is_not_there_stops_stock_and_not_ours(stock, ours):
    """An answer with a picture that nbgrader cannot find stopped the feedback of the whole class."""
    work = nbformat.read(stock / "submitted" / "eve" / NAME / f"{NAME}.ipynb", as_version=4)
    work.cells = [*work.cells[:1], v4.new_markdown_cell("![x](attachment:none.png)")]
    path = stock / "submitted" / "tom" / NAME / f"{NAME}.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(work, path)
    nbgrader(stock, "autograde", NAME, "--student", "tom")
    done = nbgrader(stock, "generate_feedback", NAME, "--student", "tom", fails=True)
    assert "missing attachment" in done
    ours.submit("tom", fill(ours.released, RIGHT, essay="![x](attachment:none.png)"))
    ours.nbgrader("autograde", NAME, "--student", "tom")
    ours.nbgrader("generate_feedback", NAME, "--student", "tom")


@pytest.fixture(scope="module")
def listener():
    """A server on this machine that remembers what it was asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def attack(name, url):
    """An attack that asks for url/name."""
    asked = f"{url}/{name}"
    run = f"new Image().src='{asked}'"
    return ATTACKS[name] | {"text": ATTACKS[name]["text"].replace("RUN", run).replace("URL", asked)}


def cells(url):
    """A cell for each attack."""
    for name in ATTACKS:
        one = attack(name, url)
        if one["how"] == "markdown":
            yield v4.new_markdown_cell(one["text"])
        elif one["how"] == "attachment":
            yield v4.new_markdown_cell("![a](attachment:a.svg)", attachments={"a.svg": {
                "image/svg+xml": f'" onerror="new Image().src=\'{url}/{name}\'" x="'}})
        else:
            metadata = {one["kind"]: {"isolated": True}} if one["how"] == "isolated" else {}
            yield v4.new_code_cell(f"from IPython.display import display\n"
                                   f"display({{{one['kind']!r}: {one['text']!r}}}, raw=True, metadata={metadata})")


def nbgrader(folder, *words, fails=False):
    put_tools_on_path()
    done = subprocess.run([sys.executable, "-m", "nbgrader", *words], cwd=folder, text=True, capture_output=True,
                          check=False)
    assert bool(done.returncode) == fails, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def stock(tmp_path_factory, listener):
    """A course with nbgrader's own settings, and one submission with every attack in it, graded."""
    folder = tmp_path_factory.mktemp("stock")
    (folder / "nbgrader_config.py").write_text("c = get_config()\nc.CourseDirectory.course_id = 'stock'\n")
    check = v4.new_code_cell("assert True", metadata={"nbgrader": {
        "schema_version": 3, "grade_id": "check", "points": 1, "grade": True, "solution": False, "locked": True,
        "task": False}})
    python = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    for part, more in ((folder / "source", []), (folder / "submitted" / "eve", list(cells(listener[0])))):
        path = part / NAME / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(v4.new_notebook(cells=[check, *more], metadata=python), path)
    nbgrader(folder, "generate_assignment", NAME)
    nbgrader(folder, "autograde", NAME)
    nbgrader(folder, "generate_feedback", NAME)
    return folder


@pytest.fixture(scope="module")
def ours(tmp_path_factory, listener):
    """The same submission in our course."""
    course = TinyCourse(tmp_path_factory.mktemp("ours"))
    work = fill(course.released, RIGHT, essay="An honest text with `a < b` and **bold**.")
    work.cells[5:5] = [*cells(listener[0]), v4.new_code_cell(
        "import pandas as pd, matplotlib.pyplot as plt\npd.DataFrame({'layer': ['conv1']})"),
        v4.new_code_cell("plt.plot([1, 2]);")]
    course.submit("eve", work)
    course.nbgrader("autograde", NAME)
    course.nbgrader("generate_feedback", NAME)
    return course


def opened(browser, address, listener):
    """Open a page as a reader does, and click on each link that runs a script. Returns (attacks that asked, other
    addresses that were asked, what the page shows)."""
    url, asked = listener
    asked.clear()
    page, foreign = browser.new_page(), []
    page.on("request", lambda request: foreign.append(request.url))
    page.goto(address, wait_until="load")
    page.wait_for_timeout(500)
    for details in page.query_selector_all("details"):
        details.evaluate("one => { one.open = true }")
    for link in page.query_selector_all("a"):
        if (link.evaluate("one => one.href") or "").startswith("javascript:"):
            link.evaluate("one => one.click()")
    text, pictures = page.inner_text("body"), len(page.query_selector_all('img[src^="data:image/png"]'))
    page.wait_for_timeout(3500)  # the refresh waits for two seconds
    page.close()
    hit = {name for name in ATTACKS if any(path.split("/")[1] == name for path in asked)}
    own = address.split("/formgrader")[0]
    return hit, [one for one in foreign if not one.startswith((own, "data:", "file:", url, MATHJAX))], text, pictures


class Server:
    """A JupyterLab with formgrader, on a course folder."""

    def __init__(self, command, folder, home):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url, self.log = f"http://127.0.0.1:{port}", home / "server.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command, "--no-browser", "--port", str(port), "--ServerApp.port_retries=0",
                 "--IdentityProvider.token=", "--allow-root"], stdout=log, stderr=log, cwd=folder)

    def submission(self):
        """The address of eve's submission in formgrader."""
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"{self.url}/formgrader/api/submitted_notebooks/{NAME}/{NAME}") as reply:
                    found = json.load(reply)
                eve = next(one["id"] for one in found if one["student"] == "eve")
                return f"{self.url}/formgrader/submissions/{eve}/?index=0"
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                time.sleep(0.2)
        raise AssertionError(self.log.read_text())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)


def test_the_attacks_work_in_stocks_pages(stock, browser, listener, tmp_path):
    page = stock / "feedback" / "eve" / NAME / f"{NAME}.html"
    found = opened(browser, page.as_uri(), listener)[0]
    with Server(["jupyterlab", f"--ServerApp.root_dir={stock}"], stock, tmp_path) as server:
        found |= opened(browser, server.submission(), listener)[0]
    assert {name for name, one in ATTACKS.items() if one.get("stock", True)} - found == set()


def test_none_works_in_our_feedback_and_honest_output_is_there(ours, browser, listener):
    page = ours.root / "autograder" / "feedback" / "eve" / NAME / f"{NAME}.html"
    hit, foreign, text, pictures = opened(browser, page.as_uri(), listener)
    assert (hit, foreign) == (set(), [])
    assert "conv1" in text
    assert "An honest text with a < b and bold." in text
    assert pictures == 1


def test_none_works_in_our_formgrader_and_honest_output_is_there(ours, browser, listener, tmp_path):
    with Server(["autograder", "--root", str(ours.root), "formgrader"], ours.root, tmp_path) as server:
        hit, foreign, text, pictures = opened(browser, server.submission(), listener)
    assert (hit, foreign) == (set(), [])
    assert "conv1" in text
    assert "An honest text with a < b and bold." in text
    assert "<script>" in text, "what was typed is there to read"
    assert pictures == 1


def test_the_original_is_kept(ours):
    kept = (ours.folder("eve") / f"{NAME}.ipynb").read_text()
    assert "<script>" in kept
    assert plain("x")
