#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rich pool in programs of asyncio."""

import asyncio
import contextvars
import functools
import gc
import os
import threading

import pool_case
import pool_tasks as tasks
from pool_case import LIMIT

import aiopool


class Async(pool_case.Case):
    @classmethod
    def setUpClass(cls):
        cls.pool = aiopool.ProcessPool(2)
        cls.addClassCleanup(cls.pool.shutdown_sync)

    def run(self, result=None):
        method = getattr(self, self._testMethodName)
        setattr(self, self._testMethodName, lambda: asyncio.run(asyncio.wait_for(method(), LIMIT)))
        return super().run(result)

    async def test_a_run_is_awaited(self):
        self.assertEqual(await self.pool.run(tasks.add, 2, c=3), 5)
        self.assertEqual(await self.pool.submit(tasks.add, 2), 2)
        self.assertEqual(await self.pool.run(tasks.add_async, 1, b=1), 2)
        with self.assertRaises(ZeroDivisionError):
            await self.pool.run(divmod, 1, 0)

    async def test_async_with_waits_for_all_tasks(self):
        async with aiopool.ProcessPool(1) as pool:
            futures = [pool.submit(tasks.sleep, 0.001, i) for i in range(3)]
        self.assertEqual([future.result for future in futures], [0, 1, 2])
        self.assertTrue(pool.is_terminated)

    async def test_async_with_that_is_cancelled_ends_what_runs(self):
        path = self.make_path()
        with self.assertRaises(TimeoutError):
            async with asyncio.timeout(None) as limit, aiopool.ProcessPool(1) as pool:
                twin = pool.run(tasks.touch_and_spin, path)
                await asyncio.to_thread(self.wait_for_file, path)
                limit.reschedule(0)
                await twin
        self.assertTrue(pool.is_terminated)

    async def test_what_waits_is_awaited(self):
        pool = aiopool.ProcessPool(1)
        self.assertIsNone(await pool.test())
        self.assertEqual(await pool.run(tasks.add, 1), 1)
        self.assertTrue(await pool.join())
        future = pool.submit(tasks.wait_for_file, self.make_path())
        self.assertFalse(await pool.join(0.001))
        future.cancel()
        self.assertTrue(await pool.shutdown())
        self.assertFalse(await pool.shutdown())
        self.assertFalse(await pool.join())

    async def test_what_should_block_does(self):
        self.assertEqual(self.pool.run_sync(tasks.add, 1), 1)
        self.assertEqual(self.pool.submit(tasks.add, 1).collect(), 1)
        self.assertEqual(list(self.pool.map(tasks.add, range(3))), [0, 1, 2])
        self.assertEqual(list(self.pool.map_unordered(tasks.add, [1])), [1])
        self.assertEqual(list(self.pool.stream(tasks.count, 3)), [0, 1, 2])

    async def test_futures_are_those_of_the_loop(self):
        twin = self.pool.run(tasks.add, 1)
        self.assertIsInstance(twin, asyncio.Future)
        self.assertIs(twin.get_loop(), asyncio.get_running_loop())
        runs = [self.pool.run(tasks.add, i) for i in range(10)]
        self.assertEqual(await asyncio.gather(twin, *runs), [1, *range(10)])
        done, waiting = await asyncio.wait([self.pool.submit(tasks.add, 3).as_asyncio()])
        self.assertEqual([twin.result() for twin in done], [3])
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.pool.submit(tasks.add, 4).collect_async())
        self.assertEqual(task.result(), 4)
        self.assertEqual(await asyncio.gather(self.pool.submit(tasks.add, 5)), [5])

    async def test_to_cancel_a_wait_leaves_the_task(self):
        path = self.make_path()
        future = self.pool.submit(tasks.wait_for_file, path)
        with self.assertRaises(TimeoutError):
            await asyncio.wait_for(future, 0.001)
        with self.assertRaises(TimeoutError):
            await future.collect_async(0.001)
        self.assertFalse(future.is_done)
        self.assertEqual(future.callbacks, ())
        tasks.touch(path)
        self.assertEqual(await future, path)

    async def test_to_cancel_a_wait_may_cancel_the_task(self):
        path = self.make_path()
        options = self.pool.options(cancel_on_await_cancel=True)
        twin = options.run(tasks.touch_and_spin, path)
        await asyncio.to_thread(self.wait_for_file, path)
        twin.cancel()
        self.assertTrue(await self.pool.join())

    async def test_a_cancelled_task_cancels_who_awaits_it(self):
        future = self.pool.submit(tasks.wait_for_file, self.make_path())
        twin = future.as_asyncio()
        future.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await twin
        self.assertTrue(twin.cancelled())

    async def test_callbacks_are_called_in_the_loop(self):
        called = asyncio.get_running_loop().create_future()
        future = self.pool.submit(tasks.add, 1)
        future.add_callback(lambda future: called.set_result(threading.current_thread()))
        self.assertIs(await called, threading.current_thread())
        late = []
        future.add_callback(late.append)
        self.assertEqual(late, [])  # never within the call
        await asyncio.sleep(0)
        self.assertEqual(late, [future])

    async def test_callbacks_have_the_context_of_who_has_added_them(self):
        variable = contextvars.ContextVar("variable")
        seen = []

        async def work(name):
            variable.set(name)
            future = self.pool.submit(tasks.add, 1)
            future.add_callback(lambda future: seen.append((name, variable.get(None))))
            await asyncio.to_thread(future.add_callback,
                                    lambda future: seen.append((name, variable.get(None))))
            told = asyncio.get_running_loop().create_future()
            directory = self.make_directory()
            tasks.touch(f"{directory}/go")
            options = self.pool.options(on_progress=lambda future: told.set_result(variable.get(None)))
            await options.run(tasks.tell, directory)
            seen.append((name, await told))

        await asyncio.gather(*(work(i) for i in range(5)))
        await asyncio.to_thread(self.pool.run, tasks.add, 1)
        await asyncio.to_thread(self.wait_until, lambda: len(seen) == 15)
        self.assertTrue(all(name == value for name, value in seen), seen)

    async def test_every_map_is_awaited(self):
        pool = self.pool
        for chunk_size in (1, 3):
            for results in (pool.map(tasks.add, range(7), chunk_size=chunk_size),
                            pool.map_unordered(tasks.add, range(7), chunk_size=chunk_size),
                            pool.map_all(tasks.add, range(7), chunk_size=chunk_size),
                            pool.starmap(tasks.add, zip(range(7)), chunk_size, 2)):
                self.assertEqual(sorted([result async for result in results]), [*range(7)])
        self.assertEqual(await pool.map(tasks.add, range(5)), [*range(5)])
        self.assertEqual([result async for result in pool.imap(tasks.add, [])], [])

    async def test_a_map_takes_an_asynchronous_iterable(self):
        async def source():
            for i in range(5):
                await asyncio.sleep(0)
                yield i

        self.assertEqual(await self.pool.map(tasks.add, source(), chunk_size=2), [*range(5)])
        self.assertEqual(sorted(await self.pool.map_unordered(tasks.add, source(), buffer_size=1)),
                         [*range(5)])
        self.assertRaises(TypeError, next, self.pool.map(tasks.add, source()))

    async def test_a_map_has_a_time_limit(self):
        path = self.make_path()
        for method in (self.pool.map, self.pool.map_unordered):
            with self.assertRaises(TimeoutError):
                await method(tasks.wait_for_file, [path], timeout=0.01)
        tasks.touch(path)

    async def test_a_map_that_is_closed_while_it_is_awaited_is_over(self):
        for method in (self.pool.map, self.pool.map_unordered):
            path = self.make_path()
            results = method(tasks.wait_for_file, [path])
            waiting = asyncio.ensure_future(results.__anext__())
            await asyncio.sleep(0)
            results.close()
            tasks.touch(path)
            with self.assertRaises(StopAsyncIteration):
                await waiting

    async def test_a_failed_item_raises_in_its_turn(self):
        results = self.pool.map(tasks.fail_at, range(3), [1] * 3)
        self.assertEqual(await anext(results), 0)
        with self.assertRaises(ValueError):
            await anext(results)
        self.assertEqual(await anext(results), 2)

    async def test_what_ends_loops_ends_none_when_a_task_raises_it(self):
        for kind in (StopIteration, StopAsyncIteration):
            for size in (1, 2):
                found = []
                results = self.pool.map(tasks.fail_with, [kind] * 4, range(4), [1] * 4, chunk_size=size)
                for i in range(4):
                    try:
                        found.append(await anext(results))
                    except RuntimeError as error:
                        self.assertIn(kind.__name__, str(error))
                self.assertEqual(found, [0, 2, 3])
            stream = self.pool.stream(tasks.emit_and_fail_with, kind)
            self.assertEqual(await anext(stream), 1)
            with self.assertRaisesRegex(RuntimeError, kind.__name__):
                await anext(stream)
            with self.assertRaisesRegex(RuntimeError, kind.__name__):
                await self.pool.run(tasks.fail_with, kind, 1, 1)

    async def test_a_stream_is_awaited(self):
        self.assertEqual([i async for i in self.pool.stream(tasks.count, 3)], [0, 1, 2])
        self.assertEqual([i async for i in self.pool.stream(tasks.count_async, 3)], [0, 1, 2])
        with self.assertRaisesRegex(ValueError, "after the last"):
            async for item in self.pool.stream(tasks.count_and_fail, 3):
                pass
        async with self.pool.stream(tasks.count_for_ever, self.make_path()) as stream:
            self.assertEqual((await anext(stream))[-1:], b"0")
        with self.assertRaises(asyncio.CancelledError):
            await stream.future

    async def test_progress_is_told_in_the_loop(self):
        directory = self.make_directory()
        told = asyncio.get_running_loop().create_future()
        options = self.pool.options(on_progress=lambda future: told.set_result(future.progress))
        future = options.submit(tasks.tell, directory)
        self.assertEqual(await told, 0.25)
        tasks.touch(f"{directory}/go")
        self.assertEqual(await future, "done")

    async def test_emitted_values_that_nobody_takes_hold_up_nobody(self):
        self.assertEqual(await self.pool.run(tasks.emit, 20_000), 20_000)

    async def test_as_done_is_awaited(self):
        path = self.make_path()
        futures = [self.pool.submit(tasks.wait_for_file, path), self.pool.submit(tasks.add, 1)]
        done = aiopool.as_done(futures)
        self.assertIs(await anext(done), futures[1])
        with self.assertRaises(TimeoutError):
            await anext(aiopool.as_done(futures[:1], timeout=0.01))
        tasks.touch(path)
        self.assertEqual([future async for future in done], futures[:1])
        self.assertEqual([future async for future in aiopool.as_done(futures, keep_order=True)], futures)

    async def test_a_coroutine_keeps_its_context_to_itself(self):
        async with aiopool.ProcessPool(1, coroutines_per_worker=3, initializer=tasks.set_variable,
                                       init_args=(5,)) as pool:
            for i in range(2):
                found = await asyncio.gather(*(pool.run(tasks.change_async, i) for i in range(6, 12)))
                self.assertEqual(found, [(5, i) for i in range(6, 12)])
                self.assertEqual(await pool.run(tasks.get_variable), 5)

    async def test_a_filter_is_awaited_while_it_is_fed(self):
        self.assertIsNone(await aiopool.FutureFilter().get_async())
        path = self.make_path()
        held = self.pool.submit(tasks.wait_for_file, path)
        futures = aiopool.FutureFilter([held])
        with self.assertRaises(TimeoutError):
            await futures.get_async(0.001)
        waiters = [asyncio.create_task(futures.get_async()) for i in range(3)]
        await asyncio.sleep(0.001)
        ended = self.pool.submit(tasks.add, 1)
        ended.wait()
        futures.put(ended)
        self.assertIs((await asyncio.wait(waiters, return_when="FIRST_COMPLETED"))[0].pop().result(), ended)
        late = self.pool.submit(tasks.add, 2)
        await asyncio.to_thread(futures.put, late)
        await asyncio.to_thread(late.wait)
        await asyncio.to_thread(tasks.touch, path)
        self.assertEqual({await waiter for waiter in waiters}, {ended, late, held})
        futures.populate(self.pool.submit(tasks.add, i) for i in range(5))
        self.assertEqual(sorted([future.result async for future in futures]), [*range(5)])

    async def test_a_busy_pool_holds_up_no_loop(self):
        path = self.make_path()
        held = [self.pool.run(tasks.wait_for_file, path) for i in range(4)]
        await asyncio.sleep(0.001)
        self.assertFalse(any(twin.done() for twin in held))
        tasks.touch(path)
        self.assertEqual(await asyncio.gather(*held), [path] * 4)


