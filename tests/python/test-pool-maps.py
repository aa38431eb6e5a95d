#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Maps of the rich pool whose chunks are chosen automatically."""

import asyncio
import functools
import itertools
import threading
import types
import unittest

import pool_case
import pool_tasks as tasks
from pool_case import LIMIT

import aiopool
from aiopool import _chunks, _initializer

METHODS = ("map", "map_unordered", "map_all", "map_all_unordered")
MANY = 3000


def collect(results):
    """A list of results, and of the types of exceptions."""
    found = []
    while True:
        try:
            found.append(next(results))
        except StopIteration:
            return found
        except BaseException as error:
            found.append(type(error))


class Mock:
    """As of unittest.mock: it has whatever it is asked for."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, number):
        return number


class Sizes(unittest.TestCase):
    """The chooser, told what to believe."""

    def learn(self, chooser, size, seconds, n_bytes=0):
        chooser.learn(types.SimpleNamespace(run_time=seconds * size, n_bytes=n_bytes), size)

    def test_chunks_of_short_functions_grow(self):
        chooser = _chunks.Automatic(2, None, None)
        sizes = []
        for i in range(6):
            sizes.append(chooser.choose(0, 0))
            chooser.drew(sizes[-1], 0)
            self.learn(chooser, sizes[-1], 1e-7)
        self.assertEqual(sizes[0], 1)
        self.assertEqual(sizes, sorted(sizes))
        self.assertEqual(sizes[-1], _chunks.MAX_SIZE)

    def test_long_functions_run_one_by_one(self):
        chooser = _chunks.Automatic(2, 1000, None)
        for seconds in (1e-6, 1e-6, 1):
            self.learn(chooser, chooser.choose(0, 0), seconds)
        self.assertEqual(chooser.choose(0, 0), 1)

    def test_large_items_do_not_pile_up(self):
        chooser = _chunks.Automatic(2, None, None)
        for i in range(5):
            size = chooser.choose(0, 0)
            self.learn(chooser, size, 1e-7, size * _chunks.MAX_BYTES // 4)
        self.assertEqual(chooser.choose(0, 0), 4)

    def test_a_slow_source_is_not_waited_for(self):
        chooser = _chunks.Automatic(2, None, None)
        for i in range(5):
            self.learn(chooser, chooser.choose(0, 0), 1e-7)
        chooser.drew(10, 1)
        self.assertEqual(chooser.choose(0, 0), 1)

    def test_the_last_chunks_are_small(self):
        chooser = _chunks.Automatic(2, 100_000, None)
        for i in range(6):
            self.learn(chooser, chooser.choose(0, 0), _chunks.WORK / 512)
        self.assertEqual(chooser.choose(0, 0), 512)
        chooser.drew(99_000, 0)
        self.assertEqual(chooser.choose(0, 0), 1000 // (2 * _chunks.CHUNKS_PER_WORKER))
        chooser.drew(900, 0)
        self.assertEqual(chooser.choose(0, 0), int(512 * _chunks.LEAST_WORK / _chunks.WORK))

    def test_few_items_are_submitted_at_once_one_by_one(self):
        self.assertEqual(_chunks.choose_eagerly(128, 2).size, 1)
        self.assertEqual(_chunks.choose_eagerly(12800, 2).size, 100)


class Maps(pool_case.Case):
    @classmethod
    def setUpClass(cls):
        cls.pool = aiopool.ProcessPool(2)
        cls.addClassCleanup(cls.pool.shutdown_sync)

    def test_every_map_gives_every_result(self):
        for name in METHODS:
            for items in (range(MANY), iter(range(MANY)), (number for number in range(MANY))):
                results = list(getattr(self.pool, name)(tasks.add, items))
                if "unordered" in name:
                    results.sort()
                self.assertEqual(results, [*range(MANY)])
        pairs = zip(range(MANY), range(MANY))
        self.assertEqual(list(self.pool.starmap(tasks.add, pairs)), [*range(0, 2 * MANY, 2)])
        self.assertEqual(list(self.pool.starmap_all(tasks.add, zip(range(MANY)))), [*range(MANY)])

    def test_what_is_submitted_at_once_is_so_in_chunks(self):
        names = list(self.pool.map_all(tasks.get_function, range(MANY)))
        self.assertEqual(set(names), {"aiopool._calls:call_each"})

    def test_items_are_not_taken_long_before_they_are_needed(self):
        source = itertools.count()
        results = self.pool.map(tasks.add, source)
        self.assertEqual(next(results), 0)
        self.assertEqual(next(source), 2 * _chunks.TASKS_PER_WORKER)
        results.close()

    def test_a_buffer_is_one_of_items(self):
        taken = itertools.count()
        n_taken = 0

        def source():
            nonlocal n_taken
            for n_taken in taken:
                yield n_taken

        results = self.pool.map(tasks.add, source(), buffer_size=12)
        for i in range(MANY):
            self.assertEqual(next(results), i)
            self.assertLessEqual(n_taken - i, 12)
        results.close()

    def test_who_fails_fails_alone(self):
        fates = [0, "raise", 1, "stop", 2, "exit", 3, "lock", 4, tasks.BadToRead(), 5,
                 threading.Lock(), 6]
        for options in ({"chunk_size": 1}, {"chunk_size": len(fates)}, {"chunk_size": 3}, {}):
            found = collect(self.pool.map(tasks.choose_fate, fates, **options))
            names = [item if isinstance(item, int) else item.__name__ for item in found]
            self.assertEqual(names, [0, "ValueError", 1, "RuntimeError", 2, "SystemExit", 3,
                                     "EncodeError", 4, "DecodeError", 5, "TypeError", 6])

    def test_who_fails_among_many_fails_alone(self):
        wrong = MANY - 2
        found = collect(self.pool.map(tasks.fail_at, range(MANY), [wrong] * MANY))
        self.assertEqual(found, [*range(wrong), ValueError, wrong + 1])

    def test_coroutine_functions_run_by_themselves(self):
        pool = self.make_pool(1, coroutines_per_worker=4)
        self.assertEqual(list(pool.map(tasks.double_later, range(300))), [*range(0, 600, 2)])
        for function in (tasks.double_later, tasks.count, tasks.count_async):
            self.assertTrue(_chunks.gives_later(function))
        self.assertFalse(_chunks.gives_later(tasks.add))
        self.assertFalse(_chunks.gives_later(len))

    def test_coroutines_in_a_chunk_are_awaited(self):
        for function in (tasks.double_later, tasks.double_wrapped):
            results = self.pool.map(function, range(10), chunk_size=5)
            self.assertEqual(list(results), [*range(0, 20, 2)])
        self.assertEqual(list(self.pool.map(tasks.count, range(4), chunk_size=2)), ["end"] * 4)
        self.assertEqual(list(self.pool.map(tasks.count_async, range(4), chunk_size=2)), [None] * 4)

    def test_options_of_tasks_are_those_of_items(self):
        for options in ({"timeout": LIMIT}, {"retries": 1}, {"on_progress": print}):
            names = set(self.pool.options(**options).map(tasks.get_function, range(400)))
            self.assertEqual(names, {"pool_tasks:get_function"})
        pool = self.make_pool(1, max_tasks_per_worker=1000)
        self.assertEqual(set(pool.map(tasks.get_function, range(400))), {"pool_tasks:get_function"})

    def test_functions_that_cloudpickle_sends_are_sent_in_chunks(self):
        try:
            import cloudpickle  # noqa: F401
        except ImportError:
            self.skipTest("cloudpickle is not installed")
        more = 5
        for options in ({}, {"chunk_size": 10}):
            results = self.pool.map(lambda number: number + more, range(100), **options)
            self.assertEqual(list(results), [*range(5, 105)])
            results = self.pool.starmap(lambda a, b: a * b, [(2, 3)] * 20, **options)
            self.assertEqual(list(results), [6] * 20)
        results = list(self.pool.map(lambda number: lambda: number, range(4), chunk_size=2))
        self.assertEqual([result() for result in results], [0, 1, 2, 3])

    def test_chunks_that_were_cancelled_are_told_item_by_item(self):
        pool = self.make_pool(1)
        release = self.hold(pool)
        results = pool.map_all(tasks.add, [1, 2, 3], [4, 5, 6], chunk_size=3)
        handle = pool._begin_shutdown(True, False)[0]
        release()
        handle.wait(LIMIT)
        self.assertEqual(pool.cancelled_tasks, tuple((tasks.add, pair, {}) for pair in
                                                     [(1, 4), (2, 5), (3, 6)]))
        results.close()

    def test_an_iterator_gives_what_was_there_when_it_was_closed_no_more(self):
        results = self.pool.map_all(tasks.add, range(MANY))
        self.assertEqual(next(results), 0)
        results.close()
        self.assertEqual(list(results), [])

    def test_awaited_maps_give_every_result(self):
        async def source():
            for number in range(MANY):
                yield number

        async def main():
            for name in METHODS:
                method = getattr(self.pool, name)
                wanted = [*range(MANY)]
                self.assertEqual(sorted(await method(tasks.add, range(MANY))), wanted)
                results = method(tasks.add, source())
                self.assertEqual(sorted([result async for result in results]), wanted)
            with self.assertRaises(ValueError):
                await self.pool.map(tasks.fail_at, range(MANY), [MANY // 2] * MANY)

        asyncio.run(main())

    def test_an_error_of_the_source_comes_after_all_items_before_it(self):
        def source():
            yield from range(25)
            raise OSError

        async def source_async():
            for number in source():
                yield number

        async def collect_async(results):
            found = []
            with self.assertRaises(OSError):
                async for result in results:
                    found.append(result)
            return sorted(found)

        for name in METHODS:
            for size in (None, 10):
                method = getattr(self.pool, name)
                found = collect(method(tasks.add, source(), chunk_size=size))
                self.assertEqual(found.pop(), OSError)
                self.assertEqual(sorted(found), [*range(25)])
                results = method(tasks.add, source_async(), chunk_size=size)
                self.assertEqual(asyncio.run(collect_async(results)), [*range(25)])

    def test_a_wait_that_is_cancelled_costs_no_item(self):
        class Source:
            n_given = 0

            def __aiter__(self):
                return self

            async def __anext__(self):
                if self.n_given == 20:
                    raise StopAsyncIteration
                if self.n_given == 7 and not self.go.is_set():
                    self.is_held.set()
                    await self.go.wait()
                self.n_given += 1
                return self.n_given

        async def main():
            source = Source()
            source.go, source.is_held = asyncio.Event(), asyncio.Event()
            results = self.pool.map(tasks.add, source, chunk_size=10)
            waiting = asyncio.ensure_future(results.__anext__())
            await source.is_held.wait()
            waiting.cancel()
            await asyncio.wait({waiting})
            source.go.set()
            self.assertEqual(await results, [*range(1, 21)])

        asyncio.run(main())

    def test_a_function_may_have_any_attributes(self):
        self.assertFalse(_chunks.gives_later(functools.partial(Mock())))
        self.assertTrue(_chunks.gives_later(functools.partial(tasks.double_later)))
        self.assertEqual(_initializer.label_for(functools.partial(Mock())), "Mock")

    def test_coroutines_share_results(self):
        async def take(results, found):
            async for result in results:
                found.append(result)
                await asyncio.sleep(0)

        async def main():
            for name in METHODS:
                for size in (None, 1, 7):
                    results = getattr(self.pool, name)(tasks.add, range(500), chunk_size=size)
                    found = []
                    await asyncio.gather(*[take(results, found) for i in range(3)])
                    self.assertEqual(sorted(found), [*range(500)])

        asyncio.run(main())


if __name__ == "__main__":
    pool_case.main()
