"""The site in a real Chromium, over http and from files, with every request elsewhere refused."""

import gzip
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from site_pages import CHECKS, move, state_of

LESSONS = sorted(path.stem for path in (Path(__file__).parents[2] / "solutions").glob("[0-9][0-9]_*.py")
                 if path.stem != "00_start_here")
PAGES = ["index", *(f"lessons/{name}" for name in LESSONS)]
MOST_BYTES = 1_500_000
# One page of each sort is looked at in depth; `test_axe_on_every_page` takes all.
PHONE = {"width": 390, "height": 844}


@pytest.mark.parametrize("name", PAGES)
def test_everything_that_moves_shows_what_was_precomputed(site_page, site, name):
    site_page.open(name)
    for kind, check in CHECKS.items():
        for place in site_page.widgets(kind):
            check(place, state_of(site, place))


def test_explorers_are_loaded_when_the_reader_comes_near(http_page):
    asked = []
    http_page.page.on("request", lambda request: asked.append(request.url))
    page = http_page.open("lessons/04_magnitude_pruning")
    page.wait_for_load_state("networkidle")
    before = [url for url in asked if "/widgets/" in url]
    places = page.locator(".shrinklab-static[data-place]").count()
    assert len(before) < places / 2
    assert not [url for url in asked if "/plots/" in url and url in asked[:5]]
    list(http_page.widgets("RecallCards"))
    assert len([url for url in asked if "/widgets/" in url]) > len(before)


def test_answers_are_kept_in_the_browser(site_page):
    page = site_page.open("lessons/01_metrics")
    place = next(site_page.widgets("RecallCards"))
    place.get_by_role("button", name="Show the answer").click()
    place.get_by_role("button", name="I knew it").click()
    text = place.locator(".sl-count").inner_text()
    site_page.open("lessons/01_metrics")
    assert next(site_page.widgets("RecallCards")).locator(".sl-count").inner_text() == text
    assert page.evaluate("Object.keys(localStorage)") == ["shrinklab/01_metrics/cards"]


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_with_all_its_explorers_stays_below_the_budget(http_page, site, served, name):
    loaded = set()
    http_page.page.on("response", lambda answer: loaded.add(answer.url))
    page = http_page.open(f"lessons/{name}")
    page.evaluate("document.querySelectorAll('article img').forEach((image) => { image.loading = 'eager'; })")
    page.evaluate("window.shrinklabShowAll()")
    page.wait_for_load_state("networkidle")
    files = {site / url.removeprefix(served).split("?")[0].lstrip("/") for url in loaded if url.startswith(served)}
    sizes = {path.name: len(gzip.compress(path.read_bytes())) for path in files if path.is_file()}
    assert 0 < sum(sizes.values()) <= MOST_BYTES, sizes


@pytest.mark.parametrize("name", [*PAGES, "reference/masks", "benchmarks/int8", "guide/authoring",
                                  "glossary"])
def test_nothing_scrolls_sideways_on_a_phone(http_page, name):
    http_page.page.set_viewport_size(PHONE)
    page = http_page.open(name)
    page.evaluate("window.shrinklabShowAll()")
    page.wait_for_load_state("networkidle")
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    wide = page.evaluate("""() => [...document.querySelectorAll("article *")].filter((part) => {
        if (part.getBoundingClientRect().right <= innerWidth + 1) return false;
        for (let at = part; at && at.tagName !== "ARTICLE"; at = at.parentElement) {
          if (["auto", "scroll", "hidden"].includes(getComputedStyle(at).overflowX)) return false;
        }
        return true;
      }).map((part) => part.outerHTML.slice(0, 120))""")
    assert wide == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_slider_follows_a_finger(browser, served, site):
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(f"{served}/index.html")
    slider = page.get_by_label("Share of weights removed")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box["height"] >= 40
    page.touchscreen.tap(box["x"] + box["width"] * 0.9, box["y"] + box["height"] / 2)
    expect(page.locator(".sl-headline")).to_contain_text(re.compile("without (85|90) %"))
    context.close()


def test_search_finds_without_a_server(site_page):
    page = site_page.open("search", query="?q=sensitivity")
    expect(page.locator("#search-results a[href*='04_magnitude_pruning']").first).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(browser, site, theme):
    # What a theme changes is colours: all rules are asked in the light one.
    options = {"resultTypes": ["violations"]} | ({"runOnly": ["color-contrast"]} if theme == "dark" else {})
    context = browser.new_context(color_scheme=theme, viewport={"width": 1280, "height": 1000})
    page, found = context.new_page(), []
    for path in sorted(site.rglob("*.html")):
        page.goto(path.as_uri())
        page.evaluate("window.shrinklabShowAll?.()")
        page.wait_for_function("document.querySelectorAll('.shrinklab-static[data-place]').length === "
                               "document.querySelectorAll('.shrinklab-static[data-ready=true]').length")
        for fault in Axe().run(page, options=options).response["violations"]:
            found += [f"{path.relative_to(site)}: {fault['id']}: {node['html'][:150]}" for node in fault["nodes"]]
    context.close()
    assert found == []


def test_the_printable_version_opens_what_is_folded_and_loads_what_is_far_down(page, site):
    page.add_init_script("window.print = () => { window.printed = true; };")
    page.goto((site / "lessons" / "04_magnitude_pruning.html").as_uri() + "?print")
    page.wait_for_function("window.printed === true")
    assert page.locator(".shrinklab-static[data-place]:not([data-ready='true'])").count() == 0
    folded = page.locator("article details:not([open]):not(.shrinklab-static details)")
    assert folded.count() == 0
    page.emulate_media(media="print")
    expect(page.locator(".sidebar-drawer")).to_be_hidden()
    expect(page.locator(".lesson-links")).to_be_hidden()


def test_the_theme_s_button_turns_widgets_dark_too(http_page):
    page = http_page.open("index")
    explorer = page.locator(".sl-explorer").first
    seen = set()
    for _ in range(3):
        page.locator(".theme-toggle-content .theme-toggle").click()
        seen.add((page.evaluate("document.body.dataset.theme"),
                  explorer.evaluate("node => getComputedStyle(node).backgroundColor")))
    assert {back for theme, back in seen if theme == "dark"} == {"rgb(22, 24, 28)"}
    assert {back for theme, back in seen if theme == "light"} == {"rgb(255, 255, 255)"}


def test_the_front_page_answers_within_its_table(http_page, site):
    page = http_page.open("index")
    place = page.locator(".shrinklab-static").first
    expect(place).to_have_attribute("data-ready", "true")
    state = state_of(site, place)
    move(place, state["controls"][0], 0.95)
    expect(place.locator(".sl-headline")).to_contain_text("LeNet without 95 % of its weights")
