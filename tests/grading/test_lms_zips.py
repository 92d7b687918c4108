"""Zips of submissions: a bad member is set aside, the rest is collected, and nothing is written elsewhere."""

import json
import os
import struct
import zipfile
from datetime import UTC, datetime

import pytest
from nbgrader.api import Gradebook
from platforms import make_zip, moodle_row, worksheet
from tiny_course import NAME

from autograder.__main__ import main
from autograder.course import Course, put_tools_on_path
from autograder.lms import zips
from autograder.lms.collect import collect, moodle_time
from autograder.lms.zips import SafeZip

ANN, BOB = (f"{name}_assignsubmission_file_/{NAME}.ipynb" for name in ("Ann Lee_11", "Bob Ray_12"))
CANVAS = f"leeann_101_5001_{NAME}.ipynb"


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A gradebook with ann and bob, made once: its tables take seconds."""
    folder = tmp_path_factory.mktemp("bare")
    put_tools_on_path()
    with Gradebook(f"sqlite:///{folder}/gradebook.db") as made:
        made.add_student("ann", first_name="Ann", last_name="Lee", email="ann@uni.example", lms_user_id="101")
        made.add_student("bob", first_name="Bob", last_name="Ray", email="bob@uni.example", lms_user_id="102")
        made.add_student("pat", first_name="Pat", last_name="O'Hara", email="pat@uni.example", lms_user_id="103")
    return (folder / "gradebook.db").read_bytes()


@pytest.fixture
def course(tmp_path, bare):
    made = Course(tmp_path / "root")
    made.grading.mkdir(parents=True)
    (made.grading / "gradebook.db").write_bytes(bare)
    (made.root / "course" / NAME).mkdir(parents=True)
    return made


@pytest.fixture
def take(course, tmp_path, capsys):
    """Collect a zip of these members; returns the exit status and what was said."""
    def run(members, *, name="m.zip", sheet=None):
        path = make_zip(tmp_path / name, members) if isinstance(members, dict) else members
        written = tmp_path / "sheet.csv"
        if sheet:
            written.write_text(sheet, encoding="utf-8")
        status = collect(course, NAME, path, worksheet=written if sheet else None)
        return status, capsys.readouterr().out
    return run


def submitted(course, student, name=f"{NAME}.ipynb"):
    path = course.grading / "submitted" / student / NAME / name
    return path.read_text(encoding="utf-8") if path.is_file() else None


def rules(course, text):
    (course.grading / "term.yml").write_text(f"timezone: Europe/Berlin\n{text}", encoding="utf-8")


@pytest.mark.parametrize("members", [
    (ANN, BOB), (ANN.replace("file_/", "file/"), BOB.replace("file_/", "file/")),
    (ANN.replace("/", ""), BOB.replace("/", "")), (f"outer/{ANN}", f"outer/{BOB}"),
    (CANVAS, f"raybob_LATE_102_5002_{NAME}-1.ipynb"),
    (f"lee_ann_101_1_{NAME}-12.ipynb", f"raybob_102_5002_{NAME}.ipynb")])
def test_every_layout_is_collected(course, take, members):
    rules(course, "due:\n  90: 2026-11-20\n")
    status, out = take(dict(zip(members, ("a", "b"), strict=True)))
    assert status == 0
    assert (submitted(course, "ann"), submitted(course, "bob")) == ("a", "b"), out
    assert "new: ann, bob" in out
    assert "set aside: nothing" in out


def test_moodle_drops_characters_from_names(course, take):
    take({f"Pat OHara_13_assignsubmission_file_/{NAME}.ipynb": "p"})
    assert submitted(course, "pat") == "p"


BAD = {
    "dots": ("../" + ANN, "leads out"), "dots inside": (f"x/../../{ANN}", "leads out"),
    "absolute": ("/etc/" + ANN, "leads out"), "drive": (f"C:/{ANN}", "leads out"),
    "backslash": (ANN.replace("/", "\\"), "leads out"), "control": (ANN.replace("90", "9\x1b0"), "cannot be shown"),
    "long": ("x" * 600 + ANN, "too long"), "archive": (ANN.replace(".ipynb", ".zip"), "an archive inside the zip"),
    "typed": (f"Ann Lee_11_assignsubmission_onlinetext_/{NAME}.ipynb", "not an uploaded file"),
    "stranger": (f"Eve Low_77_assignsubmission_file_/{NAME}.ipynb", "No student of the gradebook is Eve Low"),
    "stamp": (ANN.replace(f"{NAME}.ipynb", "timestamp.txt"), "cannot be a file's name"),
    "other": ("readme.txt", "not one that Moodle gives")}


@pytest.mark.parametrize("which", BAD)
def test_a_bad_member_is_set_aside_and_the_rest_collected(course, take, tmp_path, which):
    before = set(tmp_path.rglob("*"))
    status, out = take({BAD[which][0]: "a", BOB: "b"})
    assert status == 0
    assert "set aside: 1" in out
    assert BAD[which][1] in out
    assert submitted(course, "ann") is None
    assert submitted(course, "bob") == "b"
    inside = (course.grading / "submitted", course.grading / "originals", course.grading / "collected")
    new = {path for path in set(tmp_path.rglob("*")) - before if path.is_file() and path.name != "m.zip"}
    assert all(any(path.is_relative_to(folder) for folder in inside) for path in new)
    assert "\x1b" not in out


def member(path, name, data=b"a", **fields):
    """Add a member whose entry has other fields than a zip program writes."""
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    for key, value in fields.items():
        setattr(info, key, value)
    with zipfile.ZipFile(path, "a") as made:
        made.writestr(info, data)
    return path


def patched(path, name, offset, form, value):
    """Change a field of a member's entry in the zip's directory."""
    data = bytearray(path.read_bytes())
    at = data.rfind(b"PK\x01\x02", 0, data.rfind(name.encode()))
    struct.pack_into(form, data, at + offset, value)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("name", "says"), [
    ("link", "a link or a device"), ("device", "a link or a device"), ("encrypted", "encrypted"), ("bomb", "zip bomb"),
    ("large", "larger than"), ("lying", "larger than|damaged"), ("twice", "more than one member of this name"),
    ("broken", "damaged"), ("method", "damaged")])
def test_a_member_that_is_no_plain_file_is_set_aside(course, take, tmp_path, name, says, monkeypatch):
    import re
    path = make_zip(tmp_path / "m.zip", {BOB: "b"})
    if name in ("link", "device"):
        member(path, ANN, b"/etc/passwd", external_attr=(0o120777 if name == "link" else 0o020666) << 16)
    elif name == "bomb":
        member(path, ANN, b"\0" * (3 * 2**20))
    elif name in ("large", "lying"):
        monkeypatch.setattr(zips, "MOST_BYTES", 1000)
        member(path, ANN, os.urandom(2000))
        if name == "lying":
            patched(path, ANN, 24, "<I", 900)
    elif name == "twice":
        with pytest.warns(UserWarning, match="Duplicate name"):
            member(member(path, ANN), ANN, b"c")
    else:
        member(path, ANN, b"hello" * 100)
        if name == "encrypted":
            patched(path, ANN, 8, "<H", 1)
        elif name == "method":
            patched(path, ANN, 10, "<H", 98)
        else:
            patched(path, ANN, 16, "<I", 12345)
    status, out = take(path)
    assert status == 0
    assert submitted(course, "bob") == "b"
    assert submitted(course, "ann") is None
    assert re.search(says, out), out


def test_a_name_that_is_not_utf8_does_not_stop_the_zip(course, take, tmp_path):
    """Python's zipfile refuses the whole zip."""
    path = make_zip(tmp_path / "m.zip", {BOB: "b", f"Zo\xe9_{ANN}": "a"})
    path.write_bytes(path.read_bytes().replace("Zo\xe9_".encode(), b"Zo\xff\xff_"))
    with pytest.raises(UnicodeDecodeError):
        zipfile.ZipFile(path)
    _, out = take(path)
    assert submitted(course, "bob") == "b"
    assert "Its name is not UTF-8." in out


