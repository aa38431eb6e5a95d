# SPDX-License-Identifier: LGPL-2.1-or-later
"""aiopool.ProcessPoolExecutor: takes the place of that of concurrent.futures."""

import itertools
import sys
import threading
import time
import weakref
from collections import deque
from concurrent.futures import Executor as Base

from aiopool import _calls, _core, _initializer
from aiopool._futures import Future as BaseFuture

CHUNKS_PER_WORKER = 4
MAX_WORKERS = 1024  # of a pool of the library

# Of _processes, which is imported only when somebody asks for one of them.
VIEW_NAMES = ("_processes", "_executor_manager_thread", "_call_queue", "_pending_work_items")

_executors = weakref.WeakSet()
_telling = threading.Lock()


def _shut_down_all():
    for executor in list(_executors):
        executor.shutdown()


class Future(BaseFuture):
    def _translate(self, exception):
        if isinstance(exception, (_core.WorkerCrashedError, _core.BrokenPoolError)):
            return make_broken(exception)
        return replace_traceback(unwrap(exception))


def make_broken(error):
    from concurrent.futures.process import BrokenProcessPool

    broken = BrokenProcessPool(str(error))
    broken.__cause__ = error
    return broken


def replace_traceback(exception):
    """Those who look for the traceback of a worker find the type of concurrent.futures."""
    from concurrent.futures.process import _RemoteTraceback

    link = _core.find_traceback(exception)
    if link is not None:
        last, remote = link
        last.__cause__ = _RemoteTraceback(remote.tb)
    return exception


def unwrap(exception):
    """What was raised when a result was pickled is what concurrent.futures raises."""
    worker = sys.modules.get("aiopool._worker")
    cause = exception.__cause__
    if worker is None or type(exception) is not worker.EncodeError or cause is None:
        return exception
    cause.add_note(str(exception))
    return cause


class End(_core.Handle):
    """Of a pool: the collector tells of it after it has told of all the pool's futures."""

    def tell(self, function):
        """Has a function called by the collector."""
        with _telling:
            functions = self.__dict__.get("functions")
            if functions is None and "is_told" not in self.__dict__:
                self.functions = functions = []
                _core.collector().add(self)
            if functions is not None:
                functions.append(function)
                return
        function()

    def on_ended(self):
        with _telling:
            functions, self.functions = self.functions, None
            self.is_told = True
        for function in functions:
            function()


