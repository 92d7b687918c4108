"""From a key on a slider to new pixels: our explorer beside `ipywidgets.interact` with inline matplotlib.

Both prune the same LeNet, run the same 1,000 validation images and draw the same histogram, in one JupyterLab and one
browser, one after the other. Needs Chromium. usage: python benchmarks/slider.py
"""

import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "browser")]

from conftest import BROWSERS, Lab  # noqa: E402  (the tests' JupyterLab)
from notebook_page import NotebookPage  # noqa: E402

WARM_UPS, MOVES = 5, 30

SETUP = """
%matplotlib inline
import ipywidgets, torch
import matplotlib.pyplot as plt
from shrinklab.data import load
from shrinklab.masks import apply_masks, global_masks
from shrinklab.metrics import accuracy
from shrinklab.models import pretrained
from shrinklab.widgets import Explorer, Histogram, Range

torch.set_num_threads(1)
model, images = pretrained("lenet"), load("mnist").validation[:1000]

def prune(amount):
    pruned = apply_masks(model, global_masks(model, amount))
    counts, edges = torch.histogram(pruned.fc1.weight.detach().flatten(), bins=60)
    return accuracy(pruned, images), counts.tolist(), edges.tolist()
"""

OURS = """
def settings(amount):
    share, counts, edges = prune(amount)
    return {"headline": f"{amount:.0%} removed, {share:.1%} right", "weights": {"edges": edges, "counts": counts}}

Explorer(settings, [Range("amount", 0.0, 0.95, step=0.01)], [Histogram("weights", "Weights of fc1", x="weight")])
"""

THEIRS = """
def show(amount):
    share, counts, edges = prune(amount)
    plt.figure(figsize=(5, 2.5))
    plt.stairs(counts, edges, fill=True)
    plt.title(f"{amount:.0%} removed, {share:.1%} right")
    plt.show()

ipywidgets.interact(show, amount=ipywidgets.FloatSlider(0.0, min=0.0, max=0.95, step=0.01));
"""

COMPUTATION = """
import time
def timed(amount):
    start = time.perf_counter()
    prune(amount)
    return 1000 * (time.perf_counter() - start)
times = sorted(timed(i / 100) for i in range(35))
print("computation", times[17])
"""

# Resolves with the milliseconds from the key press to the frame after `look` has something new to show.
WATCH = """([selector, look]) => {
  const root = document.querySelector(selector);
  const seen = new Function("root", `return ${look}`);
  const before = seen(root);
  window.moved = new Promise((resolve) => {
    let start = null;
    document.addEventListener("keydown", () => { start = performance.now(); }, { once: true, capture: true });
    const observer = new MutationObserver(() => {
      const now = seen(root);
      if (start === null || !now || now === before) return;
      observer.disconnect();
      const image = root.querySelector("img");
      Promise.resolve(image?.decode?.()).catch(() => {}).then(() =>
        requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - start))));
    });
    observer.observe(root, { subtree: true, childList: true, characterData: true, attributes: true });
  });
}"""


def moves(page, slider, selector, look, key):
    """Milliseconds of each move after the warm-ups."""
    times = []
    for _ in range(WARM_UPS + MOVES):
        page.evaluate(WATCH, [selector, look])
        slider.press(key)
        times.append(page.evaluate("window.moved"))
    return times[WARM_UPS:]


def line(name, times):
    ordered = sorted(times)
    p95 = ordered[int(0.95 * (len(ordered) - 1))]
    return f"{name:40} median {statistics.median(times):7.1f} ms   p95 {p95:7.1f} ms"


def main():
    chromium = next(filter(None, map(shutil.which, BROWSERS)), None)
    if chromium is None:
        sys.exit(f"error: none of {', '.join(BROWSERS)} is on PATH; install Chromium")
    started = Lab(Path(tempfile.mkdtemp())).start()
    started.write("slider.ipynb", SETUP, OURS, THEIRS, COMPUTATION)
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        try:
            notebook = NotebookPage(page, started).open("slider.ipynb")
            errors = notebook.run_all()
            if errors:
                sys.exit("\n".join(errors))
            explorer = notebook.reach_explorer()
            slider, headline = explorer.get_by_role("slider"), 'root.querySelector(".sl-headline").textContent'
            ours = moves(page, slider, ".sl-explorer", headline, "ArrowRight")
            known = moves(page, slider, ".sl-explorer", headline, "ArrowLeft")
            notebook.reach(2)
            plain = page.locator(".widget-interact").get_by_role("slider")
            theirs = moves(page, plain, ".widget-interact", 'root.querySelector("img")?.src', "ArrowRight")
            notebook.reach(3)
            computation = page.get_by_text("computation ").last.inner_text()
        finally:
            browser.close()
            started.stop()
    print(line("explorer, LeNet live", ours), line("explorer, known settings", known),
          line("interact + inline matplotlib", theirs), f"{'the computation alone':40} median "
          f"{float(computation.split()[-1]):7.1f} ms",
          f"interact / explorer: {statistics.median(theirs) / statistics.median(ours):.1f} times", sep="\n")


if __name__ == "__main__":
    main()
