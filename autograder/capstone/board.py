"""The board of a class: one page with what every device got, a Pareto plot, and no name that was not given for it."""

import html
from pathlib import Path

from autograder.capstone.records import Records
from shrinklab.capstone import DeviceBudget, judge
from shrinklab.pareto import pareto_front

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 360, 70, 50, 20
STYLE = """body { font-family: sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; } th, td { border-bottom: 1px solid #ccc; padding: .3rem .5rem; }
th, td { text-align: right; } th:first-child, td:first-child { text-align: left; } svg { max-width: 100%; }"""


def write_board(records, path, title="The capstone's board"):
    """Write the page of a class from its file of measurements; returns the path, or None when nothing was measured.

    records: path of the JSON file; path: of the HTML page. Names appear only where their owners chose one for the
    board; the order follows the figures, and says nothing of who handed in when. The budgets stay out: anybody can draw
    that of a name, and would find who is who.
    """
    rows = sorted(map(_row, (one for one in Records(records).latest() if one[1]["measured"])),
                  key=lambda row: (-row["met"], row["bytes"], row["drop"]))
    if not rows:
        return None
    path = Path(path)
    path.write_text(_page(rows, title), encoding="utf-8")
    return path


def _row(latest):
    alias, entry = latest
    trial = judge(entry["measured"], DeviceBudget(**entry["budget"]))
    found = trial.measured
    return {"alias": alias, "met": sum(line.met for line in trial.lines), "bytes": found["bytes"],
            "ratio": found["ms"] / found["dense_ms"],
            "drop": 100 * (found["dense_right"] - found["right"]) / found["images"]}


def _page(rows, title):
    front = set(pareto_front([row["bytes"] for row in rows], [row["drop"] for row in rows], better=("less", "less")))
    lines = "".join(
        f"<tr><td>{html.escape(row['alias']) or '–'}{' ★' if place in front else ''}</td><td>{row['met']} of 3</td>"
        f"<td>{row['bytes']:,}</td><td>{row['ratio']:.2f}</td><td>{row['drop']:.1f}</td></tr>"
        for place, row in enumerate(rows))
    return (f"<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'><title>{html.escape(title)}</title>"
            f"<style>{STYLE}</style></head><body><h1>{html.escape(title)}</h1>"
            f"<p>{len(rows)} {'network' if len(rows) == 1 else 'networks'}, each for a device of its own. A star: "
            "no other network here is both smaller and more accurate.</p>"
            f"{_plot(rows, front)}<table><thead><tr><th>name on the board</th><th>budget lines met</th><th>file, bytes"
            "</th><th>latency, share of dense</th><th>accuracy lost, points</th></tr></thead><tbody>"
            f"{lines}</tbody></table></body></html>\n")


def _plot(rows, front):
    """File size against accuracy lost, as SVG; the front has filled points, joined by a line."""
    sizes, drops = [row["bytes"] / 1000 for row in rows], [row["drop"] for row in rows]
    x_low, x_high = 0.9 * min(sizes), 1.1 * max(sizes)
    y_low, y_high = min(0.0, *drops) - 0.5, max(1.0, *drops) + 0.5

    def x(value):
        return LEFT + (value - x_low) / (x_high - x_low) * (WIDTH - LEFT - 20)

    def y(value):
        return TOP + (value - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)

    points = "".join(f"<circle cx='{x(sizes[i]):.1f}' cy='{y(drops[i]):.1f}' r='5' stroke='#0072b2' stroke-width='2' "
                     f"fill='{'#0072b2' if i in front else 'white'}'/>" for i in range(len(rows)))
    best = " ".join(f"{x(sizes[i]):.1f},{y(drops[i]):.1f}" for i in sorted(front, key=sizes.__getitem__))
    marks = "".join(f"<text x='{x(value):.0f}' y='{HEIGHT - BOTTOM + 18}' text-anchor='middle'>{value:.0f}</text>"
                    for value in (x_low, (x_low + x_high) / 2, x_high))
    marks += "".join(f"<text x='{LEFT - 8}' y='{y(value) + 4:.0f}' text-anchor='end'>{value:.1f}</text>"
                     for value in (y_low, (y_low + y_high) / 2, y_high))
    return (f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img' aria-label='File size against accuracy lost; the table "
            f"below has the same figures' font-size='13' font-family='sans-serif'><path d='M{LEFT} {TOP}V"
            f"{HEIGHT - BOTTOM}H{WIDTH - 20}' fill='none' stroke='black'/><polyline points='{best}' fill='none' "
            f"stroke='#0072b2'/>{points}{marks}<text x='{WIDTH / 2}' y='{HEIGHT - 12}' text-anchor='middle'>file (kB)"
            f"</text><text transform='translate(18 {HEIGHT / 2}) rotate(-90)' text-anchor='middle'>accuracy lost "
            "(points; better is higher up)</text></svg>")