class PoolExecutor(Base):
    """What the executors have in common: submitting, and coming to an end."""

    _future_type = BaseFuture

    def _start(self, max_workers, given, **settings):
        initializer, initargs = given
        self._max_workers = max_workers
        self._lock = threading.Lock()
        self._ending = None  # End, once shut down
        self._is_over = False  # an inline one
        self._is_inline = _core.is_inline_wanted()
        if self._is_inline:
            from aiopool import _inline

            self._core = _inline.InlineCore(
                None if initializer is None else (initializer, initargs, {}))
            return
        self._core = _core.make_pool(max_workers=min(max_workers, MAX_WORKERS), forward_log=True,
                                     **settings)
        _executors.add(self)

    def submit(self, fn, /, *args, **kwargs):
        try:
            if self._is_inline:
                return self._run_inline(fn, args, kwargs)
            return self._core.call(self._future_type, fn, args, kwargs)
        except _core.PoolClosedError:
            raise RuntimeError("cannot schedule new futures after shutdown") from None
        except _core.PoolError as error:
            error = self._refuse(error)
            raise error from error.__cause__
        except Exception as error:  # what cannot be pickled
            return self._future_type.failed(error)

    def _run_inline(self, fn, args, kwargs):
        future = self._core.make_future(fn, None)
        future.run(fn, args, kwargs)
        return self._future_type.ended(future._result, future._error)

    submit.__doc__ = Base.submit.__doc__

    def _refuse(self, error):
        return error

    def _submit_chunks(self, fn, iterables, chunksize):
        """Futures of lists, or of Outcomes; all items are taken at once."""
        if chunksize is None:
            items = list(iterables[0]) if len(iterables) == 1 else list(zip(*iterables))
            chunksize = -(-len(items) // (self._max_workers * CHUNKS_PER_WORKER)) or 1
        else:
            items = iterables[0] if len(iterables) == 1 else zip(*iterables)
        call = _calls.call_each if len(iterables) == 1 else _calls.call_each_star
        return [self.submit(call, fn, chunk) for chunk in split(items, chunksize)]

    def shutdown(self, wait=True, *, cancel_futures=False):
        if self._is_inline:
            self._core.begin_shutdown(0)
            self._is_over = True
            return
        ending = self._begin_end(cancel_futures)
        if wait and ending is not None:
            ending.wait()
            self._wait_for_callbacks(ending)

    shutdown.__doc__ = Base.shutdown.__doc__

    def _begin_end(self, cancel_futures):
        flags = _core.SHUTDOWN_CANCEL_PENDING if cancel_futures else _core.SHUTDOWN_DRAIN
        try:
            ending = self._core.begin_shutdown(flags, End)
        except _core.PoolError:  # in a child of this process
            return None
        with self._lock:
            if self._ending is None:
                self._ending = ending
            return self._ending

    def _wait_for_callbacks(self, ending):
        if not _core.is_collecting() or _core.is_collector():
            return
        told = threading.Event()
        ending.tell(told.set)
        told.wait()


class ProcessPoolExecutor(PoolExecutor):
    """Runs calls in processes; arguments and behaviour are those of the class of that name in
    concurrent.futures. `map` takes None as `chunksize`, too, and chooses one then.

    Workers are always new processes that import what they need, whatever `mp_context` is: that is the
    context of the locks and queues of multiprocessing that `initargs` may have, which is not "fork".
    """

    _future_type = Future

    def __init__(self, max_workers=None, mp_context=None, initializer=None, initargs=(), *,
                 max_tasks_per_child=None):
        if max_workers is None:
            max_workers = _core.count_processors()
        elif max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        if max_tasks_per_child is not None:
            if not isinstance(max_tasks_per_child, int):
                raise TypeError("max_tasks_per_child must be an integer")
            if max_tasks_per_child <= 0:
                raise ValueError("max_tasks_per_child must be >= 1")
            if mp_context is not None and mp_context.get_start_method(allow_none=False) == "fork":
                raise ValueError("max_tasks_per_child is incompatible with the \"fork\" "
                                 "multiprocessing start method; supply a different mp_context.")
        self._given_context = mp_context
        self._initargs = initargs  # locks of multiprocessing live as long as they do here
        self._start(max_workers, (initializer, initargs), idle_timeout=-1,
                    on_worker_death=_core.DEATH_BREAK, max_tasks_per_worker=max_tasks_per_child,
                    setup={"dies_of_bad_calls": True},
                    initializer=_initializer.make_initializer(initializer, initargs, mp_context,
                                                              is_logged=True))

    # What programs look at behind the back of that of concurrent.futures.

    def __getattr__(self, name):
        if name not in VIEW_NAMES or "_core" not in vars(self):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        from aiopool import _processes

        vars(self).update(_processes.make_views(self))
        return vars(self)[name]

    @property
    def _broken(self):
        if not self._core.get("is-broken"):
            return False
        try:
            self._core.check()
        except _core.PoolError as error:
            return str(error)
        return True

    @property
    def _shutdown_thread(self):
        return self._is_over or self._ending is not None

    @property
    def _mp_context(self):
        if self._given_context is None:
            import multiprocessing

            self._given_context = multiprocessing.get_context("spawn")
        return self._given_context

    def terminate_workers(self):
        """Ends the workers with SIGTERM and cancels what waits, as in Python 3.14. Returns at once."""
        self._end_workers("terminate")

    def kill_workers(self):
        """Ends the workers with SIGKILL and cancels what waits, as in Python 3.14. Returns at once."""
        self._end_workers("kill")

    def _end_workers(self, method):
        processes = self._processes.copy()
        self.shutdown(wait=False, cancel_futures=True)
        for process in processes.values():
            getattr(process, method)()

    def _refuse(self, error):
        return make_broken(error) if isinstance(error, _core.BrokenPoolError) else error

    def map(self, fn, *iterables, timeout=None, chunksize=1, buffersize=None):
        """Calls `fn` with items of the iterables; returns an iterator over the results, in order.

        chunksize: how many items are sent to a worker in one go; None for as many as are sensible
        buffersize: how many chunks are submitted at once, with more items taken only as results are;
            None to take all of them now. As in Python 3.14.
        """
        if buffersize is not None and not isinstance(buffersize, int):
            raise TypeError("buffersize must be an integer or None")
        if buffersize is not None and buffersize < 1:
            raise ValueError("buffersize must be None or > 0")
        if chunksize is not None and chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        end = None if timeout is None else time.monotonic() + timeout
        if buffersize is not None and iterables:
            return self._map_in_window(fn, iterables, chunksize or 1, buffersize, end)
        if chunksize == 1 or not iterables:
            return super().map(fn, *iterables, timeout=timeout)
        return each_result(self._submit_chunks(fn, iterables, chunksize), end)

    def _map_in_window(self, fn, iterables, chunksize, buffersize, end):
        call = _calls.call_each if len(iterables) == 1 else _calls.call_each_star
        chunks = split(iterables[0] if len(iterables) == 1 else zip(*iterables), chunksize)
        futures = deque([self.submit(call, fn, chunk)
                         for chunk in itertools.islice(chunks, buffersize)])
        return each_in_window(weakref.ref(self), call, fn, chunks, futures, end)


class Executor(PoolExecutor):
    """Runs calls in processes, for programs with and without an event loop of asyncio.

    A worker that dies fails the task that it had, and no other.
    """

    def __init__(self, max_workers=None, initializer=None, initargs=()):
        if max_workers is None:
            max_workers = min(_core.count_processors(), 61)
        elif max_workers < 1:
            raise ValueError("max_workers must be greater than 0")
        self._initargs = initargs
        self._start(max_workers, (initializer, initargs),
                    initializer=_initializer.make_initializer(initializer, initargs))

    def map(self, fn, *iterables, timeout=None, chunksize=None):
        """Returns a list of the results, in order. Blocks, also where a loop is running."""
        end = None if timeout is None else time.monotonic() + timeout
        if not iterables:
            return []
        return list(each_result(self._submit_chunks(fn, iterables, chunksize), end))

    async def map_async(self, fn, *iterables, timeout=None, chunksize=None):
        """Gives a list of the results, in order."""
        import asyncio

        futures = self._submit_chunks(fn, iterables, chunksize) if iterables else []
        try:
            waiting = asyncio.gather(*map(asyncio.wrap_future, futures))
            chunks = await asyncio.wait_for(waiting, timeout)
        finally:
            cancel_all(futures)
        return list(flatten(chunks))

    async def shutdown_async(self, wait=True, *, cancel_futures=False):
        """Ends as shutdown() does; the loop goes on meanwhile."""
        import asyncio

        if self._is_inline:
            self.shutdown()
            return
        ending = self._begin_end(cancel_futures)
        if wait and ending is not None:
            loop = asyncio.get_running_loop()
            told = asyncio.Event()
            ending.tell(lambda: loop.call_soon_threadsafe(told.set))
            await told.wait()

    def is_shutdown(self):
        """Whether all has ended after a shutdown."""
        ending = self._ending
        return self._is_over or (ending is not None and ending.has_ended)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exception):
        await self.shutdown_async()
        return False


def split(items, size):
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk


def each_result(futures, end):
    """Of chunks. Nobody wants those that are left when the iterator is dropped."""
    futures.reverse()
    try:
        while futures:
            yield from flatten([take(futures.pop(), end)])
    finally:
        cancel_all(futures)


def each_in_window(executor_ref, call, fn, chunks, futures, end):
    """For each chunk of results another chunk of items is submitted, as long as there is an executor."""
    try:
        while futures:
            executor = executor_ref()
            items = next(chunks, None) if executor is not None else None
            if items is not None:
                futures.append(executor.submit(call, fn, items))
            executor = items = None
            yield from flatten([take(futures.popleft(), end)])
    finally:
        cancel_all(futures)


def take(future, end):
    try:
        return future.result(None if end is None else end - time.monotonic())
    finally:
        future.cancel()


def cancel_all(futures):
    for future in futures:
        future.cancel()


def flatten(chunks):
    for chunk in chunks:
        if type(chunk) is list:
            chunk.reverse()
            while chunk:
                yield chunk.pop()
        else:
            yield from chunk.each()


_core.at_exit(_shut_down_all)
