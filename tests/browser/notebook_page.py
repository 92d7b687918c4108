"""What a reader does with a notebook in JupyterLab: open it, run it, look at an output, move a slider."""

import json
from contextlib import contextmanager

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

# How far the notebook has come, from Lab's own model: off-screen cells are not in the page.
PROGRESS = """() => {
  const panel = window.jupyterapp.shell.currentWidget;
  const cells = Array.from(panel.content.model.cells)
    .filter((cell) => cell.type === "code" && cell.sharedModel.source.trim());
  return {
    status: panel.sessionContext.session?.kernel?.status ?? "none",
    waiting: cells.filter((cell) => cell.executionCount === null || cell.executionState === "running").length,
    errors: cells.flatMap((cell) => Array.from(cell.sharedModel.outputs ?? []))
      .map((output) => output.toJSON?.() ?? output).filter((output) => output.output_type === "error")
      .map((output) => `${output.ename}: ${output.evalue}`),
  };
}"""
LOADED = "() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.isReady"
READY = """() => {
  const panel = window.jupyterapp?.shell?.currentWidget;
  return panel?.sessionContext?.isReady && panel.sessionContext.session?.kernel?.status === "idle";
}"""


# For a page of its own: run all cells as soon as the kernel is there, with nobody waiting for it. Asked again while no
# cell has begun: asked too early, Lab runs nothing and does not say so.
BEGIN = """(async () => {
  const ready = READY;
  const wait = (ms) => new Promise((go) => setTimeout(go, ms));
  const begun = () => Array.from(window.jupyterapp.shell.currentWidget.content.model?.cells ?? [])
    .some((cell) => cell.type === "code" && (cell.executionCount !== null || cell.executionState === "running"));
  for (;;) {
    while (!ready()) await wait(200);
    if (begun()) return;
    window.jupyterapp.commands.execute("notebook:run-all-cells").catch(() => {});
    await wait(3000);
  }
})();""".replace("READY", READY)
DONE = f"() => {{ const p = ({PROGRESS})(); return p.errors.length || (!p.waiting && p.status === 'idle'); }}"


class NotebookPage:
    """A notebook in JupyterLab, driven through the page."""

    def __init__(self, page, jupyterlab):
        self.page, self.lab = page, jupyterlab
        self.failures = []
        page.on("pageerror", lambda error: self.failures.append(str(error)))

    def address(self, name):
        return f"{self.lab.url}/lab/workspaces/auto-{abs(hash(name)) % 10**6}/tree/{name}?reset"

    def open(self, name):
        """Open the notebook and wait for its kernel: until then Lab's "Run All" silently runs nothing."""
        self.page.goto(self.address(name))
        self.page.wait_for_function(READY, timeout=180_000)
        return self

    def run_all(self, seconds=300):
        """Run > Run All Cells, as a reader does; returns the errors that cells ended with."""
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        return self.wait_for_all(seconds)

    def begin(self, name):
        """Open the notebook and run all cells, without waiting for either; `wait_for_all` then does."""
        self.page.add_init_script(BEGIN)
        self.page.goto(self.address(name), wait_until="commit")
        return self

    def wait_for_all(self, seconds):
        """Wait until all cells have run, or one has failed: after an error Lab runs no further cell."""
        self.page.wait_for_function(LOADED, timeout=seconds * 1000)
        self.page.wait_for_function(DONE, timeout=seconds * 1000, polling=200)
        return self.page.evaluate(PROGRESS)["errors"]

    def reach(self, number):
        """Bring code or markdown cell `number` into view: Lab draws only the cells near the screen."""
        self.page.evaluate("""(index) => {
          const content = window.jupyterapp.shell.currentWidget.content;
          content.activeCellIndex = index;
          return content.scrollToItem(index, "start");
        }""", number)

    def reach_explorer(self):
        """Scroll down until an explorer is on the page; returns it."""
        explorer = self.page.locator(".sl-explorer:not(.sl-guess, .sl-job)").first
        count = self.page.evaluate("window.jupyterapp.shell.currentWidget.content.model.cells.length")
        for number in range(count):
            if explorer.count():
                break
            self.reach(number)
            self.page.wait_for_timeout(60)
        expect(explorer).to_be_visible()
        explorer.scroll_into_view_if_needed()
        return explorer

    def theme(self, name):
        """ "Light" or "Dark", JupyterLab's own themes."""
        self.page.evaluate("(name) => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})",
                           f"JupyterLab {name}")
        expect(self.page.locator(f"body[data-jp-theme-light='{json.dumps(name == 'Light')}']")).to_be_attached()

    def violations(self, selector, rules=()):
        """What axe-core finds wrong in the elements of this selector, as readable lines. rules: only those."""
        options = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
        found = Axe().run(self.page, context={"include": [[selector]]}, options=options).response["violations"]
        return [f"{item['id']}: {item['help']}: {node['html'][:200]}" for item in found for node in item["nodes"]]

    def save(self):
        self.page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
        self.page.wait_for_function("!window.jupyterapp.shell.currentWidget.context.model.dirty")

    def shut_down(self):
        """End this notebook's kernel; others may be at work beside it."""
        self.page.evaluate("window.jupyterapp?.shell.currentWidget?.sessionContext?.shutdown()")


    def close(self):
        self.shut_down()
        self.page.context.close()


@contextmanager
def opened(new_context, jupyterlab, name):
    """A page with this notebook, all of whose cells have run. new_context: makes a context of the browser."""
    notebook = NotebookPage(new_context().new_page(), jupyterlab)
    try:
        assert notebook.open(name).run_all() == []
        yield notebook
    finally:
        notebook.close()


def settled(explorer):
    """Wait until the explorer shows the answer for its present setting; returns that setting."""
    expect(explorer).to_have_attribute("aria-busy", "false")
    return json.loads(explorer.get_attribute("data-values"))
