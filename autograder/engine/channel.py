"""Messages between the grader and the student's process: four bytes of length, then one JSON value."""

import json
import struct

from shrinklab.errors import need

LIMIT = 64 * 2**20
PARTS = 4_000_000
_HEADER = struct.Struct(">I")


class ChannelError(Exception):
    """The other side closed the channel, or sent something that is not one of our messages."""


class TooLarge(ChannelError):
    """What should be sent is too large; nothing of it was."""


def send(stream, message):
    """Write one message to a binary stream. message: anything that JSON can hold.

    Raises ChannelError when the other side is gone, TooLarge when it would not take the message.

    >>> import io
    >>> stream = io.BytesIO()
    >>> send(stream, {"op": "ping"})
    >>> stream.getvalue()
    b'\\x00\\x00\\x00\\x0e{"op": "ping"}'
    """
    data = json.dumps(message).encode("ascii")
    need(len(data) <= LIMIT and _parts(data) <= PARTS, f"the message has {len(data):,} bytes",
         f"at most {LIMIT:,} can cross, in {PARTS:,} parts", "send less", TooLarge)
    try:
        stream.write(_HEADER.pack(len(data)) + data)
        stream.flush()
    except (OSError, ValueError) as error:
        raise ChannelError("the other process closed the channel") from error


def receive(stream):
    """Read the next message from a binary stream.

    Raises ChannelError at the end of the stream, and for what is too large or is not JSON.

    >>> import io
    >>> receive(io.BytesIO(b'\\x00\\x00\\x00\\x0e{"op": "ping"}'))
    {'op': 'ping'}
    """
    length, = _HEADER.unpack(_read(stream, _HEADER.size))
    need(length <= LIMIT, f"the message claims {length:,} bytes", f"at most {LIMIT:,} can cross",
         "return less", ChannelError)
    data = _read(stream, length)
    # Before it is read: `{},{},{},` takes thirty times its size in Python.
    need(_parts(data) <= PARTS, "the message has millions of parts", f"at most {PARTS:,} can cross",
         "return less", ChannelError)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ChannelError("the other process sent something that is not a message") from error


def _parts(data):
    """At least the number of values that a message holds."""
    return sum(map(data.count, (b",", b"[", b"{")))


def _read(stream, size):
    parts, missing = [], size
    while missing:
        try:
            part = stream.read(min(missing, 2**20))
        except (OSError, ValueError):
            part = b""
        if not part:
            raise ChannelError("the other process closed the channel")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
