#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""aiopool.ProcessPoolExecutor and aiopool.Executor. Much of what is claimed here the standard library's
own tests claim of its executors."""

import asyncio
import concurrent.futures
import functools
import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import weakref
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

sys.path[:1] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

import aiopool  # noqa: E402
import executor_tasks as tasks  # noqa: E402
import pool_tasks  # noqa: E402
import worker_tasks  # noqa: E402
from executor_case import HERE, LIMIT, Case  # noqa: E402
from taptest import main  # noqa: E402


def defined_here(number):
    return number + 100


class Own:
    def __init__(self, value):
        self.value = value


class Shared(Case):
    """What one executor can serve many tests for."""

    @classmethod
    def setUpClass(cls):
        cls.executor = cls.kind(2)

    @classmethod
    def tearDownClass(cls):
        cls.executor.shutdown()


class Calls(Shared):
    def result(self, /, *args, **keywords):
        return self.executor.submit(*args, **keywords).result(LIMIT)

    def test_results_and_keywords(self):
        self.assertEqual(self.result(pow, 2, 5), 32)
        self.assertEqual(self.result(int, "ff", base=16), 255)
        self.assertEqual(self.result(tasks.keyword_only, key=[1]), [1])
        self.assertEqual(self.result(worker_tasks.answer, fn=1, args=2),
                         worker_tasks.answer(fn=1, args=2))

    def test_callables_of_all_kinds(self):
        self.assertEqual(self.result(tasks.Doubler(3), 5), 15)
        self.assertEqual(self.result(tasks.Doubler(3).method, 5), 15)
        self.assertEqual(self.result(tasks.Doubler.static, 5), 6)
        self.assertEqual(self.result(tasks.Doubler.make, 5), 5)
        self.assertEqual(self.result(functools.partial(pow, 2), 5), 32)
        self.assertEqual(self.result("a-b".split, "-"), ["a", "b"])
        self.assertEqual(self.result(tasks.Doubler, 4).factor, 4)
        self.assertEqual(self.result(defined_here, 5), 105)

    def test_values_that_are_no_plain_ones(self):
        self.assertEqual(self.result(worker_tasks.echo, [{1: (2,)}, None]), [{1: (2,)}, None])
        self.assertEqual(self.result(worker_tasks.echo, Own(3)).value, 3)
        self.assertEqual(self.result(worker_tasks.echo, "é\udc80"), "é\udc80")

    def test_large_memory_arrives(self):
        data = bytes(range(256)) * 4096
        for value in (data, bytearray(data), memoryview(data)):
            self.assertEqual(self.result(tasks.get_address, value),
                             (type(value).__name__, len(data), b"\0\1\2\3"))
        self.assertEqual(self.result(worker_tasks.echo, data), data)
        view = self.result(worker_tasks.echo, memoryview(data))
        self.assertIs(type(view), memoryview)
        self.assertEqual(view, data)

    def test_an_exception_has_its_type_and_the_traceback_as_cause(self):
        exception = self.executor.submit(worker_tasks.fail, "kept").exception(LIMIT)
        self.assertIs(type(exception), worker_tasks.Kept)
        self.assertEqual((exception.number, exception.__notes__), (7, ["a note"]))
        self.assertIs(type(exception.__cause__), concurrent.futures.process._RemoteTraceback)
        self.assertEqual(aiopool.get_remote_traceback(exception).count("worker_tasks.py"), 1)
        self.assertIn("worker_tasks.py", str(exception.__cause__))
        with self.assertRaises(worker_tasks.Kept):
            self.result(worker_tasks.fail, "kept")

    def test_system_exit_and_interrupts_are_the_tasks(self):
        for kind, wanted in (("system exit", SystemExit), ("interrupt", KeyboardInterrupt)):
            future = self.executor.submit(worker_tasks.fail, kind)
            self.assertIs(type(future.exception(LIMIT)), wanted)

    def test_what_cannot_be_pickled_fails_its_own_call(self):
        for argument in (threading.Lock(), worker_tasks.FailsOnDump()):
            future = self.executor.submit(worker_tasks.echo, argument)
            self.assertIsInstance(future.exception(LIMIT), (TypeError, ValueError))
        future = self.executor.submit(worker_tasks.lock)
        self.assertIs(type(future.exception(LIMIT)), TypeError)
        self.assertIn("the result, of type 'lock'", future.exception().__notes__[0])
        future = self.executor.submit(worker_tasks.fail, "two")
        self.assertEqual(future.exception(LIMIT).type_name, "worker_tasks.TwoArguments")
        self.assertEqual(self.result(pow, 2, 2), 4)

    def test_a_result_that_cannot_be_unpickled_is_its_futures_error(self):
        future = self.executor.submit(worker_tasks.make, "BadToLoad")
        self.assertEqual(str(future.exception(LIMIT)), "raised while unpickling")
        future = self.executor.submit(worker_tasks.make, "ExitsOnLoad")
        self.assertIs(type(future.exception(LIMIT)), SystemExit)
        self.assertEqual(self.result(pow, 2, 2), 4)

    def test_lambdas_are_refused_clearly_or_sent_by_cloudpickle(self):
        offset = 5
        future = self.executor.submit(lambda number: number + offset, 2)
        try:
            import cloudpickle  # noqa: F401
        except ImportError:
            self.assertIn("cloudpickle", str(future.exception(LIMIT)))
        else:
            self.assertEqual(future.result(LIMIT), 7)

    def test_what_is_no_function(self):
        for nothing in (None, 5, "pow"):
            future = self.executor.submit(nothing)
            self.assertIs(type(future.exception(LIMIT)), TypeError)
            self.assertIn("not callable", str(future.exception()))

    def test_the_same_result_every_time(self):
        future = self.executor.submit(worker_tasks.echo, [1])
        self.assertIs(future.result(LIMIT), future.result(0))
        self.assertIsNone(future.exception(0))
        failed = self.executor.submit(worker_tasks.fail, "kept")
        self.assertIs(failed.exception(LIMIT), failed.exception(0))


class Futures(Shared):
    def test_emitted_values_that_nobody_takes_hold_up_nobody(self):
        done = threading.Event()
        future = self.executor.submit(pool_tasks.emit, 50_000)
        future.add_done_callback(lambda future: done.set())
        self.assertTrue(done.wait(LIMIT))
        self.assertEqual(future.result(), 50_000)

    def test_what_workers_log_comes_once_each(self):
        with self.assertLogs("pool.tasks", logging.DEBUG) as logs:
            with self.make() as executor:
                executor.submit(pool_tasks.log_once_each, 3).result()
        self.assertEqual([record.getMessage() for record in logs.records],
                         [f"record {i}" for i in range(3)])

    def test_they_are_futures_of_concurrent_futures(self):
        future = self.executor.submit(pow, 2, 2)
        self.assertIsInstance(future, concurrent.futures.Future)
        self.assertEqual(future.result(LIMIT), 4)
        self.assertTrue(future.done())
        self.assertFalse(future.running() or future.cancelled() or future.cancel())
        self.assertIn("finished returned int", repr(future))
        failed = self.executor.submit(worker_tasks.fail, "kept")
        concurrent.futures.wait([failed], LIMIT)
        self.assertIn("finished raised Kept", repr(failed))

    def test_states_and_timeouts(self):
        future, path = self.start_waiting(self.executor)
        self.assertTrue(future.running())
        self.assertFalse(future.done() or future.cancel())
        self.assertIn("running", repr(future))
        for timeout in (0, 0.001, -1):
            with self.assertRaises(concurrent.futures.TimeoutError):
                future.result(timeout)
        with self.assertRaises(concurrent.futures.TimeoutError):
            future.exception(0)
        open(path, "w").close()
        self.assertIsInstance(future.result(LIMIT), int)

    def test_callbacks_run_once_in_order_and_on_no_foreign_thread(self):
        called = []
        ended = threading.Event()
        future, path = self.start_waiting(self.executor)
        future.add_done_callback(lambda f: called.append((1, f, threading.current_thread().name)))
        future.add_done_callback(lambda f: 1 / 0)
        future.add_done_callback(lambda f: ended.set())
        with self.assertLogs("concurrent.futures", "ERROR"):
            open(path, "w").close()
            self.assertTrue(ended.wait(LIMIT))
        future.add_done_callback(lambda f: called.append((2, f, None)))
        self.assertEqual(called, [(1, future, "aiopool-collector"), (2, future, None)])

    def test_callbacks_of_a_future_that_was_dropped(self):
        ended = threading.Event()
        self.executor.submit(pow, 2, 2).add_done_callback(lambda f: ended.set())
        gc.collect()
        self.assertTrue(ended.wait(LIMIT))

    def test_wait_and_as_completed(self):
        waiting, path = self.start_waiting(self.executor)
        futures = [self.executor.submit(tasks.square, i) for i in range(20)]
        futures[3].result(LIMIT)  # seen to have ended before
        done, rest = concurrent.futures.wait([waiting, *futures], LIMIT,
                                             concurrent.futures.FIRST_COMPLETED)
        self.assertIn(waiting, rest)
        self.assertIn(futures[3], done)
        in_order = list(concurrent.futures.as_completed(futures, LIMIT))
        self.assertEqual(len(in_order), 20)
        self.assertEqual(set(in_order), set(futures))
        with self.assertRaises(concurrent.futures.TimeoutError):
            list(concurrent.futures.as_completed([waiting, *futures], 0.01))
        open(path, "w").close()
        done, rest = concurrent.futures.wait([waiting, *futures, futures[0]], LIMIT)
        self.assertEqual((len(done), len(rest)), (21, 0))

    def test_as_completed_races_with_the_ends(self):
        for _ in range(20):
            futures = [self.executor.submit(tasks.square, i) for i in range(30)]
            seen = [future.result() for future in concurrent.futures.as_completed(futures, LIMIT)]
            self.assertEqual(sorted(seen), sorted(i * i for i in range(30)))

    def test_first_exception(self):
        waiting, path = self.start_waiting(self.executor)
        failing = self.executor.submit(worker_tasks.fail, "kept")
        done, rest = concurrent.futures.wait([waiting, failing], LIMIT,
                                             concurrent.futures.FIRST_EXCEPTION)
        self.assertEqual((done, rest), ({failing}, {waiting}))
        open(path, "w").close()
        waiting.result(LIMIT)

    def test_cancel_before_the_start(self):
        executor = self.make()
        waiting, path = self.start_waiting(executor)
        called = []
        futures = [executor.submit(tasks.square, i) for i in range(3)]
        futures[1].add_done_callback(called.append)
        self.assertTrue(futures[1].cancel())
        self.assertEqual(called, [futures[1]])
        self.assertTrue(futures[1].cancel() and futures[1].cancelled() and futures[1].done())
        with self.assertRaises(concurrent.futures.CancelledError):
            futures[1].result(LIMIT)
        self.assertTrue(futures[2].cancel())
        done, rest = concurrent.futures.wait(futures[1:], LIMIT)
        self.assertEqual(len(done), 2)
        open(path, "w").close()
        self.assertEqual(futures[0].result(LIMIT), 0)

    def test_many_threads(self):
        def work():
            for i in range(50):
                if self.executor.submit(tasks.square, i).result(LIMIT) == i * i:
                    good.append(i)

        good = []
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(good), 200)

    def test_a_future_that_was_collected_leaves_nothing(self):
        future = self.executor.submit(tasks.square, 2)
        self.assertEqual(future.result(LIMIT), 4)
        dropped = weakref.ref(future)
        del future
        self.assertIsNone(dropped())

    def test_waits_are_interrupted_by_signals(self):
        future, path = self.start_waiting(self.executor)
        before = signal.signal(signal.SIGALRM, signal.default_int_handler)
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        with self.assertRaises(KeyboardInterrupt):
            future.result(LIMIT)
        open(path, "w").close()
        self.assertIsInstance(future.result(LIMIT), int)


class Maps(Shared):
    def test_results_in_order(self):
        for chunksize in (1, 3, 100, None):
            results = self.executor.map(pow, range(10), [2] * 12, chunksize=chunksize)
            self.assertEqual(list(results), [i * i for i in range(10)])
            results = self.executor.map(tasks.square, range(10), chunksize=chunksize)
            self.assertEqual(list(results), [i * i for i in range(10)])
            self.assertEqual(list(self.executor.map(tasks.square, [], chunksize=chunksize)), [])

    def test_an_error_comes_in_its_place(self):
        for chunksize in (1, 2, 10, None):
            results = self.executor.map(tasks.fail_on_odd, [2, 4, 5, 6], chunksize=chunksize)
            self.assertEqual([next(results), next(results)], [2, 4])
            with self.assertRaisesRegex(ValueError, "5 is odd") as caught:
                next(results)
            self.assertIn("executor_tasks.py", str(caught.exception.__cause__))
            self.assertEqual(list(results), [])

    def test_stop_iteration_does_not_swallow_items(self):
        results = self.executor.map(tasks.stop_on_odd, [2, 3, 4], chunksize=3)
        self.assertEqual(next(results), 2)
        with self.assertRaises(RuntimeError):
            next(results)

    def test_timeout(self):
        for chunksize in (1, 2):
            begun, ended = self.make_path("begun"), self.make_path("ended")
            results = self.make().map(tasks.touch_and_wait, [begun], [ended], timeout=0.01,
                                      chunksize=chunksize)
            with self.assertRaises(concurrent.futures.TimeoutError):
                list(results)
            open(ended, "w").close()

    def test_bad_chunksize(self):
        with self.assertRaises(ValueError):
            self.executor.map(pow, [1], chunksize=0)


class Life(Case):
    def test_bad_arguments(self):
        for number in (0, -1):
            with self.assertRaisesRegex(ValueError, "max_workers must be greater than 0"):
                self.kind(number)
        with self.assertRaises(TypeError):
            self.kind(1, initializer=7)
        with self.assertRaises(ValueError):
            self.kind(1, max_tasks_per_child=0)
        with self.assertRaises(TypeError):
            self.kind(1, max_tasks_per_child="many")

    def test_more_workers_than_a_pool_can_have(self):
        executor = self.make(100_000)
        self.assertEqual(executor.submit(pow, 2, 3).result(LIMIT), 8)
        self.assertEqual(executor._max_workers, 100_000)

    def test_shutdown_waits_and_then_refuses(self):
        executor = self.make()
        path = self.make_path("text")
        called = []
        future = executor.submit(tasks.append, path, "a")
        future.add_done_callback(called.append)
        executor.shutdown()
        self.assertTrue(os.path.exists(path))
        self.assertEqual(called, [future])
        with self.assertRaisesRegex(RuntimeError, "after shutdown"):
            executor.submit(pow, 2, 2)
        executor.shutdown()

    def test_shutdown_without_waiting(self):
        executor = self.make()
        future, path = self.start_waiting(executor)
        executor.shutdown(wait=False)
        self.assertFalse(future.done())
        open(path, "w").close()
        self.assertIsInstance(future.result(LIMIT), int)

    def test_shutdown_cancels_what_waits(self):
        executor = self.make()
        running, path = self.start_waiting(executor)
        waiting = [executor.submit(tasks.square, i) for i in range(20)]
        executor.shutdown(wait=False, cancel_futures=True)
        open(path, "w").close()
        self.assertIsInstance(running.result(LIMIT), int)
        self.assertTrue(all(future.cancelled() for future in waiting))

    def test_shutdown_in_a_callback(self):
        executor = self.make()
        ended = threading.Event()

        def on_done(future):
            executor.shutdown()
            ended.set()

        executor.submit(pow, 2, 2).add_done_callback(on_done)
        self.assertTrue(ended.wait(LIMIT))

    def test_an_executor_that_is_dropped_does_its_work(self):
        executor = self.kind(1)
        dropped = weakref.ref(executor)
        future, path = self.start_waiting(executor)
        last = executor.submit(tasks.square, 3)
        del executor
        gc.collect()
        self.assertIsNone(dropped())
        open(path, "w").close()
        self.assertEqual(last.result(LIMIT), 9)
        self.assertIsInstance(future.result(LIMIT), int)

    def test_initializer(self):
        executor = self.make(2, initializer=tasks.set_state, initargs=(5,))
        self.assertEqual({executor.submit(tasks.get_state).result(LIMIT) for _ in range(10)}, {5})

    def test_an_initializer_that_fails_breaks_the_pool(self):
        with self.assertLogs("concurrent.futures", "CRITICAL") as logs:
            executor = self.make(initializer=tasks.set_state_or_fail, initargs=(5,))
            with self.assertRaisesRegex(BrokenProcessPool, "no 5") as caught:
                executor.submit(tasks.get_state).result(LIMIT)
            self.assertIsInstance(caught.exception.__cause__, aiopool.InitializerError)
            self.assert_cause_is(caught.exception.__cause__, RuntimeError, "no 5")
            with self.assertRaises(BrokenProcessPool) as caught:
                executor.submit(tasks.get_state).result(LIMIT)
            self.assert_cause_is(caught.exception.__cause__, RuntimeError, "no 5")
            self.assertIn("set_state_or_fail", executor._broken)
            executor.shutdown()
        self.assertIn("Exception in initializer:", logs.output[0])

    def assert_cause_is(self, exception, kind, text):
        self.assertIs(type(exception.__cause__), kind)
        self.assertEqual(str(exception.__cause__), text)
        self.assertIn("in set_state_or_fail", aiopool.get_remote_traceback(exception))

    def test_max_tasks_per_child(self):
        executor = self.make(max_tasks_per_child=2)
        pids = [executor.submit(os.getpid).result(LIMIT) for _ in range(4)]
        self.assertEqual((pids[0], pids[2]), (pids[1], pids[3]))
        self.assertNotEqual(pids[0], pids[2])

    def test_1_a_dead_worker_breaks_the_pool(self):
        executor = self.make()
        futures = [executor.submit(worker_tasks.kill, signal.SIGKILL)]
        futures += [executor.submit(tasks.square, i) for i in range(5)]
        called = threading.Event()
        futures[-1].add_done_callback(lambda future: called.set())
        for future in futures:
            self.assertIsInstance(future.exception(LIMIT), BrokenProcessPool)
        self.assertTrue(called.wait(LIMIT))
        with self.assertRaises(BrokenProcessPool):
            executor.submit(tasks.square, 2)

    def test_1_an_argument_that_cannot_be_unpickled_breaks_the_pool(self):
        executor = self.make()
        future = executor.submit(worker_tasks.echo, worker_tasks.BadToLoad())
        with self.assertRaisesRegex(BrokenProcessPool, "raised while unpickling"):
            future.result(LIMIT)
        with self.assertRaises(BrokenProcessPool):
            executor.submit(pow, 2, 2)

    def test_taking_the_place_of_the_original(self):
        original = concurrent.futures.ProcessPoolExecutor
        concurrent.futures.ProcessPoolExecutor = aiopool.ProcessPoolExecutor
        try:
            with concurrent.futures.ProcessPoolExecutor(1) as executor:
                self.assertEqual(executor.submit(pow, 2, 3).result(LIMIT), 8)
        finally:
            concurrent.futures.ProcessPoolExecutor = original

    def test_asyncio(self):
        async def run():
            loop = asyncio.get_running_loop()
            first = await loop.run_in_executor(executor, tasks.square, 3)
            wrapped = [asyncio.wrap_future(executor.submit(tasks.square, i)) for i in range(5)]
            return first, await asyncio.gather(*wrapped)

        executor = self.make()
        self.assertEqual(asyncio.run(run()), (9, [0, 1, 4, 9, 16]))


class Multiprocessing(Case):
    def test_locks_and_queues_of_spawn_and_forkserver(self):
        import multiprocessing

        for method in ("spawn", "forkserver"):
            context = multiprocessing.get_context(method)
            executor = self.make(2, mp_context=context, initializer=tasks.set_state,
                                 initargs=(context.Lock(),))
            path = self.make_path("inside")
            futures = [executor.submit(tasks.use_lock, path) for _ in range(10)]
            self.assertEqual([future.result(LIMIT) for future in futures], [True] * 10)
        queue = context.Queue()
        executor = self.make(mp_context=context, initializer=tasks.set_state, initargs=(queue,))
        executor.submit(tasks.put_in_queue, [1]).result(LIMIT)
        self.assertEqual(queue.get(timeout=LIMIT), [1])

    def test_proxies_of_a_manager_as_arguments(self):
        import multiprocessing

        with multiprocessing.Manager() as manager:
            queue = manager.Queue()
            queue.put("word")
            executor = self.make()
            self.assertEqual(executor.submit(tasks.get_from_proxy, queue).result(LIMIT), "word")

    def test_those_of_fork_are_refused(self):
        import multiprocessing

        lock = multiprocessing.get_context("fork").Lock()
        with self.assertRaisesRegex(ValueError, "fork"):
            self.kind(1, initializer=tasks.set_state, initargs=(lock,))


class Programs(Case):
    def test_neither_gi_nor_multiprocessing_is_imported(self):
        text = ("import sys, aiopool, executor_tasks as t\n"
                "e = aiopool.ProcessPoolExecutor(1)\n"
                "names = ('gi', 'multiprocessing', 'asyncio')\n"
                "print([e.submit(t.was_imported, name).result() for name in names],\n"
                "      [name in sys.modules for name in names])\n")
        self.assertEqual(self.run_program(text).stdout, f"{[False] * 3} {[False] * 3}\n")

    def test_the_end_of_the_program_waits_for_tasks(self):
        path = self.make_path("text")
        text = ("import sys, time, aiopool, executor_tasks as t\n"
                "e = aiopool.ProcessPoolExecutor(1)\n"
                "e.submit(time.sleep, 0.05).add_done_callback(lambda f: print('called'))\n"
                "e.submit(t.append, sys.argv[1], 'x')\n")
        done = subprocess.run([sys.executable, "-c", text, path], capture_output=True, text=True,
                              timeout=LIMIT, cwd=HERE, check=True)
        self.assertEqual((done.stdout, done.stderr), ("called\n", ""))
        self.assertEqual(Path(path).read_text(encoding="ascii"), "x")

    def test_the_end_waits_for_executors_that_were_dropped(self):
        path = self.make_path("text")
        text = ("import sys, time, aiopool, executor_tasks as t\n"
                "e = aiopool.ProcessPoolExecutor(1)\n"
                "e.submit(time.sleep, 0.05)\n"
                "e.submit(t.append, sys.argv[1], 'x')\n"
                "del e\n")
        subprocess.run([sys.executable, "-c", text, path], timeout=LIMIT, cwd=HERE, check=True)
        self.assertEqual(Path(path).read_text(encoding="ascii"), "x")

    def test_a_copy_by_fork_owns_nothing(self):
        text = ("import os, aiopool\n"
                "e = aiopool.ProcessPoolExecutor(1)\n"
                "f = e.submit(pow, 2, 3)\n"
                "f.add_done_callback(lambda f: None)\n"
                "pid = os.fork()\n"
                "if pid == 0:\n"
                "    try:\n"
                "        e.submit(pow, 2, 2)\n"
                "    except aiopool.PoolError as error:\n"
                "        print('refused', flush=True)\n"
                "    e.shutdown()\n"
                "    del e, f\n"
                "    raise SystemExit(7)\n"
                "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), f.result())\n")
        lines = self.run_program(text).stdout.splitlines()
        self.assertEqual(lines[0], "refused")
        self.assertIn("7 8", lines)


class AioExecutor(Case):
    kind = staticmethod(aiopool.Executor)

    def test_bad_arguments(self):
        with self.assertRaises(ValueError):
            aiopool.Executor(0)

    def test_blocking(self):
        with self.kind(2) as executor:
            self.assertEqual(executor.map(tasks.square, range(5)), [0, 1, 4, 9, 16])
            self.assertEqual(executor.map(pow, [2, 3], [3, 2], chunksize=1), [8, 9])
            self.assertEqual(executor.submit(pow, 2, 3).result(LIMIT), 8)
            with self.assertRaises(ValueError):
                executor.map(tasks.fail_on_odd, range(5))
            self.assertFalse(executor.is_shutdown())
        self.assertTrue(executor.is_shutdown())
        with self.assertRaises(RuntimeError):
            executor.submit(pow, 2, 2)

    def test_everything_works_in_a_loop(self):
        async def run():
            async with self.kind(2) as executor:
                self.assertEqual(executor.map(tasks.square, range(3)), [0, 1, 4])
                self.assertEqual(await executor.map_async(tasks.square, range(3)), [0, 1, 4])
                self.assertEqual(await executor.map_async(pow, [2], [3]), [8])
                self.assertEqual(await executor.map_async(pow, []), [])
                with self.assertRaises(ValueError):
                    await executor.map_async(tasks.fail_on_odd, range(5))
                loop = asyncio.get_running_loop()
                self.assertEqual(await loop.run_in_executor(executor, tasks.square, 7), 49)
            self.assertTrue(executor.is_shutdown())
            executor.shutdown()
            await executor.shutdown_async()

        asyncio.run(run())

    def test_shutdown_async_cancels_what_waits(self):
        async def run():
            executor = self.make()
            running, path = self.start_waiting(executor)
            waiting = [executor.submit(tasks.square, i) for i in range(5)]
            await executor.shutdown_async(wait=False, cancel_futures=True)
            self.assertFalse(executor.is_shutdown())
            open(path, "w").close()
            await executor.shutdown_async()
            self.assertTrue(executor.is_shutdown())
            self.assertIsInstance(running.result(LIMIT), int)
            self.assertTrue(all(future.cancelled() for future in waiting))

        asyncio.run(run())

    def test_1_a_dead_worker_fails_one_task(self):
        executor = self.make()
        crashing = executor.submit(worker_tasks.kill, signal.SIGKILL)
        others = [executor.submit(tasks.square, i) for i in range(5)]
        self.assertIsInstance(crashing.exception(LIMIT), aiopool.WorkerCrashedError)
        self.assertEqual([future.result(LIMIT) for future in others], [0, 1, 4, 9, 16])


if __name__ == "__main__":
    main()
