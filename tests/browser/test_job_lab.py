"""A job in a real JupyterLab: pressed, followed, cancelled, pressed again; when its Python is gone; and its stored
answer without Python."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from notebook_page import opened
from playwright.sync_api import expect
from static_page import static_page

from shrinklab.widgets import Bars, Job

SOURCE = '''
import threading
from shrinklab.widgets import Bars, Job

go_on, begun = threading.Semaphore(0), []

def run(report):
    """Five steps; each waits until another cell lets it go on."""
    begun.append(True)
    for step in range(5):
        report(step, 5, f"epoch {step + 1}")
        go_on.acquire()
    if len(begun) == 3:
        raise ValueError("the rate is 50; this test refuses it; press again")
    return {"headline": f"{len(begun)} times five epochs",
            "numbers": {"accuracy": {"value": 0.9, "unit": "%", "text": "90.0 %"}},
            "bars": {"labels": ["now"], "values": [len(begun)]}}

Job("Fine-tune now", run, [Bars("bars", "How often")], title="A long run")
'''


BOXED = """
import ipywidgets
ipywidgets.VBox([ipywidgets.IntSlider(description="epochs"), Job("Train now", run)])
"""
PLAIN = """
ipywidgets.VBox([ipywidgets.IntSlider(description="bits"), ipywidgets.Label("nothing of ours")])
"""


@pytest.fixture(scope="module")
def notebook(lab_context, jupyterlab):
    """One notebook for all tests here; the last one takes its kernel away."""
    # A cell that lets the work go on shows that the kernel is free meanwhile.
    name = jupyterlab.write("job.ipynb", SOURCE, "go_on.release(3)", BOXED, PLAIN)
    with opened(lab_context, jupyterlab, name) as one:
        yield one


def cell(notebook, number):
    notebook.reach(number)
    return notebook.page.locator(f".jp-Cell[data-windowed-list-index='{number}']")


@pytest.fixture
def job(notebook):
    return cell(notebook, 0).locator(".sl-job")


def let_go(notebook, times=1):
    """Run the second cell, which lets the work take three steps."""
    for _ in range(times):
        notebook.page.evaluate("""async () => {
          const panel = window.jupyterapp.shell.currentWidget;
          panel.content.activeCellIndex = 1;
          await window.jupyterapp.commands.execute('notebook:run-cell');
        }""")


def test_a_job_is_pressed_followed_cancelled_and_pressed_again(notebook, job):
    start, cancel = job.get_by_role("button", name="Fine-tune now"), job.get_by_role("button", name="Cancel")
    expect(start).to_be_enabled()
    expect(cancel).to_be_hidden()
    start.focus()
    start.press("Enter")  # three steps were let go by Run All: it stands at the fourth
    expect(job.locator(".sl-going")).to_contain_text("epoch 4: 60 %, about")
    assert job.locator("progress").evaluate("(bar) => bar.value") == pytest.approx(0.6)
    expect(start).to_be_disabled()
    expect(cancel).to_be_focused()
    assert notebook.violations(".sl-job") == []
    let_go(notebook)  # the last two; one is left over
    expect(job.locator(".sl-headline")).to_have_text("1 times five epochs")
    expect(job.get_by_text("Done in")).to_be_visible()
    expect(job.locator("[data-number='accuracy']")).to_contain_text("90.0 %")
    assert notebook.violations(".sl-job") == []

    start.press("Space")
    expect(job.locator(".sl-going")).to_contain_text("epoch 2: 20 %")
    cancel.press("Enter")
    expect(job.get_by_text("Cancelling")).to_be_visible()
    let_go(notebook)
    expect(job.get_by_text("Cancelled. Nothing was changed.")).to_be_visible()
    expect(job.locator(".sl-headline")).to_have_text("1 times five epochs")

    start.click()
    let_go(notebook, 2)
    expect(job.get_by_role("alert")).to_have_text(
        "This failed: the rate is 50; this test refuses it; press again")
    start.click()
    let_go(notebook, 2)
    expect(job.locator(".sl-headline")).to_have_text("4 times five epochs")
    expect(job.get_by_role("alert")).to_be_empty()
    notebook.theme("Dark")
    assert notebook.violations(".sl-job") == []
    notebook.theme("Light")
    assert notebook.failures == []


def test_a_job_whose_python_is_gone_says_what_to_do(notebook, job):
    """After a restart in the middle of the work, and in a notebook that was saved and opened again."""
    job.get_by_role("button", name="Fine-tune now").press("Enter")
    expect(job.locator(".sl-going")).to_contain_text("epoch")
    notebook.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    said = "The Python behind this button has stopped. Run this cell again to bring it back."
    expect(job.get_by_role("alert")).to_have_text(said)
    expect(job.get_by_role("button", name="Fine-tune now")).to_be_disabled()
    expect(job.locator(".sl-going")).to_be_hidden()
    expect(cell(notebook, 2).get_by_role("alert")).to_have_text(said)
    expect(cell(notebook, 2).locator(".sl-reopened")).to_be_hidden()  # the job says so itself
    expect(cell(notebook, 3).locator(".sl-reopened")).to_be_visible()

    notebook.save()
    notebook.shut_down()
    notebook.open("job.ipynb")
    for number in (0, 2, 3):  # alone, in a plain box, and a box with nothing of ours
        expect(cell(notebook, number).locator(".sl-reopened")).to_be_visible()
        expect(cell(notebook, number).locator(".sl-reopened")).to_contain_text("Run this cell")
        expect(cell(notebook, number).get_by_text("Traceback")).to_have_count(0)
    assert notebook.run_all() == []
    for number in (0, 2, 3):
        expect(cell(notebook, number).locator(".sl-reopened")).to_be_hidden()
    expect(cell(notebook, 2).get_by_role("button", name="Train now")).to_be_enabled()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_without_python_the_button_shows_the_stored_answer(page, theme):
    job = Job("Fine-tune now", lambda report: {"headline": "98.1 % after three epochs",
                                               "bars": {"labels": ["now"], "values": [3]}}, [Bars("bars")])
    job.precompute()
    page.set_content(static_page(job, theme=theme))
    page.wait_for_function("window.ready")
    expect(page.locator(".sl-answer")).to_be_hidden()
    page.get_by_role("button", name="Fine-tune now").press("Enter")
    expect(page.locator(".sl-headline")).to_have_text("98.1 % after three epochs")
    expect(page.get_by_text("Computed beforehand in 1 s.")).to_be_visible()
    assert [item["id"] for item in Axe().run(page, context={"include": [[".sl-job"]]}).response["violations"]] == []
