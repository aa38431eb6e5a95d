#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Python worker: what can go wrong. Numbers are the rows of docs/faults.md."""

import os
import signal
import subprocess
import sys
import time

from worker_case import HERE, LIMIT, Aiopool, Case, GLib, _spawn

from taptest import main


def is_alive(pid):
    """Zombies are not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


class Faults(Case):
    def setUp(self):
        self.pool = self.make_pool()

    def get_pid(self):
        return self.run_task(self.pool, "os:getpid")

    def assert_goes_on(self):
        self.assertEqual(self.run_task(self.pool, "echo", "(i)", (1,)), 1)

    def test_1_killed(self):
        self.expect_crash(self.submit(self.pool, "kill", "(i)", (9,)), "signal 9")
        self.assert_goes_on()

    def test_2_segmentation_fault_with_the_python_stack(self):
        self.expect_crash(self.submit(self.pool, "crash_c"), "in crash_c")
        self.assert_goes_on()

    def test_3_exit(self):
        for status in (0, 7):
            self.expect_crash(self.submit(self.pool, "end", "(i)", (status,)),
                              f"exit status {status}")
        self.assert_goes_on()

    def test_4_5_exits_and_interrupts_are_the_exception(self):
        pid = self.get_pid()
        for kind, name in (("system exit", "SystemExit"), ("interrupt", "KeyboardInterrupt"),
                           ("memory", "MemoryError"), ("stop", "StopIteration")):
            info = self.expect(self.submit(self.pool, "fail", "(s)", (kind,)),
                               Aiopool.TaskError.FAILED, name)
            self.assertEqual(info.get_type_name(), name)
        self.assertEqual(self.get_pid(), pid)

    def test_6_an_idle_worker_is_killed(self):
        pid = self.get_pid()
        os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + LIMIT
        while is_alive(pid) and time.monotonic() < end:
            time.sleep(0.001)
        self.assert_goes_on()

    def test_9_random_kills(self):
        """Every task is answered, with a result or a crash."""
        pool = self.make_pool(max_workers=2, restart_budget=1000)
        futures = [self.submit(pool, "nap", "(d)", (0.002,)) for _ in range(200)]
        n_killed = 0
        for future in futures[::10]:
            if self.wait(future).get_error() is None:
                try:
                    os.kill(future.get_result().unpack(), signal.SIGKILL)
                    n_killed += 1
                except ProcessLookupError:
                    pass
        for future in futures:
            if self.wait(future).get_error() is not None:
                self.expect_crash(future, "signal 9")
        self.assertGreater(n_killed, 0)
        self.assertEqual(self.run_task(pool, "echo", "(i)", (1,)), 1)

    def test_10_an_initializer_that_raises(self):
        task = Aiopool.Task.new("worker_tasks:fail", GLib.Variant("(s)", ("kept",)))
        pool = self.make_pool(initializer=task)
        self.expect(self.submit(pool, "echo", "(i)", (1,)), Aiopool.PoolError.INITIALIZER,
                    "worker_tasks.Kept", "aiopool-pool-error-quark")

    def test_17_18_odd_exceptions(self):
        for kind, name, part in (("two", "worker_tasks.TwoArguments", "1"),
                                 ("no text", "worker_tasks.NoText", "text cannot be made"),
                                 ("nul", "ValueError", "a\\x00b\\udc80"),
                                 ("huge", "ValueError", "xxx")):
            with self.subTest(kind):
                info = self.expect(self.submit(self.pool, "fail", "(s)", (kind,)),
                                   Aiopool.TaskError.FAILED, part)
                self.assertEqual(info.get_type_name(), name)
        self.assert_goes_on()

    def test_an_exception_has_all_that_is_known(self):
        info = self.expect(self.submit(self.pool, "fail_in_a_chain"), Aiopool.TaskError.FAILED,
                           "RuntimeError: top")
        self.assertIn("in fail_in_a_chain", info.get_traceback())
        context = info.get_context()
        self.assertEqual((context.get_type_name(), context.get_message()), ("ValueError", "middle"))
        self.assertEqual(context.get_cause().get_type_name(), "KeyError")
        info = self.expect(self.submit(self.pool, "fail", "(s)", ("kept",)),
                           Aiopool.TaskError.FAILED)
        self.assertEqual(info.get_notes(), ["a note"])
        self.assertIsNone(info.get_payload()[0])

    def test_exceptions_in_a_circle_end(self):
        info = self.expect(self.submit(self.pool, "fail_in_a_circle"), Aiopool.TaskError.FAILED)
        self.assertEqual(info.get_cause().get_message(), "second")
        self.assertIsNone(info.get_cause().get_cause())
        self.expect(self.submit(self.pool, "recurse"), Aiopool.TaskError.FAILED, "RecursionError")

    def test_a_glib_error_is_that_error(self):
        self.expect(self.submit(self.pool, "fail_with_glib_error"), 1, "No such file",
                    "g-io-error-quark")

    def test_24_25_26_output_is_left_alone(self):
        self.run_task(self.pool, "write", "(s)", ("# text\n" * 10,))
        self.assertEqual(self.run_task(self.pool, "close_outputs"), "done")
        self.assert_goes_on()

    def test_27_a_task_closes_every_descriptor(self):
        self.expect_crash(self.submit(self.pool, "os:closerange", "(ii)", (3, 1000)), "")
        self.assert_goes_on()

    def test_29_a_busy_task_is_cancelled_by_force(self):
        self.assert_ends("spin", lambda future: future.cancel(Aiopool.CancelMode.FORCE))

    def test_30_a_task_that_ignores_sigterm(self):
        self.pool.set_grace_period(0.2)
        self.assert_ends("spin_deaf", lambda future: future.cancel(Aiopool.CancelMode.FORCE))

    def assert_ends(self, function, end):
        """The task, which is busy, and its process."""
        pid = self.get_pid()
        path = os.path.join(self.make_directory(), "started")
        future = self.submit(self.pool, function, "(s)", (path,))
        self.wait_for_file(path)
        end(future)
        self.expect_cancelled(future)
        limit = time.monotonic() + LIMIT
        while is_alive(pid) and time.monotonic() < limit:
            time.sleep(0.001)
        self.assertFalse(is_alive(pid))
        self.assert_goes_on()

    def test_a_busy_task_times_out(self):
        path = os.path.join(self.make_directory(), "started")
        future = self.submit(self.pool, "spin", "(s)", (path,), timeout=0.2)
        self.expect(future, Aiopool.TaskError.TIMED_OUT)
        self.assert_goes_on()

    def test_a_task_that_listens_is_cancelled_and_its_worker_stays(self):
        pid = self.get_pid()
        path = os.path.join(self.make_directory(), "started")
        future = self.submit(self.pool, "wait_for_cancel", "(s)", (path,))
        self.wait_for_file(path)
        future.cancel(Aiopool.CancelMode.COOPERATIVE)
        self.expect_cancelled(future)
        self.assertEqual(self.get_pid(), pid)

    def test_a_generator_is_closed_when_it_is_cancelled(self):
        pid = self.get_pid()
        path = os.path.join(self.make_directory(), "count")
        future = self.submit(self.pool, "count_for_ever", "(s)", (path,))
        first = []
        future.connect("emitted", lambda *_: first.append(1))
        end = time.monotonic() + LIMIT
        while not first and time.monotonic() < end:
            GLib.MainContext.default().iteration(False)
        future.cancel(Aiopool.CancelMode.COOPERATIVE)
        self.expect_cancelled(future)
        self.assertTrue(os.path.exists(path))
        self.assertEqual(self.get_pid(), pid)

    def test_31_32_33_workers_go_with_their_parent(self):
        for function, is_busy in (("spin", True), ("sleep_for_ever", True)):
            with self.subTest(function):
                self.assert_orphan_ends(function)

    def assert_orphan_ends(self, function):
        path = os.path.join(self.make_directory(), "started")
        program = ("import sys; sys.path[:0] = sys.argv[1:3]\n"
                   "from worker_case import Aiopool, GLib, _spawn\n"
                   "pool = Aiopool.Pool(max_workers=1, launcher=_spawn.make_launcher())\n"
                   "pid = pool.run(Aiopool.Task.new('os:getpid', None), None)\n"
                   "task = Aiopool.Task.new('worker_tasks:' + sys.argv[3],"
                   " GLib.Variant('(s)', (sys.argv[4],)))\n"
                   "future = pool.submit(task, None)\n"
                   "print(pid, flush=True)\n"
                   "future.wait(-1)\n")
        parent = subprocess.Popen([sys.executable, "-c", program, HERE, os.path.dirname(HERE),
                                   function, path], stdout=subprocess.PIPE, text=True)
        pid = int(parent.stdout.readline())
        self.wait_for_file(path)
        parent.kill()
        parent.wait()
        parent.stdout.close()
        end = time.monotonic() + LIMIT
        while is_alive(pid) and time.monotonic() < end:
            time.sleep(0.001)
        self.assertFalse(is_alive(pid))

    def test_38_an_interrupt_does_nothing_to_a_worker(self):
        pid = self.get_pid()
        os.kill(pid, signal.SIGINT)
        self.assertEqual(self.run_task(self.pool, "interrupt_self"), "still here")
        self.assertEqual(self.get_pid(), pid)

    def test_a_copy_of_the_worker_answers_nothing(self):
        for kind, status in (("return", 0), ("exit", 3), ("emit", 1), ("raise", 1)):
            with self.subTest(kind):
                self.assertEqual(self.run_task(self.pool, "fork", "(s)", (kind,)), status)
        future = self.submit(self.pool, "fork_and_yield")
        emitted = []
        future.connect("emitted", lambda _, value: emitted.append(value.unpack()))
        self.wait(future).get_result()
        self.assertEqual(emitted, [0])
        self.assert_goes_on()

    def test_tasks_may_use_multiprocessing(self):
        for method in ("fork", "spawn"):
            with self.subTest(method):
                self.assertEqual(self.run_task(self.pool, "run_multiprocessing", "(s)", (method,)),
                                 5)

    def test_41_a_thread_that_is_left_does_not_hold_up_the_end(self):
        pid = self.run_task(self.pool, "leave_thread")
        self.pool.shutdown(Aiopool.ShutdownFlags.DRAIN, None)
        self.assertFalse(is_alive(pid))


class Coroutines(Case):
    def setUp(self):
        self.pool = self.make_pool(tasks_per_worker=4)

    def start(self, function):
        path = os.path.join(self.make_directory(), "started")
        future = self.submit(self.pool, function, "(s)", (path,))
        self.wait_for_file(path)
        return future, path

    def test_several_run_at_once(self):
        futures = [self.submit(self.pool, "meet", "(i)", (4,)) for _ in range(4)]
        self.assertEqual([self.wait(future).get_result().unpack() for future in futures], [4] * 4)

    def test_plain_functions_go_on_in_the_loop(self):
        self.assertEqual(self.run_task(self.pool, "tell_later"), "worker_tasks:tell_later")
        for number in range(100):
            self.assertEqual(self.run_task(self.pool, "echo", "(i)", (number,)), number)
        self.assertEqual(self.run_task(self.pool, "tell_later"), "worker_tasks:tell_later")

    def test_a_plain_function_may_run_a_loop_of_its_own(self):
        self.assertEqual(self.run_task(self.pool, "run_a_loop"), "ran")
        future, path = self.start("sleep_for_ever")
        self.assertEqual(self.run_task(self.pool, "run_a_loop"), "ran")
        self.assertEqual(self.run_task(self.pool, "tell_later"), "worker_tasks:tell_later")
        future.cancel(Aiopool.CancelMode.COOPERATIVE)
        self.expect_cancelled(future)

    def test_more_than_run_at_once_wait(self):
        futures = [self.submit(self.pool, "asyncio:sleep", "(di)", (0.001, i)) for i in range(50)]
        self.assertEqual([self.wait(future).get_result().unpack() for future in futures],
                         list(range(50)))

    def test_a_cancel_reaches_the_coroutine(self):
        future, path = self.start("sleep_for_ever")
        other = self.submit(self.pool, "meet", "(i)", (1,))
        self.wait(other)
        future.cancel(Aiopool.CancelMode.COOPERATIVE)
        self.expect_cancelled(future)
        self.assertTrue(os.path.exists(path + ".cancelled"))
        self.assertEqual(self.run_task(self.pool, "echo", "(i)", (1,)), 1)

    def test_a_coroutine_may_give_a_result_all_the_same(self):
        future, path = self.start("shrug_off_cancel")
        future.cancel(Aiopool.CancelMode.COOPERATIVE)
        self.assertEqual(self.wait(future).get_result().unpack(), "kept")

    def test_a_forced_cancel_leaves_the_worker(self):
        pid = self.run_task(self.pool, "os:getpid")
        future, path = self.start("sleep_for_ever")
        future.cancel(Aiopool.CancelMode.FORCE)
        self.expect_cancelled(future)
        self.wait_for_file(path + ".cancelled")
        self.assertEqual(self.run_task(self.pool, "os:getpid"), pid)

    def test_an_exception_fails_the_task(self):
        info = self.expect(self.submit(self.pool, "fail_later"), Aiopool.TaskError.FAILED,
                           "ValueError: later")
        self.assertIn("in fail_later", info.get_traceback())

    def test_an_asynchronous_generator_emits(self):
        future = self.submit(self.pool, "count_later", "(i)", (3,))
        emitted = []
        future.connect("emitted", lambda _, value: emitted.append(value.unpack()))
        self.wait(future).get_result()
        self.assertEqual(emitted, [0, 1, 2])

    def test_a_shutdown_waits_for_them(self):
        futures = [self.submit(self.pool, "asyncio:sleep", "(di)", (0.01, i)) for i in range(8)]
        self.pool.shutdown(Aiopool.ShutdownFlags.DRAIN, None)
        self.assertEqual([future.get_result().unpack() for future in futures], list(range(8)))


if __name__ == "__main__":
    main()
