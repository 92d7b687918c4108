"""Quizzes and recall cards in a real browser: on a page without a kernel, and in a real JupyterLab."""

import itertools
import json
import random
import shutil
from pathlib import Path

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from notebook_page import opened
from playwright.sync_api import expect
from static_page import static_page

from shrinklab import quiz
from shrinklab.widgets import Placement, Practice, RecallCards

SAMPLE = Path(__file__).parents[1] / "library" / "00_sample.questions.yml"
BANK = quiz.Bank.load(SAMPLE, run=False)
CARD = BANK.cards[0]["id"]
HEADINGS = [section["title"] for section in BANK.sections]


@pytest.fixture
def bank(tmp_path):
    return shutil.copy(SAMPLE, tmp_path / "practice.yml")


@pytest.fixture
def show(page, tmp_path):
    """Show a widget on a page of its own, opened as a file; no error and no request may happen there."""
    failures = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("request", lambda request: request.url.startswith("file:") or failures.append(request.url))

    def on_page(widget, **options):
        path = tmp_path / "page.html"
        path.write_text(static_page(widget, **{"headings": HEADINGS, **options}), encoding="utf-8")
        page.goto(path.as_uri())
        page.wait_for_function("window.ready")
        return page.locator(".sl-quiz")

    yield on_page
    assert failures == []


def state(page, name="progress"):
    return page.evaluate("(name) => model.get(name)", name)


def press(page, name):
    """Press a button with the keyboard."""
    page.get_by_role("button", name=name).first.press("Enter")


def correct(question):
    """The right answer, as `grade` takes it."""
    if "options" in question:
        return next(index for index, option in enumerate(question["options"]) if option.get("correct"))
    return list(range(len(question["order"]))) if "order" in question else question["answer"]


def give(page, question, answer):
    """Give an answer with the mouse or keys, as its kind asks for."""
    if "options" in question:
        page.locator(f".sl-option input[value='{answer}']").check()
    elif "order" in question:
        arrange(page, question, answer)
    else:
        page.get_by_role("spinbutton").fill(str(answer))


def arrange(page, question, answer):
    """Bring steps into an order with their buttons, the topmost first."""
    for place, index in enumerate(answer):
        text = question["order"][index]["text"]
        for _ in range(len(answer)):
            if page.locator(".sl-step .sl-option-text").all_inner_texts().index(text) == place:
                break
            page.get_by_role("button", name=f"Move up: {text}").press("Enter")


def number_of(name):
    return [question["id"] for question in BANK.questions].index(name) + 1


def go_to(page, name):
    page.get_by_role("button", name=f"Question {number_of(name)},", exact=False).first.click()


def test_the_browser_grades_as_python_does(page, show, bank):
    show(Practice(bank), extra="window.judge = { grade, credit, verdict };")
    chance = random.Random(0)
    for question in BANK.questions:
        if "options" in question:
            answers = range(len(question["options"]))
        elif "order" in question:
            answers = map(list, itertools.permutations(range(len(question["order"]))))
        else:
            known = [question["answer"], *(wrong["value"] for wrong in question["mistakes"])]
            near = [value + chance.uniform(-2, 2) * question["tolerance"] for value in known for _ in range(20)]
            answers = known + near + [question["answer"] * 100, question["answer"] / 100, 0, -1e9]
        answers = list(answers)
        got = page.evaluate("([question, answers]) => answers.map((answer) => judge.grade(question, answer))",
                            [question, answers])
        want = [quiz.grade(question, answer) for answer in answers]
        assert [(one["right"], one["mistake"]) for one in got] == [(one.right, one.mistake) for one in want]
    for _ in range(100):
        records = {question["id"]: {"right": chance.random() < 0.6, "tries": chance.randrange(4),
                                    "hint": chance.random() < 0.3, "solution": chance.random() < 0.2}
                   for question in BANK.questions}
        got = page.evaluate("(records) => judge.verdict(model.get('bank'), records)", records)
        want = quiz.verdict(BANK, records)
        assert [(row["section"], row["title"], row["rating"], row["share"], row["answered"]) for row in got] == [
            (row.section, row.title, row.rating, row.share, row.answered) for row in want]


