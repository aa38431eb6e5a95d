# SPDX-License-Identifier: LGPL-2.1-or-later
"""The results of many calls: what the map methods of pools return."""

from collections import deque
from time import monotonic

from aiopool import _calls, _chunks, _core
from aiopool._future import as_error
from aiopool._parent import Failure, Iterator
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


class Results(Iterator):
    """An iterator over results, for `for` and for `async for`; to await it gives a list of all.

    A call that has failed raises its exception when its turn comes, and the iterator can go on with
    the next one. When the iterator is closed or dropped, calls that have not started are cancelled.
    """

    def __init__(self, start, target, items, is_star, *, chooser, n_workers, keep_order, timeout):
        self._start = start  # (target, args) -> a future
        self._target = target
        self._is_star = is_star
        self._is_async = hasattr(items, "__aiter__")
        self._items = items.__aiter__() if self._is_async else iter(items)
        self._drawn = []  # items that are to be submitted, should an exception have come in between
        self._chooser = chooser  # None: of all items at once
        self._keep_order = keep_order
        self._countdown = Countdown(timeout)
        self._order = deque()  # of futures, if the order is kept
        self._ends = Ends()
        self._chunks = {}  # from id of a future to its items
        self._n_items = 0  # in all those
        self._last_error = None  # of the source, or of the pool
        if chooser is None:
            self._take_all(n_workers)
        elif not self._is_async and chooser.is_eager:
            self._fill()

    # Into the pool

    @property
    def _n_running(self):
        return len(self._order) if self._keep_order else len(self._ends)

    def _take_all(self, n_workers):
        items = []
        error = None
        if self._is_async:
            self._chooser = _chunks.Fixed(1, None)
            return
        try:
            items.extend(self._items)
        except Exception as exception:
            error = exception
        self._items = iter(items)
        self._chooser = _chunks.choose_eagerly(len(items), n_workers)
        self._fill()
        self._last_error = self._last_error or error

    def _get_room(self):
        if self._items is None:
            return 0
        return self._chooser.choose(self._n_running, self._n_items)

    def _fill(self):
        while (size := self._get_room()) > 0:
            try:
                _chunks.draw(self._items, size, self._chooser, self._drawn)
            except Exception as error:
                self._end_source(error)
                return
            self._put_drawn()

    async def _fill_async(self):
        while (size := self._get_room()) > 0:
            items = self._items
            before = len(self._drawn)
            start = monotonic()
            try:
                while len(self._drawn) < size:
                    self._drawn.append(await items.__anext__())
            except StopAsyncIteration:
                pass
            except Exception as error:
                self._end_source(error)
                return
            self._chooser.drew(max(0, len(self._drawn) - before), monotonic() - start)
            self._put_drawn()

    def _put_drawn(self):
        chunk, self._drawn = self._drawn, []
        self._put_chunk(chunk)

    def _end_source(self, error):
        """It has raised that. The items before are good."""
        self._put_drawn()
        self._finish(self._last_error or error)

    def _finish(self, error=None):
        self._items = None
        self._last_error = error

    def _put_chunk(self, chunk):
        if not chunk:
            self._finish()
            return
        for part, future in self._submit_parts(chunk):
            self._chunks[id(future)] = part
            self._n_items += len(part)
            if self._keep_order:
                self._order.append(future)
            else:
                self._ends.add(future)

    def _submit_parts(self, chunk):
        """Yields (items, future): one of all, or one of each if they cannot be pickled together."""
        try:
            yield chunk, self._submit(chunk)
            return
        except _core.PoolError as error:
            self._finish(error)
            return
        except Exception as error:
            if len(chunk) == 1:
                yield chunk, Refused(error)
                return
        for item in chunk:
            yield from self._submit_parts([item])

    def _submit(self, chunk):
        if len(chunk) == 1:
            item = chunk[0]
            return self._start(self._target, tuple(item) if self._is_star else (item,))
        call = _calls.call_each_star if self._is_star else _calls.call_each
        return self._start(call, (self._target, chunk))

    # Out of it

    def _load(self, future):
        """A list of the results of a chunk, with a Failure in the place of each that has none."""
        chunk = self._chunks.pop(id(future))
        self._n_items -= len(chunk)
        try:
            value = future.collect()
        except BaseException as error:
            if len(chunk) > 1 and _chunks.was_not_read(future):
                self._submit_again(chunk)
                return []
            return [Failure(as_error(error))] * len(chunk)
        self._chooser.learn(future, len(chunk))
        if len(chunk) == 1:
            return [value]
        if type(value) is list:
            return value
        results = value.results
        for index in value.failures:
            results[index] = Failure(as_error(value.load_failure(index)))
        return results

    def _submit_again(self, chunk):
        """One by one, before all others."""
        singles = [single for item in chunk for single in self._submit_parts([item])]
        for part, future in reversed(singles):
            self._chunks[id(future)] = part
            self._n_items += 1
            if self._keep_order:
                self._order.appendleft(future)
            else:
                self._ends.add(future)

    def _give_up(self):
        self.close()
        raise TimeoutError(f"the results did not come within {self._countdown.timeout} seconds")

    def _end(self):
        error, self._last_error = self._last_error, None
        return error

    def _more(self):
        """What comes next: called when all has been given."""
        if self._is_async:
            raise TypeError("what was given is an asynchronous iterable: use 'async for'")
        left = self._countdown.check()
        self._fill()
        if self._n_running == 0:
            raise self._end() or StopIteration
        if left == 0:  # however much is there
            self._give_up()
        return self._load(self._block(left))

    def _block(self, left):
        if self._keep_order:
            if not self._order[0].wait(left):
                self._give_up()
            return self._order.popleft()
        if not self._ends.block(left):
            self._give_up()
        return self._ends.ended.popleft()

    def __aiter__(self):
        return self

    async def __anext__(self):
        while self._n_ready == 0:
            self._put(await self._more_async())
        return self._give()

    async def _more_async(self):
        left = self._countdown.check()
        if self._is_async:
            await self._fill_async()
        else:
            self._fill()
        if self._n_running == 0:
            raise self._end() or StopAsyncIteration
        if left == 0:
            self._give_up()
        future = await self._wait(left)
        return self._load(future) if future is not None else []

    async def _wait(self, left):
        """The next future; None if another coroutine has taken that, or closed this."""
        ends = self._ends
        if self._keep_order and not ends:
            ends.add(self._order[0])
        has_one = await ends.wait(left)
        if ends is not self._ends:
            return None
        if not has_one:
            if left is None or self._countdown.check() > 0:
                return None
            self._give_up()
        if self._keep_order:
            self._order.popleft()
        return ends.ended.popleft()

    async def _collect(self):
        results = []
        try:
            while True:
                if self._n_ready == 0:
                    self._put(await self._more_async())
                while self._n_ready > 0:
                    results.append(self._give())
        except StopAsyncIteration:
            return results

    def __await__(self):
        return self._collect().__await__()

    def close(self):
        """Takes no more results, and cancels what has not started."""
        self._finish()
        self._drawn = []
        futures = [*self._order, *self._ends.waiting.values()]
        self._order.clear()
        self._drop()
        self._ends = Ends()
        for future in futures:
            future.cancel(_core.CANCEL_PENDING)

    async def aclose(self):
        self.close()

    def __del__(self):
        if hasattr(self, "_ends"):
            self.close()
