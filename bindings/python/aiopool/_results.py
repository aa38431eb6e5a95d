# SPDX-License-Identifier: LGPL-2.1-or-later
"""The results of many calls: what the map methods of pools return."""

from collections import deque
from itertools import islice

from aiopool import _calls, _core
from aiopool._future import CancelMode, as_error
from aiopool._tools import Countdown
from aiopool._waits import Ends



class Refused:
    """In the place of the future of a call that could not be submitted."""

    has_ended = True

    def __init__(self, error):
        self.error = error

    def wait(self, timeout=None):
        return True

    def collect(self):
        raise self.error

    def cancel(self, mode=None):
        return False


class Results:
    """An iterator over results, for `for` and for `async for`; to await it gives a list of all.

    A call that has failed raises its exception when its turn comes, and the iterator can go on with
    the next one. When the iterator is closed or dropped, calls that have not started are cancelled.
    """

    def __init__(self, start, target, items, is_star, *, chunk_size, buffer_size, keep_order, timeout):
        self._start = start  # (target, args) -> a future
        self._target = target
        self._is_star = is_star
        self._is_async = hasattr(items, "__aiter__")
        self._items = items.__aiter__() if self._is_async else iter(items)
        self._chunk_size = chunk_size
        self._buffer_size = buffer_size  # None: everything at once
        self._keep_order = keep_order
        self._countdown = Countdown(timeout)
        self._ready = deque()  # of (result, exception)
        self._order = deque()  # of futures, if the order is kept
        self._ends = Ends()
        self._sizes = {}  # from id of a future to the size of its chunk
        self._last_error = None  # of the source, or of the pool
        if buffer_size is None and not self._is_async:
            self._fill()

    # Into the pool

    @property
    def _n_running(self):
        return len(self._order) if self._keep_order else len(self._ends)

    @property
    def _has_room(self):
        return self._items is not None and (self._buffer_size is None
                                            or self._n_running < self._buffer_size)

    def _fill(self):
        while self._has_room:
            try:
                chunk = list(islice(self._items, self._chunk_size))
            except Exception as error:
                self._finish(error)
                return
            self._put(chunk)

    async def _fill_async(self):
        while self._has_room:
            chunk = []
            try:
                while len(chunk) < self._chunk_size:
                    chunk.append(await self._items.__anext__())
            except StopAsyncIteration:
                pass
            except Exception as error:
                self._finish(error)
                return
            self._put(chunk)

    def _finish(self, error=None):
        self._items = None
        self._last_error = error

    def _put(self, chunk):
        if not chunk:
            self._finish()
            return
        try:
            future = self._submit(chunk)
        except _core.PoolError as error:
            self._finish(error)
            return
        except Exception as error:  # what cannot be pickled
            future = Refused(error)
        self._sizes[id(future)] = len(chunk)
        if self._keep_order:
            self._order.append(future)
        else:
            self._ends.add(future)

    def _submit(self, chunk):
        if self._chunk_size == 1:
            item = chunk[0]
            return self._start(self._target, tuple(item) if self._is_star else (item,))
        call = _calls.call_each_star if self._is_star else _calls.call_each
        return self._start(call, (self._target, chunk))

    # Out of it

    def _unpack(self, future):
        size = self._sizes.pop(id(future))
        try:
            value = future.collect()
        except BaseException as error:
            self._ready.extend([(None, error)] * size)
            return
        if self._chunk_size == 1:
            self._ready.append((value, None))
        elif isinstance(value, _calls.Outcomes):
            for index, result in enumerate(value.results):
                has_failed = index in value.failures
                self._ready.append((None, value.load_failure(index)) if has_failed
                                   else (result, None))
        else:
            self._ready.extend([(result, None) for result in value])

    def _give(self):
        result, exception = self._ready.popleft()
        if exception is None:
            return result
        try:
            raise as_error(exception)
        finally:
            self = exception = None

    def _give_up(self):
        self.close()
        raise TimeoutError(f"the results did not come within {self._countdown.timeout} seconds")

    def _end(self):
        error, self._last_error = self._last_error, None
        return error

    def __iter__(self):
        return self

    def __aiter__(self):
        return self

    def __next__(self):
        if self._is_async:
            raise TypeError("what was given is an asynchronous iterable: use 'async for'")
        left = self._countdown.check()
        if not self._ready:
            self._fill()
            if self._n_running == 0:
                raise self._end() or StopIteration
            if left == 0:  # however much is there
                self._give_up()
            self._block(left)
        return self._give()

    def _block(self, left):
        if self._keep_order:
            if not self._order[0].wait(left):
                self._give_up()
            self._unpack(self._order.popleft())
        else:
            if not self._ends.block(left):
                self._give_up()
            self._unpack(self._ends.ended.popleft())

    async def __anext__(self):
        left = self._countdown.check()
        if not self._ready:
            if self._is_async:
                await self._fill_async()
            else:
                self._fill()
            if self._n_running == 0:
                raise self._end() or StopAsyncIteration
            if left == 0:
                self._give_up()
            await self._wait(left)
        return self._give()

    async def _wait(self, left):
        if self._keep_order and not self._ends:
            self._ends.add(self._order[0])
        if not await self._ends.wait(left):
            self._give_up()
        self._unpack(self._ends.ended.popleft())
        if self._keep_order:
            self._order.popleft()

    async def _collect(self):
        return [result async for result in self]

    def __await__(self):
        return self._collect().__await__()

    def close(self):
        """Takes no more results, and cancels what has not started."""
        self._finish()
        futures = [*self._order, *self._ends.waiting.values()]
        self._order.clear()
        self._ready.clear()
        self._ends = Ends()
        for future in futures:
            future.cancel(CancelMode.PENDING)

    async def aclose(self):
        self.close()

    def __del__(self):
        if hasattr(self, "_ends"):
            self.close()
