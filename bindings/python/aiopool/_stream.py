# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a running task gives piece by piece."""

from collections import deque

from aiopool import _core, _pickling
from aiopool._future import TaskFuture, as_error


class StreamFuture(TaskFuture):
    _items = None  # deque of views, shared with the stream

    def on_news(self):
        for kind, value in self.take_news():
            if kind == _core.NEWS_EMITTED:
                self._items.append(value)
            elif self._on_progress is not None:
                self._call(self._on_progress)


def finish(future, end):
    """Raises what there is behind the last item."""
    try:
        if future.exception is not None:
            raise as_error(future.exception)
        result = future._give()
        raise end(result) if end is StopIteration else end
    finally:
        future = None  # which the traceback would keep


class Stream:
    """The items of a task as they come, for `for` and for `async for`.

    The task waits when it is far ahead of who takes the items. When it fails, its exception is raised
    after the last item. To close the stream, or to drop it, cancels the task.
    """

    def __init__(self, submit):
        self._queue = _core.Queue()
        self._items = deque()
        self._is_over = False  # nothing is in the queue any more
        self._waiter = None
        self.future = submit(StreamFuture, self._queue)
        self.future._items = self._items

    def _take(self):
        ended, news = self._queue.take()
        for future in news:
            future.on_news()
        if ended:
            self._is_over = True
        return self._items

    def _finish(self, end):
        finish(self.future, end)

    def __iter__(self):
        return self

    def __next__(self):
        while not self._items:
            if self._is_over:
                self._finish(StopIteration)
            self._queue.wait()
            self._take()
        return _pickling.unpack(self._items.popleft())

    def __aiter__(self):
        return self

    async def __anext__(self):
        while not self._items:
            if self._is_over:
                self._finish(StopAsyncIteration)
            if not self._take() and not self._is_over:
                await self._wait()
        return _pickling.unpack(self._items.popleft())

    async def _wait(self):
        import asyncio

        loop = asyncio.get_running_loop()
        if self._waiter is not None:
            raise RuntimeError("somebody else waits for the next item already")
        self._waiter = loop.create_future()
        try:
            await self._wait_for_queue(loop)
        finally:
            self._waiter = None

    async def _wait_for_queue(self, loop):
        try:
            loop.add_reader(self._queue.fileno(), self._on_readable)
        except NotImplementedError:
            await self._wait_in_thread(loop)
            return
        try:
            await self._waiter
        finally:
            loop.remove_reader(self._queue.fileno())

    async def _wait_in_thread(self, loop):
        """For a loop that cannot watch descriptors."""
        try:
            await loop.run_in_executor(None, self._queue.wait)
        except BaseException:
            self._queue.wake()  # for the thread to go
            raise

    def _on_readable(self):
        self._take()
        if (self._items or self._is_over) and not self._waiter.done():
            self._waiter.set_result(None)

    @property
    def progress(self):
        """From 0 to 1, as the task tells it."""
        return self.future.progress

    @property
    def message(self):
        """What the task says that it does."""
        return self.future.message

    def close(self):
        """Cancels the task if it has not ended."""
        if not self.future.has_ended:
            self.future.cancel(_core.CANCEL_FORCE)

    async def aclose(self):
        self.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc_info):
        self.close()

    def __del__(self):
        if hasattr(self, "future"):
            self.close()
