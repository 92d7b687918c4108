"""The widgets' JavaScript and CSS: readable files, joined into the one module that a widget may have."""

from pathlib import Path

HERE = Path(__file__).parent


def joined(*names):
    """The text of the named files of this folder, one after the other.

    The files share one module scope, so that a function of `dom.js` can be called in `explorer.js`;
    only the last file exports.

    >>> joined("dom.js", "axes.js").count("function element(")
    1
    """
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)
