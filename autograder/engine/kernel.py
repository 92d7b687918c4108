"""The few calls of Linux's kernel that Python has no function for. Each raises OSError, which names the call."""

import ctypes
import errno
import os
import struct

# Of unshare.
NEW_FILES, NEW_NAMES, NEW_IPC, NEW_USER = 0x00020000, 0x04000000, 0x08000000, 0x10000000
NEW_PROCESSES, NEW_NETWORK = 0x20000000, 0x40000000
# Of mount.
READ_ONLY, NO_SETUID, NO_DEVICES, NO_EXEC = 0x1, 0x2, 0x4, 0x8
REMOUNT, BIND, ALL_BELOW, PRIVATE = 0x20, 0x1000, 0x4000, 0x40000
_DUMPABLE, _SECCOMP, _BOUNDING, _NO_NEW_RIGHTS, _REAPER, _AMBIENT = 4, 22, 24, 38, 36, 47
_FILTER, _CLEAR_ALL, _CAPABILITIES_3 = 2, 4, 0x20080522
_UP = 0x1

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("lines", ctypes.c_char_p)]


def unshare(flags):
    """Leave the namespaces that the flags name for new ones."""
    _do("unshare", flags)


def mount(source, target, kind, flags=0, options=""):
    """Mount a file system (kind) or a folder (flags with BIND) at the path target."""
    _do("mount", *(word.encode() if word else None for word in (source, target, kind)), ctypes.c_ulong(flags),
        options.encode() or None)


def adopt_orphans():
    """A child of a child that ends becomes this process's own."""
    _prctl(_REAPER, 1)


def dumpable(yes):
    """Whether processes of the same user may look into this one (/proc/PID/mem)."""
    _prctl(_DUMPABLE, int(yes))


def narrow_rights():
    """No program that this process starts can gain a capability that it has not. Needs the right to do so."""
    for capability in range(64):
        if _libc.prctl(_BOUNDING, capability, 0, 0, 0):
            number = ctypes.get_errno()
            if number == errno.EINVAL:
                return  # there are no more of them
            raise OSError(number, f"prctl: {os.strerror(number)}")


def give_up_rights():
    """This process has no capability from now on, and what it starts gains none."""
    _prctl(_AMBIENT, _CLEAR_ALL)
    _do("capset", struct.pack("=Ii", _CAPABILITIES_3, 0), bytes(24))
    _prctl(_NO_NEW_RIGHTS, 1)


def refuse_calls(program):
    """Put a filter of system calls before this process and all that it starts. program: of `engine.syscalls`."""
    filled = _Program(len(program) // 8, program)
    _prctl(_SECCOMP, _FILTER, ctypes.addressof(filled))


def loopback_up():
    """Switch on the loopback of a new network namespace."""
    import fcntl
    import socket
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14x", b"lo", _UP))  # SIOCSIFFLAGS


def _prctl(*words):
    _do("prctl", *(ctypes.c_ulong(word) for word in [*words, 0, 0, 0, 0][:5]))


def _do(name, *words):
    if getattr(_libc, name)(*words):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
