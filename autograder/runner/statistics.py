"""One page about a lesson's grading, for the instructor: what was earned, which hints were met, which answers given.

It names no student.
"""

from collections import Counter
from dataclasses import dataclass, field
from html import escape
from statistics import median

MOST = 5
STYLE = """body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
color: #222; background: #fff } table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #ddd; vertical-align: top }
td.number { text-align: right; white-space: nowrap }
meter { width: 8rem } h2 { margin-top: 2rem } small { color: #555 }"""


@dataclass
class Exercise:
    """What a class did with one check. points: of each submission; most: what it is worth; hints: {(id, hint): how many
    met it}; wrong: {answer: how many gave it and were wrong}; unwritten: how many left it."""

    name: str
    most: float
    points: list = field(default_factory=list)
    hints: Counter = field(default_factory=Counter)
    wrong: Counter = field(default_factory=Counter)
    unwritten: int = 0

    @property
    def right(self):
        """How many earned all of it."""
        return sum(points == self.most for points in self.points)


def exercises(outcomes):
    """An `Exercise` for each check of a lesson, in its order. outcomes: of `work.grade`.

    >>> check = {"name": "f", "points": 0, "max_points": 2, "message": "", "expectations": [
    ...     {"id": "sign", "passed": False, "hint": "Ignore the sign."}]}
    >>> exercises([{"checks": [check], "answers": {}}])[0].hints
    Counter({('sign', 'Ignore the sign.'): 1})
    """
    found = {}
    for outcome in outcomes:
        for check in outcome["checks"]:
            one = found.setdefault(check["name"], Exercise(check["name"], check["max_points"]))
            one.points.append(check["points"])
            if check["message"].startswith("…"):
                one.unwritten += 1
                continue
            # A hint that two expectations share is met once.
            one.hints.update({(e["id"], e["hint"]) for e in check["expectations"] if not e["passed"]})
            answer = outcome["answers"].get(check["name"])
            if answer is not None and check["points"] < check["max_points"]:
                one.wrong[answer or "(cannot be read)"] += 1
    return list(found.values())


def page(name, outcomes, rejected=0):
    """The page as HTML. rejected: how many submissions could not be graded at all."""
    found, count = exercises(outcomes), len(outcomes)
    left = f"; {rejected} could not be graded and have 0 points" if rejected else ""
    rows = "".join(_row(one) for one in sorted(found, key=lambda one: sum(one.points) / (one.most * count)))
    parts = [f"<h1>{escape(name)}: how it went</h1>", f"<p>{_many(count)} run{left}. {_times(outcomes)}</p>",
             "<h2>Exercises, the hardest first</h2>",
             "<table><tr><th>exercise<th>average<th>all points<th>left as it was</tr>" + rows + "</table>"]
    met = [part for one in found if (part := _met(one))]
    parts += ["<h2>What they met</h2>", *met] if met else []
    return ("<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>"
            f"<title>{escape(name)}: statistics</title><style>{STYLE}</style></head><body>" + "\n".join(parts)
            + "\n</body></html>\n")


def _many(count):
    return "1 submission was" if count == 1 else f"{count} submissions were"


def _row(one):
    count, average = len(one.points), sum(one.points) / len(one.points)
    return (f"<tr><td>{escape(one.name)}<td><meter min='0' max='{one.most:g}' value='{average:.3f}'></meter> "
            f"{average:.2g} of {one.most:g}<td class='number'>{one.right} of {count}"
            f"<td class='number'>{one.unwritten}</tr>\n")


def _met(one):
    hints = _table("hint", [(f"<b>{escape(key)}</b>: {escape(hint)}", n)
                            for (key, hint), n in one.hints.most_common(MOST)])
    wrong = _table("wrong answer", [(f"<code>{escape(text, quote=False)}</code>", n)
                                    for text, n in one.wrong.most_common(MOST)])
    tables = wrong or hints  # the hint of an answer is one for all who were wrong
    return f"<h3>{escape(one.name)}</h3>{tables}" if tables else ""


def _table(title, lines):
    rows = "".join(f"<tr><td>{text}<td class='number'>{count}</tr>" for text, count in lines)
    return f"<table><tr><th>{title}<th>how many</tr>{rows}</table>" if lines else ""


def _times(outcomes):
    seconds = [outcome["seconds"]["all"] for outcome in outcomes]
    return f"Running one took {median(seconds):.1f} s in the median, {max(seconds):.1f} s at most." if seconds else ""
