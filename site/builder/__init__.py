"""The course's web site: executed lessons, their explorers without Python, and the pages around them.

`python site` (see `__main__.py`) runs the steps in this order: `lesson` (which cells, and what a reader gets of them),
`execute` (run them, once per content), `outputs` (what they showed, as HTML and files), `pages` (all that is no
lesson), then Sphinx.
"""
