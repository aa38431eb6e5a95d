#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The API as Python programmers have it, through the override."""

import asyncio
import concurrent.futures
import contextvars
import gc
import selectors
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

FORCE = Aiopool.CancelMode.FORCE
CANCELLED = Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED
NOT_FOUND = Gio.io_error_quark(), Gio.IOErrorEnum.NOT_FOUND
CLOSED = Aiopool.pool_error_quark(), Aiopool.PoolError.CLOSED


def new_pool(n_workers=1, **options):
    return Aiopool.Pool(n_workers, launcher=Aiopool.Launcher.new_for_plugins([PLUGIN]), **options)


def iterate_until(is_over):
    """Iterates the default main context."""
    late = []
    watch = GLib.timeout_add_seconds(LIMIT, late.append, True)
    while not is_over():
        GLib.MainContext.default().iteration(True)
        assert not late, f"nothing happened in {LIMIT} seconds"
    GLib.source_remove(watch)


class ContextSelector(selectors.SelectSelector):
    """Has a loop of asyncio wait in the default main context, as that of gi.events does."""

    def select(self, timeout=None):
        sources = [GLib.unix_fd_add_full(GLib.PRIORITY_DEFAULT, key.fd, self.get_condition(key),
                                         lambda *_: GLib.SOURCE_CONTINUE)
                   for key in self.get_map().values()]
        if timeout is not None:
            sources.append(GLib.timeout_add(int(timeout * 1000 + 0.999),
                                            lambda: GLib.SOURCE_CONTINUE))
        GLib.MainContext.default().iteration(True)  # which may call what has the loop go on
        for source in sources:
            GLib.source_remove(source)
        return super().select(0)

    @staticmethod
    def get_condition(key):
        condition = GLib.IOCondition(0)
        if key.events & selectors.EVENT_READ:
            condition |= GLib.IOCondition.IN
        if key.events & selectors.EVENT_WRITE:
            condition |= GLib.IOCondition.OUT
        return condition


class Doubler(Aiopool.Executor):
    """Doubles numbers at once, in this process."""

    def do_submit(self, task, cancellable):
        promise = Aiopool.Promise(task)
        promise.start()
        if task.get_function() == "raise":
            raise ValueError("on purpose")
        if task.get_function() == "object":
            promise.resolve(self)
        elif task.get_function() == "shared":
            promise.resolve(task.get_shared_data().get_bytes().get_data().decode())
        elif task.get_function() == "double":
            promise.resolve([2 * number for number in Aiopool.unpack(task.get_arguments())])
        else:
            promise.reject(LookupError(f"there is no {task.get_function()}"))
        return promise.get_future()


class FaceTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pool = new_pool(2)

    @classmethod
    def tearDownClass(cls):
        cls.pool.shutdown()
        cls.pool = None

    def assert_matches(self, error, expected):
        self.assertTrue(error.matches(*expected), f"{error.domain} {error.code}: {error}")


