"""A page of the site in the browser, and what is done with each kind of widget on it."""

import json
import re
from math import isclose

from playwright.sync_api import expect


class SitePage:
    """Opens pages, refuses all requests that leave the site, and keeps what went wrong in `failures`."""

    def __init__(self, page, base):
        self.page, self.base, self.failures = page, base, []
        page.on("pageerror", lambda error: self.failures.append(f"error: {error}"))
        page.on("console", self._console)
        page.on("requestfailed", lambda request: self.failures.append(f"failed: {request.url}"))
        page.on("response", lambda answer: answer.status >= 400 and not answer.url.endswith("favicon.ico")
                and self.failures.append(f"{answer.status}: {answer.url}"))
        page.route("**/*", self._only_here)

    def _console(self, message):
        if message.type in ("error", "warning") and "favicon.ico" not in str(message.location):
            self.failures.append(f"console: {message.text}")

    def _only_here(self, route):
        url = route.request.url
        if url.startswith((self.base, "data:")) or url.endswith("favicon.ico"):
            return route.continue_()
        self.failures.append(f"left the site: {url}")
        return route.abort()

    def open(self, name, **query):
        """Go to a page by its name below the site's folder, such as "lessons/01_metrics"."""
        self.page.goto(f"{self.base}/{name}.html{query.get('query', '')}")
        return self.page

    def widgets(self, kind):
        """The places of all widgets of a kind, each scrolled to and drawn, with its state."""
        for place in self.page.locator(f".shrinklab-static[data-widget='{kind}']").all():
            place.scroll_into_view_if_needed()
            expect(place).to_have_attribute("data-ready", "true")
            yield place


def state_of(site, place):
    """The state of a widget, as the build wrote it."""
    text = (site / "_static" / "widgets" / f"{place.get_attribute('data-place')}.js").read_text(encoding="utf-8")
    return json.loads(re.fullmatch(r'shrinklabData\("\w+",(.*)\);\n', text, re.DOTALL)[1])["state"]


def settings_to_try(controls, table):
    """Three settings that move every control: the last of each, the first of each, and a mixed one."""
    axes = {axis["name"]: axis["points"] for axis in table["axes"]}
    for picked in (lambda points, i: points[-1], lambda points, i: points[0],
                   lambda points, i: points[(i + len(points) // 2) % len(points)]):
        yield {control["name"]: picked(axes[control["name"]], i) for i, control in enumerate(controls)}


def answer_at(table, values):
    """The table's answer at a setting that it holds."""
    index = 0
    for axis in table["axes"]:
        index = index * len(axis["points"]) + axis["points"].index(values[axis["name"]])
    return table["answers"][index]


def move(place, control, value):
    """Set one native input, as a reader would."""
    field = place.locator(f"[name='{control['name']}']")
    if control["kind"] == "range":
        field.fill(str(value))
    elif control["kind"] == "select":
        field.select_option(index=[option[1] for option in control["options"]].index(value))
    else:
        field.set_checked(value)


def check_explorer(place, state):
    """Move all controls; headline and numbers must be those of the table. Returns the number of settings tried."""
    root, tried = place.locator(".sl-explorer"), 0
    for values in settings_to_try(state["controls"], state["table"]):
        for control in state["controls"]:
            move(place, control, values[control["name"]])
        expected = answer_at(state["table"], values)
        if "error" in expected:
            expect(root.locator(".sl-problem")).to_contain_text(expected["error"])
            continue
        tried += 1
        expect(root.locator(".sl-headline")).to_have_text(expected["headline"])
        for name, number in expected.get("numbers", {}).items():
            shown = root.locator(f"[data-number='{name}']")
            if shown.count() and number["value"] is not None:
                value = shown.first.get_attribute("data-value")
                assert value == str(number["value"]) or isclose(float(value), number["value"], rel_tol=1e-6), name
    return tried


def check_recorded(place, state):
    """Move the sliders of a box of ipywidgets; the texts must be those that were recorded."""
    for values in settings_to_try(state["controls"], state["table"]):
        for control in state["controls"]:
            move(place, control, values[control["name"]])
        expected = answer_at(state["table"], values)["shown"]
        outputs = place.locator(".sl-recorded-output")
        for number, (text, as_html) in enumerate(zip(expected, state["html"], strict=True)):
            if as_html:
                wanted = outputs.nth(number).evaluate(
                    "(node, text) => { const made = document.createElement('div'); made.innerHTML = text;"
                    " return made.textContent; }", text)
                assert outputs.nth(number).evaluate("node => node.textContent") == wanted
            else:
                expect(outputs.nth(number)).to_have_text(text)


def check_guess(place, state):
    """Guess something, and see the truth."""
    if state["choices"]:
        place.get_by_label(state["choices"][0], exact=True).check()
    else:
        place.get_by_role("textbox").fill("1")
    place.get_by_role("button", name="Reveal").click()
    truth = place.locator("[data-part='truth']")
    expect(truth).to_be_visible()
    shown, expected = truth.inner_text(), state["answer"]["truth"]
    if isinstance(expected, str):
        assert expected in shown
    else:
        number = float(re.search(r"-?[\d,]+(?:\.\d+)?(?:e[+-]?\d+)?", shown.replace("−", "-"))[0].replace(",", ""))
        assert isclose(number, expected, rel_tol=5e-3, abs_tol=5e-3)


def check_job(place, state):
    """Press the button, and see the answer that was made beforehand."""
    place.get_by_role("button", name=state["label"]).click()
    expect(place.locator(".sl-headline")).to_have_text(state["stored"]["answer"]["headline"])


def check_quiz(place, state):
    """Placement: answer the first question. Practice: answer each choice, wrongly, then rightly."""
    count = place.locator(".sl-count")
    if state["mode"] == "placement":
        place.get_by_role("button", name="I don't know").click()
        expect(count).to_contain_text("1 of")
        return
    expect(count).to_contain_text(f"0 of {len(state['bank']['questions'])}")
    place.get_by_label("Show").select_option("all")
    cards = place.locator(".sl-card")
    assert cards.count() == len(state["bank"]["questions"])
    answered = 0
    for number, question in enumerate(state["bank"]["questions"]):
        if question.get("options"):
            answered += 1
            _choose(cards.nth(number), question)
    expect(count).to_contain_text(f"{answered} right")


def _choose(card, question):
    """First a wrong option, whose mistake is named; then the right one."""
    right = next(i for i, option in enumerate(question["options"]) if option.get("correct"))
    wrong = 0 if right else 1
    for index, line in ((wrong, "Not yet"), (right, "Right")):
        card.locator(f"input[type='radio'][value='{index}']").check()
        card.get_by_role("button", name="Check answer").click()
        expect(card.locator(".sl-verdict-line")).to_contain_text(line)


def check_cards(place, state):
    """Turn the first card and say that it was known."""
    place.get_by_role("button", name="Show the answer").click()
    place.get_by_role("button", name="I knew it").click()
    left = len(state["deck"]["cards"]) - 1
    expect(place.locator(".sl-count")).to_contain_text(f"{left} due today")


CHECKS = {"Explorer": check_explorer, "Recorded": check_recorded, "Guess": check_guess, "Job": check_job,
          "Practice": check_quiz, "RecallCards": check_cards}
