# SPDX-License-Identifier: LGPL-2.1-or-later
"""What programs do with the package, for a type checker; test-types.py has one look at it."""

import asyncio
import concurrent.futures
from collections.abc import AsyncIterator, Iterator
from typing import assert_type

import aiopool


def half(number: int, *, up: bool = False) -> float:
    return number / 2 + up


async def fetch(name: str) -> bytes:
    return name.encode()


def count(number: int) -> Iterator[int]:
    yield from range(number)


async def stream(number: int) -> AsyncIterator[str]:
    yield str(number)


def use_the_executor_of_concurrent_futures() -> None:
    with aiopool.ProcessPoolExecutor(2, initializer=print, initargs=("begins",)) as executor:
        future = executor.submit(half, 3, up=True)
        assert_type(future, concurrent.futures.Future[float])
        assert_type(future.result(1), float)
        assert_type(executor.submit(fetch, "a").result(), bytes)
        assert_type(list(executor.map(half, range(3), timeout=1, chunksize=None)), list[float])
        for done in concurrent.futures.as_completed([future]):
            assert_type(done.result(), float)
        executor.shutdown(wait=False, cancel_futures=True)
        executor.kill_workers()
    stands_in: concurrent.futures.Executor = aiopool.ProcessPoolExecutor(max_tasks_per_child=3)
    stands_in.shutdown()


def make_mistakes() -> None:
    executor = aiopool.ProcessPoolExecutor()
    executor.submit(half, "three")  # type: ignore
    executor.submit(half, 3, down=True)  # type: ignore
    aiopool.ProcessPool(workers=1)
    aiopool.ProcessPool().submit(half)  # type: ignore


async def use_the_executor_of_loops() -> None:
    async with aiopool.Executor(2) as executor:
        assert_type(executor.map(half, [1, 2]), list[float])
        assert_type(await executor.map_async(half, [1, 2], timeout=3), list[float])
        loop = asyncio.get_running_loop()
        assert_type(await loop.run_in_executor(executor, half, 3), float)
        assert_type(await asyncio.wrap_future(executor.submit(half, 3)), float)
        assert_type(executor.is_shutdown(), bool)


def use_a_pool() -> None:
    with aiopool.ProcessPool(2, name="halves", idle_timeout=None) as pool:
        future = pool.submit(half, 3)
        assert_type(future, aiopool.Future[float])
        assert_type(future.collect(1), float)
        assert_type(future.result, float | None)
        assert_type(future.state, aiopool.Status)
        future.add_callback(lambda done: print(done.exception))
        assert_type(pool.run_sync(half, 3, up=False), float)
        assert_type(pool.submit(fetch, "a").collect(), bytes)
        for number in pool.map(half, [1, 2], buffer_size=4):
            assert_type(number, float)
        assert_type(aiopool.collect([future]), tuple[float, ...])
        for done in aiopool.as_done([future], timeout=2):
            assert_type(done, aiopool.Future[float])
        quick = pool.options(timeout=5, priority=1)
        assert_type(quick.submit(half, 3).collect(), float)
        assert_type(pool.spawn_workers(2), int)


async def use_a_pool_in_a_loop() -> None:
    async with aiopool.ProcessPool() as pool:
        assert_type(await pool.run_async(half, 3), float)
        assert_type(await pool.run_async(fetch, "a"), bytes)
        assert_type(await pool.submit(half, 3), float)
        async for number in pool.imap(half, [1, 2]):
            assert_type(number, float)
        async for item in pool.map_unordered(half, count(3)):
            assert_type(item, float)
        assert_type(await pool.map(half, [1, 2]), list[float])
        pool.stream(stream, 3)


def use_errors_and_tasks() -> None:
    try:
        aiopool.Executor(1).submit(half, 1).result()
    except aiopool.WorkerCrashedError as error:
        assert_type(error.domain, str | None)
        assert_type(aiopool.get_remote_traceback(error), str | None)
    except aiopool.InitializerError as error:
        print(error.__cause__)
    task = aiopool.current_task()
    if task is not None:
        task.progress(0.5, "half")
        task.emit([1, 2])
        assert_type(task.cancelled, bool)
