# SPDX-License-Identifier: LGPL-2.1-or-later
"""aiopool.ProcessPoolExecutor: takes the place of that of concurrent.futures."""

import itertools
import os
import threading
import weakref
from concurrent.futures import Executor as Base

from aiopool import _calls, _core, _inline
from aiopool._futures import Future as BaseFuture

CHUNKS_PER_WORKER = 4

_executors = weakref.WeakSet()


def _shut_down_all():
    for executor in list(_executors):
        executor._end()


def count_processors():
    if hasattr(os, "process_cpu_count"):
        return os.process_cpu_count() or 1
    return len(os.sched_getaffinity(0))


class Future(BaseFuture):
    def _translate(self, exception):
        if isinstance(exception, (_core.WorkerCrashedError, _core.BrokenPoolError)):
            return make_broken(exception)
        return exception


def make_broken(error):
    from concurrent.futures.process import BrokenProcessPool

    broken = BrokenProcessPool(str(error))
    broken.__cause__ = error
    return broken


class End(_core.Handle):
    """Of a pool: the collector tells of it after it has told of all the pool's futures."""

    def on_ended(self):
        self.told.set()


class ProcessPoolExecutor(Base):
    """Runs calls in processes; arguments and behaviour are those of the class of that name in
    concurrent.futures. `map` takes None as `chunksize`, too, and chooses one then.

    Workers are always new processes that import what they need, whatever `mp_context` is: that is the
    context of the locks and queues of multiprocessing that `initargs` may have, which is not "fork".
    """

    def __init__(self, max_workers=None, mp_context=None, initializer=None, initargs=(), *,
                 max_tasks_per_child=None):
        if max_workers is None:
            max_workers = count_processors()
        elif max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        if max_tasks_per_child is not None:
            if not isinstance(max_tasks_per_child, int):
                raise TypeError("max_tasks_per_child must be an integer")
            if max_tasks_per_child <= 0:
                raise ValueError("max_tasks_per_child must be >= 1")
        self._max_workers = max_workers
        self._lock = threading.Lock()
        self._ending = None  # End, once shut down
        if _inline.is_wanted():
            given = None if initializer is None else (initializer, initargs, {})
            self._core = _inline.InlineCore(given)
            return
        self._core = _core.make_pool(
            max_workers=max_workers, idle_timeout=-1, on_worker_death=_core.DEATH_BREAK,
            max_tasks_per_worker=max_tasks_per_child,
            initializer=_calls.make_initializer(initializer, initargs, mp_context))
        _executors.add(self)

    def submit(self, fn, /, *args, **kwargs):
        try:
            if isinstance(self._core, _inline.InlineCore):
                return self._run_inline(fn, args, kwargs)
            return self._core.call(Future, fn, args, kwargs)
        except _core.PoolClosedError:
            raise RuntimeError("cannot schedule new futures after shutdown") from None
        except _core.BrokenPoolError as error:
            raise make_broken(error) from None
        except _core.PoolError:
            raise
        except Exception as error:  # what cannot be pickled
            return Future.failed(error)

    def _run_inline(self, fn, args, kwargs):
        future = self._core.make_future(fn, None)
        future.run(fn, args, kwargs)
        return Future.ended(future._result, future._error)

    submit.__doc__ = Base.submit.__doc__

    def map(self, fn, *iterables, timeout=None, chunksize=1):
        """Calls `fn` with items of the iterables; returns an iterator over the results, in order.

        chunksize: how many items are sent to a worker in one go; None for as many as are sensible.
        """
        if chunksize is None:
            items = list(iterables[0]) if len(iterables) == 1 else list(zip(*iterables))
            chunksize = -(-len(items) // (self._max_workers * CHUNKS_PER_WORKER)) or 1
        elif chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        elif chunksize == 1:
            return super().map(fn, *iterables, timeout=timeout)
        else:
            items = iterables[0] if len(iterables) == 1 else zip(*iterables)
        call = _calls.call_each if len(iterables) == 1 else _calls.call_each_star
        chunks = super().map(call, itertools.repeat(fn), split(items, chunksize), timeout=timeout)
        return flatten(chunks)

    def shutdown(self, wait=True, *, cancel_futures=False):
        if isinstance(self._core, _inline.InlineCore):
            self._core.begin_shutdown(0)
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
        with self._lock:
            if not hasattr(ending, "told"):
                ending.told = threading.Event()
                _core.collector().add(ending)
        ending.told.wait()

    def _end(self):
        self.shutdown()


def split(items, size):
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk


def flatten(chunks):
    for chunk in chunks:
        if type(chunk) is list:
            chunk.reverse()
            while chunk:
                yield chunk.pop()
        else:
            yield from chunk.each()


_core.at_exit(_shut_down_all)
