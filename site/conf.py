"""Sphinx's configuration. `python site` writes what Sphinx reads (see builder/); nothing here needs a network."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

project = "Shrinklab"
author = "the Shrinklab authors"
copyright = "the Shrinklab authors; lessons CC BY 4.0, code MIT"
extensions = ["myst_nb", "sphinx_design", "sphinx_exercise", "builder.mathml", "builder.page_parts"]
templates_path = ["templates"]
html_math_renderer = "mathml"
html_theme = "furo"
html_title = "Shrinklab"
html_static_path = ["static/public"]  # and the build's own: builder/main.py
html_css_files = ["shrinklab.css", "site.css"]
html_js_files = [("shrinklab.js", {"defer": ""}), ("site.js", {"defer": ""})]
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#005b8f", "color-brand-content": "#005b8f",
                            "color-code-background": "#f6f8fa"},
    "dark_css_variables": {"color-brand-primary": "#63b8ec", "color-brand-content": "#63b8ec"},
}
pygments_style, pygments_dark_style = "a11y-high-contrast-light", "a11y-high-contrast-dark"
html_copy_source = False
html_show_sourcelink = False
# The summaries below search results would be fetched, which a page opened from a file may not do.
html_show_search_summary = False

nb_execution_mode = "off"  # the cells have been run
nb_mime_priority_overrides = [("html", "text/html", 0), ("html", "text/markdown", 1), ("html", "text/plain", 2)]
nb_remove_code_outputs = False
nb_output_stderr = "remove"
nb_code_prompt_show, nb_code_prompt_hide = "Show the code", "Hide the code"
myst_enable_extensions = ["dollarmath", "colon_fence", "attrs_inline"]
myst_heading_anchors = 4
myst_heading_slug_func = "builder.links.jupyter_slug"
exercise_style = "solution_follow_exercise"
