"""The marked regions of a cell: ### BEGIN SOLUTION ... ### END SOLUTION and their kin."""

import re
from dataclasses import dataclass, field

KINDS = ("SOLUTION", "FAULTY", "HIDDEN TESTS", "MARK SCHEME")
_EXACT = re.compile(rf"\s*(?:###|===) (BEGIN|END) ({'|'.join(KINDS)})(?: ===)?\s*$")
_ALIKE = re.compile(rf"\s*[#=]+\s*(begin|end)\W+({'|'.join(KINDS)})|\s*(###|===)\s*(begin|end)\b", re.IGNORECASE)


@dataclass
class Part:
    """Lines of a cell under one marker, or under none. kind: one of KINDS or None; first: offset of the marker."""

    kind: str | None
    first: int
    indent: str = ""
    lines: list[str] = field(default_factory=list)

    @property
    def text(self):
        return "\n".join(self.lines)

    @property
    def start(self):
        """Offset of the first line."""
        return self.first + (self.kind is not None)


def split(source, allowed=()):
    """Cut a cell's source into parts; returns (parts, faults), faults as (offset of the line, text).

    >>> split("a\\n### BEGIN SOLUTION\\nb\\n### END SOLUTION", ["SOLUTION"])[0][1].lines
    ['b']
    """
    parts, faults, opened = [Part(None, 0)], [], None
    for offset, line in enumerate(source.split("\n")):
        match = _EXACT.match(line)
        if not match:
            if _ALIKE.match(line):
                faults.append((offset, f"the marker {line.strip()!r} is not known; write for example "
                                       "'### BEGIN SOLUTION' (a mark scheme: '=== BEGIN MARK SCHEME ===')"))
            parts[-1].lines.append(line)
            continue
        edge, kind = match.groups()
        if kind not in allowed:
            faults.append((offset, f"a {kind} region cannot stand in this kind of cell"))
        if edge == "BEGIN":
            if opened:
                faults.append((offset, f"BEGIN {kind} inside the {opened} region; regions cannot be nested"))
            opened = kind
            parts.append(Part(kind, offset, re.match(r"\s*", line).group()))
        else:
            if opened != kind:
                faults.append((offset, f"END {kind} without its BEGIN {kind}"))
            opened = None
            parts.append(Part(None, offset + 1))
    if opened:
        faults.append((parts[-1].first, f"BEGIN {opened} has no END {opened}"))
    return parts, faults


def text(parts, keep):
    """The lines of all parts that `keep(part)` is true for, without the markers."""
    return "\n".join(line for part in parts if keep(part) for line in part.lines)