class BlindLoop(asyncio.SelectorEventLoop):
    """It cannot watch descriptors, as some cannot."""

    def add_reader(self, fd, callback, *args):
        raise NotImplementedError


class Loops(pool_case.Case):
    def test_a_loop_that_watches_no_descriptors_is_told_by_a_thread(self):
        pool = self.make_pool(2)
        path = self.make_path()

        async def work():
            told = asyncio.get_running_loop().create_future()
            pool.submit(tasks.add, 1).add_callback(told.set_result)
            stream = pool.stream(tasks.count_for_ever, path)
            silent = pool.stream(tasks.touch_and_spin, path)
            waiter = asyncio.ensure_future(anext(silent))
            await asyncio.sleep(0.01)
            waiter.cancel()  # lets its thread go
            await silent.aclose()
            return [(await told).result, (await anext(stream))[-1:], await pool.run(tasks.add, 2),
                    [i async for i in pool.stream(tasks.count, 300)] == [*range(300)],
                    await asyncio.gather(*(pool.run(tasks.add, i) for i in range(5))),
                    await pool.map(tasks.add, range(5)), await pool.join(0), await stream.aclose()]

        loop = BlindLoop()
        self.addCleanup(loop.close)
        self.assertEqual(loop.run_until_complete(asyncio.wait_for(work(), LIMIT)),
                         [1, b"0", 2, True, [*range(5)], [*range(5)], False, None])
        loop.run_until_complete(loop.shutdown_default_executor())

    def test_several_loops_and_threads_share_a_pool(self):
        pool = self.make_pool(2)
        results = []

        async def work(number):
            results.extend(await asyncio.gather(*(pool.run(tasks.add, number) for i in range(20))))

        for i in range(2):
            threads = [threading.Thread(target=asyncio.run, args=(work(i),)) for i in range(3)]
            threads.append(threading.Thread(target=lambda: results.append(pool.run(tasks.add, 9))))
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(LIMIT)
        self.assertEqual(sorted(results), sorted(2 * [0, 1, 2] * 20 + [9, 9]))

    def test_a_future_of_one_loop_is_awaited_in_another(self):
        pool = self.make_pool(1)
        path = self.make_path()

        async def submit():
            return pool.submit(tasks.wait_for_file, path)

        async def wait(future):
            asyncio.get_running_loop().call_later(0.001, tasks.touch, path)
            return await future

        self.assertEqual(asyncio.run(wait(asyncio.run(submit()))), path)

    def test_a_callback_that_ends_the_loop_costs_no_other_its_end(self):
        pool = self.make_pool(1)
        for error in (KeyboardInterrupt, SystemExit):
            loop = asyncio.new_event_loop()
            self.addCleanup(loop.close)

            async def submit():
                futures = [pool.submit(tasks.add, i) for i in range(10)]
                futures[3].add_callback(functools.partial(raise_error, error))
                return futures[-1], [future.as_asyncio() for future in futures]

            release = self.hold(pool)
            last, twins = loop.run_until_complete(submit())
            release()
            last.wait()  # they are told of together
            with self.assertRaises(error):
                loop.run_until_complete(gather(twins))
            self.assertEqual(loop.run_until_complete(gather(twins)), [*range(10)])

    def count_descriptors(self):
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    def test_a_loop_that_is_closed_leaves_nothing(self):
        pool = self.make_pool(1)

        async def work():
            return await pool.run(tasks.add, 1)

        asyncio.run(work())
        before = self.count_descriptors()
        for i in range(10):
            asyncio.run(work())
        self.assertLessEqual(self.count_descriptors(), before)

    def test_a_loop_that_is_closed_before_its_tasks_have_ended_leaves_nothing(self):
        pool = self.make_pool(1)
        path = self.make_path()
        calls = [lambda future: future.as_asyncio(), lambda future: future.add_callback(print),
                 lambda future: None]

        async def leave(call):
            call(pool.submit(tasks.wait_for_file, path))

        async def work():
            return await pool.run(tasks.add, 1)

        asyncio.run(work())
        before = self.count_descriptors()
        for i in range(15):
            asyncio.run(leave(calls[i % len(calls)]))
        tasks.touch(path)
        self.wait_until(lambda: asyncio.run(work()) and self.count_descriptors() <= before)

    def test_a_task_that_emits_for_a_loop_that_is_closed_ends(self):
        pool = self.make_pool(1)
        loops = []

        async def leave():
            loops.append(asyncio.get_running_loop())
            return pool.submit(tasks.emit, 20_000)  # more than there is credit for

        future = asyncio.run(leave())
        self.assertTrue(pool.join_sync(LIMIT))
        self.assertEqual(future.collect(), 20_000)

    def test_destructors_and_callbacks_run_in_threads_of_python(self):
        pool = self.make_pool(1)
        threads, done = [], threading.Event()

        class Witness:
            def __del__(self):
                threads.append(threading.current_thread())
                done.set()

            def __call__(self, future):
                threads.append(threading.current_thread())

        for i in range(20):
            pool.submit(tasks.add, 1).add_callback(Witness())
        self.wait_until(lambda: len(threads) == 40)
        self.assertFalse([thread for thread in threads if isinstance(thread, threading._DummyThread)])


def raise_error(error, future):
    raise error


async def gather(twins):
    return await asyncio.wait_for(asyncio.gather(*twins), LIMIT)


if __name__ == "__main__":
    pool_case.main()