def test_text_is_shown_and_never_run(page, show, bank):
    widget = Practice(bank)
    nasty = "<img src=x onerror='window.hurt=1'> **bold** *soft* `<b>` 2*3*4 </script>"
    first = {**widget.bank["questions"][0], "question": nasty}
    first["options"] = [{**option, "text": nasty} for option in first["options"]]
    widget.bank = {**widget.bank, "questions": [first, *widget.bank["questions"][1:]]}
    shown = show(widget)
    expect(shown.locator("legend")).to_have_text("<img src=x onerror='window.hurt=1'> bold soft <b> 2*3*4 </script>")
    assert shown.locator("img, b").count() == 0
    assert shown.locator("legend strong").all_inner_texts() == ["bold"]
    assert shown.locator("legend em").all_inner_texts() == ["soft"]
    assert shown.locator("legend code").all_inner_texts() == ["<b>"]
    assert page.evaluate("window.hurt") is None


def test_a_choice_with_the_keyboard_alone(page, show, bank):
    shown = show(Practice(bank))
    question = BANK.questions[0]
    page.get_by_role("radio").first.focus()
    for _ in range(len(question["options"])):
        page.keyboard.press("ArrowDown")
        chosen = int(page.locator(":focus").get_attribute("value"))
        if chosen == 1:
            break
    page.keyboard.press("Enter")
    expect(shown.locator(".sl-feedback")).to_have_text(
        "✗ Not yet.A mask changes values, not shapes. Taking weights out needs a new, smaller tensor.")
    expect(page.get_by_role("button", name="Question 1, missed")).to_be_visible()
    press(page, "Hint")
    expect(shown.locator(".sl-hint")).to_contain_text("Multiply a weight by its mask")
    assert page.evaluate("document.activeElement.type") == "radio"
    for _ in range(len(question["options"])):
        if page.locator(":focus").get_attribute("value") == str(correct(question)):
            break
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(shown.locator(".sl-feedback")).to_contain_text("✓ Right.")
    assert state(page) == {question["id"]: {"answer": 0, "right": True, "tries": 2, "hint": True}}
    press(page, "Next")
    expect(page.get_by_role("heading", name="Question 2 of 10")).to_be_focused()
    page.get_by_role("button", name="Previous").press("Enter")
    expect(shown.locator(".sl-feedback")).to_contain_text("✓ Right.")
    page.locator(".sl-option input[value='1']").check()
    expect(shown.locator(".sl-feedback")).to_be_empty()
    page.keyboard.press("Enter")
    expect(shown.locator(".sl-feedback")).to_contain_text("✗ Not yet.")
    assert state(page)[question["id"]]["right"], "looking at a wrong option afterwards took the right answer away"


def test_a_number_names_the_mistake_and_an_empty_one_costs_no_try(page, show, bank):
    shown = show(Practice(bank))
    go_to(page, "kept-count")
    press(page, "Check answer")
    expect(shown.locator(".sl-feedback")).to_have_text("Type a number first, in digits.")
    for answer, said in [("7500", "That is how many are removed."), ("1", "This is not the number."),
                         ("225", "off by a factor of 100"), ("22500", "✓ Right.")]:
        page.get_by_label("Your answer").fill(answer)
        page.keyboard.press("Enter")
        expect(shown.locator(".sl-feedback")).to_contain_text(said)
    assert state(page) == {"kept-count": {"answer": 22500, "right": True, "tries": 4}}


def test_the_solution_comes_step_by_step(page, show, bank):
    shown = show(Practice(bank))
    question = BANK.question("sign-bug")
    go_to(page, "sign-bug")
    help_ = shown.locator(".sl-help")
    for number, step in enumerate(question["steps"], 1):
        press(page, "Solution" if number == 1 else "Next step")
        assert help_.locator(".sl-solution-steps > li").count() == number
        expect(help_.locator(".sl-solution-steps > li").last).to_have_text(step.replace("`", ""))
    press(page, "Final answer")
    expect(help_).to_contain_text("Quick check")
    expect(help_.get_by_role("group", name="The mended code")).to_contain_text("scores = weight.abs()")
    expect(help_).to_contain_text("Sorting scores and losing their places.")
    give(page, question, correct(question))
    press(page, "Check answer")
    record = state(page)["sign-bug"]
    assert record["right"]
    assert quiz.credit(record) == 0


