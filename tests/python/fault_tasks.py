# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of faults have their workers do, besides worker_tasks and executor_tasks."""

import os
import signal
import sys
import threading
import time

from executor_tasks import append, touch_and_wait  # noqa: F401
from worker_tasks import crash_c, end, kill, nap, spin  # noqa: F401


def mark_and_kill(path):
    append(path, "x")
    os.kill(os.getpid(), signal.SIGKILL)


def mark(path, text):
    append(path, text)
    return os.getpid()


def get_size(*values):
    return sum([len(value) for value in values])


def give_bytes(size):
    return bytes(size)


def leave(number):
    raise SystemExit(number)


def leave_by_exit(text):
    sys.exit(text)


def interrupt():
    raise KeyboardInterrupt


def hold_interpreter(path):
    """In a call of C that keeps the interpreter's lock."""
    import ctypes

    open(path, "w").close()
    ctypes.PyDLL(None).sleep(1000)


def sleep_for_ever(path):
    open(path, "w").close()
    time.sleep(1000)


def kill_from_a_thread(seconds, size):
    """Meanwhile the result is made and sent."""
    threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()
    return bytes(size)


def hang(path):
    append(path, f"{os.getpid()}\n")
    while True:
        time.sleep(1000)


def fail(text):
    raise ValueError(text)


def kill_self():
    os.kill(os.getpid(), signal.SIGKILL)


def mark_slowly(path):
    append(path, "x")
    time.sleep(0.003)
    return os.getpid()
