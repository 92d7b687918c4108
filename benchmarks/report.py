"""A table of figures against targets: printed, and written to benchmarks/results/ with all that a reader needs to
judge it (versions, threads, processor, date, command, earlier runs).

    rows = [Row("pruning resnet8", ours=3.1, peer=40.2, against="Torch-Pruning", unit="ms",
                target="at most 1/5", met=3.1 <= 40.2 / 5)]
    publish("channels", "Channel pruning at half the work", rows, arguments(__doc__), packages=("torch-pruning",))

A run on a part of the networks, on some images or on the validation split is printed and not written.
"""

import argparse
import datetime
import json
import os
import platform
import sys
import time
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path

import pandas as pd
import torch

from shrinklab.data import load
from shrinklab.models import DATA_OF

RESULTS = Path(__file__).with_name("results")
KERNELS = "avx2", "avx512f", "avx512_bf16", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp"  # they decide on speed
FORMS = {"%": lambda value: f"{100 * value:.2f} %", "points": lambda value: f"{100 * value:+.2f}",
         "bytes": lambda value: f"{value:,.0f} bytes", "times": lambda value: f"{value:.1f} times"}


@dataclass(frozen=True)
class Row:
    """One figure. Accuracies are fractions, 0 to 1; unit "%" shows them as per cent, "points" differences of them.

    against: who the peer is. met: whether the target is reached; None for a figure that is only reported.
    more: further columns, {name: text}.
    """

    what: str
    ours: float
    peer: float | None = None
    against: str = ""
    unit: str = ""
    target: str = ""
    met: bool | None = None
    more: dict = field(default_factory=dict)

    @property
    def ratio(self):
        """ours / peer."""
        return self.ours / self.peer if self.peer else None

    def cells(self):
        met = {True: "yes", False: "NO", None: "–"}[self.met]
        ratio = "" if self.ratio is None or self.unit == "points" else f"{self.ratio:.3f}"
        return {"what": self.what, "ours": shown(self.ours, self.unit),
                "peer": "" if self.peer is None else shown(self.peer, self.unit), "against": self.against,
                "ratio": ratio, "target": self.target, "met": met, **self.more}


def shown(value, unit):
    """A figure as text: shown(0.9123, "%") is "91.23 %", shown(3.14159, "ms") "3.142 ms"."""
    return FORMS[unit](value) if unit in FORMS else f"{value:.4g} {unit}".strip()


def arguments(text, networks=tuple(DATA_OF), argv=None):
    """The arguments that all tables share. `.whole` says whether it is the run that is written down."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"{', '.join(networks)}; all unless named")
    parser.add_argument("--split", choices=["test", "validation"], default="test",
                        help="validation while something is still being chosen")
    parser.add_argument("--images", type=int, metavar="N", help="only the first N images, for a quick look")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help="where the tables go")
    given = parser.parse_args(argv)
    wrong = [name for name in given.networks if name not in networks]
    if wrong:
        parser.error(f"the network is {wrong[0]!r}; this table knows {', '.join(networks)}; use some of them")
    given.networks = given.networks or list(networks)
    given.whole = given.split == "test" and given.images is None and set(given.networks) == set(networks)
    given.start = time.monotonic()
    torch.set_num_threads(given.threads)
    return given


def judged(name, given):
    """The images on which a network is judged in this run: the test split unless the arguments say otherwise."""
    return getattr(load(DATA_OF[name]), given.split)[:given.images]


def publish(name, title, rows, given, *, packages=(), details=None, notes=()):
    """Print the table and, if the run is whole, write FOLDER/<name>.md and .json; -> the table as a DataFrame.

    packages: names whose versions matter, beside torch and numpy; details: {heading: DataFrame}, further tables;
    notes: sentences under the table.
    """
    table = pd.DataFrame([row.cells() for row in rows]).fillna("")
    facts = conditions(packages) | {"minutes": round((time.monotonic() - given.start) / 60, 1)}
    text = _markdown(title, table, facts, details or {}, notes)
    print(text)
    if not given.whole:
        print("Not written: this is not the whole run on the test split.")
        return table
    given.results.mkdir(parents=True, exist_ok=True)
    path = given.results / f"{name}.json"
    records = [asdict(row) | {"ratio": row.ratio} for row in rows]
    detailed = {heading: frame.to_dict("records") for heading, frame in (details or {}).items()}
    # A run that missed its mark stays in the file when it is run again.
    stored = {"title": title, "rows": records, "details": detailed, "notes": list(notes), "conditions": facts,
              "earlier": _earlier(path)}
    path.write_text(json.dumps(stored, indent=1, default=_plain) + "\n")
    path.with_suffix(".md").write_text(text)
    return table


def conditions(packages=()):
    """Under what the figures were taken: versions, threads, processor, date, command."""
    versions = {"python": platform.python_version()}
    for package in dict.fromkeys(("torch", "numpy", *packages)):
        versions[package] = metadata.version(package)
    command = " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    return {"command": command, "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "threads": torch.get_num_threads(), "processor": processor(), "versions": versions}


def processor():
    """Name, count and the instructions that int8 and bf16 kernels look for."""
    name, flags = platform.processor() or platform.machine(), []
    try:
        facts = dict(line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line)
        facts = {key.strip(): value.strip() for key, value in facts.items()}
        name, flags = facts.get("model name", name), facts.get("flags", facts.get("Features", "")).split()
    except OSError:
        pass  # no Linux
    found = [kernel for kernel in KERNELS if kernel in flags]
    return f"{name}, {os.cpu_count()} logical cores" + (f" ({', '.join(found)})" if found else "")


def _earlier(path):
    """What earlier runs found: [{"date", "rows"}], oldest first."""
    if not path.exists():
        return []
    before = json.loads(path.read_text())
    rows = [{key: row[key] for key in ("what", "ours", "peer", "met")} for row in before["rows"]]
    return [*before["earlier"], {"date": before["conditions"]["date"], "rows": rows}]


def _markdown(title, table, facts, details, notes):
    versions = ", ".join(f"{package} {version}" for package, version in facts["versions"].items())
    parts = [f"# {title}", _table(table), *notes, *(f"## {heading}\n\n{_table(f)}" for heading, f in details.items()),
             f"`{facts['command']}`, {facts['date']}, {facts['minutes']} minutes; {facts['threads']} "
             f"thread{'s' * (facts['threads'] != 1)}; {facts['processor']}; {versions}"]
    return "\n\n".join(parts) + "\n"


def _table(frame):
    """A DataFrame as a Markdown table whose columns also line up as plain text."""
    rows = [list(frame.columns), *([str(value) for value in row] for row in frame.itertuples(index=False))]
    rows = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def _plain(value):
    """Numbers of NumPy and torch for JSON."""
    return value.item()
