#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sets of futures, chains and batches as Python programmers have them, through the override."""

import asyncio
import concurrent.futures
import gc
import itertools
import sys
import threading
import unittest
import weakref
from pathlib import Path

import gi

gi.require_version("Aiopool", "1")
from gi.repository import Aiopool, Gio, GLib  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from taptest import main  # noqa: E402

PLUGIN = sys.argv[1]

# Seconds after which something that does not come fails its test.
LIMIT = 60

NOT_FOUND = Gio.io_error_quark(), Gio.IOErrorEnum.NOT_FOUND
FAILED = Aiopool.task_error_quark(), Aiopool.TaskError.FAILED


class ObjectExecutor(Aiopool.Executor):
    """Results that are objects of this process."""

    def do_submit(self, task, cancellable):
        promise = Aiopool.Promise(task)
        (number,) = Aiopool.unpack(task.get_arguments())
        promise.resolve({number})
        return promise.get_future()


class FaceTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pool = Aiopool.Pool(2, launcher=Aiopool.Launcher.new_for_plugins([PLUGIN]))

    @classmethod
    def tearDownClass(cls):
        cls.pool.shutdown()
        cls.pool = None

    def assert_matches(self, error, expected):
        self.assertTrue(error.matches(*expected), f"{error.domain} {error.code}: {error}")

    def submit_all(self, n):
        return [self.pool.submit("echo", i) for i in range(n)]

    def run_main(self, main):
        async def limited():
            return await asyncio.wait_for(main(), LIMIT)

        return asyncio.run(limited())


class SetTest(FaceTest):
    def test_a_loop_takes_out_what_has_ended(self):
        futures = Aiopool.FutureSet(self.submit_all(5))
        seen = []
        for future in futures:
            seen.append(future.result()[0])
            if len(seen) <= 5:
                futures.add(self.pool.submit("echo", len(seen) + 4))
        self.assertEqual(sorted(seen), list(range(10)))
        self.assertEqual(len(futures), 0)
        self.assertIsNone(futures.next())

    def test_a_set_may_keep_the_order(self):
        futures = Aiopool.FutureSet(self.submit_all(20), ordered=True)
        self.assertEqual([future.result()[0] for future in futures], list(range(20)))

    def test_a_set_is_a_sequence(self):
        first, second, third = self.submit_all(3)
        futures = Aiopool.FutureSet([first, second])
        self.assertEqual(len(futures), 2)
        self.assertIn(first, futures)
        self.assertNotIn(third, futures)
        self.assertNotIn(5, futures)
        self.assertIs(futures[1], second)
        self.assertEqual(futures[:], [first, second])
        self.assertTrue(futures.remove(first))
        self.assertTrue(Aiopool.FutureSet())

    def test_waits_have_defaults(self):
        futures = Aiopool.FutureSet(self.submit_all(3))
        self.assertTrue(futures.wait())
        self.assertTrue(futures.wait(Aiopool.WaitMode.ANY, timeout=LIMIT))
        self.assertEqual(len(futures.next_batch()), 3)
        futures.add(self.pool.submit("nap"))
        for wait in (futures.wait, futures.next, futures.next_batch, futures.collect_all):
            with self.assertRaises(TimeoutError):
                wait(timeout=0.01)
        self.assertEqual(futures.cancel(), 1)
        with self.assertRaises(concurrent.futures.CancelledError):
            futures.collect_all()

    def test_results_are_a_list(self):
        futures = Aiopool.FutureSet(self.submit_all(4))
        self.assertEqual(futures.collect_all(), [(0,), (1,), (2,), (3,)])
        self.assertEqual(Aiopool.FutureSet().collect_all(), [])
        futures.add(self.pool.submit("fail"))
        with self.assertRaises(GLib.Error) as caught:
            futures.collect_all(LIMIT)
        self.assert_matches(caught.exception, NOT_FOUND)
        self.assertEqual(caught.exception.info.get_type_name(), "Missing")

    def test_results_may_be_of_any_kind(self):
        executor = ObjectExecutor()
        futures = Aiopool.FutureSet(executor.submit("", i) for i in range(3))
        self.assertEqual(futures.collect_all(), [{0}, {1}, {2}])

    def test_a_loop_of_asyncio_takes_out_what_has_ended(self):
        async def main():
            seen = []
            futures = Aiopool.FutureSet(self.submit_all(50))
            async for future in futures:
                seen.append(future.result()[0])
                if len(seen) == 10:
                    futures.add(self.pool.submit("echo", 50))
            self.assertEqual(sorted(seen), list(range(51)))
            self.assertEqual(len(futures), 0)
            futures = Aiopool.FutureSet(self.submit_all(20), ordered=True)
            self.assertEqual([(await future)[0] async for future in futures], list(range(20)))

        self.run_main(main)

    def test_sets_are_awaited(self):
        async def main():
            futures = Aiopool.FutureSet(self.submit_all(3))
            waiter = futures.wait_async()
            self.assertIsInstance(waiter, asyncio.Future)
            self.assertTrue(await waiter)
            self.assertEqual(await futures.collect_all_async(), [(0,), (1,), (2,)])
            first = await (await futures.next_async())
            rest = [future.result() for future in await futures.next_batch_async()]
            self.assertEqual(sorted([first, *rest]), [(0,), (1,), (2,)])
            self.assertIsNone(await futures.next_async())
            futures.add(self.pool.submit("nap"))
            with self.assertRaises(TimeoutError):
                await futures.wait_async(Aiopool.WaitMode.ANY, 0.01)
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(futures.collect_all_async(), 0.01)
            cancellable = Gio.Cancellable()
            waiter = futures.wait_async(cancellable=cancellable)
            asyncio.get_running_loop().call_soon(cancellable.cancel)
            with self.assertRaises(asyncio.CancelledError):
                await waiter
            futures.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await futures.collect_all_async()

        self.run_main(main)

    def test_a_wait_that_is_given_up_takes_nothing(self):
        async def main():
            futures = Aiopool.FutureSet()
            for _ in range(50):
                future = self.pool.submit("echo")
                futures.add(future)
                waiter = futures.next_async()
                future.wait(-1)
                waiter.cancel()
                await asyncio.sleep(0)
                self.assertIsNotNone(await futures.next_async(LIMIT))
            self.assertEqual(len(futures), 0)

        self.run_main(main)