def test_steps_are_put_in_order_with_the_keyboard(page, show, bank):
    shown = show(Practice(bank))
    question = BANK.question("prune-in-order")
    go_to(page, "prune-in-order")
    arrange(page, question, [0, 2, 1, 3])
    press(page, "Check answer")
    expect(shown.locator(".sl-feedback")).to_contain_text("There is no mask to apply before the weights are scored.")
    down = page.get_by_role("button", name="Move down: Apply the mask")
    down.press("Enter")
    expect(down).to_be_focused()
    expect(shown.locator(".sl-live")).to_have_text("Now step 3 of 4.")
    down.press("Enter")
    expect(page.get_by_role("button", name="Move up: Apply the mask")).to_be_focused()
    arrange(page, question, [0, 1, 2, 3])
    press(page, "Check answer")
    expect(shown.locator(".sl-feedback")).to_contain_text("✓ Right.")
    assert state(page)["prune-in-order"]["answer"] == [0, 1, 2, 3]


def tab_to(page, wanted, key="Tab"):
    """Go to an element with Tab alone, or with Shift+Tab, as a reader without a mouse does."""
    for _ in range(60):
        if wanted.evaluate_all("(found) => found.includes(document.activeElement)"):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{key} does not reach {wanted}")


def choose(page, value):
    """Tab to the options and choose one of them with the arrow keys; Space takes the first."""
    tab_to(page, page.get_by_role("radio"))
    page.keyboard.press("Space")
    for _ in range(10):
        if page.locator(":focus").get_attribute("value") == str(value):
            return
        page.keyboard.press("ArrowDown")
    raise AssertionError(f"no arrow key reaches option {value}")


def test_code_and_bugs_with_level_hint_solution_and_retry_by_the_keyboard_alone(page, show, bank):
    shown, keyboard, feedback = show(Practice(bank)), page.keyboard, page.locator(".sl-feedback")
    medium = [question for question in BANK.questions if question["level"] == "medium"]
    bug, code = medium[:2]
    assert (bug["kind"], code["kind"]) == ("bug", "code")
    tab_to(page, page.get_by_label("Level"))
    keyboard.press("ArrowDown")
    keyboard.press("ArrowDown")
    expect(page.get_by_role("heading", name=f"Question 1 of {len(medium)}")).to_be_visible()

    wrong = next(index for index, option in enumerate(bug["options"]) if not option.get("correct"))
    choose(page, wrong)
    keyboard.press("Enter")
    expect(feedback).to_contain_text("✗ Not yet.")
    tab_to(page, page.get_by_role("button", name="Hint"))
    keyboard.press("Enter")
    expect(shown.locator(".sl-hint")).to_be_visible()
    tab_to(page, page.get_by_role("button", name="Next"))
    keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"Question 2 of {len(medium)}")).to_be_focused()
    tab_to(page, page.get_by_role("spinbutton"))
    keyboard.type(str(correct(code)))
    keyboard.press("Enter")
    expect(feedback).to_contain_text("✓ Right.")

    tab_to(page, page.get_by_role("button", name="Retry the missed (1)"), "Shift+Tab")
    keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Question 1 of 1")).to_be_focused()
    tab_to(page, page.get_by_role("button", name="Solution"))
    for _ in range(len(bug["steps"]) + 1):
        keyboard.press("Enter")  # the button stays, and counts the steps
    expect(shown.get_by_role("group", name="The mended code")).to_be_visible()
    tab_to(page, page.get_by_role("radio"), "Shift+Tab")
    choose(page, correct(bug))
    keyboard.press("Enter")
    expect(feedback).to_contain_text("✓ Right.")
    assert state(page) == {
        bug["id"]: {"answer": correct(bug), "right": True, "tries": 2, "hint": True, "solution": True},
        code["id"]: {"answer": correct(code), "right": True, "tries": 1}}
    tab_to(page, page.get_by_role("button", name="Back to all questions"), "Shift+Tab")
    keyboard.press("Enter")
    tab_to(page, page.get_by_label("Show"), "Shift+Tab")
    keyboard.press("ArrowDown")
    assert shown.locator("form").count() == len(medium)


