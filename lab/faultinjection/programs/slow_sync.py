# SPDX-License-Identifier: Apache-2.0
"""Run a program with delayed fdatasync and fsync calls: slow_sync.py SECONDS PROGRAM...

The kernel notifies this process of each such call (seccomp user notifications), and the process
responds after a delay. Other system calls are not affected, so the program behaves as on a slow
disk. Runs on a node with its own Python; x86-64 only.
"""

import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys
import threading
import time

PR_SET_NO_NEW_PRIVS = 38
SYS_SECCOMP, SET_MODE_FILTER, NEW_LISTENER = 317, 1, 1 << 3
ALLOW, USER_NOTIF = 0x7FFF0000, 0x7FC00000
FSYNC, FDATASYNC = 74, 75
RECEIVE, SEND = 0xC0502100, 0xC0182101  # ioctls
REQUEST_SIZE, CONTINUE = 80, 1


class Program(ctypes.Structure):
    """The kernel's struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def install() -> int:
    """Install the filter in this process; return the descriptor of the notifications."""
    code = b"".join(
        struct.pack("HBBI", *instruction)
        for instruction in (
            (0x20, 0, 0, 0),  # load the system call's number
            (0x15, 1, 0, FSYNC),
            (0x15, 0, 1, FDATASYNC),
            (0x06, 0, 0, USER_NOTIF),
            (0x06, 0, 0, ALLOW),
        )
    )
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    program = Program(len(code) // 8, code)
    found = libc.syscall(SYS_SECCOMP, SET_MODE_FILTER, NEW_LISTENER, ctypes.byref(program))
    if found < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    return int(found)


def respond(listener: int, request: int, seconds: float) -> None:
    """Let one call continue after the delay."""
    time.sleep(seconds)
    try:
        fcntl.ioctl(listener, SEND, struct.pack("QqiI", request, 0, 0, CONTINUE))
    except OSError:
        return  # the program has ended


def supervise(listener: int, seconds: float) -> None:
    """Respond to notifications until the program ends."""
    while True:
        request = bytearray(REQUEST_SIZE)
        try:
            fcntl.ioctl(listener, RECEIVE, request)
        except InterruptedError:
            continue
        except OSError:
            return
        (number,) = struct.unpack_from("Q", request)
        threading.Thread(target=respond, args=(listener, number, seconds), daemon=True).start()


def main() -> int:
    """Start the program, delay its calls, and return its exit status."""
    seconds, command = float(sys.argv[1]), sys.argv[2:]
    ours, theirs = socket.socketpair()
    child = os.fork()
    if not child:
        socket.send_fds(theirs, [b"x"], [install()])
        os.execv(command[0], command)
    theirs.close()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: os.kill(child, received))
    _, (listener,), _, _ = socket.recv_fds(ours, 1, 1)
    threading.Thread(target=supervise, args=(listener, seconds), daemon=True).start()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
