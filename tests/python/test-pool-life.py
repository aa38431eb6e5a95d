#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How rich pools begin, break and end."""

import ast
import asyncio
import gc
import inspect
import logging
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import unittest
import unittest.mock
import weakref

import pool_case
import pool_tasks as tasks
from pool_case import LIMIT

import aiopool
from aiopool import _core, _log
from aiopool._future import TaskFuture


class Life(pool_case.Case):
    def test_a_pool_that_is_shut_down_is_of_no_use(self):
        pool = self.make_pool()
        self.assertEqual((pool.is_closed, pool.is_terminated, pool.is_broken), (False,) * 3)
        self.assertEqual(pool.run(tasks.add, 1), 1)
        self.assertTrue(pool.shutdown())
        self.assertFalse(pool.shutdown())
        self.assertEqual((pool.is_closed, pool.is_terminated, pool.is_broken), (True, True, False))
        for call in (pool.check, pool.test, lambda: pool.run(tasks.add, 1), pool.spawn_workers,
                     lambda: pool.submit(tasks.add, 1), lambda: pool.map(tasks.add, [])):
            with self.assertRaises(aiopool.PoolClosedError) as caught:
                call()
            self.assertIsInstance(caught.exception, RuntimeError)
        self.assertFalse(pool.join())
        self.assertEqual([pool.count_workers(), pool.count_busy_workers(), pool.count_free_workers(),
                          pool.count_pending_tasks()], [0] * 4)

    def test_a_shutdown_cancels_what_has_not_started(self):
        pool = self.make_pool(1)
        release = self.hold(pool)
        futures = [pool.submit(tasks.add, i, b=i) for i in range(5)]
        futures.append(pool.submit("a-b".split, "-"))
        handle = pool._begin_shutdown(True, False)[0]
        held = release()
        pool.shutdown()
        self.assertTrue(handle.has_ended and held[0].is_completed)
        self.assertTrue(all(future.is_cancelled for future in futures))
        cancelled = sorted(pool.cancelled_tasks, key=str)
        self.assertEqual([task for task in cancelled if task[2]],
                         [(tasks.add, (i,), {"b": i}) for i in range(5)])
        self.assertEqual([task[0](*task[1]) for task in cancelled if not task[2]], [["a", "b"]])

    def test_with_waits_for_all_tasks(self):
        with aiopool.ProcessPool(1) as pool:
            futures = [pool.submit(tasks.sleep, 0.001, i) for i in range(5)]
        self.assertEqual([future.result for future in futures], [*range(5)])
        self.assertRaises(aiopool.PoolClosedError, pool.__enter__)

    def test_after_an_exception_with_cancels(self):
        with self.assertRaises(ZeroDivisionError):
            with aiopool.ProcessPool(1) as pool:
                release = self.hold(pool)
                future = pool.submit(tasks.add, 1)
                release()
                raise ZeroDivisionError
        self.assertTrue(future.is_done)

    def test_a_shutdown_may_end_what_runs(self):
        pool = self.make_pool(1)
        path = self.make_path()
        future = pool.submit(tasks.touch_and_spin, path)
        self.wait_for_file(path)
        pool.shutdown(terminate=True)
        self.assertTrue(future.has_ended)
        self.assertRaises(Exception, future.collect)

    def test_tasks_that_were_kept_from_running_are_told_as_they_were_made(self):
        pool = self.make_pool(1)
        self.hold(pool)
        try:
            pool.submit(lambda number: number, 1)
        except pickle.PicklingError:
            self.skipTest("cloudpickle is not installed")
        double = lambda number: 2 * number  # noqa: E731
        pool.submit(double, 2)
        pool.submit(tasks.add, 3, c=4)
        results = pool.map_all(tasks.add, [5, 6, 7], chunk_size=2)
        stars = [pool.starmap_all(tasks.add, [(8, 9)], chunk_size=2),
                 pool.map_all(lambda number: number, [10], chunk_size=2)]
        threading.Thread(target=pool.shutdown).start()
        self.wait_until(lambda: len(pool.cancelled_tasks) == 8)
        told = sorted(pool.cancelled_tasks, key=lambda call: call[1])
        self.assertEqual(told[1:-1], [
            (double, (2,), {}), (tasks.add, (3,), {"c": 4}), *[(tasks.add, (i,), {}) for i in (5, 6, 7)],
            (tasks.add, (8, 9), {})])
        for i in (0, -1):
            self.assertEqual(told[i][0](4), 4)  # made again
        del results, stars

    def test_there_are_never_more_workers_than_may_be(self):
        pool = self.make_pool(2)
        self.assertEqual(pool.count_workers(), 0)
        self.assertEqual(pool.spawn_workers(), 0)
        self.assertEqual([pool.spawn_workers(1), pool.spawn_workers(5)], [1, 1])
        self.assertEqual(pool.spawn_max_workers(), 0)
        self.wait_until(lambda: pool.count_workers() == 2)
        self.assertTrue(pool.join(LIMIT))
        self.assertEqual([pool.count_workers(), pool.spawn_max_workers()], [0, 2])

    def test_workers_and_tasks_have_numbers(self):
        pool = self.make_pool(2, name="numbers")
        self.assertEqual(pool.workers, ())
        futures = [pool.submit(tasks.add, i) for i in range(3)]
        self.assertEqual([future.task_id for future in futures], [1, 2, 3])
        pool.spawn_max_workers()
        first, second = pool.workers
        self.assertEqual([first.worker_id, second.worker_id], [1, 2])
        self.assertEqual(first.worker_name, "aiopool-numbers-process-worker-1")
        self.assertNotEqual(first.pid, second.pid)
        self.assertTrue(first.is_alive())
        self.assertIsNone(first.exit_code)
        release = self.hold(pool)
        self.wait_until(lambda: first.is_busy() or second.is_busy())
        release()
        os.kill(first.pid, signal.SIGKILL)
        self.wait_until(lambda: not first.is_alive())
        self.assertEqual(first.exit_code, -signal.SIGKILL)

    def test_a_join_lets_workers_go_and_has_an_end(self):
        pool = self.make_pool(1)
        release = self.hold(pool)
        self.assertFalse(pool.join(0.001))
        release()
        self.assertTrue(pool.join(LIMIT))
        self.assertEqual(pool.count_workers(), 0)
        self.assertEqual(pool.run(tasks.add, 1), 1)

    def test_a_join_returns_after_cancels(self):
        pool = self.make_pool(2)
        path = self.make_path()
        running = pool.submit(tasks.touch_and_spin, path)
        waiting = [pool.submit(tasks.add, i) for i in range(20)]
        self.wait_for_file(path)
        for future in (*waiting[::2], running):
            future.cancel()
        self.assertTrue(pool.join(LIMIT))
        self.assertTrue(running.is_cancelled)
        self.assertTrue(all(future.is_done for future in waiting))

    def test_workers_are_replaced_after_so_many_tasks(self):
        pool = self.make_pool(1, max_tasks_per_worker=2)
        pids = [pool.run(tasks.get_pid) for i in range(5)]
        self.assertEqual(pids[0], pids[1])
        self.assertEqual(len(set(pids)), 3)

    def test_idle_workers_go(self):
        pool = self.make_pool(1, idle_timeout=0.01)
        pool.run(tasks.add, 1)
        self.wait_until(lambda: pool.count_workers() == 0)
        pool.idle_timeout = None
        self.assertIsNone(pool.idle_timeout)
        self.assertEqual(pool.run(tasks.add, 1), 1)

    def test_settings_can_be_read(self):
        settings = {"name": "n", "idle_timeout": 5, "max_tasks_per_worker": 7, "coroutines_per_worker": 3,
                    "initializer": tasks.initialize, "init_args": (1,), "init_kwargs": {"a": 2},
                    "finalizer": tasks.initialize, "final_args": (3,), "final_kwargs": {"b": 4}}
        pool = self.make_pool(2, **settings)
        self.assertEqual({name: getattr(pool, name) for name in settings}, settings)
        self.assertEqual(pool.max_workers, 2)
        self.assertEqual(self.make_pool(0).max_workers, self.make_pool(None).max_workers)
        self.assertRaises(TypeError, aiopool.ProcessPool, max_worker=1)

    def test_sized_pools_are_pools(self):
        sizes = {"Single": 1, "Dual": 2, "Triple": 3, "Quad": 4}
        for name, size in sizes.items():
            kind = getattr(aiopool, f"{name}ProcessPool")
            pool = self.make_pool(kind=kind)
            self.assertEqual((pool.max_workers, pool.name), (size, kind.__name__))
            self.assertIsInstance(pool, (aiopool.Pool, aiopool.ProcessPool))
        pool.test()
        self.assertEqual(pool.run(tasks.add, 1), 1)