class CallsTest(FaceTest):
    def test_run_takes_and_returns_python_values(self):
        self.assertEqual(self.pool.run("echo", 1, "a", [2.5], {"k": None}),
                         (1, "a", [2.5], {"k": None}))
        self.assertEqual(self.pool.run("echo"), ())

    def test_submit_gives_a_future(self):
        future = self.pool.submit("echo", b"abc")
        self.assertEqual(future.result(), (b"abc",))
        self.assertEqual(future.result(timeout=0), (b"abc",))
        self.assertEqual(future.collect(LIMIT), (b"abc",))
        self.assertEqual(future.get_result().get_type_string(), "(ay)")
        self.assertIsNone(future.exception())

    def test_a_task_takes_arguments_and_options(self):
        task = Aiopool.Task("echo", 1, "a", timeout=2.5, priority=3, tag="mine",
                            keywords={"k": 1})
        self.assertEqual((task.props.timeout, task.props.priority), (2.5, 3))
        self.assertEqual(task.props.tag, "mine")
        self.assertEqual(task.get_keywords().unpack(), {"k": 1})
        self.assertEqual(self.pool.run(task), (1, "a"))
        self.assertEqual(self.pool.submit(task).result(), (1, "a"))
        same = Aiopool.Task(function="echo", arguments=GLib.Variant("(x)", (1,)))
        self.assertEqual(self.pool.run(same, None), (1,))
        self.assertEqual(Aiopool.Task("echo").get_arguments().unpack(), ())
        with self.assertRaises(TypeError):
            self.pool.submit(task, None, 5)
        with self.assertRaises(TypeError):
            self.pool.options(timeout=5).submit(task)

    def test_keywords_are_for_the_function(self):
        future = self.pool.submit("echo", 1, key=3, timeout=4)
        self.assertEqual(future.get_task().get_keywords().unpack(), {"key": 3, "timeout": 4})
        self.assertEqual(future.result(), (1,))

    def test_options_are_for_the_task(self):
        patient = self.pool.options(timeout=5, retries=1, tag="t")
        task = patient.submit("echo", 1).get_task()
        self.assertEqual((task.props.timeout, task.props.retries, task.props.tag), (5, 1, "t"))
        self.assertEqual(patient.run("echo", 2), (2,))
        with self.assertRaises(AttributeError):
            self.pool.options(tiemout=5).submit("echo")

    def test_functions_are_named_as_a_python_worker_finds_them(self):
        import json
        self.assertEqual(Aiopool.Task(json.loads, "1").get_function(), "json:loads")
        self.assertEqual(Aiopool.Task(Path.read_text, "1").get_function(), "pathlib:Path.read_text")
        self.assertEqual(Aiopool.Task(new_pool).get_function(), "__main__:new_pool")
        with self.assertRaises(ValueError):
            Aiopool.Task(lambda: 1)
        with self.assertRaises(TypeError):
            self.pool.submit(5)

    def test_bytes_come_as_bytes(self):
        task = Aiopool.Task.new_for_payload("echo-payload", GLib.Bytes.new(b"{}"),
                                            Aiopool.Format.JSON)
        self.assertEqual(self.pool.run(task), b"{}")

    def test_bytes_go_in_pieces(self):
        task = Aiopool.Task.new_for_pieces("echo-payload", [GLib.Bytes.new(b"[1,"), GLib.Bytes.new(b"2]")],
                                           Aiopool.Format.JSON)
        self.assertEqual(self.pool.run(task), b"[1,2]")

    def test_a_pool_takes_options_and_closes_at_the_end_of_with(self):
        with new_pool(1, idle_timeout=5, initializer="echo") as pool:
            self.assertEqual((pool.props.max_workers, pool.props.idle_timeout), (1, 5))
            futures = [pool.submit("echo", i) for i in range(5)]
        self.assertEqual([future.result() for future in futures], [(i,) for i in range(5)])
        with self.assertRaises(GLib.Error) as caught:
            pool.run("echo")
        self.assert_matches(caught.exception, CLOSED)

    def test_the_workers_are_a_sequence(self):
        self.pool.run("echo")
        iterate_until(lambda: len(self.pool.props.workers) > 0)
        workers = list(self.pool.props.workers)
        self.assertEqual(workers[0], self.pool.props.workers[0])
        self.assertGreater(workers[0].props.pid, 0)

    def test_run_waits_for_room(self):
        pool = new_pool(1, max_pending=1)
        futures = [pool.submit("echo")]
        threads = [threading.Thread(target=lambda: pool.run("echo")) for _ in range(4)]
        for thread in threads:
            thread.start()
        self.assertEqual([pool.run("echo", i) for i in range(5)], [(i,) for i in range(5)])
        for thread in threads:
            thread.join()
        self.assertEqual(futures[0].result(), ())


