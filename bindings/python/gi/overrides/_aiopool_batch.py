# SPDX-License-Identifier: LGPL-2.1-or-later
"""One function applied to many items.

Items of one type in a list become one array at once, of which each item costs no call. Others are
packed when there is room for them: an iterator is asked by the thread that made the batch, an
asynchronous one by a task of its event loop, which pushes.
"""

import asyncio
import collections
import functools
import itertools

from gi.module import get_introspection_module
from gi.overrides import override
from gi.repository import Gio, GLib

from ._aiopool_pack import SMALL_TYPES, encode, is_large, new_variant, pack
from ._aiopool_results import as_glib_error, is_wrong_type, read, translate, translated
from ._aiopool_unpack import unpack

Aiopool = get_introspection_module("Aiopool")

from . import _aiopool_await as waiting  # noqa: E402
from ._aiopool_block import in_slices, is_main  # noqa: E402
from ._aiopool_sets import as_seconds  # noqa: E402

new_batch = Aiopool.Batch.new
new_pushed = Aiopool.Source.new_pushed
new_for_array = Aiopool.Source.new_for_array
new_for_callback = Aiopool.Source.new_for_callback
new_for_list = Aiopool.Source.new_for_list


# Sources ----------------------------------------------------------------------------------------


def guard_source(function):
    """A function that gives items: any value that can be packed, or None for none."""
    @functools.wraps(function)
    def call_function(*arguments):
        try:
            item = function(*arguments)
        except StopIteration:
            return None
        except GLib.Error:
            raise
        except Exception as error:
            raise as_glib_error(error) from error
        return None if item is None else pack(item)

    return call_function


def guard_pull(function):
    """A function that gives one item after the other; None, or StopIteration, is the end."""
    guarded = guard_source(function)

    @functools.wraps(function)
    def call_function(source, *user_data):
        item = guarded(*user_data)
        if item is None:
            source.end()
        return item

    return call_function


@override
class Source(Aiopool.Source):
    __module__ = "gi.overrides.Aiopool"

    @staticmethod
    def new_for_callback(function, *user_data):
        return new_for_callback(guard_pull(function), *user_data)

    @staticmethod
    def new_for_list(list, function=None, *user_data):
        if function is None:
            return new_for_list(list, None)
        return new_for_list(list, guard_source(function), *user_data)

    def push(self, item):
        """Adds an item: any value that can be packed."""
        return super().push(pack(item))

    def fail(self, error):
        """Ends with a GLib.Error, or with another exception."""
        super().fail(as_glib_error(error))


class Iteration:
    """Gives items of an iterator when there is room for them."""

    def __init__(self, items):
        self.items = iter(items)
        self.exception = None  # what the iterator raised

    def make_source(self):
        return new_for_callback(self.take)

    def take(self, source, *_):
        try:
            return pack(next(self.items))
        except StopIteration:
            return source.end()
        except Exception as error:
            self.exception = error
            raise as_glib_error(error) from error


class AsyncIteration:
    """Pushes items of an asynchronous iterator when there is room for them."""

    def __init__(self, items):
        self.items = items
        self.loop = asyncio.get_running_loop()
        self.n_wanted = 0
        self.waiter = None
        self.task = None
        self.exception = None

    def make_source(self):
        return new_pushed(self.on_wanted)

    def on_wanted(self, source, n_items, *_):
        """In the thread of the loop, which has the main context of the batch."""
        if n_items == 0:
            if self.task is not None:
                self.task.cancel()
            return
        self.n_wanted += n_items
        if self.task is None:
            self.task = self.loop.create_task(self.push_all(source))
        elif self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    async def push_all(self, source):
        items = self.items.__aiter__()
        try:
            await self.push_items(source, items)
        except StopAsyncIteration:
            source.end()
        except Exception as error:
            self.exception = error
            source.fail(as_glib_error(error))
        finally:
            if hasattr(items, "aclose"):
                await items.aclose()

    async def push_items(self, source, items):
        while True:
            while self.n_wanted == 0:
                self.waiter = self.loop.create_future()
                await self.waiter
            source.push(pack(await items.__anext__()))
            self.n_wanted -= 1


