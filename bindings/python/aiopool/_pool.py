# SPDX-License-Identifier: LGPL-2.1-or-later
"""aiopool.ProcessPool: the rich pool.

**Blocking, or awaited.** `run`, `join`, `test` and `shutdown` are over when they return, unless an event
loop of asyncio runs in the thread that calls: then to block would stop it, and they return a future of
the loop that is to be awaited. What should block, or be awaited, wherever it is called, says so by its
name: `run_sync`, `run_async` and so on. Everything else neither blocks nor has two faces: futures,
streams and results can be waited for, called back from, or awaited.

What not every program needs, maps, streams and pools without workers, is imported when it is needed:
of the time to the first result a part is that of the imports here.
"""

import os
import sys
import threading
import weakref
from contextvars import copy_context
from sys import modules

from aiopool import _calls, _core, _initializer, _loops, _pickling
from aiopool._future import TaskFuture

IDLE_TIMEOUT = 60  # seconds

_pools = weakref.WeakSet()


class Calls:
    """The methods that a pool and what `options()` returns have in common."""

    _pool = None  # of what options() has returned
    _options = None  # properties of the task
    _on_progress = None
    _cancel_on_await_cancel = False

    def _start(self, target, args, kwargs=None, type=TaskFuture, queue=None):
        pool = self._pool or self
        if pool._is_inline:
            future = self._make_inline(target)
            future.run(target, args, kwargs or {})
            return future
        home = None
        if queue is None:
            if "asyncio" in modules:
                home = _loops.get_running_bridge()
            if home is not None and home.is_watched:
                queue = home.queue
            elif self._on_progress is not None:
                queue = _core.collector()
        future = pool._core.call(type, target, args, kwargs or {}, self._options, queue)
        if home is not None and queue is home.queue:
            future._home = home
        if self._on_progress is not None:
            future._on_progress = run_in_context(self._on_progress)
        return future

    def _make_inline(self, target):
        pool = self._pool or self
        future = pool._core.make_future(target, self._options)
        future._pool_ref = pool._ref
        future._on_progress = self._on_progress
        return future

    def submit(self, target, /, *args, **kwargs):
        """Returns the Future of `target(*args, **kwargs)`. Never blocks.

        Raises what the arguments cannot be pickled for, PoolClosedError, BrokenPoolError or
        PoolFullError.
        """
        return self._start(target, args, kwargs)

    def run(self, target, /, *args, **kwargs):
        """Calls `target(*args, **kwargs)` in a worker, and returns its result.

        In a thread with a running event loop it is as run_async(), otherwise as run_sync().
        """
        if _loops.get_running() is None:
            return self._start(target, args, kwargs).collect()
        return self._run_async(target, args, kwargs)

    def run_sync(self, target, /, *args, **kwargs):
        """Blocks until the result is there."""
        return self._start(target, args, kwargs).collect()

    def run_async(self, target, /, *args, **kwargs):
        """Returns an asyncio.Future of the result, of the running loop."""
        return self._run_async(target, args, kwargs)

    def _run_async(self, target, args, kwargs):
        future = self._start(target, args, kwargs)
        return future.as_asyncio(cancel_on_await_cancel=self._cancel_on_await_cancel)

    def stream(self, target, /, *args, **kwargs):
        """Returns a Stream of the items of a generator function, or of what a task emits."""
        if (self._pool or self)._is_inline:
            from aiopool import _inline

            return _inline.InlineStream(self._make_inline(target), target, args, kwargs)
        from aiopool._stream import Stream

        return Stream(lambda type, queue: self._start(target, args, kwargs, type, queue))

    def _map(self, target, iterables, is_star, chunk_size, buffer_size, keep_order, timeout,
             is_eager=False):
        pool = self._pool or self
        pool.check()
        if chunk_size is not None and chunk_size < 1:
            raise ValueError("chunk_size must be at least 1")
        if buffer_size is not None and buffer_size < 1:
            raise ValueError("buffer_size must be at least 1")
        from aiopool import _chunks
        from aiopool._results import Results

        options = {**(self._options or {}), "on_progress": self._on_progress}
        chooser = _chunks.make(pool, target, options, iterables, chunk_size, buffer_size, is_eager)
        items = iterables[0] if len(iterables) == 1 else zip(*iterables)
        return Results(self._start, target, items, is_star or len(iterables) != 1, chooser=chooser,
                       n_workers=pool.max_workers, keep_order=keep_order, timeout=timeout)

    def map(self, target, *iterables, chunk_size=None, buffer_size=None, keep_order=True, timeout=None):
        """Returns Results of `target(item)` for each item, or for one of each of several iterables.

        Items are taken from the iterables when they are needed: when the first result is asked for,
        and then as there is room.

        chunk_size: how many calls make one task; None for one at first, and more if they are short
        buffer_size: how many tasks are under way at once, or, without `chunk_size`, how many items;
            None for enough to keep the workers busy
        keep_order: whether results come in the order of the items, or as they are there
        timeout: seconds for everything, counted from the first result that is asked for
        """
        return self._map(target, iterables, False, chunk_size, buffer_size, keep_order, timeout)

    def map_unordered(self, target, *iterables, chunk_size=None, buffer_size=None, timeout=None):
        """map() with results as they are there."""
        return self.map(target, *iterables, chunk_size=chunk_size, buffer_size=buffer_size,
                        keep_order=False, timeout=timeout)

    def map_all(self, target, *iterables, chunk_size=None, keep_order=True, timeout=None):
        """As map(), but all items are taken and submitted at once."""
        return self._map(target, iterables, False, chunk_size, None, keep_order, timeout, True)

    def map_all_unordered(self, target, *iterables, chunk_size=None, timeout=None):
        """map_all() with results as they are there."""
        return self.map_all(target, *iterables, chunk_size=chunk_size, keep_order=False,
                            timeout=timeout)

    def starmap(self, target, iterable, chunk_size=None, buffer_size=None, keep_order=True,
                timeout=None):
        """As map(), for an iterable of tuples of arguments."""
        return self._map(target, (iterable,), True, chunk_size, buffer_size, keep_order, timeout)

    def starmap_unordered(self, target, iterable, chunk_size=None, buffer_size=None, timeout=None):
        """starmap() with results as they are there."""
        return self.starmap(target, iterable, chunk_size, buffer_size, False, timeout)

    def starmap_all(self, target, iterable, chunk_size=None, keep_order=True, timeout=None):
        """As starmap(), but everything is submitted at once."""
        return self._map(target, (iterable,), True, chunk_size, None, keep_order, timeout, True)

    def starmap_all_unordered(self, target, iterable, chunk_size=None, timeout=None):
        """starmap_all() with results as they are there."""
        return self.starmap_all(target, iterable, chunk_size, False, timeout)

    imap = map
    imap_unordered = map_unordered


