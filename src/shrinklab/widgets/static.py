"""A widget for a page without Python: HTML that carries its state, its style and its module, and needs no network.

Notebooks that students save stay small: a widget shows itself in this form only where the environment variable
SHRINKLAB_STATIC is set. With SHRINKLAB_STATIC=shared, as the site's build sets it, a widget gives its state alone: a
page with thirty widgets has style and module once.
"""

import hashlib
import json
import os

from shrinklab.errors import need
from shrinklab.widgets.assets import joined

SHARED = "application/vnd.shrinklab.static+json"


def wanted():
    """How widgets are to show themselves without Python: "shared", any other text for inline, "" for not at all."""
    return os.environ.get("SHRINKLAB_STATIC", "")


def static_parts(widget):
    """What one widget is, as JSON's types: {"kind", "place", "state", "kept"}. place: an id that depends on the state;
    kind: the class whose module draws it, such as "Practice" for a `Placement`.

    ValueError for what is no widget of this package.

    >>> from shrinklab.widgets import Guess
    >>> static_parts(Guess("6 x 7?", 42))["kind"]
    'Guess'
    """
    need(hasattr(widget, "static_state"), f"the widget is a {type(widget).__name__}",
         "only widgets of shrinklab carry their state in the page", "use an Explorer, Guess, Job or a quiz")
    state = widget.static_state()
    named = f"{type(widget).__name__}{json.dumps(state, sort_keys=True)}"
    drawn_by = [base for base in type(widget).__mro__ if str(getattr(base, "_esm", "")) == str(widget._esm)]
    return {"kind": drawn_by[-1].__name__, "place": "sl-" + hashlib.sha256(named.encode()).hexdigest()[:12],
            "state": state, "kept": widget.static_kept()}


def static_html(widget):
    """A widget of this package as an HTML fragment that works over http and from a file.

    What the widget would ask Python for is computed now, by its `static_state()`. The script is a classic one: a page
    opened from a file may not load modules. ValueError for what is no widget of this package.

    >>> from shrinklab.widgets import Guess
    >>> static_html(Guess("6 x 7?", 42)).startswith('<div class="shrinklab-static" id="sl-')
    True
    """
    parts = static_parts(widget)
    data, kept, place = json.dumps(parts["state"], sort_keys=True), parts["kept"], parts["place"]
    module = str(widget._esm).replace("export default", "return")
    script = (f"const widget = (() => {{\n{module}\n}})();\n{joined('static.js')}\n"
              f"mountStatic(widget, {data}, {json.dumps(kept)}, document.getElementById({json.dumps(place)}));")
    # "</script>" inside a text would end the script, "<!--" change how it is read.
    script = script.replace("</", "<\\/").replace("<!--", "<\\!--")
    return (f'<div class="shrinklab-static" id="{place}"></div>\n<style>\n{widget._css}\n</style>\n'
            f"<script>\n(() => {{\n{script}\n}})();\n</script>")


class Static:
    """Mixin for widgets: what they carry where there is no Python. Those that ask Python for more say so here."""

    def static_state(self):
        """All that the browser knows of the widget, as JSON's types."""
        names = [name for name in self.traits(sync=True) if not name.startswith("_")]
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items()
                if value is None or isinstance(value, str | bool | int | float | list | dict)}

    def static_kept(self):
        """{"trait", "key"}: what a reader's browser keeps, and under which name; None for nothing."""
        return

    def _repr_mimebundle_(self, **options):
        if wanted() == "shared":
            return {SHARED: static_parts(self), "text/plain": repr(self)}
        if wanted():
            return {"text/html": static_html(self), "text/plain": repr(self)}
        return super()._repr_mimebundle_(**options)