def make_array(items):
    """One array of all items, or None if they are not of one type, or large."""
    try:
        if memoryview(items).ndim == 1:
            return pack(items)
    except TypeError:
        pass
    items = items if type(items) is list else list(items)
    if not SMALL_TYPES.issuperset(map(type, items)) and any(map(is_large, items)):
        return None
    packed = encode(items, 0)
    return None if packed[0] == "av" and items else new_variant(packed)


def make_source(items):
    """A source, and what knows of its exceptions."""
    if isinstance(items, Aiopool.Source):
        return items, None
    if isinstance(items, GLib.Variant):
        return new_for_array(items), None
    if isinstance(items, Gio.ListModel):
        return new_for_list(items, None), None
    if hasattr(items, "__aiter__"):
        iteration = AsyncIteration(items)
        return iteration.make_source(), iteration
    array = make_array(items) if hasattr(items, "__len__") else None
    if array is not None:
        return new_for_array(array), None
    iteration = Iteration(items)
    return iteration.make_source(), iteration


def map_items(executor, task, iterables, options, unpack=False):
    if not iterables:
        raise TypeError("there is nothing to map")
    items = iterables[0]
    if len(iterables) > 1:
        items, unpack = zip(*iterables), True
        if all(hasattr(each, "__len__") for each in iterables):
            items = list(items)
    source, iteration = make_source(items)
    batch = waiting.call_in_loop(new_batch, executor, task, source)
    batch._iteration = iteration
    if unpack:
        options["unpack"] = True
    for name, value in options.items():
        setattr(batch.props, name, value)
    return batch


# Batches ----------------------------------------------------------------------------------------


class Reader:
    """An iterator, also an asynchronous one, over a batch. Each item is taken once, whoever
    reads it."""

    def __init__(self, batch, get):
        self._batch = batch
        self._get = get

    def __iter__(self):
        return self

    def __next__(self):
        future = self._batch.next()
        if future is None:
            raise StopIteration
        return self._get(future)

    def __aiter__(self):
        return self

    async def __anext__(self):
        future = self._batch._take_now() or await self._batch.next_async()
        if future is None:
            raise StopAsyncIteration
        return waiting.get_now(future, self._get)


def get_itself(future):
    return future


def keep(finish, batch, result):
    try:
        future = finish(batch, result)
    except GLib.Error:
        return
    if future is not None:
        batch._kept.append(future)


def keep_several(finish, batch, result):
    try:
        batch._kept.extend(finish(batch, result) or ())
    except GLib.Error:
        pass


def read_all(futures):
    return [read(future) for future in sorted(futures, key=Aiopool.Future.get_position)]


