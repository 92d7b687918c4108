"""Faults that stop a whole run: told apart from those of one submission, and said so that a person can mend them."""

import contextlib
import errno
import sqlite3

import sqlalchemy.exc

AGAIN = "mend that and run the same command again: it goes on where it stopped, and nothing that was graded is lost"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Halt(RuntimeError):
    """The run cannot go on. The text says why, and how to."""


@contextlib.contextmanager
def halting(course):
    """Turn a full disk and a gradebook that cannot be written into a `Halt`; other errors pass."""
    try:
        yield
    except (OSError, sqlite3.Error, sqlalchemy.exc.DBAPIError) as error:
        why = reason(error, course)
        if not why:
            raise
        raise Halt(f"{why}; {AGAIN}") from error


def reason(error, course):
    """What stops the run, or "" when it is no fault of that kind.

    >>> reason(OSError(errno.ENOSPC, "No space left on device"), None)
    'the disk is full (No space left on device)'
    """
    if isinstance(error, OSError):
        full, closed = error.errno in FULL, error.errno in (errno.EROFS, errno.EACCES, errno.EPERM)
        where = f": {error.filename}" if error.filename else ""
        if full:
            return f"the disk is full ({error.strerror}{where})"
        return f"a file cannot be written ({error.strerror}{where})" if closed else ""
    said = str(getattr(error, "orig", error))
    if "locked" in said or "busy" in said:
        return (f"the gradebook {course.gradebook} is in use by another program (close what writes to it, such as "
                "another grading or a database browser)")
    if "full" in said or "disk I/O" in said:
        return f"the disk with the gradebook {course.gradebook} is full ({said})"
    if "readonly" in said or "unable to open" in said:
        return f"the gradebook {course.gradebook} cannot be written ({said})"
    return ""
