"""User numbers for the processes of a box where the grader is root: of no user of this computer, of one box only.

The kernel counts processes by user: two boxes of one number would share their limit, and reach each other's processes.
"""

import os
import socket

from shrinklab.errors import need

FIRST, MOST = 61184, 4000  # below those that systemd gives to services


class Claim:
    """A user number that no other box of this computer has until `free` is called or this process ends.

    number: None where the grader is not root, whose boxes have its own user.
    """

    def __init__(self):
        self.number, self._held = None, None
        if os.geteuid() == 0:
            self.number, self._held = _first_free()

    def free(self):
        """Give the number back; safe to call again."""
        if self._held:
            self._held.close()
            self._held = None


def _first_free():
    import pwd
    taken = {user.pw_uid for user in pwd.getpwall()}
    for number in range(FIRST, FIRST + MOST):
        # A name of a socket is held by one process, and free when that is gone, however it ended.
        held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            if number not in taken:
                held.bind(f"\0shrinklab-user-{number}")
                return number, held
        except OSError:
            pass
        held.close()
    need(False, "no user number is free", f"each box takes one of {MOST:,}", "grade fewer at a time", RuntimeError)
    return None