@override
class Batch(Aiopool.Batch):
    __module__ = "gi.overrides.Aiopool"

    _iteration = None

    @property
    def _kept(self):
        """Futures that were taken for somebody who gave up waiting while they were on the way."""
        return self.__dict__.setdefault("_futures_kept", collections.deque())

    def _raise(self, error):
        """What an iterator raised is raised as it was."""
        if self._iteration is not None and self._iteration.exception is not None:
            raise self._iteration.exception
        raise translate(error) from None

    def _call(self, function, *arguments):
        try:
            return function(*arguments)
        except GLib.Error as error:
            self._raise(error)

    def __bool__(self):
        return True

    # A loop gives results and raises the error of an item at its place, after which another loop
    # goes on with the next item.

    def __iter__(self):
        return Reader(self, read)

    def __aiter__(self):
        return Reader(self, read)

    def __await__(self):
        return self.collect_all_async().__await__()

    def futures(self):
        """Iterates, also asynchronously, over futures that have ended, rather than results."""
        return Reader(self, get_itself)

    def _take_now(self):
        """What can be had without waiting; the end is left to who waits."""
        if self._kept:
            return self._kept.popleft()
        try:
            futures = super().next_batch(0, 1, 0, None)
        except GLib.Error:
            return None
        return futures[0] if futures else None

    def next(self, timeout=None, cancellable=None):
        """Waits for the next item and takes its future, which has ended. None at the end."""
        if self._kept:
            return self._kept.popleft()
        read = super().next
        return self._call(in_slices, lambda seconds: read(seconds, cancellable),
                          as_seconds(timeout))

    def next_async(self, cancellable=None, callback=None, *user_data):
        if callback is not None:
            return super().next_async(cancellable, callback, *user_data)
        if self._kept:
            return waiting.await_nothing(self._kept.popleft())
        return waiting.await_call(super().next_async, Batch.next_finish, cancellable=cancellable,
                                  abandon=keep)

    def next_finish(self, result):
        return self._call(super().next_finish, result)

    def next_batch(self, min_items=1, max_items=0, timeout=None, cancellable=None):
        """Waits for some items and takes their futures, a sequence. None at the end."""
        if min_items > 1 or not is_main():
            return self._call(super().next_batch, min_items, max_items, as_seconds(timeout),
                              cancellable)
        read = super().next_batch

        def read_some(seconds):
            futures = read(min_items, max_items, seconds, cancellable)
            return False if futures is not None and len(futures) < min_items else futures

        futures = self._call(in_slices, read_some, as_seconds(timeout))
        return self._call(read, 0, max_items, 0, None) if futures is False else futures

    def next_batch_async(self, min_items=1, max_items=0, timeout=None, cancellable=None,
                         callback=None, *user_data):
        if callback is not None:
            return super().next_batch_async(min_items, max_items, as_seconds(timeout), cancellable,
                                            callback, *user_data)
        timeout = as_seconds(timeout)
        return waiting.await_call(super().next_batch_async, Batch.next_batch_finish, min_items,
                                  max_items, timeout, cancellable=cancellable,
                                  abandon=keep_several, timeout=timeout)

    def next_batch_finish(self, result):
        return self._call(super().next_batch_finish, result)

    @translated
    def wait(self, timeout=None, cancellable=None):
        """Waits until the batch is over."""
        wait = super().wait
        return in_slices(lambda seconds: wait(seconds, cancellable), as_seconds(timeout))

    def wait_async(self, cancellable=None, callback=None, *user_data):
        if callback is not None:
            return super().wait_async(cancellable, callback, *user_data)
        return waiting.await_call(super().wait_async, Batch.wait_finish, cancellable=cancellable)

    @translated
    def wait_finish(self, result):
        return super().wait_finish(result)

    def _read_all(self, collect, *arguments):
        """Results that are no variants are not collected, and stay to be taken."""
        try:
            results = unpack(collect(*arguments))
        except GLib.Error as error:
            if is_wrong_type(error) and self.get_state() == Aiopool.FutureState.DONE:
                return read_all(itertools.chain(self._kept, super().next_batch(0, 0, 0, None) or ()))
            self._raise(error)
        return read_all(self._kept) + results

    def collect_all(self, timeout=None, cancellable=None):
        """Waits for all results, and returns a list of them in the order of the items. Raises the
        first error."""
        collect = super().collect_all
        return self._read_all(in_slices, lambda seconds: collect(seconds, cancellable),
                              as_seconds(timeout))

    def collect_all_async(self, cancellable=None, callback=None, *user_data):
        if callback is not None:
            return super().collect_all_async(cancellable, callback, *user_data)
        return waiting.await_call(super().collect_all_async, Batch.collect_all_finish,
                                  cancellable=cancellable)

    def collect_all_finish(self, result):
        return self._read_all(super().collect_all_finish, result)

    def cancel(self, mode=Aiopool.CancelMode.FORCE):
        return super().cancel(mode)