class Garbage(pool_case.Case):
    def test_cycles_are_collected(self):
        pool = self.make_pool(1)
        path = self.make_path()
        gone = []

        def make(call):
            future = call()
            future.circle = future
            gone.append(weakref.ref(future))

        def make_ended():
            future = pool.submit(tasks.fail, ValueError())
            self.assertRaises(ValueError, future.collect)
            return future

        def make_in_queue():
            queue = _core.Queue()
            future = pool._core.call(TaskFuture, tasks.wait_for_file, (path,), {}, None, queue)
            future.queue = queue
            return future

        for call in (make_ended, make_in_queue, lambda: pool.submit(tasks.wait_for_file, path),
                     lambda: pool.map(tasks.add, range(100), chunk_size=10)):
            make(call)
        tasks.touch(path)
        pool.join_sync(LIMIT)
        gc.collect()
        self.assertEqual([reference() for reference in gone], [None] * len(gone))


class First(pool_case.Case):
    def test_initializer_and_finalizer_have_their_arguments(self):
        path = self.make_path()
        pool = self.make_pool(1, initializer=tasks.initialize, init_args=(1, 2), init_kwargs={"a": 3},
                              finalizer=tasks.finish, final_args=(path,), final_kwargs={"text": "x"})
        self.assertEqual(pool.run(tasks.get_state), [((1, 2), {"a": 3})])
        pool.shutdown()
        with open(path) as file:
            self.assertEqual(file.read(), "x")

    def expect_broken(self, pool, error_type, part):
        self.wait_until(lambda: pool.is_broken)
        for call in (pool.check, lambda: pool.submit(tasks.add, 1), lambda: pool.run(tasks.add, 1)):
            with self.assertRaisesRegex(aiopool.BrokenPoolError, part):
                call()
        self.assertRaisesRegex(error_type, part, pool.check)
        self.assertTrue(pool.shutdown())
        self.assertTrue(pool.is_broken and pool.is_terminated)
        self.assertRaises(RuntimeError, pool.check)

    def test_an_initializer_that_fails_breaks_the_pool(self):
        pool = self.make_pool(1, initializer=tasks.fail, init_args=(ValueError("wrong start"),))
        self.assertRaisesRegex(aiopool.InitializerError, "wrong start", pool.test)
        pool.check()  # a trial breaks nothing
        future = pool.submit(tasks.add, 1)
        self.assertRaisesRegex(aiopool.BrokenPoolError, "wrong start", future.collect, LIMIT)
        self.expect_broken(pool, aiopool.InitializerError, "wrong start")
        self.assertEqual(pool.cancelled_tasks, ((tasks.add, (1,), {}),))

    def test_missing_arguments_break_the_pool(self):
        pool = self.make_pool(1, initializer=tasks.finish)
        self.assertRaises(aiopool.BrokenPoolError, pool.run, tasks.add, 1)
        self.expect_broken(pool, aiopool.InitializerError, "TypeError")

    def test_a_finalizer_that_fails_breaks_the_pool(self):
        pool = self.make_pool(1, finalizer=tasks.fail, final_args=(ValueError("wrong end"),),
                              idle_timeout=0)
        self.assertRaisesRegex(aiopool.FinalizerError, "wrong end", pool.test)
        self.assertEqual(pool.run(tasks.add, 1), 1)
        self.expect_broken(pool, aiopool.FinalizerError, "wrong end")

    def test_a_lock_of_multiprocessing_comes_with_the_initializer(self):
        path = self.make_path()
        tasks.touch(path, "0")
        lock = multiprocessing.get_context("spawn").Lock()
        pool = self.make_pool(2, initializer=tasks.keep_lock, init_args=(lock,))
        futures = [pool.submit(tasks.use_lock, path, 50) for i in range(2)]
        aiopool.collect(futures, LIMIT)
        with open(path) as file:
            self.assertEqual(file.read(), "100")