def test_levels_all_at_once_retry_and_start_again(page, show, bank):
    shown = show(Practice(bank))
    page.get_by_label("Level").select_option("hard")
    expect(page.get_by_role("heading", name="Question 1 of 3")).to_be_visible()
    page.get_by_label("Show").select_option("all")
    assert shown.locator("form").count() == 3
    page.get_by_label("Level").select_option("all")
    assert shown.locator("form").count() == 10
    page.get_by_label("Show").select_option("one")
    for question in BANK.questions[:3]:
        go_to(page, question["id"])
        give(page, question, correct(question) if question["id"] == "kept-count" else 1)
        press(page, "Check answer")
    expect(shown.locator(".sl-count")).to_have_text("3 of 10 answered, 1 right")
    press(page, "Retry the missed (2)")
    expect(page.get_by_role("heading", name="Question 1 of 2")).to_be_focused()
    assert page.get_by_role("radio", checked=True).count() == 0
    give(page, BANK.questions[0], correct(BANK.questions[0]))
    press(page, "Check answer")
    assert state(page)["what-a-mask-does"] == {"answer": 0, "right": True, "tries": 2}
    press(page, "Back to all questions")
    expect(page.get_by_role("heading", name="Question 1 of 10")).to_be_focused()
    press(page, "Start again")
    assert len(state(page)) == 3
    press(page, "Forget all answers?")
    assert state(page) == {}
    expect(shown.locator(".sl-count")).to_have_text("0 of 10 answered, 0 right")


def test_the_verdict_links_to_the_sections(page, show, bank):
    widget = Practice(bank)
    widget.progress = {"what-a-mask-does": {"answer": 0, "right": True, "tries": 1},
                       "read-mask": {"answer": 1, "right": False, "tries": 1}}
    shown = show(widget, headings=HEADINGS[:2])
    press(page, "Verdict")
    expect(page.get_by_role("heading", name="How you stand")).to_be_focused()
    rows = shown.locator("tbody tr").all_inner_texts()
    assert [row.split("\t")[1] for row in rows] == ["● strong", "○ weak", "– not answered"]
    link = shown.locator(".sl-advice").get_by_role("link")
    expect(link).to_have_text("Which weights matter least?")
    link.press("Enter")
    heading = page.get_by_role("heading", name="Which weights matter least?")
    expect(heading).to_be_in_viewport()
    expect(heading).to_be_focused()
    shown.get_by_role("link", name="What a mask costs and saves").press("Enter")
    expect(shown.locator(".sl-live")).to_contain_text("Look for the heading “What a mask costs and saves”")


def take(page, widget, right):
    """Answer a placement test: rightly where `right(question)`, otherwise by "I don't know"."""
    for name in widget.drawn:
        question = BANK.question(name)
        if right(question):
            give(page, question, correct(question))
            page.locator(".sl-main").press("Enter")
        else:
            press(page, "I don't know")


def test_placement_strong_everywhere_goes_to_the_exercises(page, show, bank):
    widget = Placement(bank)
    shown = show(widget)
    assert shown.get_by_role("button", name="Hint").count() == 0
    take(page, widget, lambda question: True)
    expect(shown.locator(".sl-advice")).to_have_text("Strong in every section: go straight to the exercises.")
    expect(page.get_by_role("heading", name="How you stand")).to_be_focused()


def test_placement_says_what_to_read_and_what_to_skip(page, show, bank):
    widget = Placement(bank, count=6)
    shown = show(widget)
    take(page, widget, lambda question: question["section"] != "cost")
    expect(shown.locator(".sl-advice")).to_have_text(
        "Read: What a mask costs and saves. You can skip: A mask is a tensor of yes and no and "
        "Which weights matter least?.")
    shown.locator("summary").press("Enter")
    assert shown.locator(".sl-missed-list > li").count() == 2
    assert set(state(page)) == set(widget.drawn)
    press(page, "Take the test again")
    assert state(page) == {}
    expect(page.get_by_role("heading", name="Question 1 of 6")).to_be_focused()
    page.locator(".sl-main").press("Enter")
    expect(shown.locator(".sl-live")).to_contain_text("or say that you don't know")
    assert state(page) == {}


