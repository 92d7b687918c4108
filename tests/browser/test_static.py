"""Widgets on a page without Python, over http and from a file, with every request elsewhere refused."""

import functools
import http.server
import itertools
import json
import shutil
import threading
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from notebook_page import settled
from playwright.sync_api import expect

from shrinklab.data import load
from shrinklab.models import build
from shrinklab.widgets import (
    Bars,
    Explorer,
    Guess,
    Job,
    Placement,
    Practice,
    Range,
    RecallCards,
    Select,
    magnitude_explorer,
    static,
)

SAMPLE = Path(__file__).parents[1] / "library" / "00_sample.questions.yml"


@pytest.fixture(scope="module")
def explorer():
    model = build("lenet", channels=[2, 4], hidden=[20, 10])
    return magnitude_explorer(model, load("mnist").validation[:20], repeats=1)


@pytest.fixture(scope="module")
def widgets(tmp_path_factory, explorer):
    bank = shutil.copy(SAMPLE, tmp_path_factory.mktemp("bank") / "practice.yml")
    counted = {"headline": "counted </script> to 2", "bars": {"labels": ["a"], "values": [2]}}
    job = Job("Count slowly", lambda report: report(1, 2) or counted, [Bars("bars")])
    return [explorer, Guess("What is 6 times 7?", lambda: 42, explain="Six sevens, <!-- as they say."), job,
            Practice(bank), Placement(bank, count=4), RecallCards(bank)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, widgets):
    home = tmp_path_factory.mktemp("site")
    parts = "\n".join(static.static_html(widget) for widget in widgets)
    for theme in ("light", "dark"):
        (home / f"{theme}.html").write_text(
            f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Lesson</title></head>'
            f'<body data-theme="{theme}"><main><h1>Lesson</h1>{parts}</main></body></html>', encoding="utf-8")
    return home


@pytest.fixture(scope="module")
def served(folder):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(params=["http", "file"])
def show(request, page, folder, served):
    """The page by its name, fully drawn; no error, warning or request for anything but the page itself."""
    failures, base = [], served if request.param == "http" else folder.as_uri()
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("console", lambda message: message.type in ("error", "warning") and failures.append(message.text))

    def refuse(route):
        if route.request.url.startswith(base):
            route.continue_()
        elif not route.request.url.endswith("/favicon.ico"):
            failures.append(route.request.url)
            route.abort()

    page.route("**/*", refuse)

    def on_page(name="light"):
        page.goto(f"{base}/{name}.html")
        for place in page.locator(".shrinklab-static").all():
            place.scroll_into_view_if_needed()
            expect(place).to_have_attribute("data-ready", "true")
        return page

    yield on_page
    assert [one for one in failures if "favicon" not in one] == []


def test_an_explorer_shows_the_table_s_numbers_and_says_that_it_is_one(show, explorer):
    page = show()
    place = page.locator(".sl-explorer:not(.sl-guess, .sl-job)")
    slider = place.get_by_label("Share of weights removed")
    for key, amount in (("End", 0.95), ("ArrowLeft", 0.9), ("Home", 0.0)):
        slider.press(key)
        assert settled(place)["amount"] == amount
        expected = explorer.compute(amount=amount)
        expect(place.locator(".sl-headline")).to_have_text(expected["headline"])
        for name in ("accuracy", "weights left", "dense file", "sparse file"):
            assert float(place.locator(f"[data-number='{name}']").get_attribute("data-value")) == pytest.approx(
                expected["numbers"][name]["value"])
    expect(place.locator(".sl-note").last).to_contain_text("Computed beforehand for")


def test_a_guess_a_job_and_the_quizzes_work_with_the_keyboard(show):
    page = show()
    field = page.get_by_role("textbox", name="What is 6 times 7?")
    field.fill("40")
    field.press("Enter")
    expect(page.locator(".sl-comparison [data-part='truth']")).to_contain_text("42")
    expect(page.locator(".sl-explanation")).to_have_text("Six sevens, <!-- as they say.")
    page.get_by_role("button", name="Count slowly").press("Enter")
    expect(page.locator(".sl-job .sl-headline")).to_have_text("counted </script> to 2")
    page.get_by_role("button", name="Show the answer").press("Enter")
    page.get_by_role("button", name="I knew it").press("Enter")
    expect(page.get_by_text("That card comes again on")).to_be_visible()
    page.get_by_role("button", name="I don't know").first.press("Enter")
    expect(page.get_by_text("1 of 4 answered")).to_be_visible()


def test_answers_are_kept_in_the_browser(show):
    page = show()
    page.get_by_role("button", name="I don't know").first.press("Enter")
    expect(page.get_by_text("1 of 4 answered")).to_be_visible()
    show()
    expect(page.get_by_text("1 of 4 answered")).to_be_visible()
    kept = page.evaluate("Object.keys(localStorage)")
    assert kept == ["shrinklab/00_sample/placement"]


@pytest.mark.parametrize("broken", ["{", "[]", "7", "null"])
def test_what_was_kept_and_is_broken_is_left_aside(show, broken):
    page = show()
    page.evaluate("(text) => localStorage.setItem('shrinklab/00_sample/placement', text)", broken)
    show()
    expect(page.get_by_text("0 of 4 answered")).to_be_visible()


def test_a_browser_that_keeps_nothing_says_so(show, page):
    page.add_init_script("Storage.prototype.setItem = () => { throw new Error('full'); };")
    show()
    page.get_by_role("button", name="I don't know").first.press("Enter")
    expect(page.get_by_text("This browser keeps nothing for this page")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(show, theme):
    page = show(theme)
    found = Axe().run(page, context={"include": [[".shrinklab-static"]]}).response["violations"]
    assert [(item["id"], node["html"][:150]) for item in found for node in item["nodes"]] == []


def test_a_page_holds_no_answers_of_an_earlier_reader(widgets):
    practice = widgets[3]
    practice.set_trait("progress", {practice._bank.questions[0]["id"]: {"answer": 1, "right": False, "tries": 3}})
    assert practice.static_state()["progress"] == {}


def test_a_large_grid_is_made_coarser_until_it_fits():
    calls = itertools.count()

    def settings(**values):
        next(calls)
        return {"headline": json.dumps(values)}

    wide = Explorer(settings, [Range("a", 0, 100), Range("b", 0, 100), Select("c", ["x", "y"])])
    table = wide.tabulate()
    assert [len(axis["points"]) for axis in table["axes"]] == [14, 14, 2]
    assert len(table["answers"]) == 392 <= next(calls)
    assert len(wide.tabulate(3)["answers"]) == 18
