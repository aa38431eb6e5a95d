#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What programs see that look behind the back of a ProcessPoolExecutor."""

import gc
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import time
import weakref
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker
from pathlib import Path

sys.path[:1] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

import executor_tasks as tasks  # noqa: E402
from executor_case import LIMIT, Case  # noqa: E402
from taptest import main  # noqa: E402


class Inside(Case):
    def test_processes_are_there_at_once_and_live(self):
        executor = self.make(2)
        processes = executor._processes
        self.assertEqual((len(processes), dict(processes)), (0, {}))
        future = executor.submit(os.getpid)
        (pid,) = executor._processes
        self.assertEqual(future.result(LIMIT), pid)
        process = processes[pid]
        self.assertIs(process, processes[pid])
        self.assertEqual((process.pid, process.is_alive(), process.exitcode), (pid, True, None))
        process.join(0.001)
        self.assertTrue(process.is_alive())
        self.assertIn("started", repr(process))
        executor.shutdown()
        process.join(LIMIT)
        self.assertEqual((process.is_alive(), process.exitcode, len(processes)), (False, 0, 0))
        process.kill()
        process.close()

    def test_a_process_that_is_killed_breaks_the_executor(self):
        for method, number in (("terminate", signal.SIGTERM), ("kill", signal.SIGKILL)):
            executor = self.make(1)
            future, _ = self.start_waiting(executor)
            (process,) = executor._processes.values()
            sentinel = process.sentinel
            getattr(process, method)()
            self.assertEqual(multiprocessing.connection.wait([sentinel], LIMIT), [sentinel])
            self.assertIsInstance(future.exception(LIMIT), BrokenProcessPool)
            process.join(LIMIT)
            self.assertEqual(process.exitcode, -number)
            executor._executor_manager_thread.join(LIMIT)
            self.assertFalse(executor._executor_manager_thread.is_alive())
            self.assertIn(str(process.pid), executor._broken)

    def test_workers_are_ended_as_in_python_3_14(self):
        for method in ("terminate_workers", "kill_workers"):
            executor = self.make(1)
            running, _ = self.start_waiting(executor)
            waiting = [executor.submit(tasks.square, i) for i in range(3)]
            processes = list(executor._processes.values())
            getattr(executor, method)()
            self.assertIsInstance(running.exception(LIMIT), BrokenProcessPool)
            self.assertTrue(all(future.cancelled() for future in waiting))
            for process in processes:
                process.join(LIMIT)
                self.assertFalse(process.is_alive())
            with self.assertRaises(RuntimeError):
                executor.submit(pow, 2, 2)
            getattr(executor, method)()

    def test_workers_that_never_were(self):
        executor = self.make(1)
        executor.kill_workers()
        with self.assertRaises(RuntimeError):
            executor.submit(pow, 2, 2)

    def test_how_many_calls_are_left(self):
        executor = self.make(1)
        _, path = self.start_waiting(executor)
        last = executor.submit(pow, 2, 2)
        self.assertEqual(len(executor._pending_work_items), 2)
        open(path, "w").close()
        last.result(LIMIT)
        self.assertEqual(len(executor._pending_work_items), 0)
        self.assertFalse(executor._pending_work_items)

    def test_views_keep_no_executor(self):
        executor = self.kind(1)
        _, path = self.start_waiting(executor)
        last = executor.submit(tasks.square, 3)
        processes, manager = executor._processes, executor._executor_manager_thread
        queue, dropped = executor._call_queue, weakref.ref(executor)
        del executor
        gc.collect()
        self.assertIsNone(dropped())
        self.assertTrue(manager.is_alive())
        self.assertEqual(len(processes), 1)
        open(path, "w").close()
        manager.join(LIMIT)
        queue.join_thread()
        self.assertEqual((manager.is_alive(), len(processes), last.result(0)), (False, 0, 9))

    def test_who_joins_meanwhile_is_told(self):
        executor = self.make(1)
        thread = threading.Thread(target=executor._executor_manager_thread.join)
        thread.start()
        self.assertFalse(executor._shutdown_thread)
        executor.shutdown()
        self.assertTrue(executor._shutdown_thread)
        thread.join(LIMIT)
        self.assertFalse(thread.is_alive())

    def test_what_was_given(self):
        executor = self.make(3)
        self.assertEqual((executor._max_workers, executor._broken), (3, False))
        self.assertEqual(executor._mp_context.get_start_method(), "spawn")
        context = multiprocessing.get_context("forkserver")
        self.assertIs(self.make(mp_context=context)._mp_context, context)
        with self.assertRaises(AttributeError):
            executor._no_such_thing
        with self.assertRaisesRegex(ValueError, "fork"):
            self.kind(1, mp_context=multiprocessing.get_context("fork"), max_tasks_per_child=1)

    def test_descriptors_are_given_back(self):
        """Also those of an executor that is dropped, and of which nobody hears any more."""
        resource_tracker.ensure_running()
        self.make().submit(pow, 2, 2).result(LIMIT)
        before = len(os.listdir("/proc/self/fd"))
        for is_shut_down in (True, True, False):
            executor = self.kind(1)
            executor.submit(pow, 2, 2).result(LIMIT)
            if is_shut_down:
                for process in executor._processes.values():
                    self.assertGreater(process.sentinel, 0)
                executor.shutdown()
                del process
            del executor
        gc.collect()
        end = time.monotonic() + LIMIT
        while len(os.listdir("/proc/self/fd")) > before and time.monotonic() < end:
            time.sleep(0.001)
        self.assertLessEqual(len(os.listdir("/proc/self/fd")), before)


if __name__ == "__main__":
    main()