class ErrorsTest(FaceTest):
    def test_errors_match_and_tell_what_is_known(self):
        with self.assertRaises(GLib.Error) as caught:
            self.pool.run("fail")
        self.assert_matches(caught.exception, NOT_FOUND)
        self.assertEqual(caught.exception.info.get_type_name(), "Missing")
        future = self.pool.submit("fail")
        self.assert_matches(future.exception(), NOT_FOUND)

    def test_a_task_that_takes_too_long_is_a_timeout(self):
        with self.assertRaises(TimeoutError) as caught:
            self.pool.options(timeout=0.05).run("nap")
        self.assert_matches(caught.exception, (Aiopool.task_error_quark(),
                                               Aiopool.TaskError.TIMED_OUT))
        self.assertIsInstance(caught.exception, GLib.Error)
        self.assertIn("longer than its timeout", str(caught.exception))

    def test_a_wait_that_takes_too_long_is_a_timeout(self):
        future = self.pool.submit("nap")
        for wait in (future.result, future.collect, future.exception):
            with self.assertRaises(TimeoutError):
                wait(0.01)
        self.assertFalse(future.is_done())
        self.assertTrue(future.cancel())

    def test_a_cancelled_task_is_cancelled_for_python_too(self):
        future = self.pool.submit("nap")
        self.assertTrue(future.cancel())
        with self.assertRaises(concurrent.futures.CancelledError) as caught:
            future.result()
        self.assert_matches(caught.exception, CANCELLED)
        cancellable = Gio.Cancellable()
        threading.Timer(0.05, cancellable.cancel).start()
        with self.assertRaises(concurrent.futures.CancelledError):
            self.pool.options(cancellable=cancellable).run("nap")

    def test_a_wait_that_is_cancelled_leaves_the_task(self):
        future = self.pool.submit("nap")
        cancellable = Gio.Cancellable()
        cancellable.cancel()
        with self.assertRaises(concurrent.futures.CancelledError):
            future.collect(LIMIT, cancellable)
        self.assertFalse(future.is_done())
        future.cancel()

    def test_what_cannot_be_packed_is_an_error_at_once(self):
        for bad in (object(), 1 << 70, "\0"):
            with self.assertRaises((TypeError, OverflowError, ValueError)):
                self.pool.submit("echo", bad)
            with self.assertRaises((TypeError, OverflowError, ValueError)):
                self.pool.submit("echo", k=bad)
        self.assertEqual(self.pool.run("echo"), ())


class CallbacksTest(FaceTest):
    """With a main loop of GLib and callbacks, as in a GTK program."""

    def test_callbacks_get_python_values(self):
        answers = []
        self.pool.run_async(Aiopool.Task("echo", 5), None,
                            lambda pool, result: answers.append(pool.run_finish(result)))
        future = self.pool.submit("echo", 6)
        future.collect_async(None, lambda future, result: answers.append(
            future.collect_finish(result)))
        future.add_done_callback(lambda future: answers.append(future.result()))
        self.assertEqual(answers, [])
        iterate_until(lambda: len(answers) == 3)
        self.assertEqual(sorted(answers), [(5,), (6,), (6,)])

    def test_finish_raises_what_python_knows(self):
        raised = []

        def on_finished(source, result):
            try:
                source.run_finish(result)
            except TimeoutError as error:
                raised.append(error)

        self.pool.run_async(Aiopool.Task("nap", timeout=0.05), None, on_finished)
        iterate_until(lambda: raised)

    def test_nothing_of_python_ends_on_another_thread(self):
        threads = []

        class Witness:
            def __call__(self, *_):
                threads.append(threading.current_thread())

            def __del__(self):
                threads.append(threading.current_thread())

        cancellables = [Gio.Cancellable() for _ in range(3)]
        witnesses = []
        for i, cancellable in enumerate(cancellables):
            witness = Witness()
            witnesses.append(weakref.ref(witness))
            future = self.pool.submit(("echo", "fail", "crash")[i])
            future.add_done_callback(witness)
            future.connect("done", witness)
            future.witness = witness  # ends with the future
            self.pool.run_async(Aiopool.Task("echo", i), cancellable, witness)
            del future, witness
        iterate_until(lambda: gc.collect() >= 0 and not any(ref() for ref in witnesses))
        self.assertEqual(len(threads), 3 * 4)
        self.assertEqual(set(threads), {threading.main_thread()})

    def test_a_callback_that_raises_is_told_of(self):
        told = []
        hook, sys.excepthook = sys.excepthook, lambda kind, *_: told.append(kind)

        def fail(*_):
            raise RuntimeError("on purpose")

        self.pool.submit("echo").add_done_callback(fail)
        self.pool.run_async(Aiopool.Task("echo"), None, fail)
        iterate_until(lambda: len(told) == 2)
        sys.excepthook = hook
        self.assertEqual(told, [RuntimeError, RuntimeError])