class ChainTest(FaceTest):
    """Functions that go on, called in a loop of asyncio and by one of GLib."""

    def test_a_function_makes_another_result(self):
        async def main():
            future = self.pool.submit("echo", 20)
            doubled = future.map(lambda ended: 2 * ended.result()[0])
            self.assertEqual(await doubled, 40)
            self.assertEqual(await doubled.map(lambda ended, extra: {"k": ended.result() + extra},
                                               2), {"k": 42})
            self.assertEqual(await doubled.map(lambda ended: {1, 2}), {1, 2})
            self.assertIsNone(await doubled.map(lambda ended: None))

        self.run_main(main)

    def test_a_function_goes_on_with_another_future(self):
        async def main():
            future = self.pool.submit("echo", 20)
            chained = future.chain(lambda ended: self.pool.submit("echo", *ended.result(), 1))
            self.assertEqual(await chained, (20, 1))
            self.assertEqual(await future.chain(lambda ended: "at once"), "at once")

        self.run_main(main)

    def test_what_a_function_raises_is_the_error(self):
        def fail(ended):
            raise LookupError("on purpose")

        async def main():
            future = self.pool.submit("echo", 1)
            for chain in (future.map, future.chain):
                with self.assertRaises(GLib.Error) as caught:
                    await chain(fail).map(fail)
                self.assert_matches(caught.exception, FAILED)
                self.assertIn("LookupError: on purpose", caught.exception.message)
            failed = self.pool.submit("fail")
            with self.assertRaises(GLib.Error) as caught:
                await failed.map(fail)
            self.assert_matches(caught.exception, NOT_FOUND)
            recovered = failed.map(Aiopool.ChainFlags.ERRORS_ONLY, lambda ended: "well")
            self.assertEqual(await recovered, "well")

        self.run_main(main)

    def test_a_task_takes_the_result_of_another_one(self):
        async def main():
            first = self.pool.submit("echo", 1, 2)
            second = self.pool.submit_after("echo", first, key=3)
            self.assertEqual(await second, (1, 2))
            self.assertEqual(second.get_task().get_keywords().unpack(), {"key": 3})
            third = self.pool.submit_after(Aiopool.Task("echo"), second, Aiopool.ChainFlags.CANCEL)
            self.assertEqual(await third, (1, 2))

        self.run_main(main)

    def test_callbacks_come_where_a_loop_runs(self):
        async def main():
            told = asyncio.get_running_loop().create_future()
            self.pool.submit("echo", 1).add_done_callback(told.set_result)
            self.assertEqual((await told).result(), (1,))

        self.run_main(main)

    def test_functions_are_called_by_a_main_loop_too(self):
        ended = self.pool.submit("echo", 1).map(lambda ended: threading.current_thread().name)
        while not ended.is_done():
            GLib.MainContext.default().iteration(True)
        self.assertEqual(ended.result(), threading.current_thread().name)


