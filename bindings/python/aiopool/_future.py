# SPDX-License-Identifier: LGPL-2.1-or-later
"""The futures of the rich pool.

What has become of a task is known to the library, and asked there when somebody wants to know. Only
who wants to be told, by a callback or an `await`, has the future added to a queue: that of the event
loop which runs where the callback was added, or that of the collector, which is a thread.
"""

import threading
from contextvars import copy_context

from aiopool import _core, _loops
from aiopool._core import Handle


_lock = threading.Lock()  # guards the lists of callbacks


def log_failure(function, future):
    from logging import getLogger

    getLogger("aiopool").exception("callback %r of %r failed", function, future)


def as_error(exception):
    """In the place of what ends loops, when a task has raised it."""
    if not isinstance(exception, (StopIteration, StopAsyncIteration)):
        return exception
    error = RuntimeError(f"the task raised {type(exception).__name__}")
    error.__cause__ = exception
    return error


class Future:
    """What will come of a task. Thread safe.

    Made by a pool only. To await it does not cancel the task when the wait is cancelled.
    """

    _pool_ref = None
    _outcome = None  # (result, exception)
    _entries = ()  # of (callback, Bridge or None, Context or None)
    _cancel_flag = False
    _home = None  # Bridge, whose queue tells of the end
    _on_progress = None

    # Where it is

    @property
    def state(self):
        """A `Status`. What cannot be unpickled has failed, too."""
        from aiopool._enums import Status

        return Status(self._get_number())

    def _get_number(self):
        number = self._state
        if number == _core.STATE_DONE and self._get_outcome()[1] is not None:
            return _core.STATE_FAILED
        return number

    status = state

    @property
    def is_pending(self):
        return self._state == _core.STATE_PENDING

    @property
    def is_running(self):
        return self._state == _core.STATE_RUNNING

    @property
    def is_completed(self):
        return self._get_number() == _core.STATE_DONE

    @property
    def is_failed(self):
        return self._get_number() == _core.STATE_FAILED

    @property
    def is_cancelled(self):
        return self._state == _core.STATE_CANCELLED

    @property
    def is_done(self):
        return self.has_ended

    @property
    def duration(self):
        """Seconds that the task was queued, and that it ran; as far as they have passed."""
        return self.queue_time, self.run_time

    @property
    def pool(self):
        """The pool, or None if it is gone."""
        return self._pool_ref() if self._pool_ref is not None else None

    # What came of it

    def _get_outcome(self):
        if self._outcome is None:
            return self._keep(self._load_outcome())
        return self._outcome

    def _load_outcome(self):
        if self._state == _core.STATE_FAILED:
            return None, self._make_failure()
        try:
            return self.load(), None
        except KeyboardInterrupt:  # by the person who waits
            raise
        except BaseException as error:
            return None, error.with_traceback(None)

    def _make_failure(self):
        return _core.make_failure(self)

    def _get_part(self, index):
        if not self.has_ended or self.is_cancelled:
            return None
        return self._get_outcome()[index]

    @property
    def result(self):
        """The result; None if there is none, or not yet. Never blocks nor raises."""
        return self._get_part(0)

    @property
    def exception(self):
        """What the task failed with; None if it has not. Never blocks nor raises."""
        return self._get_part(1)

    def collect(self, timeout=None):
        """Blocks until the task has ended; returns its result or raises what it failed with.

        timeout: seconds, after which TimeoutError is raised; the task goes on.
        """
        if not self.wait(timeout):
            raise TimeoutError(f"the task has not ended within {timeout} seconds")
        return self._give()

    def _give(self):
        if self.is_cancelled:
            from aiopool._errors import CancelledError

            raise CancelledError("the task was cancelled")
        result, exception = self._get_outcome()
        if exception is None:
            return result
        try:
            raise exception
        finally:
            self = exception = None  # which the traceback would keep

    def cancel(self, mode=_core.CANCEL_FORCE):
        """Cancels the task; returns whether that could be, or had been done before.

        mode: a `CancelMode`
        FORCE ends the task even if it runs; its worker, if that does not listen, is replaced.
        """
        self._cancel_flag = True
        return self.cancel_task(int(mode)) or self.is_cancelled

    @property
    def cancel_flag(self):
        """Whether cancel() was called."""
        return self._cancel_flag

    # Callbacks

    def add_callback(self, callback):
        """Has `callback(future)` called when the task has ended.

        It is called in the event loop that runs in this thread; if there is none, by the package's
        own thread, or at once if the task has ended already; in the context (of contextvars) of this
        call. Its exceptions are logged.
        """
        bridge = _loops.get_running_bridge()
        if self.has_ended:
            if bridge is None:
                self._call(callback)
            else:
                bridge.loop().call_soon(self._call, callback)
            return
        self._listen(callback, bridge, copy_context())

    def _listen(self, callback, bridge, context=None):
        with _lock:
            self._entries = (*self._entries, (callback, bridge, context))
        if bridge is None:
            _core.collector().add(self)
        elif self._home is not bridge:
            bridge.add(self)

    def remove_callback(self, callback):
        """Returns how often it was there."""
        with _lock:
            before = self._entries
            self._entries = tuple([entry for entry in before if entry[0] != callback])
            return len(before) - len(self._entries)

    def add_callbacks(self, callbacks):
        for callback in callbacks:
            self.add_callback(callback)

    def remove_callbacks(self, callbacks):
        return sum([self.remove_callback(callback) for callback in callbacks])

    @property
    def callbacks(self):
        """Those that wait to be called."""
        return tuple([entry[0] for entry in self._entries if entry[2] is not None])

    def on_ended(self):
        """By the collector."""
        self._run_callbacks(None)
        for bridge in {entry[1] for entry in self._entries if entry[1] is not None}:
            loop = bridge.loop()
            if not bridge.is_watched and loop is not None:
                _loops.call_soon(loop, self._run_callbacks, bridge)

    def on_told(self, bridge):
        """In a loop."""
        if self._home is bridge:
            self._home = None
        self._run_callbacks(bridge)

    def _run_callbacks(self, bridge):
        # In a loop KeyboardInterrupt and SystemExit end it; the next one calls the others.
        errors = Exception if bridge is not None else BaseException
        while (entry := self._take_entry(bridge)) is not None:
            callback, home, context = entry
            self._call(callback, context, errors)

    def _take_entry(self, bridge):
        if not self._entries:
            return None
        with _lock:
            for i, entry in enumerate(self._entries):
                if entry[1] is bridge:
                    self._entries = self._entries[:i] + self._entries[i + 1:]
                    return entry
        return None

    def _call(self, callback, context=None, errors=Exception):
        try:
            if context is None:
                callback(self)
            else:
                context.run(callback, self)
        except errors:
            log_failure(callback, self)

    def on_news(self):
        """What a stream does not take is lost."""
        for kind, value in self.take_news():
            if kind == _core.NEWS_PROGRESS and self._on_progress is not None:
                self._call(self._on_progress)

    # asyncio

    def as_asyncio(self, *, cancel_on_await_cancel=False):
        """Returns an asyncio.Future of the running loop, for gather(), wait_for(), wait() and so on.

        To cancel that one leaves the task alone, unless `cancel_on_await_cancel`.
        """
        import asyncio

        loop = asyncio.get_running_loop()
        twin = loop.create_future()
        if self.has_ended:
            self._settle(twin)
            return twin
        listener = Twin(twin)
        self._listen(listener, _loops.get_bridge(loop))
        twin.add_done_callback(lambda twin: self._leave(twin, listener, cancel_on_await_cancel))
        return twin

    def _leave(self, twin, listener, shall_cancel):
        if twin.cancelled() and not self.has_ended:
            self.remove_callback(listener)
            if shall_cancel:
                self.cancel()

    def _settle(self, twin):
        if twin.done():
            return
        if self.is_cancelled:
            twin.cancel("the task was cancelled")
            return
        if self._outcome is None and self.n_bytes > _core.MUCH:
            self._settle_aside(twin)
            return
        result, exception = self._get_outcome()
        if exception is None:
            twin.set_result(result)
        else:
            twin.set_exception(as_error(exception))  # of StopIteration asyncio would refuse it

    def _settle_aside(self, twin):
        """Has another thread make what takes so long that the loop would stand still."""
        loading = twin.get_loop().run_in_executor(None, self._get_outcome)
        loading.add_done_callback(lambda loading: self._settle(twin))

    def __await__(self):
        return self.as_asyncio().__await__()

    async def collect_async(self, timeout=None):
        """As collect(), without blocking: a coroutine, as a TaskGroup wants it."""
        if timeout is None:
            return await self.as_asyncio()
        import asyncio

        done, waiting = await asyncio.wait({self.as_asyncio()}, timeout=timeout)
        for twin in waiting:
            twin.cancel()
        if not done:
            raise TimeoutError(f"the task has not ended within {timeout} seconds")
        return self._give()

    def __repr__(self):
        from aiopool._enums import Status

        return f"<aiopool.Future of {self.function!r}, {Status(self._state).name.lower()}>"


class Twin:
    """The callback by which an asyncio.Future is settled."""

    def __init__(self, twin):
        self.twin = twin

    def __call__(self, future):
        future._settle(self.twin)


class TaskFuture(Future, Handle):
    _state = Handle.state
    _pool_ref = Handle._owner
    _outcome = Handle._outcome
    collect = Handle.collect  # the same, without a call of Python where there is a result


Future.__module__ = "aiopool"