def test_names_in_utf8_without_the_flag_are_read(course, take, tmp_path):
    with Gradebook(course.gradebook) as made:
        made.add_student("zoe", first_name="Zoé", last_name="Lee")
    name = f"Zoé Lee_11_assignsubmission_file_/{NAME}.ipynb"
    path = make_zip(tmp_path / "m.zip", {name: "z"})
    data = bytearray(path.read_bytes())
    for sign, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        struct.pack_into("<H", data, data.find(sign) + place, 0)
    path.write_bytes(data)
    take(path)
    assert submitted(course, "zoe") == "z"


@pytest.mark.parametrize("data", [b"", b"no zip", b"PK\x05\x06" + bytes(3), bytes(10_000)])
def test_what_is_no_zip_is_one_clear_line(course, tmp_path, capsys, data):
    (tmp_path / "m.zip").write_bytes(data)
    assert main(["--root", str(course.root), "collect", "90", "--from", str(tmp_path / "m.zip")]) == 1
    assert "m.zip cannot be read as a zip" in capsys.readouterr().err


def test_a_zip_of_something_else_is_refused(course, take):
    with pytest.raises(ValueError, match="give the zip as the platform made it"):
        take({"notes.txt": "x"})


def test_too_many_members_are_refused(take, monkeypatch):
    monkeypatch.setattr(zips, "MOST_MEMBERS", 1)
    with pytest.raises(ValueError, match="at most 1 are looked at"):
        take({ANN: "a", BOB: "b"})


def test_what_unpacks_to_too_much_in_all_is_not_read_on(tmp_path, monkeypatch):
    monkeypatch.setattr(zips, "MOST_TOTAL", 10)
    with SafeZip(make_zip(tmp_path / "m.zip", {ANN: "a" * 8, BOB: "b" * 8})) as opened:
        assert opened.read(ANN)
        with pytest.raises(zips.Refused, match="unpacks to more than"):
            opened.read(BOB)