class AsyncTest(FaceTest):
    """In a plain program of asyncio, where nobody iterates a main context of GLib."""

    def run_main(self, main):
        async def limited():
            return await asyncio.wait_for(main(), LIMIT)

        return asyncio.run(limited())

    def test_run_async_is_a_future_of_asyncio(self):
        async def main():
            waiter = self.pool.run_async("echo", 5)
            self.assertIsInstance(waiter, asyncio.Future)
            self.assertEqual(await waiter, (5,))
            task = Aiopool.Task("echo", 6)
            return await self.pool.run_async(task), await self.pool.run_async(task, None)

        self.assertEqual(self.run_main(main), ((6,), (6,)))

    def test_futures_are_awaited(self):
        async def main():
            future = self.pool.submit("echo", 1)
            self.assertEqual(await future, (1,))
            self.assertEqual(await future, (1,))
            both = await asyncio.gather(future, self.pool.submit("echo", 2),
                                        self.pool.run_async("echo", 3), future.as_asyncio())
            self.assertEqual(both, [(1,), (2,), (3,), (1,)])
            self.assertEqual(await self.pool.submit("echo", 2).collect_async(), (2,))
            self.assertEqual(await (await self.pool.submit_async("echo", 4)), (4,))

        self.run_main(main)

    def test_many_are_awaited(self):
        async def main():
            return await asyncio.gather(*(self.pool.run_async("echo", i) for i in range(500)))

        self.assertEqual(self.run_main(main), [(i,) for i in range(500)])

    def test_a_task_group_waits(self):
        async def main():
            async with asyncio.TaskGroup() as group:
                first = group.create_task(run(1))
                second = group.create_task(run(2))
            return first.result(), second.result()

        async def run(number):
            return await self.pool.run_async("echo", number)

        if not hasattr(asyncio, "TaskGroup"):
            self.skipTest("TaskGroup came with Python 3.11")
        self.assertEqual(self.run_main(main), ((1,), (2,)))

    def test_errors_are_raised(self):
        async def main():
            with self.assertRaises(GLib.Error) as caught:
                await self.pool.run_async("fail")
            self.assert_matches(caught.exception, NOT_FOUND)
            with self.assertRaises(TimeoutError):
                await self.pool.options(timeout=0.05).run_async("nap")
            results = await asyncio.gather(self.pool.run_async("crash"), self.pool.submit("fail"),
                                           return_exceptions=True)
            self.assertTrue(all(isinstance(result, GLib.Error) for result in results))

        self.run_main(main)

    def test_a_cancelled_wait_leaves_the_task(self):
        async def main():
            future = self.pool.submit("nap")
            waiter = future.as_asyncio()
            task = asyncio.ensure_future(future)
            await asyncio.sleep(0)
            waiter.cancel()
            task.cancel()
            await asyncio.wait([task])
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(future, 0.01)
            self.assertFalse(future.is_done())
            self.assertTrue(future.cancel())
            with self.assertRaises(asyncio.CancelledError):
                await future

        self.run_main(main)

    def test_a_cancelled_wait_cancels_if_asked(self):
        async def main():
            future = self.pool.submit("nap")
            future.as_asyncio(cancel_on_await_cancel=True).cancel()
            with self.assertRaises(asyncio.CancelledError):
                await future
            eager = self.pool.options(cancel_on_await_cancel=True)
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(eager.run_async("nap"), 0.01)

        self.run_main(main)
        self.assertEqual((self.pool.get_n_pending(), self.pool.get_n_running()), (0, 0))

    def test_a_cancelled_task_raises_cancelled(self):
        async def main():
            future = self.pool.submit("nap")
            waiter = future.as_asyncio()
            future.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await waiter
            self.assertTrue(waiter.cancelled())

        self.run_main(main)

    def test_waits_that_are_over_leave_nothing(self):
        async def main():
            from gi.overrides import _aiopool_await
            future = self.pool.submit("nap")
            for _ in range(20):
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(future, 0.001)
            waits = len(_aiopool_await.local.bridge.waits)
            future.cancel()
            return waits

        self.assertEqual(self.run_main(main), 0)

    def test_signals_come_in_the_thread_of_the_loop(self):
        async def main():
            heard = []
            future = self.pool.submit("count", GLib.Variant("u", 3))
            future.connect("emitted", lambda _, value: heard.append(
                (value.unpack(), threading.current_thread())))
            self.assertEqual(await future, 3)
            self.assertEqual(heard, [(i, threading.main_thread()) for i in range(3)])

        self.run_main(main)

    def test_a_full_pool_is_waited_for(self):
        async def main():
            async with new_pool(1, max_pending=1) as pool:
                results = await asyncio.gather(*(pool.run_async("echo", i) for i in range(20)))
                self.assertEqual(results, [(i,) for i in range(20)])

        self.run_main(main)

    def test_a_wait_for_room_that_is_cancelled_submits_nothing(self):
        async def main():
            async with new_pool(1, max_pending=1) as pool:
                first = pool.submit("nap")
                while first.get_state() == Aiopool.FutureState.PENDING:
                    await asyncio.sleep(0.001)
                second = pool.submit("nap")
                for cancellable in (None, Gio.Cancellable()):
                    waiter = pool.submit_async(Aiopool.Task("echo"), cancellable)
                    await asyncio.sleep(0)
                    waiter.cancel()
                    if cancellable is not None:
                        self.assertFalse(cancellable.is_cancelled())
                first.cancel()
                second.cancel()
                self.assertEqual(await pool.run_async("echo", 1), (1,))
                return pool

        pool = self.run_main(main)
        self.assertEqual(pool.get_n_pending(), 0)

    def test_async_with_closes(self):
        async def main():
            async with new_pool() as pool:
                waiter = pool.run_async("echo", 1)
                self.assertTrue(await pool.test_async())
                self.assertTrue(await pool.join_async())
            self.assertEqual(await waiter, (1,))
            with self.assertRaises(GLib.Error) as caught:
                await pool.run_async("echo")
            self.assert_matches(caught.exception, CLOSED)

        self.run_main(main)

    def test_what_a_loop_left_does_not_harm_the_next(self):
        left = []

        async def leave():
            left.append(self.pool.submit("nap"))
            left.append(asyncio.ensure_future(left[0]))
            await asyncio.sleep(0)

        async def main():
            left[0].cancel()
            return await self.pool.run_async("echo", 1)

        self.run_main(leave)
        self.assertEqual(self.run_main(main), (1,))

    def test_a_loop_that_was_closed_does_not_harm_the_next(self):
        left = []
        loop = asyncio.new_event_loop()

        async def leave():
            left.append(self.pool.submit("nap"))
            left[0].as_asyncio().add_done_callback(print)

        async def main():
            told = []
            asyncio.get_running_loop().set_exception_handler(lambda *_: told.append(True))
            left[0].cancel()
            await asyncio.gather(*(self.pool.run_async("echo", i) for i in range(3)))
            return told

        loop.run_until_complete(leave())
        loop.close()
        self.assertEqual(self.run_main(main), [])

    def test_each_thread_may_have_a_loop(self):
        async def main():
            results = await asyncio.gather(*(self.pool.run_async("echo", i) for i in range(20)))
            return results == [(i,) for i in range(20)]

        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            done = [threads.submit(self.run_main, main) for _ in range(8)]
            self.assertTrue(all(future.result(LIMIT) for future in done))

    def test_two_loops_take_turns(self):
        loops = [asyncio.new_event_loop() for _ in range(2)]

        async def start():
            return self.pool.run_async("echo", 1)

        waiters = [loop.run_until_complete(start()) for loop in loops]
        for loop, waiter in zip(loops, waiters):
            self.assertEqual(loop.run_until_complete(asyncio.wait_for(waiter, LIMIT)), (1,))
            loop.close()

    def test_a_program_that_ends_while_a_task_runs_ends(self):
        left = []

        async def main():
            left.append(self.pool.submit("nap"))
            left[0].as_asyncio()

        self.run_main(main)
        self.assertFalse(left[0].is_done())
        left[0].cancel()

    def test_await_needs_a_running_loop(self):
        with self.assertRaises(RuntimeError):
            self.pool.run_async("echo")

    def test_callbacks_have_the_context_of_who_has_added_them(self):
        variable = contextvars.ContextVar("variable")

        async def work(name):
            variable.set(name)
            told = asyncio.get_running_loop().create_future()
            future = self.pool.submit("echo", name)
            future.add_done_callback(lambda future: told.set_result(variable.get(None)))
            return await told, await future.map(lambda ended: variable.get(None))

        async def main():
            return await asyncio.gather(*(work(i) for i in range(5)))

        self.assertEqual(self.run_main(main), [(i, i) for i in range(5)])

    async def use_glib_too(self):
        heard, ticks = [], []
        tick = GLib.timeout_add(1, lambda: ticks.append(1) is None)
        future = self.pool.submit("count", GLib.Variant("u", 2))
        future.connect("emitted", lambda _, value: heard.append(value.unpack()))
        self.assertEqual(await future, 2)
        self.assertEqual(heard, [0, 1])
        told = asyncio.get_running_loop().create_future()
        self.pool.run_async(Aiopool.Task("echo", 5), None,
                            lambda pool, result: told.set_result(pool.run_finish(result)))
        self.assertEqual(await told, (5,))
        while not ticks:
            await asyncio.sleep(0.001)
        GLib.source_remove(tick)
        self.assertTrue(await self.pool.join_async())
        self.assertEqual([r async for r in self.pool.map("echo", range(3))], [(0,), (1,), (2,)])
        return await asyncio.gather(self.pool.run_async("echo", 1), self.pool.submit("echo", 2))

    def run_on_glib(self, loop):
        return loop.run_until_complete(asyncio.wait_for(self.use_glib_too(), LIMIT))

    def test_the_loop_of_pygobject_works_too(self):
        try:
            from gi.events import GLibEventLoopPolicy
        except ImportError:
            self.skipTest("gi.events came with PyGObject 3.50")
        loop = GLibEventLoopPolicy().get_event_loop()
        self.assertEqual(self.run_on_glib(loop), [(1,), (2,)])

    def test_another_loop_on_glib_works_too(self):
        loop = asyncio.SelectorEventLoop(ContextSelector())
        self.addCleanup(loop.close)
        for _ in range(2):
            self.assertEqual(self.run_on_glib(loop), [(1,), (2,)])


