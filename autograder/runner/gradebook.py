"""One submission, one transaction: the gradebook has all of its grading or nothing.

nbgrader opens the gradebook a dozen times for a submission, and commits after each cell. Here all of these are one
connection, whose commits are savepoints of a transaction that ends when the submission is done: a grader that is killed
leaves no score half-written, and the disk is waited for once.
"""

import contextlib
import os
import sqlite3

from sqlalchemy import Engine, event
from sqlalchemy.engine import make_url

PATIENCE = 10.0


class _Shared(sqlite3.Connection):
    """A connection on which commit and rollback reach back to the last commit only, and close does nothing."""

    def begin(self):
        self.execute("BEGIN IMMEDIATE")
        self.execute("SAVEPOINT submission")

    def commit(self):
        self.execute("RELEASE submission")
        self.execute("SAVEPOINT submission")

    def rollback(self):
        self.execute("ROLLBACK TO submission")

    def close(self):
        pass

    def end(self, *, keep):
        try:
            self.execute("COMMIT" if keep else "ROLLBACK")
        finally:
            super().close()


@contextlib.contextmanager
def one_transaction(address):
    """Everything that this thread writes to a gradebook inside the block is kept at its end, or not at all.

    address: as SQLAlchemy reads it; of another database than SQLite nothing is held together. Raises
    sqlite3.OperationalError when the gradebook is locked, cannot be written or has no room.
    """
    url = make_url(address)
    if url.get_backend_name() != "sqlite" or not url.database:
        yield
        return
    shared = sqlite3.connect(url.database, timeout=PATIENCE, isolation_level=None, factory=_Shared)

    def connect(dialect, record, args, options):
        return shared if list(args[:1]) == [url.database] else None

    keep = False
    event.listen(Engine, "do_connect", connect)
    try:
        shared.begin()
        yield
        keep = True
    finally:
        event.remove(Engine, "do_connect", connect)
        if shared.in_transaction or keep:
            shared.end(keep=keep)
        else:
            sqlite3.Connection.close(shared)


def try_to_write(address):
    """Raise sqlite3.OperationalError when there is a gradebook, and it is locked or cannot be written."""
    url = make_url(address)
    if url.get_backend_name() == "sqlite" and url.database and os.path.exists(url.database):
        with contextlib.closing(sqlite3.connect(url.database, timeout=PATIENCE, isolation_level=None)) as opened:
            opened.execute("BEGIN IMMEDIATE")
            # A database that cannot be written lets a transaction begin, and refuses its first change.
            opened.execute("CREATE TABLE shrinklab_trial (x)")
            opened.execute("ROLLBACK")
