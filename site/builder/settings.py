"""The site's settings: site/settings.toml, and nothing else."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from shrinklab.errors import need

KNOWN = ("repository", "jupyterlab", "binder", "colab")
NAMES = {"jupyterlab": "Open in JupyterLab here", "binder": "Open on Binder", "colab": "Open in Colab"}


@dataclass(frozen=True)
class Settings:
    """Where else the course can be found; what is not set appears nowhere on the site.

    repository: address of a public clone; links: {"binder": template}, with {lesson} for 04_magnitude_pruning.
    """

    repository: str = ""
    links: dict = field(default_factory=dict)

    def links_to(self, lesson):
        """[(text, address)] of the places where a lesson can be run.

        >>> Settings(links={"binder": "https://example.org/?path={lesson}"}).links_to("04_magnitude_pruning")
        [('Open on Binder', 'https://example.org/?path=04_magnitude_pruning')]
        """
        return [(NAMES[name], template.replace("{lesson}", lesson)) for name, template in self.links.items()]


def read_settings(path):
    """Read settings.toml. Raises ValueError with the value and the rule."""
    found = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    for name, value in found.items():
        need(name in KNOWN, f"{name} is set in {Path(path).name}", f"the settings are {', '.join(KNOWN)}",
             "use one of them")
        need(isinstance(value, str), f"{name} is {value!r}", "a setting is a text", "put it in quotes")
    links = {name: found[name] for name in NAMES if found.get(name)}
    for name, template in links.items():
        need("{lesson}" in template, f"{name} is {template!r}", "the address names the lesson",
             "write {lesson} into it")
    need("colab" not in links or found.get("repository"), "colab is set, repository is not",
         "Colab's first cell installs the course from its repository", "set repository too")
    return Settings(found.get("repository", ""), links)