class ExecutorTest(FaceTest):
    def test_an_executor_of_one_s_own_has_the_same_methods(self):
        doubler = Doubler()
        self.assertEqual(doubler.run("double", 2, 3), [4, 6])
        self.assertEqual(doubler.submit("double", 4).result(), [8])
        self.assertIs(doubler.run("object"), doubler)
        options = doubler.options(shared_data=Aiopool.SharedData(b"text"))
        self.assertEqual(options.run("shared"), "text")
        self.assertEqual(list(options.map("shared", range(3))), ["text"] * 3)

        async def main():
            return await doubler.run_async("double", 5), await doubler.submit("double", 6)

        self.assertEqual(asyncio.run(main()), ([10], [12]))

    def test_what_an_executor_raises_is_told_of_and_fails_the_task(self):
        told = []
        hook, sys.excepthook = sys.excepthook, lambda kind, *_: told.append(kind)
        with self.assertRaises(GLib.Error) as caught:
            Doubler().run("raise")
        sys.excepthook = hook
        self.assertEqual(told, [ValueError])
        self.assertIn("ValueError: on purpose", caught.exception.message)
        self.assert_matches(caught.exception, (Aiopool.task_error_quark(),
                                               Aiopool.TaskError.FAILED))

    def test_a_promise_is_broken_with_any_exception(self):
        with self.assertRaises(GLib.Error) as caught:
            Doubler().run("nonsense")
        self.assertIn("LookupError: there is no nonsense", caught.exception.message)
        promise = Aiopool.Promise()
        self.assertTrue(promise.reject(asyncio.CancelledError()))
        with self.assertRaises(concurrent.futures.CancelledError):
            promise.get_future().result()


