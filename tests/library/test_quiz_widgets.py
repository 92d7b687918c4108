"""Practice, Placement and RecallCards without a browser: what they send, what they keep, what they refuse."""

import json
import shutil
from pathlib import Path

import pytest

from shrinklab.widgets import Placement, Practice, RecallCards

SAMPLE = Path(__file__).with_name("00_sample.questions.yml")
RECORD = {"answer": 0, "right": True, "tries": 1}


@pytest.fixture
def bank(tmp_path):
    return shutil.copy(SAMPLE, tmp_path / "practice.yml")


def test_showing_writes_no_file(bank):
    for kind in (Practice, Placement, RecallCards):
        kind(bank)
    assert [path.name for path in bank.parent.iterdir()] == ["practice.yml"]


def test_answers_come_back_in_the_next_session(bank):
    Practice(bank).progress = {"file-size": RECORD}
    Placement(bank).progress = {"mask-speed": RECORD}
    assert Practice(bank).progress == {"file-size": RECORD}
    assert Placement(bank).progress == {"mask-speed": RECORD}


def test_answers_to_questions_that_are_gone_are_left_out(bank):
    (bank.parent / ".practice.json").write_text(json.dumps({"practice": {"old": RECORD, "file-size": RECORD}}))
    assert Practice(bank).progress == {"file-size": RECORD}


def test_a_schedule_comes_back(bank):
    RecallCards(bank).schedule = {"mask-file-size": {"box": 2, "due": "2026-03-01"}}
    assert RecallCards(bank).schedule == {"mask-file-size": {"box": 2, "due": "2026-03-01"}}


@pytest.mark.parametrize("damage", [b"{", b"\xff", b"[]", b'{"practice": {"file-size": 3}}',
                                    b'{"practice": {"file-size": {"tries": "many"}}}', b'{"practice": []}'])
def test_damaged_answers_are_set_aside_with_a_message(bank, damage):
    file = bank.parent / ".practice.json"
    for number in (1, 2):
        file.write_bytes(damage)
        practice = Practice(bank)
        assert practice.message == (f".practice.json was damaged. It is kept as .practice.json.broken-{number}, "
                                    "and you start afresh.")
        assert (bank.parent / f".practice.json.broken-{number}").read_bytes() == damage
    practice.progress = {"file-size": RECORD}
    assert practice.message == ""
    assert Practice(bank).progress == {"file-size": RECORD}


@pytest.mark.parametrize("damage", ['{"mask": {"box": 0, "due": "2026-03-01"}}', '{"mask": {"box": 1, "due": "soon"}}',
                                    '{"mask": {"box": 1}}', '{"mask": null}', "7"])
def test_a_damaged_schedule_is_set_aside_with_a_message(bank, damage):
    (bank.parent / ".recall.json").write_text(damage)
    cards = RecallCards(bank)
    assert cards.schedule == {}
    assert "kept as .recall.json.broken-1" in cards.message


def test_a_folder_that_cannot_be_written_gives_a_message(bank):
    practice = Practice(bank)
    (bank.parent / ".practice.json.new").mkdir()  # in the way of the file that is written first
    practice.progress = {"file-size": RECORD}
    assert practice.message.startswith(".practice.json can't be written")
    assert practice.progress == {"file-size": RECORD}


def test_what_the_browser_gets():
    sent = Practice(SAMPLE).bank
    for question in sent["questions"]:
        assert not {"compute", "setup", "not_run", "output"} & set(question)
        count = len(question.get("options") or question.get("order") or ())
        assert sorted(question["shown"]) == list(range(count))
        if "order" in question:
            assert question["shown"] != list(range(count))
    assert sent == Practice(SAMPLE).bank
    firsts = [question["shown"][0] for question in sent["questions"] if "options" in question]
    assert len(set(firsts)) > 1, "the option that is written first must not always be shown first"


def test_a_faulty_bank_and_a_missing_one(bank, tmp_path):
    bank.write_text(bank.read_text(encoding="utf-8").replace("kind: order", "kind: ordre"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"practice.yml:\d+: question prune-in-order: `kind` is 'ordre'"):
        Practice(bank)
    with pytest.raises(FileNotFoundError, match="other.yml is not a file"):
        RecallCards(tmp_path / "other.yml")