class MapTest(FaceTest):
    def test_results_come_in_order(self):
        self.assertEqual(list(self.pool.map("echo", range(50))), [(i,) for i in range(50)])
        self.assertEqual(list(self.pool.map("echo", [])), [])

    def test_items_are_of_any_kind(self):
        numbers = memoryview(b"ab")
        sources = {"list": (["a", "b"], [("a",), ("b",)]),
                   "mixed": ([1, "a", None, 2.5], [(1,), ("a",), (None,), (2.5,)]),
                   "tuple": ((1.5, 2.5), [(1.5,), (2.5,)]),
                   "set": ({5}, [(5,)]),
                   "dicts": ([{"a": 1}, {"b": [2]}], [({"a": 1},), ({"b": [2]},)]),
                   "large": ([b"x" * 100000] * 2, [(b"x" * 100000,)] * 2),
                   "buffer": (numbers, [(97,), (98,)]),
                   "generator": ((i for i in (None, 1, "a")), [(None,), (1,), ("a",)]),
                   "variant": (GLib.Variant("au", [1, 2]), [(1,), (2,)])}
        for name, (items, expected) in sources.items():
            with self.subTest(name):
                self.assertEqual(self.pool.map("echo", items).collect_all(), expected)

    def test_several_arguments(self):
        self.assertEqual(list(self.pool.map("echo", [1, 2], ["a", "b"])), [(1, "a"), (2, "b")])
        self.assertEqual(list(self.pool.map("echo", itertools.count(), "ab")),
                         [(0, "a"), (1, "b")])
        self.assertEqual(list(self.pool.starmap("echo", [(1, "a"), (2, "b")])),
                         [(1, "a"), (2, "b")])
        with self.assertRaises(TypeError):
            self.pool.map("echo")

    def test_options(self):
        batch = self.pool.map("echo", range(20), chunk_size=0, ordered=False, keywords={"k": 1})
        self.assertEqual(batch.get_task().get_keywords().unpack(), {"k": 1})
        self.assertEqual(sorted(batch), [(i,) for i in range(20)])
        patient = self.pool.options(timeout=5, tag="t").map("echo", [1])
        self.assertEqual((patient.get_task().props.timeout, patient.get_task().props.tag),
                         (5, "t"))
        self.assertEqual(list(patient), [(1,)])
        self.assertEqual(list(self.pool.map(Aiopool.Task("echo", retries=1), [1])), [(1,)])
        with self.assertRaises(AttributeError):
            self.pool.map("echo", [1], tiemout=5)
        with self.assertRaises(TypeError):
            self.pool.map(Aiopool.Task("echo"), [1], keywords={})

    def test_an_error_is_raised_at_its_place(self):
        tasks = Gio.ListStore.new(Aiopool.Task)
        for name in ("echo", "fail", "echo"):
            tasks.append(Aiopool.Task(name))
        results = iter(self.pool.map("echo", tasks))
        self.assertEqual(next(results), ())
        with self.assertRaises(GLib.Error) as caught:
            next(results)
        self.assert_matches(caught.exception, NOT_FOUND)
        self.assertEqual(caught.exception.info.get_type_name(), "Missing")
        self.assertEqual(list(results), [()])

    def test_futures_instead_of_results(self):
        batch = self.pool.map("fail", range(3))
        futures = list(batch.futures())
        self.assertEqual([future.get_position() for future in futures], [0, 1, 2])
        for future in futures:
            self.assert_matches(future.exception(), NOT_FOUND)

    def test_collect_all_raises_the_first_error(self):
        with self.assertRaises(GLib.Error) as caught:
            self.pool.map("fail", range(3)).collect_all(LIMIT)
        self.assert_matches(caught.exception, NOT_FOUND)
        with self.assertRaises(TimeoutError):
            self.pool.map("nap", range(3)).collect_all(0.01)

    def test_an_iterator_is_asked_for_no_more_than_there_is_room_for(self):
        taken = []
        batch = self.pool.map("echo", (taken.append(i) or i for i in itertools.count()), window=2)
        for expected in range(100):
            self.assertEqual(next(iter(batch)), (expected,))
        self.assertLess(len(taken), 200)

    def test_what_an_iterator_raises_comes_behind_its_items(self):
        def items():
            yield from range(3)
            raise LookupError("on purpose")

        seen = []
        with self.assertRaises(LookupError):
            seen.extend(())
            for result in self.pool.map("echo", items()):
                seen.append(result)
        self.assertEqual(seen, [(0,), (1,), (2,)])
        with self.assertRaises(LookupError):
            self.pool.map("echo", items()).collect_all()

    def test_a_source_takes_any_value(self):
        numbers = iter([1, "a", [2]])
        source = Aiopool.Source.new_for_callback(lambda *_: next(numbers))
        self.assertEqual(list(self.pool.map("echo", source)), [(1,), ("a",), ([2],)])
        source = Aiopool.Source.new_pushed(None)
        source.push("b")
        source.fail(LookupError("on purpose"))
        batch = self.pool.map("echo", source)
        self.assertEqual(next(iter(batch)), ("b",))
        with self.assertRaises(GLib.Error) as caught:
            batch.next()
        self.assertIn("LookupError: on purpose", caught.exception.message)

    def test_results_may_be_of_any_kind(self):
        executor = ObjectExecutor()
        self.assertEqual(list(executor.map("", range(3))), [{0}, {1}, {2}])
        self.assertEqual(executor.map("", range(3)).collect_all(), [{0}, {1}, {2}])

    def test_a_batch_that_is_dropped_leaves_nothing(self):
        class Items:
            def __iter__(self):
                return self

            def __next__(self):
                return 1

        items = Items()
        ref = weakref.ref(items)
        batch = self.pool.map("echo", items)
        self.assertEqual(batch.next().result(), (1,))
        del items, batch
        for _ in range(10000):
            gc.collect()
            if ref() is None:
                break
            GLib.MainContext.default().iteration(False)
        self.assertIsNone(ref())