class End(pool_case.Case):
    """What has happened when a shutdown returns."""

    def test_all_callbacks_were_called_by_the_thread_that_calls_them(self):
        threads = []
        with aiopool.ProcessPool(1) as pool:
            for i in range(50):
                pool.submit(tasks.add, 1).add_callback(
                    lambda future: threads.append(threading.current_thread().name))
        self.assertEqual(threads, ["aiopool-collector"] * 50)

    def test_a_callback_that_is_under_way_is_waited_for(self):
        begun, go, ended = threading.Event(), threading.Event(), []

        def take_time(future):
            begun.set()
            ended.append(go.wait(LIMIT))

        pool = self.make_pool(1)
        pool.submit(tasks.add, 1).add_callback(take_time)
        self.assertTrue(begun.wait(LIMIT))
        thread = threading.Thread(target=pool.shutdown)
        thread.start()
        self.wait_until(lambda: pool.is_terminated)
        self.assertTrue(thread.is_alive())
        go.set()
        thread.join(LIMIT)
        self.assertEqual(ended, [True])

    def test_a_callback_may_shut_the_pool_down(self):
        pool = self.make_pool(1)
        done = threading.Event()
        pool.submit(tasks.add, 1).add_callback(lambda future: (pool.shutdown(), done.set()))
        self.assertTrue(done.wait(LIMIT))
        self.assertTrue(pool.is_terminated)

    def test_a_callback_that_waits_for_the_loop_holds_up_no_loop(self):
        async def say():
            return "said"

        async def main():
            loop = asyncio.get_running_loop()
            said = []

            def ask(future):
                said.append(asyncio.run_coroutine_threadsafe(say(), loop).result(LIMIT))

            async with aiopool.ProcessPool(1) as pool:
                future = pool.submit(tasks.add, 1)
                await asyncio.to_thread(future.add_callback, ask)
            return said

        self.assertEqual(asyncio.run(main()), ["said"])

    def test_all_that_was_logged_was_logged_here(self):
        records = []

        class Handler(logging.Handler):
            def emit(self, record):
                time.sleep(0.0001)
                records.append((record.msg, threading.current_thread().name))

        handler = Handler()
        logging.getLogger("pool.tasks").addHandler(handler)
        self.addCleanup(logging.getLogger("pool.tasks").removeHandler, handler)
        self.addCleanup(setattr, logging.getLogger("pool"), "propagate", True)
        logging.getLogger("pool").propagate = False
        for i in range(5):
            records.clear()
            with aiopool.ProcessPool(1) as pool:
                pool.submit(tasks.log_once_each, 100)
            self.assertEqual(records, [(f"record {i}", "aiopool-collector") for i in range(100)])


