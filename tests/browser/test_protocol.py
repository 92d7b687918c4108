"""What an explorer asks and which answers it shows, without JupyterLab: the test itself plays Python, as slowly as
it likes. Also the static form, which asks nobody."""

import pytest
from playwright.sync_api import expect
from static_page import static_page

from shrinklab.widgets import Ask, Bars, Explorer, Guess, Range, Select

# The test's side of the comm: what was asked, and a way to answer it.
PYTHON = """
window.sent = [];
const last = () => window.sent.findLast((message) => message.ask);
model.send = (message) => window.sent.push(message);
window.answer = (answer) => listeners["msg:custom"].forEach((call) =>
  call({ answer, ask: last().ask, view: last().view }));
window.comm = (live) => listeners["comm_live_update"].forEach((call) => call.call({ model: { comm_live: live } }));
"""


def settings(amount, layer):
    return {"headline": f"{amount} of {layer}", "numbers": {"left": {"value": 1 - amount, "unit": "%", "text": "?"}},
            "size": {"labels": ["now"], "values": [1 - amount], "unit": "%"}}


def make(**options):
    return Explorer(settings, [Range("amount", 0, 1, step=0.1, value=0.5, percent=True),
                               Select("layer", options=["conv1", "fc1"])], [Bars("size")], title="Demo", **options)


@pytest.fixture
def show(page):
    def on_page(widget):
        failures = []
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.set_content(static_page(widget, extra=PYTHON))
        page.wait_for_function("window.ready")
        assert failures == []
        return page
    return on_page


def asked(page):
    return [message["values"]["amount"] for message in page.evaluate("sent") if "ask" in message]


def answer(page, text):
    page.evaluate("(headline) => answer({ headline, size: { labels: ['now'], values: [1] } })", text)


def test_one_request_at_a_time_and_the_newest_value_wins(show):
    page = show(make())
    slider, headline = page.get_by_label("amount"), page.locator(".sl-headline")
    expect(headline).to_have_text("0.5 of conv1")  # the first answer came with the widget
    for _ in range(4):
        slider.press("ArrowRight")
    assert asked(page) == [0.6]
    answer(page, "sixty")
    expect(headline).to_have_text("sixty")
    assert asked(page) == [0.6, 0.9]
    answer(page, "ninety")
    expect(headline).to_have_text("ninety")
    slider.press("ArrowLeft")
    slider.press("ArrowRight")  # known already: shown at once, while the answer for 0.8 is still on its way
    expect(headline).to_have_text("ninety")
    answer(page, "eighty")
    expect(headline).to_have_text("ninety")
    slider.press("ArrowLeft")
    expect(headline).to_have_text("eighty")
    assert asked(page) == [0.6, 0.9, 0.8]


def test_python_hears_of_a_move_whose_answer_was_known(show):
    page = show(make())
    page.get_by_label("amount").press("ArrowRight")
    answer(page, "sixty")
    page.get_by_label("amount").press("ArrowLeft")
    page.wait_for_function("sent.length === 2")
    first, second = page.evaluate("sent")
    assert first["moved"] == {"amount": 0.6}
    assert second == {"moved": {"amount": 0.5}}


def test_an_error_is_shown_and_not_kept(show):
    page = show(make())
    slider, alert = page.get_by_label("amount"), page.get_by_role("alert")
    slider.press("ArrowRight")
    page.evaluate("answer({ error: 'ZeroDivisionError: division by zero' })")
    expect(alert).to_have_text("This setting failed: ZeroDivisionError: division by zero")
    slider.press("ArrowLeft")
    expect(alert).to_have_text("")
    slider.press("ArrowRight")
    assert asked(page) == [0.6, 0.6]
    page.evaluate("answer({ headline: 'no data for the view' })")
    expect(alert).to_contain_text("This answer cannot be drawn")


def test_a_lost_kernel_is_said_and_its_return_is_noticed(show):
    page = show(make())
    page.get_by_label("amount").press("ArrowRight")
    page.evaluate("comm(false)")
    expect(page.get_by_role("alert")).to_contain_text("Run this cell again")
    expect(page.get_by_label("amount")).to_be_disabled()
    page.evaluate("comm(true)")
    assert asked(page) == [0.6, 0.6]
    answer(page, "back")
    expect(page.locator(".sl-headline")).to_have_text("back")
    expect(page.get_by_role("alert")).to_have_text("")
    expect(page.get_by_label("amount")).to_be_enabled()


def test_a_precomputed_table_answers_with_the_nearest_setting_and_says_so(show):
    explorer = make()
    explorer.table = explorer.tabulate(points=3)
    page = show(explorer)
    page.get_by_label("layer").select_option("fc1")
    for keys, nearest in [(["Home"], 0.0), (["ArrowRight"] * 2, 0.0), (["ArrowRight"], 0.5), (["End"], 1.0)]:
        for key in keys:
            page.get_by_label("amount").press(key)
        expect(page.locator(".sl-headline")).to_have_text(explorer.compute(amount=nearest, layer="fc1")["headline"])
        expect(page.locator(".sl-note")).to_have_text(
            f"Computed beforehand for 6 settings; shown is the nearest one: amount {nearest:.0%}.".replace("%", " %"))
    assert asked(page) == []


def test_predict_first_hides_the_answer_until_a_guess(show):
    page = show(make(guess=Ask("left", "How much is left?")))
    expect(page.locator(".sl-headline")).to_be_hidden()
    page.get_by_label("How much is left?").press_sequentially("45,5 %")
    page.get_by_label("How much is left?").press("Enter")
    expect(page.locator(".sl-headline")).to_be_visible()
    expect(page.locator("[data-part=guess] dd")).to_have_text("45.5 %")
    expect(page.locator(".sl-comparison")).to_contain_text("Off by 4.5 points")
    page.keyboard.press("Enter")  # the focus is on "Guess again"
    expect(page.locator(".sl-headline")).to_be_hidden()
    expect(page.get_by_label("How much is left?")).to_be_focused()


def test_a_choice_is_compared_with_the_truth(show):
    guess = Guess("Which layer?", "fc1", choices=["conv1", "fc1"], explain="It holds most weights.")
    guess.answer = guess.reveal()
    page = show(guess)
    page.get_by_role("button", name="Reveal").click()
    expect(page.get_by_role("alert")).to_have_text("Choose one first.")
    page.get_by_label("fc1").check()
    page.get_by_role("button", name="Reveal").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("✓ Exactly.")
    expect(page.get_by_role("status")).to_contain_text("It holds most weights.")
