#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What people do to executors: races, interrupts, forks, and ends of programs in the midst of work."""

import asyncio
import gc
import os
import signal
import sys
import threading
import time
import weakref
from concurrent.futures import FIRST_EXCEPTION, CancelledError, ThreadPoolExecutor, as_completed, wait
from pathlib import Path

sys.path[:1] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

import aiopool  # noqa: E402
import executor_tasks as tasks  # noqa: E402
import worker_tasks  # noqa: E402
from executor_case import LIMIT, Case  # noqa: E402
from taptest import main  # noqa: E402


def square_in_a_worker(number):
    with aiopool.ProcessPoolExecutor(1) as executor:
        return executor.submit(tasks.square, number).result(LIMIT)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


class Races(Case):
    @classmethod
    def setUpClass(cls):
        cls.executor = cls.kind(2)

    @classmethod
    def tearDownClass(cls):
        cls.executor.shutdown()

    def test_ten_thousand_futures(self):
        futures = [self.executor.submit(tasks.square, i) for i in range(10_000)]
        self.assertEqual(len(wait(futures, LIMIT).done), 10_000)
        self.assertEqual(sum(future.result() for future in as_completed(futures, LIMIT)),
                         sum(i * i for i in range(10_000)))

    def test_futures_of_threads_and_of_processes_together(self):
        with ThreadPoolExecutor(2) as threads:
            both = (threads, self.executor)
            futures = [both[i % 2].submit(tasks.square, i) for i in range(100)]
            self.assertEqual(len(list(as_completed(futures, LIMIT))), 100)
            release = threading.Event()
            slow = threads.submit(release.wait)
            bad = self.executor.submit(worker_tasks.fail, "kept")
            done, rest = wait([*futures, slow, bad], LIMIT, FIRST_EXCEPTION)
            self.assertIn(bad, done)
            self.assertEqual(rest, {slow})
            release.set()

    def test_a_cancel_wins_or_loses_and_the_result_agrees(self):
        n_cancelled = 0
        for i in range(1000):
            future = self.executor.submit(tasks.square, 3)
            called = threading.Event()
            if i % 2:
                future.add_done_callback(lambda future: called.set())
            is_cancelled = future.cancel()
            n_cancelled += is_cancelled
            try:
                self.assertEqual(future.result(LIMIT), 9)
                self.assertFalse(is_cancelled)
            except CancelledError:
                self.assertTrue(is_cancelled)
            if i % 2:
                self.assertTrue(called.wait(LIMIT))
        self.assertGreater(n_cancelled, 0)

    def test_threads_that_wait_in_all_ways(self):
        sums = []

        def work(ways):
            futures = [self.executor.submit(tasks.square, i) for i in range(100)]
            sums.append(sum(future.result(LIMIT) for future in ways(futures)))

        ways = (list, as_completed, lambda futures: wait(futures).done, reversed) * 2
        threads = [threading.Thread(target=work, args=(way,)) for way in ways]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT)
        self.assertEqual(sums, [sum(i * i for i in range(100))] * len(ways))

    def test_who_has_seen_a_future_unfinished_sees_that_until_it_is_told(self):
        """wait() looks twice, and would wait for what has ended in between."""
        future, path = self.start_waiting(self.executor)
        with future._condition:
            self.assertEqual(future._state, "RUNNING")
            open(path, "w").close()
            self.assertIsInstance(future.result(LIMIT), int)
            self.assertEqual(future._state, "RUNNING")
        wait([future])
        self.assertEqual(future._state, "FINISHED")

    def test_an_executor_in_a_worker(self):
        self.assertEqual(self.executor.submit(square_in_a_worker, 5).result(LIMIT), 25)

    def test_an_event_loop_that_gives_up_waiting(self):
        async def run():
            loop = asyncio.get_running_loop()
            waiting, path = self.start_waiting(self.executor)
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.wrap_future(waiting), 0.001)
            open(path, "w").close()
            return await loop.run_in_executor(self.executor, tasks.square, 3)

        self.assertEqual(asyncio.run(run()), 9)

    def test_an_executor_in_a_cycle_goes(self):
        executor = self.kind(1)
        future = executor.submit(tasks.square, 2)
        future.executor = executor
        future.add_done_callback(lambda done, futures=[future]: None)
        executor.future = future
        self.assertEqual(future.result(LIMIT), 4)
        gone = weakref.ref(executor)
        wait([future], LIMIT)
        del executor, future
        end = threading.Event()
        for _ in range(1000):  # until the callback has been called and dropped
            gc.collect()
            if gone() is None or end.wait(0.01):
                break
        self.assertIsNone(gone())


class Interrupts(Case):
    def interrupt(self, function):
        """Ctrl-C while this thread waits for what does not end."""
        executor = self.kind(1)
        future, path = self.start_waiting(executor)
        timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with self.assertRaises(KeyboardInterrupt):
            function(executor, future)
        open(path, "w").close()
        self.assertIsInstance(future.result(LIMIT), int)
        executor.shutdown()

    def test_a_wait_for_a_result(self):
        self.interrupt(lambda executor, future: future.result())

    def test_a_wait_for_several(self):
        self.interrupt(lambda executor, future: wait([future]))

    def test_a_map(self):
        self.interrupt(lambda executor, future: list(executor.map(tasks.square, range(3))))

    def test_a_shutdown(self):
        self.interrupt(lambda executor, future: executor.shutdown())