class Options(Calls):
    """The calls of a pool, with options for their tasks."""

    def __init__(self, pool, options, on_progress, cancel_on_await_cancel):
        self._pool = pool
        self._options = options
        self._on_progress = on_progress
        self._cancel_on_await_cancel = cancel_on_await_cancel


class Pool(Calls):
    """What all pools are.

    inline: whether pools that are made from now on, and executors, run their tasks in this process, at
        submit, for debugging; None: as the environment variable AIOPOOL_INLINE says
    """

    inline = None


class ProcessPool(Pool):
    """A pool of worker processes.

    Workers are started when tasks need them and go when they are idle. A worker that dies costs the
    task that it ran, which fails with WorkerCrashedError.

    max_workers: None for as many as there are processors
    name: for people
    idle_timeout: seconds after which an idle worker goes; None for never
    initializer, finalizer: what every worker calls first and last, with the arguments that follow
    max_tasks_per_worker: after so many tasks a worker is replaced; None for never
    mp_context: of multiprocessing, to which locks and queues in `init_args` belong
    coroutines_per_worker: how many coroutine functions run at once in a worker
    inline: whether tasks run in this process, at submit, for debugging; None: as Pool.inline says
    launcher: a dict of settings of the processes, as `max_memory`, `nice` or `sandbox`
    settings: any other property of Aiopool.Pool
    """

    def __init__(self, max_workers=None, *, name=None, idle_timeout=IDLE_TIMEOUT,
                 initializer=None, init_args=None, init_kwargs=None,
                 finalizer=None, final_args=None, final_kwargs=None,
                 max_tasks_per_worker=None, mp_context=None, coroutines_per_worker=1,
                 inline=None, launcher=None, **settings):
        self._is_closed = False
        self._ending = None  # handle of the shutdown
        self._lock = threading.Lock()
        self._ref = weakref.ref(self)
        self._initializer = initializer, tuple(init_args or ()), dict(init_kwargs or {})
        self._finalizer = finalizer, tuple(final_args or ()), dict(final_kwargs or {})
        self._mp_context = mp_context
        if max_workers is None or max_workers <= 0:
            max_workers = _core.count_processors()
        self._is_inline = _core.is_inline_wanted(inline)
        self._core = self._get_maker()(
            max_workers=max_workers, name=name or type(self).__name__,
            idle_timeout=-1 if idle_timeout is None else idle_timeout,
            initializer=self._make_initializer(), finalizer=None if finalizer is None else self._finalizer,
            max_tasks_per_worker=max_tasks_per_worker, tasks_per_worker=coroutines_per_worker,
            launcher=launcher, forward_log=True, **settings)
        self._core.owner = self._ref
        _pools.add(self)

    def _get_maker(self):
        if not self._is_inline:
            return _core.make_pool
        from aiopool import _inline

        return _inline.InlineCore

    def _make_initializer(self):
        function, args, kwargs = self._initializer
        if function is None or self._is_inline:
            return self._initializer if function is not None else None
        if kwargs:
            from functools import partial

            function = partial(function, **kwargs)
        return _initializer.make_initializer(function, args, self._mp_context)

    def options(self, *, on_progress=None, cancel_on_await_cancel=False, **options):
        """Returns an object with the calls of this pool, whose tasks have options.

        timeout: seconds that the task may run; then its worker is stopped
        queue_timeout: seconds that it may wait
        priority: a higher one is earlier
        retries: how often it runs again after its worker died
        tag: a text for logs
        fds: file descriptors, which the task finds in `aiopool.current_task().fds`
        on_progress: called with the future when the task tells how far it is
        cancel_on_await_cancel: whether to cancel the await of run() cancels the task
        """
        unknown = options.keys() - {"timeout", "queue_timeout", "priority", "retries", "tag", "fds"}
        if unknown:
            raise TypeError(f"there is no option {min(unknown)!r}")
        return Options(self, options, on_progress, cancel_on_await_cancel)

    # Settings

    @property
    def max_workers(self):
        return self._core.get("max_workers")

    @property
    def name(self):
        return self._core.get("name")

    @property
    def idle_timeout(self):
        """Seconds; None for never. May be changed."""
        seconds = self._core.get("idle_timeout")
        return None if seconds < 0 else seconds

    @idle_timeout.setter
    def idle_timeout(self, seconds):
        self._core.set("idle_timeout", -1 if seconds is None else seconds)

    @property
    def max_tasks_per_worker(self):
        return self._core.get("max_tasks_per_worker") or None

    @property
    def coroutines_per_worker(self):
        return self._core.get("tasks_per_worker")

    @property
    def mp_context(self):
        return self._mp_context

    initializer = property(lambda self: self._initializer[0])
    init_args = property(lambda self: self._initializer[1])
    init_kwargs = property(lambda self: self._initializer[2])
    finalizer = property(lambda self: self._finalizer[0])
    final_args = property(lambda self: self._finalizer[1])
    final_kwargs = property(lambda self: self._finalizer[2])

    # Workers

    def count_workers(self):
        return self._core.n_workers if not self._is_closed else 0

    def count_busy_workers(self):
        return self._core.n_busy if not self._is_closed else 0

    def count_free_workers(self):
        return self._core.n_idle if not self._is_closed else 0

    def count_pending_tasks(self):
        return self._core.n_pending if not self._is_closed else 0

    def spawn_workers(self, n=None):
        """Starts `n` workers more, but never more than `max_workers` in all; None for as many as the
        pending tasks need. Returns how many."""
        self.check()
        if n is None:
            n = self._core.n_pending - self._core.n_idle
        return self._core.spawn_workers(n) if n > 0 else 0

    def spawn_max_workers(self):
        """Starts all workers that there may be; returns how many were started."""
        return self.spawn_workers(self.max_workers)

    # Life

    @property
    def is_closed(self):
        return self._is_closed

    @property
    def is_terminated(self):
        """Whether the pool was shut down and nothing of it is left."""
        return self._ending is not None and self._ending.has_ended

    @property
    def is_broken(self):
        return self._core.get("is_broken")

    @property
    def workers(self):
        """A tuple of the Workers that there are; those that are being started are waited for."""
        from aiopool._workers import Worker

        return tuple([Worker(worker, self.name) for worker in self._core.workers()])

    @property
    def cancelled_tasks(self):
        """(target, args, kwargs) of each task that the shutdown, or what broke the pool, has kept from
        being run."""
        functions = _calls.find_functions()
        return tuple([call for task in self._core.cancelled_tasks()
                      for call in _calls.split(*load_call(*task, functions))])

    def check(self):
        """Raises PoolClosedError if the pool is closed, BrokenPoolError if it is broken."""
        if self._is_closed:
            raise _core.PoolClosedError("The pool was shut down")
        self._core.check()

    def join_sync(self, timeout=None):
        handle = self._begin_join()
        return handle is not None and handle.wait(timeout)

    async def join_async(self, timeout=None):
        import asyncio

        handle = self._begin_join()
        if handle is None:
            return False
        done, waiting = await asyncio.wait({when_ended(handle)}, timeout=timeout)
        return len(done) > 0

    def join(self, timeout=None):
        """Waits until all tasks have ended, and lets the workers go; whether that was within `timeout`
        seconds. The pool can be used as before. False if it is closed."""
        return self._choose(self.join_sync, self.join_async, timeout)

    def _begin_join(self):
        _loops.sweep()
        return self._core.begin_join(TaskFuture) if not self._is_closed else None

    def test_sync(self):
        self.check()
        self._core.begin_test(TaskFuture).collect()

    async def test_async(self):
        self.check()
        await self._core.begin_test(TaskFuture)

    def test(self):
        """Tries the settings out with one worker beside those of the pool. Raises what is wrong, as
        InitializerError or FinalizerError."""
        return self._choose(self.test_sync, self.test_async)

    def _begin_shutdown(self, cancel_pending, terminate):
        _loops.sweep()
        flags = _core.SHUTDOWN_DRAIN
        if cancel_pending:
            flags |= _core.SHUTDOWN_CANCEL_PENDING
        if terminate:
            flags |= _core.SHUTDOWN_TERMINATE
        handle = self._core.begin_shutdown(flags, TaskFuture)
        with self._lock:
            is_first = not self._is_closed
            self._is_closed = True
            if self._ending is None:
                self._ending = handle
        return handle, is_first

    def shutdown_sync(self, cancel_pending=True, *, terminate=False):
        handle, is_first = self._begin_shutdown(cancel_pending, terminate)
        handle.wait()
        if not self._is_inline:
            _core.wait_until_told(handle)
        return is_first

    def shutdown_async(self, cancel_pending=True, *, terminate=False):
        import asyncio

        handle, is_first = self._begin_shutdown(cancel_pending, terminate)
        return asyncio.ensure_future(finish_shutdown(handle, is_first, self._is_inline))

    def shutdown(self, cancel_pending=True, *, terminate=False):
        """Closes the pool and waits until its tasks have ended; whether it was open.

        cancel_pending: whether tasks that have not started are cancelled
        terminate: whether those that run are ended, too
        """
        return self._choose(self.shutdown_sync, self.shutdown_async, cancel_pending,
                            terminate=terminate)

    @staticmethod
    def _choose(blocking, awaited, *args, **kwargs):
        if _loops.get_running() is None:
            return blocking(*args, **kwargs)
        import asyncio

        return asyncio.ensure_future(awaited(*args, **kwargs))

    def __enter__(self):
        self.check()
        return self

    def __exit__(self, kind, error, traceback):
        """Waits for all tasks; after an exception, those that have not started are cancelled, and
        after KeyboardInterrupt those that run are ended, too."""
        self.shutdown_sync(cancel_pending=kind is not None, terminate=is_stop(kind))

    async def __aenter__(self):
        self.check()
        return self

    async def __aexit__(self, kind, error, traceback):
        await self.shutdown_async(cancel_pending=kind is not None, terminate=is_stop(kind))

    def __reduce__(self):
        raise TypeError("a pool cannot be pickled")

    def __repr__(self):
        state = "closed" if self._is_closed else "broken" if self.is_broken else "open"
        return f"<aiopool.{type(self).__name__} {self.name!r}, {state}>"


