# SPDX-License-Identifier: LGPL-2.1-or-later
"""Futures together, and one after the other."""

import functools
import threading

from gi.module import get_introspection_module
from gi.overrides import override
from gi.repository import GLib

from ._aiopool_pack import pack
from ._aiopool_results import (as_glib_error, is_wrong_type, make_value, read, translate,
                               translated)
from ._aiopool_unpack import unpack

Aiopool = get_introspection_module("Aiopool")

from . import _aiopool_await as waiting  # noqa: E402
from ._aiopool_block import in_slices  # noqa: E402

ALL = Aiopool.WaitMode.ALL


def as_seconds(timeout):
    return -1 if timeout is None else timeout


# One after the other ----------------------------------------------------------------------------


def as_future(value):
    """A future that has ended with any value."""
    try:
        variant = pack(value)
    except (TypeError, ValueError, OverflowError):
        promise = Aiopool.Promise.new(None)
        promise.resolve_value(make_value(value))
        return promise.get_future()
    return Aiopool.Future.new_for_result(variant)


def guard_link(function, follows):
    """A function that goes on from a future: returns any value, or a future to go on with if it
    follows such, and raises anything."""
    @functools.wraps(function)
    def call_function(future, *user_data):
        try:
            value = function(future, *user_data)
        except GLib.Error as error:
            return Aiopool.Future.new_for_error(error)
        except Exception as error:
            return Aiopool.Future.new_for_error(as_glib_error(error))
        return value if follows and isinstance(value, Aiopool.Future) else as_future(value)

    return call_function


def link(chain, future, flags, function, user_data, follows):
    """@flags may be left out."""
    if callable(flags):
        if function is not None:
            user_data = (function, *user_data)
        flags, function = Aiopool.ChainFlags.RESULTS_ONLY, flags
    return waiting.call_in_loop(chain, future, flags,
                                waiting.keep_context(guard_link(function, follows)), *user_data)


# Together ---------------------------------------------------------------------------------------


def give_back(finish, futures, result):
    """Of a wait that was given up while its future was on the way."""
    try:
        future = finish(futures, result)
    except GLib.Error:
        return
    if future is not None:
        futures.add(future)


def give_back_several(finish, futures, result):
    try:
        batch = finish(futures, result)
    except GLib.Error:
        return
    for future in batch:
        futures.add(future)


def is_same(error, other):
    return (other is not None and error.domain == other.domain and error.code == other.code
            and error.message == other.message)


@override
class FutureSet(Aiopool.FutureSet):
    __module__ = "gi.overrides.Aiopool"

    def __init__(self, futures=(), **options):
        waiting.call_in_loop(functools.partial(super().__init__, **options))
        self._thread = threading.get_ident()  # that may read the list
        for future in futures:
            self.add(future)

    @classmethod
    def new(cls):
        return cls()

    @classmethod
    def new_for(cls, futures):
        return cls(futures)

    def _raise(self, error):
        """Tells what is known about the future that had the error, too."""
        futures = self[:] if self._thread == threading.get_ident() else ()
        failed = (future for future in futures if future.is_done()
                  and is_same(error, future.get_error()))
        raise translate(error, next(failed, None)) from None

    def _read(self, collect, *arguments):
        try:
            return unpack(collect(*arguments))
        except GLib.Error as error:
            if is_wrong_type(error) and self._thread == threading.get_ident():
                return [read(future) for future in self[:]]
            self._raise(error)

    def __contains__(self, future):
        return any(future is other for other in self[:])

    def __bool__(self):
        return True

    # A loop takes out what has ended, until the set is empty.

    def __iter__(self):
        while (future := self.next()) is not None:
            yield future

    async def __aiter__(self):
        while True:
            future = self._take_now() or await self.next_async()
            if future is None:
                return
            yield future

    def _take_now(self):
        """What can be had without waiting."""
        if self.get_n_done() > 0:
            try:
                return super().next(0, None)
            except GLib.Error:
                pass  # it is not the turn of what has ended
        return None

    @translated
    def next(self, timeout=None, cancellable=None):
        """Waits for the next future that has ended, and takes it out. None if the set is empty."""
        take = super().next
        return in_slices(lambda seconds: take(seconds, cancellable), as_seconds(timeout))

    def next_async(self, timeout=None, cancellable=None, callback=None, *user_data):
        if callback is not None:
            return super().next_async(as_seconds(timeout), cancellable, callback, *user_data)
        timeout = as_seconds(timeout)
        return waiting.await_call(super().next_async, FutureSet.next_finish, timeout,
                                  cancellable=cancellable, abandon=give_back, timeout=timeout)

    @translated
    def next_finish(self, result):
        return super().next_finish(result)

    @translated
    def next_batch(self, max=0, timeout=None, cancellable=None):
        """Waits for the next futures that have ended, and takes them out."""
        take = super().next_batch
        return in_slices(lambda seconds: take(max, seconds, cancellable), as_seconds(timeout))

    def next_batch_async(self, max=0, timeout=None, cancellable=None, callback=None, *user_data):
        if callback is not None:
            return super().next_batch_async(max, as_seconds(timeout), cancellable, callback,
                                            *user_data)
        timeout = as_seconds(timeout)
        return waiting.await_call(super().next_batch_async, FutureSet.next_batch_finish, max,
                                  timeout, cancellable=cancellable, abandon=give_back_several,
                                  timeout=timeout)

    @translated
    def next_batch_finish(self, result):
        return super().next_batch_finish(result)

    @translated
    def wait(self, mode=ALL, timeout=None, cancellable=None):
        """Waits, and leaves all in the set."""
        wait = super().wait
        return in_slices(lambda seconds: wait(mode, seconds, cancellable), as_seconds(timeout))

    def wait_async(self, mode=ALL, timeout=None, cancellable=None, callback=None, *user_data):
        if callback is not None:
            return super().wait_async(mode, as_seconds(timeout), cancellable, callback, *user_data)
        timeout = as_seconds(timeout)
        return waiting.await_call(super().wait_async, FutureSet.wait_finish, mode, timeout,
                                  cancellable=cancellable, timeout=timeout)

    @translated
    def wait_finish(self, result):
        return super().wait_finish(result)

    def collect_all(self, timeout=None, cancellable=None):
        """Waits for all results, and returns a list of them in the order of the set. Raises the
        first error."""
        collect = super().collect_all
        return self._read(in_slices, lambda seconds: collect(seconds, cancellable),
                          as_seconds(timeout))

    def collect_all_async(self, timeout=None, cancellable=None, callback=None, *user_data):
        if callback is not None:
            return super().collect_all_async(as_seconds(timeout), cancellable, callback, *user_data)
        timeout = as_seconds(timeout)
        return waiting.await_call(super().collect_all_async, FutureSet.collect_all_finish, timeout,
                                  cancellable=cancellable, timeout=timeout)

    def collect_all_finish(self, result):
        return self._read(super().collect_all_finish, result)

    def cancel(self, mode=Aiopool.CancelMode.FORCE):
        return super().cancel(mode)