class Faults(pool_case.Case):
    @classmethod
    def setUpClass(cls):
        cls.pool = aiopool.ProcessPool(1)
        cls.addClassCleanup(cls.pool.shutdown_sync)

    def expect_life(self):
        self.assertEqual(self.pool.run(tasks.add, 1, b=1), 2)

    def test_a_crash_costs_one_task_that_ran_once(self):
        path = self.make_path()
        for function, argument in ((tasks.exit, (3,)), (tasks.kill, ())):
            futures = [self.pool.submit(tasks.touch, path, "a"), self.pool.submit(function, *argument),
                       self.pool.submit(tasks.touch, path, "b")]
            self.assertRaises(aiopool.WorkerCrashedError, futures[1].collect, LIMIT)
            self.assertTrue(futures[0].collect(LIMIT) and futures[2].collect(LIMIT))
        with open(path) as file:
            self.assertEqual(file.read(), "abab")

    def test_retries_are_counted(self):
        path = self.make_path()
        with self.assertRaises(aiopool.WorkerCrashedError):
            self.pool.options(retries=1).run(crash_and_count, path)
        with open(path) as file:
            self.assertEqual(file.read(), "xx")

    def test_what_cannot_travel_fails_its_own_task(self):
        for task, part in ((tasks.give_lambda, "pickle"), (tasks.give_bad, "cannot be loaded")):
            future = self.pool.submit(task)
            self.assertTrue(future.wait(LIMIT))
            self.assertIn(part, str(future.exception))
            self.assertTrue(future.is_failed)
            self.expect_life()

    def test_odd_exceptions_are_remote_errors(self):
        for kind, name in (("two", "TwoArguments"), ("not picklable", "NotPicklable")):
            with self.assertRaises(aiopool.RemoteError) as caught:
                self.pool.run(tasks.fail_oddly, kind)
            self.assertIn(name, caught.exception.type_name)
            self.assertIn("fail_oddly", aiopool.get_remote_traceback(caught.exception))
            self.expect_life()

    def test_exits_are_exceptions(self):
        for error in (SystemExit(3), KeyboardInterrupt()):
            self.assertRaises(type(error), self.pool.run, tasks.fail, error)
        self.expect_life()

    def test_a_running_task_is_cancelled_and_its_worker_comes_back(self):
        path = self.make_path()
        future = self.pool.submit(tasks.touch_and_spin, path)
        self.wait_for_file(path)
        self.assertTrue(future.is_running)
        self.assertTrue(future.cancel())
        self.assertRaises(aiopool.CancelledError, future.collect, LIMIT)
        self.expect_life()

    def test_a_copy_of_the_process_leaves_the_pool_alone(self):
        self.expect_life()
        pid = os.fork()
        if pid == 0:
            try:
                self.pool.submit(tasks.add, 1)
            except aiopool.PoolError:
                os._exit(0)
            finally:
                os._exit(1)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
        self.expect_life()

    def run_copy(self, function):
        """What a function says in a child made by fork()."""
        output, input = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.dup2(input, 2)
                os.write(2, str(function()).encode())
            finally:
                os._exit(0)
        os.close(input)
        with open(output) as file:
            text = file.read()
        os.waitpid(pid, 0)
        return text

    def test_a_copy_of_the_process_is_told_that_it_can_make_no_pool(self):
        def make():
            try:
                aiopool.ProcessPool(1)
            except aiopool.PoolError as error:
                return error

        self.expect_life()
        self.assertRegex(self.run_copy(make), "^This process is a copy[^\n]*$")

    def test_a_copy_of_the_process_takes_nothing_from_the_pool(self):
        """Who waits for a result reads what the worker sends: here it would be missing."""
        release = self.hold(self.pool)
        future = self.pool.submit(tasks.add, 1)
        results = self.pool.map(tasks.add, range(5), chunk_size=1)
        calls = [lambda: future.wait(0.01), lambda: future.collect(0.01),
                 lambda: next(results), lambda: aiopool.wait([future], 0.01), self.pool.check,
                 self.pool.spawn_workers]

        def refuse():
            n_refused = 0
            for call in calls:
                try:
                    call()
                except aiopool.PoolError:
                    n_refused += 1
            results.close()
            return n_refused, future.cancel(), future.state.name

        self.assertEqual(self.run_copy(refuse), "(6, False, 'PENDING')")
        release()
        self.assertEqual(future.collect(LIMIT), 1)
        self.assertEqual(list(results), [*range(5)])
        self.expect_life()

    def test_records_come_once_each(self):
        pool = self.make_pool(1)
        with self.assertLogs("pool.tasks", logging.DEBUG) as logs:
            for i in range(3):
                pool.run(tasks.log_once_each, 4)
            pool.run(tasks.log, logging.ERROR)
            pool.run(tasks.log, 37)
            pool.shutdown()
        self.assertEqual([record.getMessage() for record in logs.records],
                         3 * [f"record {i}" for i in range(4)] + ["level 40", "level 37"])
        record = logs.records[0]
        self.assertEqual((record.levelname, record.module, record.funcName),
                         ("WARNING", "pool_tasks", "log_once_each"))
        self.assertNotEqual(record.process, os.getpid())
        self.assertEqual([record.levelno for record in logs.records[-2:]], [40, 37])


    def log(self, task):
        pool = self.make_pool(1)
        with self.assertLogs("pool", logging.DEBUG) as logs:
            start = time.time()
            end = pool.run(task)
            pool.shutdown()
        self.assertTrue(all(start <= record.created <= end for record in logs.records))
        return logs

    def test_records_are_as_they_were_logged(self):
        logs = self.log(tasks.log_all_there_is)
        said, failed, long, circle = logs.records
        self.assertEqual(said.getMessage(), "said it\nin 2 lines")
        self.assertEqual((said.user, said.sizes, said.exc_text), ("me", [1, 2], None))
        self.assertIn("built-in method append", said.object)
        self.assertEqual(said.text, "\ud800\0" + "x" * 5000)
        self.assertEqual((said.threadName, said.processName), ("MainThread", f"aiopool-{said.process}"))
        self.assertEqual((failed.msg, failed.args), ("failed", ()))
        self.assertRegex(failed.exc_text, r"(?s)^Traceback .*KeyError: 'key'$")
        self.assertRegex(failed.stack_info, r"(?s)^Stack .*log_all_there_is")
        self.assertIn("KeyError: 'key'\nStack", logs.output[1])
        self.assertEqual((long.msg, long.second, long.first[-5:]), ("too much", 2, "xx..."))
        self.assertIn("ircular", circle.aiopool_extra_error)

    def test_loggers_have_the_levels_that_they_have_here(self):
        logger = logging.getLogger("pool.tasks.chatty")
        logger.setLevel(logging.DEBUG)
        self.addCleanup(logger.setLevel, logging.NOTSET)
        pool = self.make_pool(1)
        with self.assertLogs("pool", logging.DEBUG) as logs:
            logger.setLevel(logging.DEBUG)
            for name in ("pool.tasks.chatty", "pool.tasks", "pool.tasks.chatty.child"):
                pool.run(tasks.log, logging.DEBUG, name)
            pool.shutdown()
        self.assertEqual([record.name for record in logs.records],
                         ["pool.tasks.chatty", "pool.tasks.chatty.child"])

    def test_a_record_may_say_anything(self):
        fields = {"PYTHON_LEVEL": "?", "CODE_LINE": "x", "PYTHON_CREATED": "nan", "PYTHON_PARTS": "1 2",
                  "PYTHON_EXTRA": "[1", "PYTHON_THREAD_ID": ""}
        with self.assertLogs("pool.odd", logging.DEBUG) as logs:
            _log.handle_all([("pool.odd", "text", fields, 1, "f"),
                             ("pool.odd", "text", {"PYTHON_EXTRA": '{"levelno": 0, "a": 1}'}, 1, None)])
        self.assertEqual([(record.msg, record.levelno) for record in logs.records],
                         [("text", logging.ERROR)] * 2)
        self.assertEqual((logs.records[0].aiopool_extra, logs.records[1].a), ("[1", 1))

    def test_a_filter_that_raises_costs_its_own_record(self):
        def refuse(record):
            return 1 / 0 if record.msg == "first" else True

        logger = logging.getLogger("pool.odd")
        logger.addFilter(refuse)
        self.addCleanup(logger.removeFilter, refuse)
        with self.assertLogs(logger) as logs, unittest.mock.patch("sys.excepthook") as hook:
            _log.handle_all([("pool.odd", text, {}, 1, None) for text in ("first", "second")])
        self.assertEqual([record.msg for record in logs.records], ["second"])
        self.assertIs(hook.call_args.args[0], ZeroDivisionError)


