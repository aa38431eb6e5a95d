# SPDX-License-Identifier: LGPL-2.1-or-later
"""Several futures together: wait for all, collect all, or take them as they end."""

from collections import deque

from aiopool import _core, _loops
from aiopool._tools import Countdown


def make_timeout(timeout):
    return TimeoutError(f"not all tasks have ended within {timeout} seconds")


def wait(futures, timeout=None):
    """Blocks until all of the futures have ended; whether they have, within `timeout` seconds."""
    countdown = Countdown(timeout)
    return all([future.wait(countdown.check()) for future in list(futures)])


def collect(futures, timeout=None):
    """Blocks, and returns a tuple of the results in the order of the futures, or raises the exception
    of the first that has failed."""
    countdown = Countdown(timeout)
    return tuple([future.collect(countdown.check()) for future in list(futures)])


class Ends:
    """Of futures, in the order in which they come: for a thread that blocks or for an event loop."""

    def __init__(self):
        self.queue = None  # Queue, once somebody blocks
        self.bridge = None  # of the loop in which somebody waits
        self.waiter = None  # asyncio.Future
        self.waiting = {}  # from id to the future
        self.ended = deque()

    def __len__(self):
        return len(self.waiting) + len(self.ended)

    def add(self, future):
        if future.has_ended:
            self.ended.append(future)
            self.wake()
        elif id(future) not in self.waiting:
            self.waiting[id(future)] = future
            self.watch(future)

    def watch(self, future):
        if self.queue is not None:
            self.queue.add(future)
        if self.bridge is not None:
            future._listen(self.on_ended, self.bridge)

    def on_ended(self, future):
        if self.waiting.pop(id(future), None) is not None:
            self.ended.append(future)
            self.wake()

    def wake(self):
        """Who waits, in whatever thread that is."""
        waiter = self.waiter
        if self.queue is not None:
            self.queue.wake()
        if waiter is None or waiter.done():
            return
        if _loops.get_running() is waiter.get_loop():
            waiter.set_result(None)
        else:
            _loops.settle_soon(waiter.get_loop(), waiter)

    def block(self, timeout):
        """Whether there is one now."""
        if self.ended:
            return True
        if self.queue is None:
            self.queue = _core.Queue()
            for future in self.waiting.values():
                self.queue.add(future)
        countdown = Countdown(timeout)
        while not self.ended:
            left = countdown.check()
            if not self.queue.wait(left) and left is not None and countdown.check() <= 0:
                break
            self.take()
        self.take()
        return len(self.ended) > 0

    def take(self):
        for future in self.queue.take()[0]:
            if self.waiting.pop(id(future), None) is not None:
                self.ended.append(future)

    async def wait(self, timeout):
        """Whether there is one now. Several may wait in a loop."""
        import asyncio

        if self.ended:
            return True
        countdown = Countdown(timeout)
        self.follow(asyncio.get_running_loop())
        while self.waiting or self.ended:
            waiter = self.get_waiter()
            if self.ended:  # which another thread may have added before there was a waiter
                return True
            done, waiting = await asyncio.wait({waiter}, timeout=countdown.check())
            if not done:
                break
        return len(self.ended) > 0

    def follow(self, loop):
        bridge = _loops.get_bridge(loop)
        if self.bridge is bridge:
            return
        self.bridge = bridge
        self.waiter = None
        for future in list(self.waiting.values()):
            future._listen(self.on_ended, bridge)
        self.look(list(self.waiting.values()))

    def get_waiter(self):
        if self.waiter is None or self.waiter.done():
            self.waiter = self.bridge.loop().create_future()
        return self.waiter

    def look(self, futures):
        """What has ended meanwhile; it will be told of nevertheless, to no effect."""
        for future in [future for future in futures if future.has_ended]:
            self.on_ended(future)


class Done:
    """An iterator, for `for` and for `async for`, over futures as they end."""

    def __init__(self, futures, keep_order, timeout):
        self._futures = deque(futures)
        self._keep_order = keep_order
        self._countdown = Countdown(timeout)
        self._ends = Ends()
        if not keep_order:
            for future in dict.fromkeys(self._futures):
                self._ends.add(future)

    def __iter__(self):
        return self

    def __aiter__(self):
        return self

    def __next__(self):
        left = self._countdown.check()
        if self._keep_order:
            if not self._futures:
                raise StopIteration
            if not self._futures[0].wait(left):
                raise make_timeout(self._countdown.timeout)
            return self._futures.popleft()
        if len(self._ends) == 0:
            raise StopIteration
        if not self._ends.block(left):
            raise make_timeout(self._countdown.timeout)
        return self._ends.ended.popleft()

    async def __anext__(self):
        left = self._countdown.check()
        if self._keep_order:
            if not self._futures:
                raise StopAsyncIteration
            if not self._ends:
                self._ends.add(self._futures[0])
        elif len(self._ends) == 0:
            raise StopAsyncIteration
        if not await self._ends.wait(left):
            raise make_timeout(self._countdown.timeout)
        future = self._ends.ended.popleft()
        if self._keep_order:
            self._futures.popleft()
        return future


def as_done(futures, keep_order=False, timeout=None):
    """An iterator over futures as they end, or, with `keep_order`, in their order as each has ended.

    timeout: seconds for all of them together, from the first one on; then TimeoutError is raised.
    """
    return Done(list(futures), keep_order, timeout)


class FutureFilter:
    """Gives futures as they end, and may be fed meanwhile, from any thread.

    To iterate, with `for` or `async for`, gives futures until there is none.
    """

    def __init__(self, futures=None):
        self._ends = Ends()
        if futures is not None:
            self.populate(futures)

    @property
    def futures(self):
        """Those that were not given yet."""
        return (*self._ends.ended, *self._ends.waiting.values())

    def __len__(self):
        return len(self._ends)

    def put(self, future):
        self._ends.add(future)

    def populate(self, futures):
        for future in futures:
            self._ends.add(future)

    def get(self, block=True, timeout=None):
        """The next future that has ended. None if there is none at all, or none without blocking."""
        if len(self._ends) == 0:
            return None
        if not self._ends.block(timeout if block else 0):
            if block:
                raise make_timeout(timeout)
            return None
        return self._ends.ended.popleft()

    async def get_async(self, timeout=None):
        """As get(), without blocking the event loop."""
        if await self._ends.wait(timeout):
            return self._ends.ended.popleft()
        if len(self._ends) > 0:
            raise make_timeout(timeout)
        return None

    def __iter__(self):
        return self.get_all()

    async def __aiter__(self):
        while (future := await self.get_async()) is not None:
            yield future

    def get_all(self, block=True, timeout=None):
        """Yields those that are left, as they end; without blocking, those that have ended."""
        countdown = Countdown(timeout)
        while (future := self.get(block, countdown.check())) is not None:
            yield future
