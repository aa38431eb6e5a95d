# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pools without workers, for debugging: a task runs where it is submitted, before submit() returns.

So a breakpoint stops, a traceback shows the caller, and what is printed comes in its order. The same
errors come by the same ways; but arguments are not copied, timeouts and limits of processes mean nothing,
and KeyboardInterrupt and SystemExit go to whoever has submitted.
"""

import os
import time
from collections import deque
from contextvars import ContextVar, copy_context
from math import isnan
from operator import index

from aiopool import _core
from aiopool._future import Future
from aiopool._stream import finish


# --- tasks ----------------------------------------------------------------------------------------


class Stopped(Exception):
    """Carries a StopIteration of a task out of the generators here, which it would end."""


class InlineFuture(Future):
    """Of a task that runs here and now."""

    error = error_payload = error_info = standard_error = message = None
    progress = 0.0
    function = None
    task_id = n_bytes = 0
    submitted_at = started_at = finished_at = 0.0
    _state = _core.STATE_PENDING
    _result = None
    _error = None
    _fds = ()
    _task = None  # while it runs
    _emitted = None  # a deque, for a stream

    @property
    def has_ended(self):
        return self._state > _core.STATE_RUNNING

    @property
    def queue_time(self):
        return self.started_at - self.submitted_at

    @property
    def run_time(self):
        return (self.finished_at or time.monotonic()) - self.started_at

    @property
    def worker_pid(self):
        return os.getpid()

    def wait(self, timeout=None):
        if not self.has_ended:
            raise RuntimeError("the items of this task are to be taken first: it runs inline")
        return True

    def load(self):
        if self._error is not None:
            raise self._error
        return self._result

    def _make_failure(self):
        return self._error

    def _keep(self, outcome):
        self._outcome = outcome
        return outcome

    def cancel_task(self, mode):
        return False

    def run(self, function, args, kwargs):
        for item in self.steps(function, args, kwargs):
            pass

    def steps(self, function, args, kwargs):
        """Yields the items of a generator."""
        self.submitted_at = self.started_at = time.monotonic()
        self._state = _core.STATE_RUNNING
        self._task = Task(self)
        try:
            self._result = yield from self.work(function, args, kwargs)
            self._state = _core.STATE_DONE
        except Exception as error:
            yield from self.take_emitted()
            self._error = error.__cause__ if isinstance(error, Stopped) else error
            self._state = _core.STATE_FAILED
        finally:
            if not self.has_ended:
                self._state = _core.STATE_CANCELLED
            self._task.close()
            self.finished_at = time.monotonic()

    def work(self, function, args, kwargs):
        import inspect

        result = self.start(function, args, kwargs)
        if inspect.iscoroutine(result):
            result = self.step(run_coroutine, (result,))
        elif inspect.isasyncgen(result):
            result = self.step(run_coroutine, (emit_all(result),))
        yield from self.take_emitted()
        if not inspect.isgenerator(result):
            return result
        try:
            while True:
                item = self.step(next, (result,))
                yield from self.take_emitted()
                yield item
        except StopIteration as end:
            yield from self.take_emitted()
            return end.value
        finally:
            result.close()

    def start(self, function, args, kwargs):
        try:
            return self.step(function, args, kwargs)
        except StopIteration as error:
            raise Stopped from error

    def step(self, function, args, kwargs={}):
        token = _current.set(self._task)
        try:
            return function(*args, **kwargs)
        finally:
            _current.reset(token)

    def take_emitted(self):
        while self._emitted:
            yield self._emitted.popleft()


class Task:
    """What `aiopool.current_task()` is meanwhile."""

    cancelled = False
    time_left = None
    shared_data = None

    def __init__(self, future):
        self._future = future
        self.function = future.function
        self.fds = tuple([os.dup(fd) for fd in future._fds])  # which are the task's own

    def close(self):
        for fd in self.fds:
            try:
                os.close(fd)
            except OSError:
                pass  # the task has done that
        self._future._task = None

    def check(self):
        pass

    def progress(self, fraction, message=None):
        future = self._future
        future.progress = min(max(float(fraction), 0.0), 1.0)
        if message is not None:
            future.message = message
        if future._on_progress is not None:
            future._call(future._on_progress)

    def emit(self, value):
        if self._future._emitted is not None:
            self._future._emitted.append(value)


_current = ContextVar("aiopool_inline_task", default=None)


def current_task():
    return _current.get()


async def emit_all(items):
    async for item in items:
        current_task().emit(item)


def run_coroutine(coroutine):
    """Where a loop runs already, in a thread, for which the caller waits."""
    import asyncio

    if asyncio._get_running_loop() is None:
        return asyncio.run(coroutine)
    from concurrent.futures import ThreadPoolExecutor

    context = copy_context()
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(context.run, asyncio.run, coroutine).result()


class InlineStream:
    """As a Stream: what is a generator runs as its items are taken."""

    def __init__(self, future, function, args, kwargs):
        self.future = future
        future._emitted = deque()
        self._steps = future.steps(function, args, kwargs)

    progress = property(lambda self: self.future.progress)
    message = property(lambda self: self.future.message)

    def __iter__(self):
        return self

    def __next__(self):
        for item in self._steps:
            return item
        finish(self.future, StopIteration)

    def __aiter__(self):
        return self

    async def __anext__(self):
        for item in self._steps:
            return item
        finish(self.future, StopAsyncIteration)

    def close(self):
        self._steps.close()

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


# --- pools ----------------------------------------------------------------------------------------


class InlineCore:
    """In the place of a pool of `_core`. Initializer and finalizer run once each."""

    n_pending = n_running = n_workers = n_idle = n_busy = 0

    def __init__(self, initializer=None, finalizer=None, **settings):
        self.initializer = initializer
        self.finalizer = finalizer
        self.settings = settings
        self.is_started = False
        self.is_closed = False
        self.failure = None
        self.n_submitted = 0

    def make_future(self, function, options):
        self.check()
        if not self.is_started:
            self.is_started = True
            self.try_out(self.initializer, _core.InitializerError, "initializer")
            self.check()
        future = InlineFuture()
        self.n_submitted += 1
        future.task_id = self.n_submitted
        future.function = _core.name_of(function) or getattr(function, "__qualname__", "function")
        future._fds = check_options(options or {})
        return future

    def try_out(self, call, error_type, word):
        if call is None:
            return
        try:
            call[0](*call[1], **call[2])
        except Exception as error:
            self.failure = error_type(f"The {word} has failed: {type(error).__qualname__}: {error}")
            self.failure.__cause__ = error

    def check(self):
        if self.failure is not None:
            raise self.failure
        if self.is_closed:
            raise _core.PoolClosedError("The pool was shut down")

    def begin_shutdown(self, flags, type=None):
        if not self.is_closed:
            self.is_closed = True
            if self.is_started and self.failure is None:
                self.try_out(self.finalizer, _core.FinalizerError, "finalizer")
        return make_ended(None)

    def begin_join(self, type=None):
        return make_ended(None)

    def begin_test(self, type=None):
        other = InlineCore(self.initializer, self.finalizer)
        other.try_out(other.initializer, _core.InitializerError, "initializer")
        if other.failure is None:
            other.try_out(other.finalizer, _core.FinalizerError, "finalizer")
        return make_ended(other.failure)

    def spawn_workers(self, n):
        return 0

    def workers(self):
        return []

    def cancelled_tasks(self):
        return []

    def get(self, name):
        if name.replace("-", "_") == "is_broken":
            return self.failure is not None
        return self.settings.get(name)

    def set(self, name, value):
        self.settings[name] = value


def check_options(options):
    """They mean nothing here, but for descriptors, which are returned."""
    for name, kind in (("timeout", isnan), ("queue_timeout", isnan), ("priority", index),
                       ("retries", index)):
        if options.get(name) is not None:
            kind(options[name])
    if not isinstance(options.get("tag", ""), (str, type(None))):
        raise TypeError("a tag is a text")
    return tuple(options.get("fds") or ())


def make_ended(error):
    future = InlineFuture()
    future._error = error
    future._state = _core.STATE_DONE if error is None else _core.STATE_FAILED
    return future
