"""Which links of the built pages lead nowhere, and which lead elsewhere."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src")}
NOT_LOADED = {"next", "prev", "index", "search", "canonical"}


@dataclass
class Page(HTMLParser):
    """The ids of a page, and its addresses: {address: is it loaded with the page}."""

    ids: set = field(default_factory=set)
    addresses: dict = field(default_factory=dict)

    def __post_init__(self):
        super().__init__()

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids |= {given[name] for name in ("id", "name") if given.get(name)}
        for name in ("href", "src"):
            if given.get(name):
                loaded = (tag, name) in LOADED and given.get("rel") not in NOT_LOADED
                self.addresses[given[name]] = self.addresses.get(given[name], False) or loaded


def check(folder):
    """(broken, external, loaded from elsewhere), each a sorted list, of all pages below a folder.

    broken: "page: address"; external: addresses that a reader may follow; the last: what a page asks a network for.
    """
    folder = Path(folder)
    pages = {path: _read(path) for path in sorted(folder.rglob("*.html"))}
    broken, external, fetched = set(), set(), set()
    for path, page in pages.items():
        for address, loaded in page.addresses.items():
            parts = urlsplit(address)
            if parts.scheme in ("http", "https") or parts.netloc:
                (fetched if loaded else external).add(address)
            elif parts.scheme not in ("data", "mailto", "javascript") and not _there(path, parts, pages):
                broken.add(f"{path.relative_to(folder).as_posix()}: {address}")
    return sorted(broken), sorted(external), sorted(fetched)


def _read(path):
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def _there(path, parts, pages):
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.exists():
        return False
    anchor = unquote(parts.fragment)
    return not anchor or anchor.startswith("svg-") or target not in pages or anchor in pages[target].ids
