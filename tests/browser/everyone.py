"""What every explorer and quiz of a lesson owes to every reader: the keyboard is enough, and axe-core finds nothing."""

import json

from notebook_page import settled
from playwright.sync_api import expect

# The cells of the notebook that show an explorer, a job or a quiz; guesses have a test of their own.
CELLS = r"""() => Array.from(window.jupyterapp.shell.currentWidget.content.widgets)
  .map((cell, index) => [index, cell.model.sharedModel.source, cell.model.type])
  .filter(([, source, type]) => type === "code")
  .filter(([, source]) => /^[^#]*(_explorer|\bJob|_job|Practice|Placement|RecallCards)\(/m.test(source))
  .map(([index]) => index)"""
WIDGETS = ".sl-explorer:not(.sl-guess), .sl-quiz"


def worked_by_keys(explorer):
    """Tab from control to control, move each with its own keys, and reset, all with no mouse."""
    keyboard, reset = explorer.page.keyboard, explorer.get_by_role("button", name="Reset")
    reset.press("Enter")
    first = settled(explorer)
    inputs = explorer.locator(".sl-controls :is(input, select)")
    inputs.first.focus()
    for control in inputs.all():
        expect(control).to_be_focused()
        name, kind = control.get_attribute("name"), control.get_attribute("type") or "select"
        before = settled(explorer)[name]
        for key in {"range": ("ArrowRight", "ArrowLeft"), "checkbox": ("Space",)}.get(kind, ("ArrowDown", "ArrowUp")):
            keyboard.press(key)  # at its end a slider stays where it is: then the other way
            explorer.page.wait_for_timeout(50)
            if settled(explorer)[name] != before:
                break
        assert settled(explorer)[name] != before, f"no key moves {name}"
        expect(explorer.locator(".sl-problem")).to_have_text("")
        expect(explorer.locator(".sl-headline")).not_to_be_empty()
        keyboard.press("Tab")
    expect(reset).to_be_focused()
    keyboard.press("Enter")
    expect(explorer).to_have_attribute("data-values", json.dumps(first, separators=(",", ":")))
    assert settled(explorer) == first


def fit_for_everyone(notebook):
    """Each explorer by keys; each explorer, job and quiz by axe-core, in the light and in the dark theme."""
    cells = notebook.page.evaluate(CELLS)
    assert len(cells) >= 4, "an explorer, placement, practice and cards"
    # What a theme changes is colours: all rules are asked in the light one.
    for theme, rules in (("Light", ()), ("Dark", ["color-contrast"])):
        notebook.theme(theme)
        for index in cells:
            notebook.reach(index)
            here = f".jp-Cell[data-windowed-list-index='{index}']"
            cell = notebook.page.locator(here)
            widgets = cell.locator(WIDGETS)
            expect(widgets.first).to_be_visible()
            assert notebook.violations(f"{here} :is({WIDGETS})", rules) == [], theme
            if theme == "Light":
                for explorer in cell.locator(".sl-explorer:not(.sl-guess, .sl-job)").all():
                    worked_by_keys(explorer)
    notebook.theme("Light")
