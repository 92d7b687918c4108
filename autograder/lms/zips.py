"""A zip from outside, read with care: what is wrong with one member sets that one aside, and the rest is read.

Nothing is unpacked to a path that the zip names: members come back as bytes, and the caller chooses where they go.
"""

import re
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path

from autograder.reading import MOST_BYTES
from shrinklab.errors import need

MOST_MEMBERS = 20_000
MOST_TOTAL = 8 * 2**30
MOST_RATIO = 200
SMALL = 2**20
MOST_NAME = 500
_CENTRAL, _END, _UTF8 = b"PK\x01\x02", b"PK\x05\x06", 0x800
_HELPERS = re.compile(r"(^|/)(__MACOSX/|\._|\.DS_Store$|Thumbs\.db$|desktop\.ini$)")


class Refused(Exception):
    """A member that is not read. The text is a sentence for the instructor."""


class SafeZip:
    """An open zip. names: of the members that can be read, in its order; aside: {name: sentence} of the others.

    Raises ValueError for a file that is no zip, or has too many members.
    """

    def __init__(self, path):
        need(path.is_file(), f"there is no file {path}", "it is the zip of submissions that Moodle or Canvas made",
             "check the path", FileNotFoundError)
        try:
            self._zip, self._copy, self._bad = _open(path)
        except (zipfile.BadZipFile, struct.error, OSError, ValueError, NotImplementedError) as error:
            raise ValueError(f"{path.name} cannot be read as a zip ({error}); it is the file that the platform made, "
                             "whole; download it again") from None
        infos = self._zip.infolist()
        if len(infos) > MOST_MEMBERS:
            self.__exit__()
        need(len(infos) <= MOST_MEMBERS, f"{path.name} has {len(infos):,} members", f"at most {MOST_MEMBERS:,} are "
             "looked at", "download the submissions in parts")
        self.aside, self._infos, self._read = {}, {}, 0
        for info in infos:
            self._look(info)
        self.names = list(self._infos)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._zip.close()
        self._copy.close()

    def read(self, name):
        """The bytes of a member. Raises Refused where they cannot be had, or are too many: what its header says about
        its size is not believed."""
        try:
            with self._zip.open(self._infos[name]) as member:
                data = member.read(MOST_BYTES + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError, ValueError,
                struct.error) as error:
            raise Refused(f"It is damaged ({error}).") from None
        self._read += len(data)
        if len(data) > MOST_BYTES:
            raise Refused(_TOO_LARGE)
        if self._read > MOST_TOTAL:
            raise Refused(f"The zip unpacks to more than {MOST_TOTAL // 2**30} GiB; this and what follows is not read.")
        return data

    def _look(self, info):
        name = _name(info)
        if info.is_dir() or _HELPERS.search(name):
            return
        fault = "Its name is not UTF-8." if info.orig_filename in self._bad else _fault(name, info)
        if name in self._infos or name in self.aside:
            self._infos.pop(name, None)
            fault = "The zip has more than one member of this name, so it is not clear which counts."
        if fault:
            self.aside[_shown(name)] = fault
        else:
            self._infos[name] = info


_TOO_LARGE = f"It is larger than {MOST_BYTES // 2**20} MB."


def _name(info):
    """A member's name as its maker meant it: programs that do not say so write UTF-8 as well."""
    name = info.orig_filename
    if not info.flag_bits & _UTF8:
        try:
            return name.encode("cp437").decode("utf-8")
        except UnicodeError:
            return name
    return name


def _fault(name, info):
    """What is wrong with a member, before a byte of it is read; None where nothing is."""
    parts = name.split("/")
    if "\\" in name or name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in parts:
        return "Its name is a path that leads out of the zip."
    if not name.isprintable() or len(name) > MOST_NAME:
        return "Its name is too long, or has characters that cannot be shown."
    kind = info.external_attr >> 16
    if kind and stat.S_IFMT(kind) not in (0, stat.S_IFREG):
        return "It is a link or a device, not a file."
    if info.flag_bits & 0x1:
        return "It is encrypted."
    if info.file_size > MOST_BYTES:
        return _TOO_LARGE
    if info.file_size > SMALL and info.file_size > MOST_RATIO * max(1, info.compress_size):
        return f"It unpacks to more than {MOST_RATIO} times its size, as a zip bomb does."
    if name.lower().endswith((".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")):
        return "It is an archive inside the zip; those are not opened."
    return None


def _shown(name):
    return re.sub(r"[^\w .()@+/-]", "?", name)[:120]


def _open(path):
    """(the open zip, the file that it reads, names that are not UTF-8 although they say so)."""
    file = path.open("rb")
    try:
        return zipfile.ZipFile(file), file, set()
    except UnicodeDecodeError:
        # One name that says it is UTF-8 and is not stops Python's zipfile. Without that claim it reads the others.
        with file:
            return _without_false_claims(file)
    except BaseException:
        file.close()
        raise


def _without_false_claims(file):
    # The copy, a file without a name, lives as long as the open zip.
    copy, bad = tempfile.TemporaryFile(), set()  # noqa: SIM115
    file.seek(0)
    shutil.copyfileobj(file, copy)
    for place, name in _central_names(copy):
        try:
            name.decode("utf-8")
        except UnicodeDecodeError:
            copy.seek(place + 8)
            flags = struct.unpack("<H", copy.read(2))[0]
            copy.seek(place + 8)
            copy.write(struct.pack("<H", flags & ~_UTF8))
            bad.add(name.decode("cp437"))
    return zipfile.ZipFile(copy), copy, bad


def _central_names(file):
    """(place of the header, name) of each member, from the zip's directory. Raises BadZipFile where it is not clear."""
    file.seek(0, 2)
    size = file.tell()
    file.seek(max(0, size - 65_557))
    tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) < at + 22:
        raise zipfile.BadZipFile("its directory is missing")
    count, _, start = struct.unpack("<HII", tail[at + 10:at + 20])
    found, place = [], start
    for _ in range(count):
        file.seek(place)
        header = file.read(46)
        if header[:4] != _CENTRAL or len(header) < 46:
            raise zipfile.BadZipFile("its directory is damaged")
        lengths = struct.unpack("<HHH", header[28:34])
        name = file.read(lengths[0])
        if struct.unpack("<H", header[8:10])[0] & _UTF8:
            found.append((place, name))
        place += 46 + sum(lengths)
    return found


def copied(path, folder):
    """Keep a zip as it came; returns the copy's path. The same file is kept once."""
    sum_ = zlib.crc32(path.read_bytes()) if path.stat().st_size < 2**28 else path.stat().st_mtime_ns
    target = folder / f"{path.stem}-{sum_:08x}{path.suffix}"
    folder.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as half, path.open("rb") as source:
            shutil.copyfileobj(source, half)
        Path(half.name).replace(target)
    return target
