# SPDX-License-Identifier: LGPL-2.1-or-later
"""Waits in C that Ctrl-C ends.

Python handles signals in its main thread and between its own steps, never within a call of C. So
there the main thread waits for a moment at a time.
"""

import threading
import time

from gi.repository import Gio, GLib

SLICE = 0.05  # seconds


def is_main():
    return threading.get_ident() == threading.main_thread().ident


def is_over(error):
    return error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.TIMED_OUT)


def block(function, *arguments, timeout=None, cancellable=None):
    """Calls `function(*arguments, seconds, cancellable)`, which raises when the time is over."""
    seconds = -1 if timeout is None else timeout
    if not is_main():
        return function(*arguments, seconds, cancellable)
    start = time.monotonic()
    while True:
        passed = time.monotonic() - start
        left = SLICE if seconds < 0 else min(seconds - passed, SLICE)
        try:
            return function(*arguments, max(left, 0), cancellable)
        except GLib.Error as error:
            # One that did not take its time is not that of the wait.
            is_own = time.monotonic() - start - passed >= left * 0.9
            if not is_over(error) or not is_own or 0 <= seconds <= passed + left:
                raise


def wait(future, timeout=None):
    """Whether it has ended."""
    seconds = -1 if timeout is None else timeout
    if future.is_done():
        return True
    if not is_main():
        return future.wait(seconds)
    end = time.monotonic() + seconds
    while not future.wait(SLICE if seconds < 0 else min(max(end - time.monotonic(), 0), SLICE)):
        if 0 <= seconds and time.monotonic() >= end:
            return False
    return True


def call_aside(function, *arguments):
    """For a call that has no limit of time. If the wait for it is ended, it goes on."""
    if not is_main():
        return function(*arguments)
    outcome = []

    def call():
        try:
            outcome.append((function(*arguments), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=call, name="aiopool-call", daemon=True)
    thread.start()
    thread.join()
    result, error = outcome[0]
    if error is not None:
        raise error
    return result
