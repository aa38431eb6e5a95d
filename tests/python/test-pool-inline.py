#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""One list of scenarios for a pool that has workers and one that runs its tasks in this process."""

import asyncio
import functools
import os
import pickle
import threading

import pool_case
import pool_tasks as tasks
from pool_case import LIMIT

import aiopool
from aiopool import CancelMode

scenarios = []


def scenario(function):
    """function(pool) returns the same for both."""
    scenarios.append(function)
    return function


def try_out(function, *args, **kwargs):
    try:
        return function(*args, **kwargs)
    except BaseException as error:
        return type(error), str(error)


def drain(items):
    found = []
    try:
        for item in items:
            found.append(item)
    except Exception as error:
        found.append((type(error), str(error)))
    return found


async def drain_async(items):
    found = []
    try:
        async for item in items:
            found.append(item)
    except Exception as error:
        found.append((type(error), str(error)))
    return found


def end(future):
    future.wait(LIMIT)
    return future


@scenario
def callables(pool):
    counter = tasks.Counter(3)
    return [pool.run(tasks.add, 1, 2, c=3), pool.run(functools.partial(tasks.add, 1), 2),
            pool.run(counter, 1), pool.run(counter.add, 1), pool.run(tasks.Counter.add_to_start, 1),
            pool.run(tasks.Counter.add_one, 1), pool.run(int, "4"), pool.run("a-b".split, "-")]


@scenario
def keywords_of_any_name(pool):
    names = dict.fromkeys(("self", "target", "function", "args", "kwargs", "task", "pool", "type"), 1)
    return pool.run(tasks.keywords, 1, **names)


@scenario
def what_cannot_be_called(pool):
    return [try_out(pool.run, target) for target in (None, 5)] + [
        try_out(pool.run, tasks.add, 1, 2, 3, 4), try_out(pool.run, tasks.add, nope=1)]


@scenario
def kinds_of_functions(pool):
    return [pool.run(function, 3) for function in (tasks.count, tasks.count_async, tasks.add_async,
                                                   tasks.emit)]


@scenario
def futures_that_ended(pool):
    told = []
    for future in (pool.submit(tasks.add, 1), pool.submit(tasks.fail, KeyError(1))):
        end(future)
        told.append((future.state, future.is_done, future.is_failed, future.is_cancelled,
                     future.result, repr(future.exception), future.cancel(CancelMode.PENDING),
                     future.cancel(), future.cancel_flag, future.function, future.pool is pool,
                     future.progress, future.message, len(future.duration), repr(future)))
    return told


@scenario
def exceptions(pool):
    return [try_out(pool.run, function, *args) for function, args in (
        (tasks.fail, (ValueError("one", 2),)), (tasks.fail, (SystemExit(3),)), (tasks.fail_async, ()),
        (tasks.fail_with, (StopIteration, 1, 1)), (tasks.fail_as_a_group, (False,)),
        (tasks.fail_in_a_chain, ()))]


@scenario
def streams(pool):
    calls = [(tasks.count, 3), (tasks.count_and_fail, 3), (tasks.count_async, 3), (tasks.emit, 3),
             (tasks.add, 3), (tasks.fail, ValueError(2)), (tasks.emit_and_fail_with, KeyError)]
    found = [drain(pool.stream(*call)) for call in calls]
    found += [asyncio.run(drain_async(pool.stream(*call))) for call in calls]
    stream = pool.stream(tasks.count, 2)
    return found, list(stream), stream.future.result, stream.future.state


@scenario
def maps(pool):
    found = [drain(getattr(pool, name)(tasks.fail_at, range(4), [2] * 4, chunk_size=size))
             for name in ("map", "map_all", "imap") for size in (1, 3)]
    found += [sorted(getattr(pool, name)(tasks.add, range(4)))
              for name in ("map_unordered", "map_all_unordered", "imap_unordered")]
    found += [sorted(getattr(pool, name)(tasks.add, [(1, 2), (3, 4)])) for name in (
        "starmap", "starmap_all", "starmap_unordered", "starmap_all_unordered")]
    return found, drain(pool.map(tasks.add, [])), drain(pool.map(tasks.add, [1], timeout=0)), [
        try_out(pool.map, tasks.add, [1], chunk_size=0)]


@scenario
def callbacks(pool):
    called, done = [], threading.Event()
    future = pool.submit(tasks.add, 1)
    future.add_callback(lambda future: called.append(future.result))
    future.add_callback(lambda future: done.set())
    return done.wait(LIMIT), called, future.callbacks


@scenario
def progress(pool):
    told = []
    future = pool.options(on_progress=lambda future: told.append(future.progress)).submit(tasks.tell_all)
    return future.collect(LIMIT), future.progress, future.message


@scenario
def descriptors(pool):
    output, input = os.pipe()
    with open(output, "rb", 0) as reader, open(input, "wb", 0) as writer:
        pool.options(fds=[input]).run(tasks.write_and_close)
        writer.write(b" here")  # it is as open as before
        return reader.read(9)


@scenario
def options(pool):
    patient = pool.options(timeout=LIMIT, queue_timeout=LIMIT, priority=2, retries=1, tag="t")
    return [patient.run(tasks.add, 1), try_out(pool.options, nope=1)] + [
        try_out(pool.options(**{name: "x"}).run, tasks.add, 1)[0] for name in ("timeout", "priority")]


@scenario
def awaited(pool):
    async def work():
        gathered = await asyncio.gather(*(pool.run(tasks.add_async, i) for i in range(3)),
                                        pool.run(tasks.fail_async), return_exceptions=True)
        return [await pool.run(tasks.add, 1), await pool.submit(tasks.add_async, 2),
                await pool.map(tasks.add, range(3)), await drain_async(pool.imap(tasks.add, range(3))),
                gathered[:3], repr(gathered[3]), await pool.join(LIMIT), await pool.test()]

    return asyncio.run(work())


@scenario
def together(pool):
    def submit_all():
        return [pool.submit(tasks.add, i) for i in range(4)]

    future_filter = aiopool.FutureFilter(submit_all())
    return [sorted(future.result for future in aiopool.as_done(submit_all())),
            [future.result for future in aiopool.as_done(submit_all(), keep_order=True)],
            aiopool.wait(submit_all(), LIMIT), aiopool.collect(submit_all(), LIMIT),
            sorted(future.result for future in future_filter.get_all()), future_filter.get()]


@scenario
def properties(pool):
    return [pool.max_workers, pool.name, pool.idle_timeout, pool.max_tasks_per_worker,
            pool.coroutines_per_worker, pool.mp_context, pool.initializer, pool.init_args,
            pool.is_broken, pool.is_closed, pool.is_terminated, pool.cancelled_tasks, pool.check(),
            repr(pool), try_out(pickle.dumps, pool), pool.count_pending_tasks(), pool.join(LIMIT)]


@scenario
def the_end(pool):
    return [pool.shutdown(), pool.shutdown(), pool.join(), pool.is_closed, pool.is_terminated,
            pool.count_workers(), *[try_out(*call) for call in (
                (pool.run, tasks.add, 1), (pool.submit, tasks.add, 1), (pool.map, tasks.add, [1]),
                (pool.stream, tasks.count, 1), (pool.check,), (pool.test,), (pool.spawn_workers,),
                (pool.__enter__,))]]


class Both(pool_case.Case):
    def test_what_comes_of_calls_is_the_same(self):
        pool, inline = self.make_pool(2), self.make_pool(2, inline=True)
        for function in scenarios:
            with self.subTest(function.__name__):
                self.assertEqual(function(inline), function(pool))


if __name__ == "__main__":
    pool_case.main()
