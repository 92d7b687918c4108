"""The IPython shell inside the student's process: what a cell shows comes back as outputs."""

import base64
import contextlib
import io
import warnings

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type
from traitlets.config import Config

from shrinklab.calls import perform
from shrinklab.exercise import enter_grading
from shrinklab.printed import LimitedText

SHOWN, FIGURES = 50, 4
TEXT_LIMIT = 64 * 1024
IMAGE_LIMIT = 2 * 2**20


class _Hook(DisplayHook):
    """Keeps the value of a cell's last line instead of printing it."""

    def write_output_prompt(self):
        pass

    def write_format_data(self, format_dict, md_dict=None):
        self.shell.show("execute_result", format_dict)

    def log_output(self, format_dict):
        pass

    def finish_displayhook(self):
        pass


class _Publisher(DisplayPublisher):
    def publish(self, data, metadata=None, **options):
        self.shell.show("display_data", data)

    def clear_output(self, wait=False):
        pass


class _Shell(InteractiveShell):
    displayhook_class = Type(_Hook)
    display_pub_class = Type(_Publisher)

    def show(self, kind, data):
        """Keep text, small pictures and HTML such as a table's, which the grader cleans; scripts stay out."""
        kept = {"text/plain": str(data["text/plain"])[:TEXT_LIMIT]} if "text/plain" in data else {}
        picture = data.get("image/png")
        if isinstance(picture, str) and len(picture) <= IMAGE_LIMIT:
            kept["image/png"] = picture
        if isinstance(data.get("text/html"), str) and len(data["text/html"]) <= TEXT_LIMIT:
            kept["text/html"] = data["text/html"]
        if kept and len(self.shown) < SHOWN:
            self.shown.append({"output_type": kind, "data": kept, "metadata": {}})

    def enable_gui(self, gui=None):
        """There is no window to open: `%matplotlib inline` and `widget` change nothing."""

    def _showtraceback(self, etype, evalue, stb):
        lines = [str(line)[:TEXT_LIMIT] for line in stb][-SHOWN:]
        self.shown.append({"output_type": "error", "ename": etype.__name__,
                           "evalue": str(evalue)[:TEXT_LIMIT], "traceback": lines})


class StudentShell:
    """Answers the grader's requests in one namespace, as a notebook's kernel would."""

    def __init__(self):
        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.colors = "nocolor"
        self.shell = _Shell.instance(config=config)
        self.shell.shown = []
        self._marks, self._rewound = {}, None
        enter_grading()

    def answer(self, request):
        """Do what a request asks: {"op": "run", "source": …}, {"op": "mark", "mark": …}, or {"op": "call",
        "message": …, "mark": …}, whose mark is None for the names as they are now."""
        if request["op"] == "mark":
            self._marks[request["mark"]] = dict(self.shell.user_ns)
            return {}
        return self.run(request["source"]) if request["op"] == "run" else self.call(request)

    def run(self, source):
        """Run one cell. Returns {"outputs": notebook outputs, "ok": bool}."""
        self.shell.shown = []
        with _captured() as (printed, warned):
            result = self.shell.run_cell(source, store_history=True)
        self._show_figures()
        _close_figures()
        streams = [{"output_type": "stream", "name": name, "text": text.text()}
                   for name, text in (("stdout", printed), ("stderr", warned)) if text.text()]
        return {"outputs": streams + self.shell.shown, "ok": bool(result.success)}

    def _show_figures(self):
        """The figures that a cell leaves open, as a notebook shows them; one that cannot be drawn is left out."""
        import matplotlib.pyplot as plt
        for number in plt.get_fignums()[:FIGURES]:
            drawn = io.BytesIO()
            with contextlib.suppress(Exception), _captured(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                plt.figure(number).savefig(drawn, format="png", bbox_inches="tight")
                self.shell.show("display_data", {"text/plain": "<Figure>",
                                                 "image/png": base64.b64encode(drawn.getvalue()).decode("ascii")})

    def call(self, request):
        """Call a function of the student, or read a value: `shrinklab.calls.perform` in this process."""
        mark = request.get("mark")
        if mark is not None and mark != self._rewound:
            # The same dict, which is the functions' own: only what its names are bound to changes.
            self._rewound, names = mark, self._marks[mark]
            self.shell.user_ns.clear()
            self.shell.user_ns.update(names)
        with _captured():
            try:
                response = perform(self.shell.user_ns, request["message"])
            except Exception as error:
                # Their code can break what every call needs.
                told = {"kind": "raised", "type": type(error).__name__, "function": request["message"]["name"]}
                response = {"error": told}
        _close_figures()
        return {"response": response}

    def too_large(self, request):
        """The answer in place of one that is too large to send."""
        if request["op"] == "run":
            note = "[... what this cell shows is too large to keep ...]\n"
            return {"outputs": [{"output_type": "stream", "name": "stdout", "text": note}], "ok": True}
        told = {"kind": "crossing", "function": request["message"]["name"], "message": "it is too large"}
        return {"response": {"error": told}}


@contextlib.contextmanager
def _captured():
    printed, warned = LimitedText(TEXT_LIMIT), LimitedText(TEXT_LIMIT)
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(warned):
        yield printed, warned


def _close_figures():
    import matplotlib.pyplot as plt
    with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
        plt.close("all")