def crash_and_count(path):
    tasks.touch(path, "x")
    os._exit(1)


PROGRAM = """
import sys, threading, time
sys.path.insert(0, {here!r})
import aiopool, pool_tasks
if __name__ == "__main__":
    pool = aiopool.ProcessPool(1)
    futures = [pool.submit(pool_tasks.touch, {path!r}, str(i)) for i in range(5)]
    {end}
"""


FORKING = """
import os, sys
sys.path.insert(0, {here!r})
from aiopool import ProcessPool
import pool_tasks
if __name__ == "__main__":
    pid = os.fork()
    with ProcessPool(1) as pool:
        pool.submit(pool_tasks.add, 1).add_callback(lambda future: print(future.result, flush=True))
    if pid == 0:
        pool = ProcessPool(1)
        pool.submit(pool_tasks.touch, {path!r}, "at the end")
    else:
        os.waitpid(pid, 0)
"""


INTERRUPTED = """
import asyncio, sys
sys.path.insert(0, {here!r})
import aiopool, pool_tasks

def wait_in_with():
    with aiopool.ProcessPool(1) as pool:
        pool.submit(pool_tasks.add, 1)
        pool.run(pool_tasks.touch_and_spin, {path!r})

def wait_bare():
    pool = aiopool.ProcessPool(1)
    pool.submit(pool_tasks.touch_and_spin, {path!r})
    pool.run(pool_tasks.touch, {path!r}, "wrong")

async def wait_in_async_with():
    async with aiopool.ProcessPool(1) as pool:
        await pool.run(pool_tasks.touch_and_spin, {path!r})

async def wait_in_a_loop():
    await aiopool.ProcessPool(1).run(pool_tasks.touch_and_spin, {path!r})

if __name__ == "__main__":
    {end}
"""


