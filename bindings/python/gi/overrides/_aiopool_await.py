# SPDX-License-Identifier: LGPL-2.1-or-later
"""Lets asyncio wait for futures of the library.

Each thread that awaits has a completion queue. The event loop watches its descriptor, as it would
watch a socket, and hears of all futures that have ended at once: no thread stands between, and no
callback is called through introspection. That works with every loop that has add_reader(), be it
asyncio's own, one that runs on GLib (gi.events), or another one. Signals of a future whose task was
submitted while a loop runs come the same way, and so before its end does.

The queue belongs to the thread and not to the loop: loops come and go with asyncio.run(), and what
one of them left unfinished is cleared away while the next one runs.
"""

import functools
import sys
import threading
import weakref
from asyncio import CancelledError, _get_running_loop, get_running_loop
from contextvars import copy_context

from gi.repository import Aiopool, Gio, GLib

add = Aiopool.CompletionQueue.add
remove = Aiopool.CompletionQueue.remove
submit = Aiopool.CompletionQueue.submit
take = Aiopool.CompletionQueue.take

local = threading.local()


def settle(waiter, get, *arguments):
    """Gives a future of asyncio what a call returns or raises. One whose loop was closed can tell
    nobody any more."""
    if waiter.done() or waiter.get_loop().is_closed():
        return
    try:
        value = get(*arguments)
    except CancelledError:
        waiter.cancel()
    except Exception as error:  # whatever it is, it belongs to who waits
        if is_cancelled(error):
            waiter.cancel()
        else:
            waiter.set_exception(error)
    else:
        waiter.set_result(value)


def is_cancelled(error):
    return (isinstance(error, GLib.Error) and error.domain == "g-io-error-quark"
            and error.code == Gio.IOErrorEnum.CANCELLED)


class Bridge:
    """What a thread has to wait with."""

    def __init__(self):
        self.queue = Aiopool.CompletionQueue.new()
        self.context = self.queue.get_context()
        self.fd = self.queue.get_fd()
        self.waits = {}  # from id to the future of asyncio, ours, and what gets the result
        self.loops = weakref.WeakSet()
        self.last_loop = lambda: None

    def enter(self, loop):
        if loop not in self.loops:
            loop.add_reader(self.fd, self.on_readable)
            self.loops.add(loop)
        self.last_loop = weakref.ref(loop)

    def on_readable(self):
        waits = self.waits
        for number in take(self.queue):
            wait = waits.pop(number, None)
            if wait is not None:
                settle(*wait)

    def submit(self, loop, executor, task, cancellable, get):
        """Returns a future of asyncio and one of ours."""
        future, number = submit(self.queue, executor, task, cancellable)
        waiter = loop.create_future()
        self.waits[number] = waiter, get, future
        return waiter, future

    def add(self, loop, future, get):
        """Returns a future of asyncio, and a number for forget()."""
        waiter = loop.create_future()
        number = add(self.queue, future)
        self.waits[number] = waiter, get, future
        return waiter, number

    def forget(self, number):
        if self.waits.pop(number, None) is not None:
            remove(self.queue, number)

    def call(self, function, *arguments):
        """Has what a call tells later told within on_readable()."""
        self.context.push_thread_default()
        try:
            return function(*arguments)
        finally:
            self.context.pop_thread_default()


def get_bridge(loop):
    try:
        bridge = local.bridge
    except AttributeError:
        bridge = local.bridge = Bridge()
    if bridge.last_loop() is not loop:
        bridge.enter(loop)
    return bridge


def call_in_loop(function, *arguments):
    """Calls something that tells more later, to the loop if there is one that runs."""
    loop = _get_running_loop()
    if loop is None:
        return function(*arguments)
    return get_bridge(loop).call(function, *arguments)


def keep_context(function):
    """A function that a loop will call, in the context (of contextvars) of who says so; the queue is
    read in that of whoever was first to use the loop."""
    return functools.partial(copy_context().run, function) if _get_running_loop() else function


def look_after(bridge, loop, waiter, seconds):
    """The loop does not see when a source of our context is due, so it looks itself."""
    def look():
        if not waiter.done():
            bridge.on_readable()
            look_after(bridge, loop, waiter, 0.005)

    if not waiter.done():
        loop.call_later(seconds + 0.001, look)


def give_up(bridge, cancellable, waiter):
    """What is on the way already comes now, for the next who waits to find it."""
    if waiter.cancelled():
        cancellable.cancel()
        bridge.on_readable()


def await_call(start, finish, *arguments, cancellable=None, abandon=None, timeout=-1):
    """Starts an asynchronous method and returns a future of asyncio.

    When that is cancelled, so is the call, unless it was given a cancellable, which is not ours. What
    comes of it all the same is given to abandon(). The call ends after a timeout by itself."""
    loop = get_running_loop()
    bridge = get_bridge(loop)
    waiter = loop.create_future()

    def on_finished(source, result):
        if not waiter.done():
            settle(waiter, finish, source, result)
        elif abandon is not None:
            abandon(finish, source, result)

    if cancellable is None:
        cancellable = Gio.Cancellable()
        waiter.add_done_callback(functools.partial(give_up, bridge, cancellable))
    bridge.call(start, *arguments, cancellable, on_finished)
    if timeout >= 0:
        look_after(bridge, loop, waiter, timeout)
    return waiter


def await_nothing(value):
    """A future of asyncio that has ended."""
    waiter = get_running_loop().create_future()
    waiter.set_result(value)
    return waiter


def get_now(future, get):
    try:
        return get(future)
    except GLib.Error as error:
        if is_cancelled(error):
            raise CancelledError(error.message) from None
        raise


def wait_for(future, get):
    """The body of __await__(). What the task told before its end is told before this returns, and a
    wait that is cancelled leaves nothing behind."""
    loop = get_running_loop()
    bridge = get_bridge(loop)
    if future.is_done():
        bridge.on_readable()
        return get_now(future, get)
    waiter, number = bridge.add(loop, future, get)
    try:
        return (yield from waiter)
    finally:
        bridge.forget(number)


def report():
    """What was raised where nobody can catch it."""
    sys.excepthook(*sys.exc_info())