def test_recall_cards_move_through_the_boxes(page, show, bank):
    widget = RecallCards(bank, today="2026-02-27")
    names = [card["id"] for card in BANK.cards]
    widget.schedule = {names[0]: {"box": 2, "due": "2026-02-20"}, names[1]: {"box": 1, "due": "2026-02-10"},
                       names[2]: {"box": 5, "due": "2026-02-27"}, names[3]: {"box": 3, "due": "2026-02-28"}}
    shown = show(widget)
    expect(shown.locator(".sl-count")).to_have_text("4 due today, 5 in all")
    asked = []
    for knew in (True, False, True, True, True):
        asked.append(shown.locator(".sl-front").inner_text())
        press(page, "Show the answer")
        expect(page.get_by_role("button", name="I knew it")).to_be_focused()
        press(page, "I knew it" if knew else "Not yet")
        if not knew:
            assert state(page, "schedule")[names[0]] == {"box": 1, "due": "2026-02-27"}
    fronts = [card["front"] for card in BANK.cards]
    assert asked == [fronts[1], fronts[0], fronts[2], fronts[4], fronts[0]]
    assert state(page, "schedule") == {
        names[0]: {"box": 2, "due": "2026-03-02"}, names[1]: {"box": 2, "due": "2026-03-02"},
        names[2]: {"box": 5, "due": "2026-03-29"}, names[3]: {"box": 3, "due": "2026-02-28"},
        names[4]: {"box": 1, "due": "2026-02-28"}}
    expect(shown).to_contain_text("The next card is due on 2026-02-28.")
    press(page, "Go through all cards anyway")
    for _ in names:
        press(page, "Show the answer")
        press(page, "I knew it")
    expect(page.get_by_role("heading", name="Done for today")).to_be_focused()
    assert state(page, "schedule")[names[2]] == {"box": 5, "due": "2026-03-29"}


def violations(page):
    found = Axe().run(page, context={"include": [[".sl-quiz"]]}).response["violations"]
    return [f"{item['id']}: {node['html'][:160]}" for item in found for node in item["nodes"]]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_accessibility_violation_and_no_overflow(page, show, bank, theme):
    page.set_viewport_size({"width": 340, "height": 800})

    def fine():
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    shown = show(Practice(bank), theme=theme)
    for name in ("what-a-mask-does", "kept-count", "sign-bug", "prune-in-order"):
        go_to(page, name)
        fine()
        give(page, BANK.question(name), 1 if "order" not in BANK.question(name) else [1, 0, 2, 3])
        press(page, "Check answer")
        press(page, "Hint")
        while shown.get_by_role("button", name="step").or_(shown.get_by_role("button", name="Final")).count():
            shown.get_by_role("button", name="step").or_(shown.get_by_role("button", name="Final")).last.click()
        fine()
    press(page, "Verdict")
    fine()
    page.get_by_label("Show").select_option("all")
    fine()
    widget = Placement(bank)
    show(widget, theme=theme)
    fine()
    take(page, widget, lambda question: question["level"] == "easy")
    page.locator("summary").press("Enter")
    fine()
    show(RecallCards(bank), theme=theme)
    press(page, "Show the answer")
    fine()


LESSON = [("markdown", "# 00 · Sample"), ("code", "from shrinklab.widgets import Placement, Practice, RecallCards"),
          ("code", 'practice = Practice("practice.yml")\npractice'), ("code", 'RecallCards("practice.yml")'),
          *(("markdown", f"## {title}\n\n" + "A long text.\n\n" * 40) for title in HEADINGS)]