class Exit(pool_case.Case):
    def run_program(self, end, path="", program=PROGRAM):
        text = program.format(here=pool_case.HERE, path=path, end=end)
        program = self.make_path("program.py")
        with open(program, "w") as file:
            file.write(text)
        return subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)

    def test_the_end_of_a_program_waits_for_tasks(self):
        for end in ("pass", "del pool, futures", "raise ValueError", "sys.exit(0)"):
            path = self.make_path()
            process = self.run_program(end, path)
            output = process.communicate(timeout=LIMIT)[0]
            self.assertEqual("ValueError" in output, "raise" in end, output)
            self.assertNotIn("leaked", output)
            with open(path) as file:
                self.assertEqual(file.read(), "01234")

    def test_a_program_forks_before_it_has_a_pool(self):
        path = self.make_path()
        output = self.run_program("", path, FORKING).communicate(timeout=LIMIT)[0]
        self.assertEqual(output, "1\n1\n")
        with open(path) as file:
            self.assertEqual(file.read(), "at the end")

    def test_an_interrupt_ends_the_program_and_what_runs(self):
        for end in ("wait_in_with()", "wait_bare()", "asyncio.run(wait_in_async_with())",
                    "asyncio.run(wait_in_a_loop())"):
            path = self.make_path()
            process = self.run_program(end, path, INTERRUPTED)
            self.addCleanup(process.kill)
            self.wait_for_file(path)
            process.send_signal(signal.SIGINT)
            output = process.communicate(timeout=LIMIT)[0]
            self.assertEqual(process.returncode, -signal.SIGINT, output)
            self.assertTrue(output.endswith("KeyboardInterrupt\n"), output)
            with open(path) as file:
                self.assertEqual(file.read(), "")

    def test_workers_go_with_their_parent(self):
        process = self.run_program("print(pool.run(pool_tasks.get_pid), flush=True); time.sleep(60)",
                                   self.make_path())
        pid = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        process.communicate()
        self.wait_until(lambda: not is_alive(pid))


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Inline(pool_case.Case):
    def test_everything_runs_here(self):
        with aiopool.ProcessPool(2, inline=True, initializer=tasks.initialize) as pool:
            self.assertEqual(pool.run(tasks.get_pid), os.getpid())
            self.assertEqual(pool.run(lambda: 5), 5)
            self.assertEqual(len(tasks.STATE), 1)
            future = pool.submit(tasks.fail, ValueError(1))
            self.assertTrue(future.is_failed and isinstance(future, aiopool.Future))
            self.assertRaises(ValueError, future.collect)
            self.assertEqual(list(pool.map(tasks.add, range(5), chunk_size=2)), [*range(5)])
            self.assertEqual(sorted(pool.map_all_unordered(tasks.add, range(5))), [*range(5)])
            self.assertEqual(list(pool.stream(tasks.count, 3)), [0, 1, 2])
            self.assertEqual(list(pool.stream(tasks.emit, 3)), [0, 1, 2])
            self.assertEqual(next(pool.stream(tasks.count_for_ever, self.make_path()))[-1:], b"0")
            self.assertEqual(pool.run(tasks.add_async, 1), 1)
            self.assertEqual(list(aiopool.as_done([future])), [future])
        self.assertRaises(aiopool.PoolClosedError, pool.run, tasks.add, 1)
        tasks.STATE.clear()

    def test_a_switch_has_every_pool_run_here(self):
        self.addCleanup(setattr, aiopool.Pool, "inline", None)
        aiopool.Pool.inline = True
        with aiopool.ProcessPool(1) as pool, aiopool.ProcessPoolExecutor(1) as executor:
            self.assertEqual(pool.run(tasks.get_pid), os.getpid())
            self.assertEqual(executor.submit(tasks.get_pid).result(), os.getpid())
            self.assertRaises(ValueError, executor.submit(tasks.fail, ValueError()).result)
            self.assertEqual(list(executor.map(tasks.add, [1, 2])), [1, 2])
            self.assertFalse(executor._shutdown_thread)
        self.assertTrue(executor._shutdown_thread)

    def test_errors_of_the_initializer_are_the_same(self):
        pool = self.make_pool(1, inline=True, initializer=tasks.fail, init_args=(ValueError("no"),))
        self.assertRaisesRegex(aiopool.InitializerError, "no", pool.run, tasks.add, 1)
        self.assertTrue(pool.is_broken)


class Stubs(unittest.TestCase):
    def test_type_checkers_are_told_all_that_is_public(self):
        source = inspect.getsourcefile(aiopool) + "i"
        with open(source) as file:
            body = ast.parse(file.read()).body
        found = {node.name: node for node in body if hasattr(node, "name")}
        found.update({node.target.id: node for node in body if isinstance(node, ast.AnnAssign)})
        names = [name for name in found if not name.startswith("_")]
        self.assertEqual(sorted(names), sorted(aiopool.__all__))
        for name in ("ProcessPool", "Future", "Stream", "Results", "FutureFilter", "Countdown"):
            self.compare(name, found)

    def compare(self, name, found):
        bases = [found[name], *{"ProcessPool": [found["Pool"], found["_Calls"]]}.get(name, ())]
        told = {getattr(item, "name", None) or item.target.id for base in bases for item in base.body
                if not isinstance(item, ast.Expr)}
        public = {attribute for attribute in dir(getattr(aiopool, name)) if attribute[0] != "_"}
        handle = {"load", "cancel_task", "take_news", "payload", "on_ended", "on_news", "on_told"}
        self.assertEqual(public - told - handle, set(), name)


if __name__ == "__main__":
    pool_case.main()