def is_stop(kind):
    """Whether an exception of this type says that its program, or its task, is to stop: asyncio makes
    CancelledError of KeyboardInterrupt."""
    if kind is None:
        return False
    asyncio = sys.modules.get("asyncio")
    return issubclass(kind, (KeyboardInterrupt, asyncio.CancelledError) if asyncio is not None
                      else KeyboardInterrupt)


def run_in_context(callback):
    """What calls it in the context (of contextvars) of now."""
    run = copy_context().run
    return lambda *arguments: run(callback, *arguments)


def load_call(name, payload, shared, functions):
    function, args, kwargs = _pickling.unpack_call(payload)
    if function is not None:
        if shared is not None:
            args = _calls.find_function(shared, functions), *args
        return function, args, kwargs
    if shared is not None:
        return _calls.find_function(shared, functions), args, kwargs
    module_name, colon, path = name.partition(":")
    target = sys.modules[module_name]
    for attribute in path.split("."):
        target = getattr(target, attribute)
    return target, args, kwargs


def when_ended(handle):
    """An asyncio.Future that is done when the handle is, whatever came of it."""
    import asyncio

    waiter = asyncio.get_running_loop().create_future()

    def on_ended(handle):
        if not waiter.done():
            waiter.set_result(None)

    handle.add_callback(on_ended)
    return waiter


async def finish_shutdown(handle, is_first, is_inline):
    import asyncio

    await when_ended(handle)
    if not is_inline:
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        _core.when_told(handle, lambda: _loops.settle_soon(loop, waiter))
        await waiter
    return is_first


def make_sized(name, number, word):
    def __init__(self, **settings):
        ProcessPool.__init__(self, number, **settings)

    return type(name, (ProcessPool,), {
        "__init__": __init__, "__module__": "aiopool",
        "__doc__": f"A ProcessPool with {word}."})


SingleProcessPool = make_sized("SingleProcessPool", 1, "one worker")
DualProcessPool = make_sized("DualProcessPool", 2, "two workers")
TripleProcessPool = make_sized("TripleProcessPool", 3, "three workers")
QuadProcessPool = make_sized("QuadProcessPool", 4, "four workers")


def shut_down_all():
    """At the end of the program: what was submitted is finished, unless Ctrl-C has ended it."""
    is_interrupted = _core.was_interrupted()
    for pool in list(_pools):
        pool.shutdown_sync(cancel_pending=is_interrupted, terminate=is_interrupted)


_core.at_exit(shut_down_all)
os.register_at_fork(after_in_child=_pools.clear)
Pool.__module__ = ProcessPool.__module__ = "aiopool"