class AsyncMapTest(FaceTest):
    def test_results_are_iterated(self):
        async def main():
            return [result async for result in self.pool.map("echo", range(50))]

        self.assertEqual(self.run_main(main), [(i,) for i in range(50)])

    def test_a_batch_is_awaited(self):
        async def main():
            batch = self.pool.map("echo", range(50), chunk_size=0)
            self.assertEqual(await batch, [(i,) for i in range(50)])
            one, two = await asyncio.gather(self.pool.map("echo", [1]),
                                            self.pool.map("echo", (i for i in [2])))
            self.assertEqual((one, two), ([(1,)], [(2,)]))
            self.assertTrue(await batch.wait_async())
            self.assertEqual(len(await batch.next_batch_async(10, 10)), 10)
            self.assertEqual((await batch.next_async()).result(), (10,))

        self.run_main(main)

    def test_an_error_is_raised_at_its_place(self):
        async def main():
            tasks = Gio.ListStore.new(Aiopool.Task)
            for name in ("echo", "fail", "echo"):
                tasks.append(Aiopool.Task(name))
            batch = self.pool.map("echo", tasks)
            seen = []
            with self.assertRaises(GLib.Error) as caught:
                async for result in batch:
                    seen.append(result)
            self.assert_matches(caught.exception, NOT_FOUND)
            async for future in batch.futures():
                seen.append(future.result())
            self.assertEqual(seen, [(), ()])
            with self.assertRaises(GLib.Error):
                await self.pool.map("fail", range(3))

        self.run_main(main)

    def test_an_asynchronous_iterator_is_a_source(self):
        closed = []

        async def items(n):
            try:
                for i in range(n):
                    await asyncio.sleep(0)
                    yield i if i % 2 else "a"
            finally:
                closed.append(n)

        async def main():
            self.assertEqual(await self.pool.map("echo", items(4)), [("a",), (1,), ("a",), (3,)])
            taken = 0
            batch = self.pool.map("echo", items(1000000), window=2)
            async for _ in batch:
                taken += 1
                if taken == 100:
                    break
            batch.cancel()
            while len(closed) < 2:
                await asyncio.sleep(0.001)
            self.assertEqual(closed, [4, 1000000])

        self.run_main(main)

    def test_what_an_asynchronous_iterator_raises_comes_behind_its_items(self):
        async def items():
            yield 1
            raise LookupError("on purpose")

        async def main():
            seen = []
            with self.assertRaises(LookupError):
                async for result in self.pool.map("echo", items()):
                    seen.append(result)
            self.assertEqual(seen, [(1,)])

        self.run_main(main)

    def test_a_read_that_is_given_up_takes_nothing(self):
        async def main():
            batch = self.pool.map("echo", range(30))
            seen = 0
            for _ in range(30):
                waiter = batch.next_async()
                await asyncio.sleep(0)
                if not waiter.done():
                    waiter.cancel()
                else:
                    seen += 1
            seen += len([result async for result in batch])
            self.assertEqual(seen, 30)

        self.run_main(main)


if __name__ == "__main__":
    main(sys.argv[2:])