class Ends(Case):
    def check(self, text, said="", status=0, error=""):
        """A program with an executor `e`, a path `p`, and 20 tasks that each write an x there."""
        path = self.make_path("text")
        text = ("import os, sys, threading, time, aiopool, executor_tasks as t\n"
                f"p = {path!r}\n"
                "e = aiopool.ProcessPoolExecutor(2)\n"
                "fs = [e.submit(t.append, p, 'x') for _ in range(20)]\n" + text)
        done = self.run_program(text, status=status)
        self.assertEqual(done.stdout, said)
        self.assertIn(error, done.stderr)
        if not error:
            self.assertEqual(done.stderr, "")
        self.assertEqual(Path(path).read_text(encoding="ascii"), "x" * 20)

    def test_tasks_that_wait(self):
        self.check("")
        self.check("del e, fs\n")

    def test_a_shutdown_that_did_not_wait(self):
        """Which hangs with that of CPython: gh-83386."""
        self.check("e.shutdown(wait=False)\n")
        self.check("e.shutdown(wait=False)\ndel e, fs\n")

    def test_an_exception(self):
        self.check("1 / 0\n", status=1, error="ZeroDivisionError")

    def test_an_exit_in_a_callback(self):
        self.check("fs[0].add_done_callback(lambda f: sys.exit(3))\n", error="SystemExit: 3")

    def test_a_submit_when_all_is_over(self):
        self.check("import atexit\n"
                   "@atexit.register\n"
                   "def last():\n"
                   "    try: e.submit(t.square, 2)\n"
                   "    except RuntimeError as error: print(error)\n",
                   said="cannot schedule new futures after shutdown\n")

    def test_a_thread_that_goes_on(self):
        self.check("def work():\n"
                   "    try:\n"
                   "        while True: e.submit(t.square, 2).result()\n"
                   "    except RuntimeError as error: print(error)\n"
                   "thread = threading.Thread(target=work)\n"
                   "thread.start()\n"
                   "e.submit(t.square, 2).result()\n",
                   said="cannot schedule new futures after shutdown\n")

    def test_a_daemon_thread_that_waits(self):
        self.check("def work():\n"
                   "    try:\n"
                   "        while True: e.submit(t.square, 2).result()\n"
                   "    except RuntimeError: pass\n"
                   "threading.Thread(target=work, daemon=True).start()\n"
                   "e.submit(t.square, 2).result()\n")

    def test_an_end_without_any_ceremony(self):
        path = self.make_path("begun")
        done = self.run_program(
            "import os, aiopool, executor_tasks as t\n"
            "e = aiopool.ProcessPoolExecutor(1)\n"
            f"e.submit(t.touch_and_wait, {path!r}, '/nonexistent')\n"
            "(pid,) = e._processes\n"
            f"while not os.path.exists({path!r}): pass\n"
            "print(pid, flush=True)\n"
            "os._exit(7)\n", status=7)
        end = time.monotonic() + LIMIT
        while is_running(int(done.stdout)):
            self.assertLess(time.monotonic(), end, "the worker goes on")
            time.sleep(0.001)


class Copies(Case):
    def test_a_fork_of_a_program_that_has_no_pool_has_its_own(self):
        """As servers do that load all and then fork."""
        done = self.run_program(
            "import os, aiopool\n"
            "aiopool.ProcessPoolExecutor, aiopool.ProcessPool\n"
            "pid = os.fork()\n"
            "if pid == 0:\n"
            "    with aiopool.ProcessPoolExecutor(1) as e:\n"
            "        print(e.submit(pow, 2, 3).result(), flush=True)\n"
            "    raise SystemExit(0)\n"
            "print(os.waitpid(pid, 0)[1], aiopool.ProcessPoolExecutor(1).submit(pow, 2, 2).result())\n")
        self.assertEqual(done.stdout, "8\n0 4\n")

    def test_a_fork_of_a_program_with_a_pool_is_told_that_it_has_none(self):
        done = self.run_program(
            "import concurrent.futures, os, aiopool\n"
            "e = aiopool.ProcessPoolExecutor(1)\n"
            "f = e.submit(pow, 2, 3)\n"
            "pid = os.fork()\n"
            "if pid == 0:\n"
            "    for function in (aiopool.ProcessPoolExecutor, f.result,\n"
            "                     lambda: concurrent.futures.wait([f])):\n"
            "        try: function()\n"
            "        except aiopool.PoolError as error: print('fork' in str(error), flush=True)\n"
            "    os._exit(0)\n"
            "os.waitpid(pid, 0)\n"
            "print(f.result())\n")
        self.assertEqual(done.stdout, "True\nTrue\nTrue\n8\n")
        self.assertNotIn("Traceback", done.stderr)

    def test_a_second_interpreter_is_refused(self):
        try:
            import _xxsubinterpreters as interpreters
        except ImportError:
            self.skipTest("there is no such module in this Python")
        with self.kind(1) as executor:
            executor.submit(pow, 2, 2).result(LIMIT)
        number = interpreters.create()
        with self.assertRaisesRegex(interpreters.RunFailedError, "interpreter"):
            interpreters.run_string(number, f"import sys\nsys.path[:0] = {sys.path!r}\n"
                                            "import aiopool\naiopool.ProcessPoolExecutor(1)")
        interpreters.destroy(number)
        with self.kind(1) as executor:
            self.assertEqual(executor.submit(pow, 2, 2).result(LIMIT), 4)


if __name__ == "__main__":
    main()
