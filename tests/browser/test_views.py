"""The drawings in a real browser, without kernel or network: what is drawn is what the data says."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from static_page import static_page

from shrinklab.pareto import pareto_front
from shrinklab.widgets import Bars, Confusion, Explorer, Heatmap, Histogram, Lines, Network, NumberLine, Range, Scatter

POINTS = [{"label": name, "x": size, "y": share, "group": group, "low": share - 0.01, "high": share + 0.01}
          for name, size, share, group in [("float", 240, 0.98, "float"), ("int8", 66, 0.97, "int8"),
                                           ("int8, pruned", 40, 0.90, "int8"), ("pruned", 80, 0.96, "float")]]
FRONT = pareto_front([point["x"] for point in POINTS], [point["y"] for point in POINTS])
GRID = [-1.0, -0.5, 0.0, 0.5]
VALUES = [(-1.3, -1.0), (-0.6, -0.5), (0.1, 0.0), (0.9, 0.5)]
BEFORE = [{"name": "conv1", "inputs": 4, "outputs": 64}, {"name": "conv2", "inputs": 64, "outputs": 32}]
NAN = float("nan")
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def settings(limit):
    """What every view shows; the limit moves the budget, and halves the network below 100."""
    half = 2 if limit < 100 else 1
    after = [{**layer, "outputs": layer["outputs"] // half} for layer in BEFORE]
    return {
        "headline": f"at most {limit} kB",
        "choice": {"points": POINTS, "front": FRONT, "budget": {"x": limit, "y": 0.93},
                   "now": {"label": "mine", "x": 100, "y": 0.95}},
        "scan": {"rows": ["conv1", "fc1"], "columns": ["50 %", "90 %"], "values": [[0.98, 0.5], [NAN, 0.75]],
                 "now": [0, 1]},
        "kernel": {"rows": [1, 2], "columns": [1, 2], "values": [[-0.4, 0.0], [0.2, 0.4]]},
        "line": {"grid": GRID, "codes": [-2, -1, 0, 1], "values": [value for value, _ in VALUES],
                 "rounded": [end for _, end in VALUES], "clip": [-1, 0.5]},
        "net": {"layers": after, "before": BEFORE},
        "curves": {"series": [{"name": "float", "x": [10, 100, 1000], "y": [0.5, NAN, 0.9],
                               "low": [0.4, NAN, 0.8], "high": [0.6, NAN, 0.95]},
                              {"name": "int8", "x": [10, 1000], "y": [0.4, 0.8]}], "marker": limit},
        "alone": {"series": [{"name": "float", "x": [0, 1], "y": [0.991, 0.992]}]},
        "weights": {"edges": [0, 1, 2], "counts": [3, 4], "cut": [0, 1]},
        "matrix": {"labels": ["not 0", "0"], "counts": [[90, 5], [10, 95]]},
        "pairs": {"labels": ["right", "wrong"], "counts": [[90, 5], [10, 95]]},
        "digits": {"labels": list(range(10)), "counts": [[5 * (i == j) for j in range(10)] for i in range(10)]},
        "classes": {"labels": CLASSES, "counts": [[5 * (i == j) for j in range(10)] for i in range(10)]},
        "size": {"labels": ["dense", "sparse"], "values": [240, 60], "unit": "kB", "reference": 240},
    }


VIEWS = [
    Scatter("choice", "Choose one", x="file size (kB)", y="accuracy", percent="y", log="x"),
    Heatmap("scan", "Accuracy, one layer pruned", x="removed", y="layer", unit="%"),
    Heatmap("kernel", "A kernel", x="column", y="row", diverging=True),
    NumberLine("line", "Four weights on a 2-bit grid", x="weight"),
    Network("net", "The network"), Lines("curves", "How sure?", x="images", y="accuracy", percent="y", log="x"),
    Lines("alone", "One curve", x="step", y="accuracy", percent="y"),
    Histogram("weights", "Weights", x="weight"), Confusion("matrix", "Confusion"),
    Confusion("pairs", "Two networks", x="the pruned network is", y="the whole network is"),
    Confusion("digits", "Ten digits"), Confusion("classes", "Ten classes", y="the photo shows"),
    Bars("size", "Size", x="kB"),
]
# Texts and shapes that stick out of their picture, so that a reader would not see all of them.
CUT_OFF = """(svg) => {
  const box = svg.getBoundingClientRect();
  return [...svg.querySelectorAll("text, rect, path, circle")].filter((node) => {
    const own = node.getBoundingClientRect();
    return own.width && (own.left < box.left - 2 || own.right > box.right + 2
                         || own.top < box.top - 2 || own.bottom > box.bottom + 2);
  }).map((node) => node.textContent || node.outerHTML.slice(0, 120));
}"""
# Pairs of texts in one picture that lie on each other.
ON_EACH_OTHER = """(svg) => {
  const boxes = [...svg.querySelectorAll("text")].map((node) => [node.textContent, node.getBoundingClientRect()]);
  const touch = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3;
  return boxes.flatMap(([one, box], i) =>
    boxes.slice(i + 1).filter(([, other]) => touch(box, other)).map(([two]) => `${one} | ${two}`));
}"""


@pytest.fixture(scope="module")
def table():
    explorer = Explorer(settings, [Range("limit", 50, 250, step=50, value=100)], VIEWS, title="All views")
    explorer.table = explorer.tabulate()
    return explorer


@pytest.fixture
def show(page, tmp_path, table):
    """The page, opened as a file; no error, no warning and no request to anywhere else may happen there."""
    failures = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("console", lambda message: message.type in ("error", "warning") and failures.append(message.text))
    page.on("request", lambda request: request.url.startswith("file:") or failures.append(request.url))

    def on_page(theme="light", width=1280):
        page.set_viewport_size({"width": width, "height": 900})
        (tmp_path / "page.html").write_text(static_page(table, theme=theme), encoding="utf-8")
        page.goto((tmp_path / "page.html").as_uri())
        page.wait_for_function("window.ready")
        expect(page.locator(".sl-headline")).to_have_text("at most 100 kB")
        assert page.get_by_role("alert").inner_text() == ""
        return page

    yield on_page
    assert failures == []


def view(page, name):
    return page.locator(f"[data-view={name}]")


def rows(page, name):
    """The text table of a view, which the reader opens with the keyboard."""
    if not view(page, name).locator("details[open]").count():
        view(page, name).locator("summary").press("Enter")
    expect(view(page, name).locator("tbody")).to_be_visible()
    return [row.locator("th, td").all_inner_texts() for row in view(page, name).locator("tr").all()]


def legend(page, name):
    return view(page, name).locator(".sl-legend li").all_inner_texts()


def size_of(node):
    return tuple(float(node.get_attribute(side)) for side in ("width", "height"))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_accessibility_violation_with_all_tables_open(show, theme):
    page = show(theme)
    assert page.locator(".sl-explorer").evaluate("(node) => getComputedStyle(node).colorScheme") == theme
    for summary in page.locator("summary").all():
        summary.press("Enter")
    found = Axe().run(page, context={"include": [[".sl-explorer"]]}).response["violations"]
    assert [f"{item['id']}: {node['html'][:200]}" for item in found for node in item["nodes"]] == []


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_cut_off_and_the_page_is_never_wider_than_the_screen(show, width):
    page = show(width=width)
    page.wait_for_function("Math.abs(document.querySelector('.sl-picture').viewBox.baseVal.width"
                           " - document.querySelector('.sl-picture').clientWidth) < 2")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    cut = {spec.name: view(page, spec.name).locator("svg.sl-picture").evaluate(CUT_OFF) for spec in VIEWS}
    assert cut == {spec.name: [] for spec in VIEWS}


@pytest.mark.parametrize("width", [1280, 390])
def test_no_name_of_a_confusion_matrix_lies_on_another(show, width):
    page = show(width=width)
    pictures = {name: view(page, name).locator("svg.sl-picture") for name in
                ("matrix", "pairs", "digits", "classes")}
    assert {name: picture.evaluate(ON_EACH_OTHER) for name, picture in pictures.items()} == dict.fromkeys(pictures, [])
    assert pictures["pairs"].locator(".sl-axis-title").all_text_contents() == [
        "the pruned network is →", "the whole network is ↓"]


def test_every_picture_says_in_words_what_it_shows(show):
    page = show()
    said = {name: view(page, name).locator("svg.sl-picture").get_attribute("aria-label") for name in
            ("choice", "scan", "line", "net", "curves")}
    assert said == {
        "choice": "Choose one. 4 points; 3 on the Pareto front; 2 within the budget; this setting: 100, 95 %",
        "scan": "Accuracy, one layer pruned. Heat map of 2 rows and 2 columns, from 50 % to 98 %; "
                "this setting: conv1, 90 %: 50 %",
        "line": "Four weights on a 2-bit grid. 4 values on 4 grid points from -1 to 0.5; "
                "2 beyond the clipping range -1 to 0.5",
        "net": "The network. 2 layers with 96 output channels, before 96",
        "curves": "How sure?. Curves: float, int8; this setting at 100",
    }


def test_points_front_and_budget_are_drawn_and_in_the_table(show):
    page = show()
    assert rows(page, "choice") == [
        ["point", "file size (kB)", "accuracy", "from", "to", "group", "on the front", "within the budget"],
        ["float", "240", "98 %", "97 %", "99 %", "float", "yes", "no"],
        ["int8", "66", "97 %", "96 %", "98 %", "int8", "yes", "yes"],
        ["int8, pruned", "40", "90 %", "89 %", "91 %", "int8", "yes", "no"],
        ["pruned", "80", "96 %", "95 %", "97 %", "float", "no", "yes"],
        ["this setting", "100", "95 %", "–", "–", "", "no", "yes"]]
    assert legend(page, "choice") == ["float", "int8", "Pareto front", "beyond the budget", "this setting"]
    picture = view(page, "choice").locator("svg.sl-picture")
    hollow = picture.locator(".sl-hollow title")
    assert sorted(hollow.all_text_contents()) == ["float", "int8, pruned"]
    assert picture.locator("text.sl-over").all_text_contents()[0] == "mine"
    # The step line passes through the points of the front, from the smallest file on, each step level and then up.
    numbers = [float(text) for text in re.findall(r"[-\d.]+", picture.locator(".sl-front").get_attribute("d"))]
    corners = list(zip(numbers[::2], numbers[1::2], strict=True))
    assert len(corners) == 2 + 2 * len(FRONT)
    for (x1, y1), (x2, y2) in zip(corners, corners[1:], strict=False):
        assert (x1 == x2 and y2 <= y1) or (y1 == y2 and x2 >= x1)
    page.get_by_label("limit").press("Home")
    expect(view(page, "choice").locator("tbody tr").nth(1).locator("td").last).to_have_text("no")  # 66 kB is too much


def test_cells_have_their_numbers_and_the_colours_a_key(show):
    page = show()
    assert rows(page, "scan") == [["layer \\ removed", "50 %", "90 %"], ["conv1", "98 %", "50 %"], ["fc1", "–", "75 %"]]
    texts = view(page, "scan").locator("svg.sl-picture text").all_text_contents()
    assert texts == ["removed →", "layer ↓", "conv1", "fc1", "50 %", "90 %", "98.0", "50.0", "–", "75.0",
                     "50.0", "98.0", "%"]
    shares = view(page, "scan").locator("svg.sl-picture > g > .sl-heat").evaluate_all(
        "(cells) => cells.map((cell) => Number(cell.style.getPropertyValue('--share')))")
    assert shares == [1, 0, 0.5]
    kernel = view(page, "kernel").locator("svg.sl-picture > g > .sl-heat")
    assert kernel.evaluate_all("(cells) => cells.map((cell) => [cell.classList.contains('sl-minus'), "
                               "Number(cell.style.getPropertyValue('--share'))])") == [
        [True, 1], [False, 0], [False, 0.5], [False, 1]]
    key = view(page, "kernel").locator(".sl-key")
    assert key.locator("text").all_text_contents() == ["−0.400", "0.400", "0.000"]
    assert key.locator(".sl-minus").count() == key.locator(".sl-heat:not(.sl-minus)").count() - 1 == 20


def test_values_run_to_where_they_land(show):
    page = show()
    assert rows(page, "line") == [
        ["value", "lands on", "error", "clipped"], ["-1.3", "-1", "0.3", "yes"], ["-0.6", "-0.5", "0.1", "no"],
        ["0.1", "0", "-0.1", "no"], ["0.9", "0.5", "-0.4", "yes"]]
    assert legend(page, "line") == ["rounded", "clipped", "grid point and its integer", "clipping range"]
    picture = view(page, "line").locator("svg.sl-picture")
    assert picture.locator("title").all_text_contents() == ["-0.6 → -0.5", "0.1 → 0", "-1.3 → -1", "0.9 → 0.5"]
    stops = [float(x) for x in re.findall(r"M([\d.]+)", picture.locator(".sl-stops").get_attribute("d"))]
    ends = [float(x) for kind in (".sl-line-1", ".sl-line-2")
            for x in re.findall(r"L([\d.]+)", picture.locator(kind).get_attribute("d"))]
    assert ends == pytest.approx([stops[1], stops[2], stops[0], stops[3]])
    assert {"−2", "−1", "0", "1"} <= set(picture.locator("text").all_text_contents())


def test_boxes_are_as_wide_and_high_as_the_channels(show):
    page = show()
    page.get_by_label("limit").press("Home")
    expect(page.locator(".sl-headline")).to_have_text("at most 50 kB")
    assert rows(page, "net") == [
        ["layer", "input channels", "output channels", "inputs before", "outputs before"],
        ["conv1", "4", "32", "4", "64"], ["conv2", "64", "16", "64", "32"]]
    picture = view(page, "net").locator("svg.sl-picture")
    boxes = [size_of(box) for box in picture.locator("rect.sl-fill-1").all()]
    outlines = [size_of(box) for box in picture.locator("rect.sl-outline").all()]
    unit = boxes[1][0] / 64
    assert [number / unit for box in boxes for number in box] == pytest.approx([4, 32, 64, 16])
    assert [number / unit for box in outlines for number in box] == pytest.approx([4, 64, 64, 32])
    page.get_by_label("limit").press("End")
    expect(picture.locator("rect.sl-outline")).to_have_count(0)  # as it was: no outline


def test_more_than_one_curve_gets_a_legend_and_gaps_stay_open(show):
    page = show()
    assert legend(page, "curves") == ["float", "int8", "interval", "this setting"]
    assert legend(page, "alone") == []
    assert rows(page, "curves")[1:3] == [["float", "10", "50 %", "40 %", "60 %"], ["float", "100", "–", "–", "–"]]
    picture = view(page, "curves").locator("svg.sl-picture")
    assert picture.locator(".sl-line-1").get_attribute("d").count("M") == 2
    assert "images, log scale" in picture.locator(".sl-axis-title").all_text_contents()
    # Ticks of a narrow axis differ from each other.
    ticks = view(page, "alone").locator("svg.sl-picture text[text-anchor=end]").all_text_contents()
    assert len(set(ticks)) == len(ticks) > 2


def test_the_keyboard_passes_through_every_view(show):
    page = show()
    page.evaluate("document.body.append(Object.assign(document.createElement('button'), { textContent: 'After' }))")
    page.get_by_label("limit").focus()
    stops = []
    for _ in range(2 + len(VIEWS)):  # from the slider to the reset button, to each view, and out
        page.keyboard.press("Tab")
        stops.append(page.evaluate("document.activeElement.closest('[data-view]')?.dataset.view ?? ''"))
    assert sorted(filter(None, stops)) == sorted(spec.name for spec in VIEWS)
    expect(page.get_by_role("button", name="After")).to_be_focused()