class ServiceTest(FaceTest):
    """Functions in Python, served by this program again."""

    def test_shared_data_are_made_of_anything_with_bytes(self):
        for data in (b"text", bytearray(b"text"), memoryview(b"text"), GLib.Bytes.new(b"text")):
            shared = Aiopool.SharedData(data)
            self.assertEqual(shared.get_bytes().get_data(), b"text")
            with new_pool() as pool:
                self.assertEqual(pool.options(shared_data=shared).run("shared"), "text")
                self.assertEqual(pool.run(Aiopool.Task("shared", shared_data=shared)), "text")
                self.assertEqual(list(pool.options(shared_data=shared).map("shared", range(9))),
                                 ["text"] * 9)
                self.assertEqual(pool.run("shared"), "nothing")
        self.assertRaises(TypeError, Aiopool.SharedData, 5)

    def test_functions_take_and_return_python_values(self):
        with Aiopool.Pool(1, launcher=Aiopool.Launcher.new_for_argv(
                [sys.executable, __file__, PLUGIN])) as pool:
            self.assertEqual(pool.run("add", 1, [2], k={"a": 3}), [1, [2], {"a": 3}])
            self.assertEqual(pool.run("raw", 5), {"type": "(x)"})
            with self.assertRaises(GLib.Error) as caught:
                pool.run("divide", 1, 0)
            error = caught.exception
            self.assertIn("ZeroDivisionError", error.message)
            self.assertEqual(error.info.get_type_name(), "ValueError")
            self.assertEqual(error.info.get_cause().get_type_name(), "ZeroDivisionError")
            self.assertIn("in divide", error.info.get_traceback())
            with self.assertRaises(GLib.Error) as caught:
                pool.run("give")
            self.assertIn("cannot be packed", caught.exception.message)
            self.assertEqual(pool.run("later", 6), [6])
            with self.assertRaises(GLib.Error) as caught:
                pool.run("later", 0)
            self.assertEqual(caught.exception.info.get_type_name(), "ZeroDivisionError")


def serve():
    service = Aiopool.Service.new()

    @service.function
    def add(first, second, k):
        return [first, second, k]

    @service.function(name="divide")
    def divide(first, second):
        try:
            return first / second
        except ZeroDivisionError as error:
            raise ValueError("ZeroDivisionError") from error

    def later(call, arguments):
        (number,) = Aiopool.unpack(arguments)
        answer = [36 // number]
        GLib.idle_add(lambda: call.return_value(answer))

    service.add_async("later", later)
    service.function(object, name="give")
    service.add("raw", lambda call, arguments: {"type": arguments.get_type_string()})
    service.run()


if __name__ == "__main__":
    if Aiopool.Service.is_worker():
        serve()
    else:
        main(sys.argv[2:])
