"""Whether an attack succeeded, judged from what was seen of a run, and how the table says it."""

from hostile_target import FULL, SECRETS

SCRIPTS = {"ran": "its script ran in the page", "went": "the page sent its reader elsewhere",
           "asked": "the page fetched a picture from elsewhere", "styled": "its style covered the page",
           "asks": "the page asked for a password"}
DONE = {"page": "shown", "changed": "changed", "heard": "reached", "log": "written into the log",
        "left": "left behind", "others": "others lost marks", "untold": "not graded, nothing said",
        "graded": "kept whole"} | SCRIPTS
FAILED = {"page": "not shown", "changed": "unchanged", "heard": "not reached", "log": "not written",
          "left": "ended", "others": "others got their marks", "untold": "graded or refused with a reason",
          "graded": "cut"} | dict.fromkeys(SCRIPTS, "inert")


def succeeded(attack, seen, pages=None):
    """Whether the attack got what it tries for. seen: a `hostile_run.Seen`; pages: {id: what a browser saw}."""
    how, what = next(iter(attack.seen.items()))
    if how in SCRIPTS:
        return bool((pages or {}).get(attack.id, {}).get(how))
    return bool(_LOOK[how](attack, seen, what))


def _gained(attack, seen, _):
    return seen.points.get(attack.id, 0) > seen.points.get(attack.twin, 0)


def _shown(attack, seen, what):
    wanted = what if isinstance(what, list) else [SECRETS.get(what, what)]
    page = seen.page(attack.seen.get("of", attack.id))
    return any(one in page for one in wanted)


def _others(attack, seen, _):
    return any(seen.points.get(name) != FULL for name in ("aa-honest", "zz-honest"))


def _untold(attack, seen, _):
    return not seen.page(attack.id)


def _large(attack, seen, what):
    return any(path.stat().st_size > what for path in seen.files(attack.id, "AUTOGRADED"))


_LOOK = {"points": _gained, "page": _shown, "others": _others, "untold": _untold, "graded": _large,
         "changed": lambda attack, seen, what: any(what in path for path in seen.changed),
         "heard": lambda attack, seen, what: what in seen.heard,
         "left": lambda attack, seen, what: attack.id in seen.left,
         "log": lambda attack, seen, what: what in seen.log}


def outcome(attack, seen, pages=None):
    """What the attack got, in a few words."""
    how = next(iter(attack.seen))
    if how == "points":
        earned, honest = (seen.points.get(name, 0) for name in (attack.id, attack.twin))
        return f"{earned:g} point{'' if earned == 1 else 's'}, its twin {honest:g}"
    return (DONE if succeeded(attack, seen, pages) else FAILED)[how]


HEAD = """# The hostile suite

{total} submissions that try to get points without the work, to read or change what is not theirs, to reach the
machine, to use more than their share, to stop the batch with a broken file, or to run script in the page that goes
back. Each one was graded by plain nbgrader {version} with its own settings (but 5 seconds for a cell instead of
30), on a lesson that checks with `assert` and numpy, and by ours, on the same lesson with the course's checks. An
attack is in the table only if it succeeds against plain nbgrader.

`tests/grading/hostile/` holds them as data, one file for each class. `python -m pytest tests/grading/hostile` runs
them, each course in a sandbox of its own with nothing else in it, and fails when this page says anything else than
what was seen. Ours grades them all in two batches, with honest students among them, who get all their marks. Plain
nbgrader grades two of each class there, and the others once: what it gave them is kept in `stock.json` there, and
counts no longer when an attack's text changes. `WRITE_TABLE=1` then runs it again, and writes the record and this page.
"""
TITLES = {"forgery": "Points without the work", "leaking": "Reading what is not theirs",
          "tampering": "Changing what is not theirs", "escape": "Reaching the machine",
          "exhaustion": "More than their share", "malformed": "Files that are no sound notebooks",
          "injection": "Script and style in the feedback page"}


def table(rows, releases):
    """The page docs/hostile.md. rows: (attack, outcome against stock, outcome against ours); releases: of nbgrader."""
    parts = [HEAD.format(total=len(rows), version=releases)]
    for kind, title in TITLES.items():
        parts.append(f"## {title}\n\n| submission | it tries | plain nbgrader | ours |\n|---|---|---|---|")
        parts[-1] += "".join(f"\n| {attack.id} | {attack.tries} | {stock} | {ours} |"
                             for attack, stock, ours in rows if attack.kind == kind) + "\n"
    return "\n".join(parts)