def test_moodles_worksheet_says_who_and_when(course, take):
    sheet = worksheet(moodle_row(11, "Ann Lee"), moodle_row(12, "Bob Ray", time="-"))
    rules(course, "")
    # Names may be hidden in the zip: the number is what counts.
    take({ANN.replace("Ann Lee", "Participant"): "a", BOB: "b"}, sheet=sheet)
    assert submitted(course, "ann") == "a"
    assert submitted(course, "ann", "timestamp.txt") == "2026-11-20 17:05:00.000000 UTC\n", "18:05 in Berlin"
    assert submitted(course, "bob", "timestamp.txt") is None


@pytest.mark.parametrize(("text", "hour"), [
    ("Friday, 20 November 2026, 6:05 PM", 18), ("Friday, 20 November 2026, 18:05", 18),
    ("Friday, November 20, 2026, 6:05 PM", 18), ("2026-11-20 18:05", 18), ("-", None), ("gestern", None)])
def test_moodles_times(text, hour):
    time = moodle_time(text, UTC)
    assert time == (datetime(2026, 11, 20, hour, 5, tzinfo=UTC) if hour else None)


def test_canvas_late_flag_is_the_earliest_late_time(course, take):
    rules(course, "due:\n  90: 2026-11-20 23:00\nlate:\n  grace_minutes: 10\n")
    take({CANVAS.replace("_101", "_LATE_101"): "a"})
    assert submitted(course, "ann", "timestamp.txt") == "2026-11-20 22:10:01.000000 UTC\n"


def test_a_late_flag_without_a_due_date_is_refused(course, take):
    with pytest.raises(ValueError, match="has no due date here"):
        take({CANVAS.replace("_101", "_LATE_101"): "a"})


def test_anonymous_canvas_files_are_nobodys(course, take):
    assert "anonymous grading" in take({f"anon_x1y2z_1_{NAME}.ipynb": "a", f"raybob_102_2_{NAME}.ipynb": "b"})[1]


def test_a_newer_submission_replaces_an_older_one_and_both_are_kept(course, take):
    take({ANN: "first"}, sheet=worksheet(moodle_row(11, "Ann Lee")))
    later = worksheet(moodle_row(11, "Ann Lee", time="Saturday, 21 November 2026, 1:00 AM"))
    assert "newer: ann" in take({ANN: "second"}, sheet=later)[1]
    assert submitted(course, "ann") == "second"
    assert "older: ann" in take({ANN: "first"}, sheet=worksheet(moodle_row(11, "Ann Lee")))[1]
    assert submitted(course, "ann") == "second"
    assert "unchanged: ann" in take({ANN: "second"}, sheet=later)[1]
    originals = course.grading / "originals" / NAME
    assert (originals / "replaced" / "ann-1" / f"{NAME}.ipynb").read_text() == "first"
    assert len(list(originals.glob("m-*.zip"))) == 2, "the same zip is kept once"


def test_canvas_uploads_are_in_the_order_of_their_numbers(course, take):
    take({CANVAS: "second"})
    assert "older: ann" in take({f"leeann_101_4000_{NAME}.ipynb": "first"})[1]
    assert "newer: ann" in take({f"leeann_101_6000_{NAME}-1.ipynb": "third"})[1]
    assert submitted(course, "ann") == "third"


def test_what_someone_put_there_by_hand_is_not_replaced(course, take):
    folder = course.grading / "submitted" / "ann" / NAME
    folder.mkdir(parents=True)
    (folder / f"{NAME}.ipynb").write_text("mine")
    assert "did not come from a zip" in take({ANN: "a"})[1]
    assert submitted(course, "ann") == "mine"


def test_two_files_of_one_name_and_too_many_files(course, take, monkeypatch):
    monkeypatch.setattr("autograder.lms.collect.MOST_FILES", 2)
    names = [ANN, ANN.replace(NAME, f"deep/{NAME}"), ANN.replace(NAME, "x"), ANN.replace(NAME, "y")]
    _, out = take(dict.fromkeys(names, "a"))
    assert "another file called" in out
    assert "more than 2 files" in out


def test_the_record_names_the_members_that_feedback_goes_back_under(course, take):
    take({ANN: "a"})
    take({f"raybob_102_7_{NAME}-2.ipynb": "b"}, name="c.zip")
    record = json.loads((course.grading / "collected" / f"{NAME}.json").read_text())
    assert record["ann"]["members"] == {f"{NAME}.ipynb": ANN}
    assert (record["bob"]["platform"], record["bob"]["members"]) == (
        "canvas", {f"{NAME}.ipynb": f"raybob_102_7_{NAME}-2.ipynb"})


def test_without_a_class_list_nothing_is_collected(course, take):
    (course.grading / "gradebook.db").unlink()
    with pytest.raises(ValueError, match="make roster"):
        take({ANN: "a"})
