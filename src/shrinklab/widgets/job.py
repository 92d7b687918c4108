"""What takes longer than a slider may: a button, a progress bar with the remaining time, cancel, then an answer.

The work runs in a thread of its own, so that sliders and other cells go on meanwhile.
"""

import threading
import time

import anywidget
import traitlets

from shrinklab.errors import need
from shrinklab.widgets.assets import joined
from shrinklab.widgets.plain import sentence
from shrinklab.widgets.reopened import Reopened
from shrinklab.widgets.view import checked

STATES = ("ready", "running", "cancelling", "done", "cancelled", "failed")


class Cancelled(Exception):
    """Raised by `report` inside the work, when the reader has pressed Cancel."""


class Job(Reopened, anywidget.AnyWidget):
    """A button `label` that calls `run(report)` and shows what it returns, as an explorer shows its answer.

    run: does the work; calls `report(done, total, text="")` as it goes, with done and total in any unit (epochs,
    steps), and returns {"headline": str, "numbers": {...}, "<view name>": data, ...}. After Cancel, the next `report`
    raises `Cancelled`, which run lets through: so it works on copies, and nothing is left half done. What the function
    reads from controls, it reads when it starts. An exception becomes a readable line, and the button works again.
    `state` is one of "ready", "running", "cancelling", "done", "cancelled", "failed"; `answer` is the last answer.

    >>> def count(report):
    ...     for step in range(3):
    ...         report(step, 3, "counting")
    ...     return {"headline": "counted to 3"}
    >>> job = Job("Count", count)
    >>> job.start(); job.wait(); job.state, job.answer
    ('done', {'headline': 'counted to 3'})
    """

    _esm = joined("dom.js", "axes.js", "views.js", "scatter.js", "number_line.js", "grids.js", "heatmap.js",
                  "network.js", "figure.js", "session.js", "job.js")
    _css = joined("theme.css", "explorer.css")

    title = traitlets.Unicode().tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    views = traitlets.List().tag(sync=True)
    state = traitlets.Enum(STATES, "ready").tag(sync=True)
    progress = traitlets.Dict().tag(sync=True)
    answer = traitlets.Dict(default_value=None, allow_none=True).tag(sync=True)
    problem = traitlets.Unicode().tag(sync=True)
    stored = traitlets.Dict(default_value=None, allow_none=True).tag(sync=True)

    def __init__(self, label, run, views=(), *, title=""):
        need(callable(run), f"run is {run!r}", "a job calls run(report)",
             "pass the function itself, without calling it")
        self._run, self._views, self._thread = run, tuple(views), None
        self._cancel, self._lock = threading.Event(), threading.Lock()
        super().__init__(label=label, title=title, views=[view.spec() for view in views])
        self.on_msg(self._on_message)

    def start(self):
        """Begin, in a thread; nothing happens while the work is running already."""
        with self._lock:
            if self.state in ("running", "cancelling"):
                return
            self._cancel.clear()
            self.progress, self.problem, self.state = {}, "", "running"
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()

    def cancel(self):
        """Ask the work to end at its next `report`; what was shown before stays."""
        with self._lock:
            if self.state == "running":
                self.state = "cancelling"
                self._cancel.set()

    def wait(self, seconds=None):
        """Wait for the end of the work, at most so many seconds; for scripts and tests."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _work(self):
        begun = time.monotonic()
        try:
            answer = checked(self._run(Reporter(self, begun)), self._views)
        except Cancelled:
            self._end("cancelled")
        except BaseException as error:  # also an interrupt or an exit: the button must come back
            self._end("failed", problem=sentence(error))
        else:
            self._end("done", answer=answer, seconds=time.monotonic() - begun)

    def _end(self, state, **news):
        # The answer travels before the state that announces it.
        with self._lock:
            if "answer" in news:
                self.answer, self.progress = news["answer"], {"seconds": news["seconds"]}
            self.problem = news.get("problem", "")
            self.state = state

    def precompute(self):
        """Do the work now and keep its answer, so that a page without Python can show it when asked."""
        begun = time.monotonic()
        answer = checked(self._run(lambda done, total, text="": None), self._views)
        self.stored = {"answer": answer, "seconds": time.monotonic() - begun}

    def static_state(self):
        """The state with an answer made now, which the button shows."""
        if self.stored is None:
            self.precompute()
        return super().static_state()

    def _on_message(self, _, message, buffers):
        """What the reader pressed: {"press": "start"} or {"press": "cancel"}."""
        {"start": self.start, "cancel": self.cancel}.get(message.get("press"), lambda: None)()


class Reporter:
    """`report(done, total, text="")`: moves the bar when a new per cent or a new text is reached, and raises once
    cancelled. So a loop may report each of its steps, and the browser hears of some hundred."""

    def __init__(self, job, begun):
        self._job, self._begun, self._told = job, begun, None

    def __call__(self, done, total, text=""):
        need(total > 0 and 0 <= done <= total, f"report got done={done!r}, total={total!r}",
             "done goes from 0 to total, in the same unit", "count both in epochs, or both in steps")
        if self._job._cancel.is_set():
            raise Cancelled
        now = 100 * done // total, text
        if now != self._told:
            self._told, passed = now, time.monotonic() - self._begun
            left = passed * (total - done) / done if done else None
            self._job.progress = {"done": done, "total": total, "text": text, "seconds": passed, "left": left}