@pytest.fixture(scope="module")
def lesson(lab_context, jupyterlab):
    """A lesson with the sample bank in a real JupyterLab, run; the test that takes its kernel away is the last."""
    folder = jupyterlab.files / "00_sample"
    folder.mkdir()
    shutil.copy(SAMPLE, folder / "practice.yml")
    new = {"markdown": nbformat.v4.new_markdown_cell, "code": nbformat.v4.new_code_cell}
    cells = [new[kind](source) for kind, source in LESSON]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}), folder / "00.ipynb")
    with opened(lab_context, jupyterlab, "00_sample/00.ipynb") as one:
        one.folder = folder
        yield one


def saved(lesson, name, wanted):
    """What a file beside the notebook holds, once it has this entry."""
    for _ in range(200):
        if (lesson.folder / name).is_file():
            data = json.loads((lesson.folder / name).read_text(encoding="utf-8"))
            entries = data.get("practice", data)
            if wanted in entries:
                return entries
        lesson.page.wait_for_timeout(50)
    raise AssertionError(f"{name} has no {wanted}")


def test_answers_in_jupyterlab_are_kept(lesson):
    page = lesson.page
    practice = page.get_by_role("region", name="Practice questions")
    cells = page.locator(".jp-Cell").count()
    practice.get_by_role("radio").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    chosen = int(page.locator(":focus").get_attribute("value"))
    page.keyboard.press("Enter")
    expect(practice.locator(".sl-verdict-line")).to_be_visible()
    practice.get_by_role("button", name="Next").press("Enter")
    expect(practice.get_by_role("heading", name="Question 2 of 10")).to_be_focused()
    page.keyboard.press("d")  # Lab deletes a cell on d, d and turns it into a heading on 1
    page.keyboard.press("d")
    practice.get_by_role("spinbutton").focus()
    page.keyboard.type("22500")
    page.keyboard.press("Enter")
    expect(practice.locator(".sl-verdict-line")).to_have_text("✓ Right.")
    assert page.locator(".jp-Cell").count() == cells
    kept = saved(lesson, ".practice.json", "kept-count")
    assert kept["what-a-mask-does"]["answer"] == chosen
    assert kept["kept-count"]["right"]
    lesson.open("00_sample/00.ipynb").run_all()
    expect(practice.locator(".sl-count").first).to_contain_text("2 of 10 answered")
    assert lesson.failures == []


def test_cards_are_kept_and_links_find_their_heading_in_jupyterlab(lesson):
    page = lesson.page
    practice = page.get_by_role("region", name="Practice questions")
    practice.get_by_role("button", name=f"Question {number_of('mask-speed')}").press("Enter")
    practice.get_by_role("link", name="What a mask costs and saves").press("Enter")
    expect(page.locator("h2", has_text="What a mask costs and saves")).to_be_in_viewport()
    cards = page.get_by_role("region", name="Recall cards")
    cards.get_by_role("button", name="Show the answer").press("Enter")
    page.keyboard.press("Enter")
    expect(cards.locator(".sl-count")).to_have_text("4 due today, 5 in all")
    assert saved(lesson, ".recall.json", CARD)[CARD]["box"] == 1


def test_no_accessibility_violation_in_jupyterlab(lesson):
    practice = lesson.page.get_by_role("region", name="Practice questions")
    practice.get_by_role("button", name=f"Question {number_of('file-size')}").press("Enter")
    practice.get_by_role("radio").first.check()
    practice.get_by_role("button", name="Check answer").press("Enter")
    practice.get_by_role("button", name="Hint").press("Enter")
    for theme in ("Light", "Dark"):
        lesson.theme(theme)
        assert practice.evaluate("(node) => getComputedStyle(node).colorScheme") == theme.lower()
        assert lesson.violations(".sl-quiz") == []


def test_a_lost_kernel_and_a_reopened_notebook_say_what_to_do(lesson):
    page = lesson.page
    practice = page.get_by_role("region", name="Practice questions")
    page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    expect(practice.locator(".sl-problem")).to_contain_text("Run this cell again")
    lesson.save()
    assert page.locator(".sl-reopened:visible").count() == 0
    lesson.shut_down()
    lesson.open("00_sample/00.ipynb")
    expect(page.locator(".sl-reopened").first).to_contain_text("Run this cell")
    assert lesson.run_all() == []
    expect(practice).to_be_visible()
    expect(page.locator(".sl-reopened:visible")).to_have_count(0)
