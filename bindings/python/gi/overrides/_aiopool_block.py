# SPDX-License-Identifier: LGPL-2.1-or-later
"""Blocks so that Ctrl-C is heard.

Python handles signals in the main thread, between calls. A call that blocks in C would keep it from
that, so there it is made again and again, each time for a short while.
"""

import sys
import threading
import time
from math import inf

from gi.repository import Gio, GLib

SLICE = 0.1  # seconds


def is_main():
    return threading.get_ident() == threading.main_thread().ident


def is_timed_out(error):
    return error.domain == "g-io-error-quark" and error.code == Gio.IOErrorEnum.TIMED_OUT


def in_slices(function, timeout):
    """Calls function(seconds), which blocks so long, and returns False then, or raises TIMED_OUT.

    Who does so early means something else: that to wait would be in vain, or that a task has
    raised that."""
    if not is_main() or 0 <= timeout <= SLICE:
        return function(timeout)
    end = inf if timeout < 0 else time.monotonic() + timeout
    while (left := end - (start := time.monotonic())) > SLICE:
        try:
            value = hear_signals(function, SLICE)
        except GLib.Error as error:
            if not is_timed_out(error) or is_early(start):
                raise
        else:
            if value is not False or is_early(start):
                return value
    return hear_signals(function, max(left, 0))


def hear_signals(function, seconds):
    """Where a call ends with an error, handlers of signals run while PyGObject makes an exception of
    that. What they raise it prints, by way of the hook, and raises RuntimeError."""
    raised = []
    hook = sys.excepthook
    sys.excepthook = lambda *exc_info: raised.append(exc_info)
    try:
        return function(seconds)
    except RuntimeError as error:
        if not raised or "GError" not in str(error):
            raise
        exception = raised.pop()[1]
        if getattr(sys, "last_value", None) is exception:
            del sys.last_type, sys.last_value, sys.last_traceback
        raise exception from None
    finally:
        sys.excepthook = hook
        for exc_info in raised:  # of callbacks, which nobody can catch
            hook(*exc_info)


def is_early(start):
    return time.monotonic() - start < SLICE / 2


def call(function, start, finish, source, *arguments, cancellable=None):
    """Calls function(source, *arguments, cancellable), which blocks for no certain time, by way of
    the start() and the finish() of its asynchronous form, and in a main context of its own."""
    if cancellable is not None or not is_main():
        return function(source, *arguments, cancellable)
    context = GLib.MainContext.new()
    cancellable = Gio.Cancellable()
    results = []
    context.push_thread_default()
    try:
        start(source, *arguments, cancellable, lambda source, result: results.append(result))
        iterate(context, results, cancellable)
        return finish(source, results[0])
    finally:
        context.pop_thread_default()


def iterate(context, results, cancellable):
    """Until there is a result. A signal that comes ends poll(), or does shortly before."""
    timer = GLib.timeout_source_new(int(1000 * SLICE))
    timer.set_callback(lambda *_: GLib.SOURCE_CONTINUE)
    timer.attach(context)
    try:
        while not results:
            context.iteration(True)
    except BaseException:
        cancellable.cancel()
        while not results:
            context.iteration(True)
        raise
    finally:
        timer.destroy()
