"""The hostile suite: each submission succeeds against stock nbgrader, and none against ours.

All run against ours; against stock nbgrader two of each class, and what the others did there is in stock.json. The
table of both runs stands in docs/hostile.md. Run what is new or changed against stock nbgrader too, and write both
files, with WRITE_TABLE=1 python -m pytest tests/grading/hostile (all of them when stock.json is deleted).
"""

import os
from collections import Counter
from pathlib import Path

import hostile_browser
import hostile_record
import pytest
from hostile_attacks import CLASSES, load
from hostile_report import SCRIPTS, outcome, succeeded, table
from hostile_run import run_all, why_not
from hostile_target import FULL, SECRETS, make_courses

TABLE = Path(__file__).resolve().parents[3] / "docs" / "hostile.md"
ANEW = bool(os.environ.get("WRITE_TABLE"))
ATTACKS = load()
PROVED = hostile_record.proved_again(ATTACKS, ANEW)
needs_box = pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is a sandbox")


class Both:
    """What was seen of both runs: stock (of PROVED) and ours, {id: Seen}; and of the pages in a browser, {id: what}."""

    def __init__(self, folder):
        released = make_courses(folder / "made")
        self.stock, self.ours = run_all(folder / "made", released, folder, ATTACKS, PROVED)
        self.browser = bool(hostile_browser.find())
        self.stock_pages, self.our_pages = self._look(self.stock), self._look(self.ours)

    def _look(self, seen):
        injected = [attack.id for attack in ATTACKS if attack.kind == "injection" and attack.id in seen]
        pages = {one: next((path for path in seen[one].files(one, "FEEDBACK") if path.suffix == ".html"), None)
                 for one in injected}
        return hostile_browser.look({one: path for one, path in pages.items() if path}) if self.browser else {}

    def judged(self, attack):
        """Whether what it does can be seen here: script in a page, only by a browser."""
        return self.browser or next(iter(attack.seen)) not in SCRIPTS


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    return Both(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(params=ATTACKS, ids=lambda attack: attack.id)
def attack(request, both):
    if not both.judged(request.param):
        assert not os.environ.get("CI"), "CI is set, and there is no Chromium"
        pytest.skip(f"no browser: none of {', '.join(hostile_browser.BROWSERS)} is on PATH")
    return request.param


def test_there_are_enough_of_each_class():
    counted = Counter(attack.kind for attack in ATTACKS)
    assert len({attack.id for attack in ATTACKS}) == len(ATTACKS) >= 60
    assert set(counted) == set(CLASSES)
    assert min(counted.values()) >= 9


@needs_box
@pytest.mark.parametrize("proved", PROVED, ids=lambda attack: attack.id)
def test_it_succeeds_against_stock_nbgrader(both, proved):
    if both.judged(proved):
        assert succeeded(proved, both.stock[proved.id], both.stock_pages), both.stock[proved.id].log[-3000:]


@pytest.mark.skipif(ANEW, reason="the record is being written")
def test_each_was_seen_to_succeed_against_stock_nbgrader_as_it_is_written_now():
    assert hostile_record.read().keys() == {attack.id for attack in ATTACKS}
    assert [attack.id for attack in hostile_record.stale(ATTACKS)] == [], "changed since; see the top of this file"


@needs_box
def test_it_fails_against_ours(both, attack):
    seen = both.ours[attack.id]
    assert not succeeded(attack, seen, both.our_pages)
    assert seen.points[attack.id] <= seen.points[attack.twin]
    assert not any(both.our_pages.get(attack.id, {}).values())


@needs_box
def test_its_student_is_told_how_it_went_and_nothing_else(both, attack):
    for student in (attack.id, *attack.helper):
        page = both.ours[attack.id].page(student)
        assert len(page) > 1000
        assert [name for name, secret in SECRETS.items() if secret in page] == []


def runs(both, side):
    return list({id(seen): seen for seen in getattr(both, side).values()}.values())


@needs_box
def test_nothing_outside_was_changed_reached_or_left_behind(both):
    for seen in runs(both, "ours"):
        assert (seen.codes, seen.changed, seen.heard, seen.left) == ([0, 0], [], [], [])


@needs_box
def test_honest_students_among_them_get_their_marks(both):
    for seen in runs(both, "ours"):
        assert {one: seen.points[one] for one in ("aa-honest", "zz-honest", "twin-none")} == {
            "aa-honest": FULL, "zz-honest": FULL, "twin-none": 0}
        assert "DEFACED" not in seen.page("aa-honest")


@needs_box
def test_where_stock_nbgrader_runs_several_they_do_not_harm_each_other(both):
    """Otherwise the table would blame one for what another did."""
    for attack in PROVED:
        points = both.stock[attack.id].points
        assert attack.alone or (points["aa-honest"], points["zz-honest"], points["twin-none"]) == (FULL, FULL, 0)


@needs_box
def test_the_table_says_what_was_seen(both):
    if not both.browser:
        pytest.skip("without a browser a part of the table cannot be seen")
    now = {attack.id: outcome(attack, both.stock[attack.id], both.stock_pages) for attack in PROVED
           if succeeded(attack, both.stock[attack.id], both.stock_pages)}
    if ANEW:
        hostile_record.write(ATTACKS, now)
    kept = hostile_record.read()
    assert {attack.id: kept[attack.id]["said"] for attack in PROVED} == now
    rows = [(attack, kept[attack.id]["said"], outcome(attack, both.ours[attack.id], both.our_pages))
            for attack in ATTACKS]
    page = table(rows, hostile_record.releases())
    if ANEW:
        TABLE.write_text(page, encoding="utf-8")
    assert TABLE.read_text(encoding="utf-8") == page, "write it anew: see the top of this file"
