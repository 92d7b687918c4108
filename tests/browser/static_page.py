"""A widget on a page of its own, with no kernel: its module, its style and its state stand in the page."""

import json

# What a widget's module needs of its model, without a kernel: traits, and listeners for them.
MODEL = """
const listeners = {};
const model = {
  state: STATE,
  saves: 0,
  get: (name) => model.state[name],
  set: (name, value) => { model.state[name] = value; (listeners[`change:${name}`] ?? []).forEach((call) => call()); },
  save_changes: () => { model.saves += 1; },
  on: (event, call) => (listeners[event] ??= []).push(call),
  off: () => {},
  send: () => {},
};
window.model = model;
"""


def static_page(widget, *, headings=(), theme="light", extra=""):
    """HTML of a page with the widget between a lesson's headings. extra: JavaScript that sees the module's names."""
    names = [name for name, trait in widget.traits(sync=True).items() if not name.startswith("_")]
    state = json.dumps({name: getattr(widget, name) for name in names
                        if isinstance(getattr(widget, name), str | dict | list | bool | int | float | None)})
    module = widget._esm if isinstance(widget._esm, str) else str(widget._esm)
    script = module.replace("export default", "const widget =") + MODEL.replace("STATE", state.replace("</", "<\\/"))
    body = "".join(f"<h2>{text}</h2><p style='height: 900px'>…</p>" for text in headings)
    return f"""<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Lesson</title>
<style>{widget._css}</style></head><body data-theme="{theme}"><main><h1>Lesson</h1><div id="here"></div>{body}</main>
<script type="module">{script}
widget.render({{ model, el: document.getElementById("here") }});
{extra}
window.ready = true;</script></body></html>"""
