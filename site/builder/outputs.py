"""What the executed cells showed, as HTML for a page, and the files that it needs: pictures and widgets' states."""

import base64
import hashlib
import html
import io
import json
import re
from pathlib import Path

from PIL import Image

from builder.page_parts import accessible
from shrinklab.widgets.static import SHARED

PICTURE = r'<img ([^>]*?)src="data:image/png;base64,([^"]+)"([^>]*)>'
STATIC = "@static/"  # in a widget's state, where the script knows the way to the folder _static
LOADING = {"Explorer": "explorer", "Recorded": "sliders", "Guess": "question", "Job": "button",
           "Practice": "questions", "RecallCards": "cards"}


class Assets:
    """Files for the folder _static, named by their content, so that a browser may keep them."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.written = set()

    def write(self, name, content):
        """Write bytes where they differ, and remember the name for `sweep`. content: bytes, or a function that makes
        them, which is called only where there is no such file: then the name must tell contents apart."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or (not callable(content) and path.read_bytes() != content):
            path.write_bytes(content() if callable(content) else content)
        self.written.add(path)

    def sweep(self):
        """Delete what no page of this build needs."""
        for path in self.folder.rglob("*"):
            if path.is_file() and path not in self.written:
                path.unlink()


def page_outputs(outputs, assets, root):
    """nbformat outputs -> those of the page: text as it is, all else as HTML. root: the way to the top, as "../"."""
    made = []
    for output in outputs:
        data = output.get("data", {})
        if output["output_type"] == "stream":
            if output["name"] == "stdout":
                made.append(output)
        elif SHARED in data:
            made.append(_html(_widgets(data[SHARED], assets, root)))
        elif "text/html" in data:
            made.append(_html(with_files(_joined(data["text/html"]), assets, f"{root}_static/")))
        elif "text/markdown" in data or "text/plain" in data:
            made.append({**output, "output_type": "display_data", "metadata": {}} | {
                "data": {key: data[key] for key in ("text/markdown", "text/plain") if key in data}})
            made[-1].pop("execution_count", None)
    return made


def _joined(text):
    return text if isinstance(text, str) else "".join(text)


def _html(text):
    return {"output_type": "display_data", "metadata": {}, "data": {"text/html": text}}


def _widgets(parts, assets, root):
    return "\n".join(widget(part, assets, root) for part in (parts if isinstance(parts, list) else [parts]))


def widget(part, assets, root):
    """The place of one widget on a page; its state goes into a script that is loaded when the reader comes near."""
    if part["kind"] == "Fixed":
        settings = html.escape("; ".join(part["state"]["settings"]))
        return (f'<p class="sl-fixed">Set here: <strong>{settings}</strong>. '
                "In the notebook these are sliders; on this page the result was computed beforehand.</p>")
    state = json.dumps({"state": _slim(part["state"]), "kept": part["kept"]}, separators=(",", ":"), sort_keys=True)
    state = accessible(with_files(state, assets, STATIC, quote='\\"'))
    digest = hashlib.sha256(state.encode()).hexdigest()[:12]
    name = f"widgets/{digest}.js"
    assets.write(name, f'shrinklabData("{digest}",{state});\n'.encode())
    kind = part["kind"]
    what = LOADING[kind]
    return (f'<div class="shrinklab-static" data-widget="{kind}" data-place="{digest}">'
            f'<p class="sl-loading">Loading the {what} … This needs JavaScript.</p></div>')


def _slim(state):
    """Tables with seven digits a number: more than any picture shows, in half the bytes."""
    table = state.get("table")
    return state if not table else state | {"table": _rounded(table)}


def _rounded(value):
    if isinstance(value, float):
        return float(f"{value:.7g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value


def with_files(text, assets, folder, quote='"'):
    """Inline pictures of a text as files: smaller, loaded when they are needed, and of a known size."""
    pattern = re.compile(PICTURE.replace('"', re.escape(quote)))

    def as_file(found):
        before, data, after = found.groups()
        image = Image.open(io.BytesIO(base64.b64decode(data)))
        name = f"plots/{hashlib.sha256(data.encode()).hexdigest()[:12]}.webp"
        assets.write(name, lambda: _packed(image))
        size = f"width={quote}{image.width}{quote} height={quote}{image.height}{quote}"
        return f"<img {before}src={quote}{folder}{name}{quote} {size} loading={quote}lazy{quote}{after}>"

    return pattern.sub(as_file, text)


def _packed(image):
    made = io.BytesIO()
    image.convert("RGB").save(made, "WEBP", lossless=True, quality=80)
    return made.getvalue()
