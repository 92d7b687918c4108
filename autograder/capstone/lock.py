"""One at a time: a lock that holds between processes of one machine, where the system has one (POSIX)."""

import contextlib


@contextlib.contextmanager
def locked(path):
    """Wait until no other process holds the lock of this file; it is made where it is missing.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, locked(f"{folder}/one"):
    ...     print("alone")
    alone
    """
    with open(path, "w") as file:
        with contextlib.suppress(ImportError):
            import fcntl
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
