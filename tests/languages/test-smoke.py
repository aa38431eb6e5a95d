#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A pool through the bare introspected API in Python: every way that a task can end."""

import json
import sys
import tempfile
import unittest
from pathlib import Path

import gi
import gi.overrides

sys.modules["gi.overrides.Aiopool"] = None  # nothing but what introspection gives
gi.require_version("Aiopool", "1")
from gi.repository import Aiopool, Gio, GLib  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from taptest import main  # noqa: E402

PLUGIN = sys.argv[1]

# Seconds after which a loop that nobody ends fails its test.
LIMIT = 60


def new_task(function, signature="()", values=()):
    return Aiopool.Task.new(function, GLib.Variant(signature, values))


class Loop:
    """Runs the default main context until something has happened."""

    def __init__(self):
        self.loop = GLib.MainLoop()
        self.is_late = False
        self.answer = None

    def end(self, *answer):
        self.answer = answer
        self.loop.quit()

    def on_late(self):
        self.is_late = True
        self.loop.quit()
        return GLib.SOURCE_CONTINUE

    def run(self):
        watch = GLib.timeout_add_seconds(LIMIT, self.on_late)
        self.loop.run()
        GLib.source_remove(watch)
        if self.is_late:
            raise AssertionError(f"nothing happened in {LIMIT} seconds")
        return self.answer


class InlineExecutor(Aiopool.Executor):
    """Doubles numbers at once, in this process; refuses everything else."""

    def __init__(self):
        super().__init__()
        self.is_closed = False

    def do_submit(self, task, cancellable):
        if self.is_closed:
            raise GLib.Error.new_literal(Aiopool.pool_error_quark(), "closed",
                                         Aiopool.PoolError.CLOSED)
        promise = Aiopool.Promise.new(task)
        promise.start()
        if task.get_function() == "double":
            (number,) = task.get_arguments().unpack()
            promise.resolve(GLib.Variant("x", 2 * number))
        else:
            promise.reject(GLib.Error.new_literal(Gio.io_error_quark(), "no such function",
                                                  Gio.IOErrorEnum.NOT_FOUND))
        return promise.get_future()

    def do_begin_shutdown(self, flags):
        self.is_closed = True
        promise = Aiopool.Promise.new(None)
        promise.resolve(GLib.Variant("()", ()))
        return promise.get_future()

    def do_get_n_pending(self):
        return 3

    def do_get_n_running(self):
        return 4


class RaisingExecutor(Aiopool.Executor):
    def do_submit(self, task, cancellable):
        raise RuntimeError("on purpose")


class SmokeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        launcher = Aiopool.Launcher.new_for_plugins([PLUGIN])
        cls.pool = Aiopool.Pool.new_with_launcher(2, launcher)

    @classmethod
    def tearDownClass(cls):
        cls.pool.shutdown(Aiopool.ShutdownFlags.DRAIN, None)
        cls.pool = None

    def assert_error(self, error, quark, code):
        self.assertTrue(error.matches(quark, code), f"{error.domain} {error.code}: {error}")

    def assert_fails(self, quark, code, call, *arguments):
        with self.assertRaises(GLib.Error) as caught:
            call(*arguments)
        self.assert_error(caught.exception, quark, code)
        return caught.exception

    def assert_run_fails(self, quark, code, function, executor=None):
        return self.assert_fails(quark, code, (executor or self.pool).run, new_task(function), None)

    def test_run_returns_the_value(self):
        result = self.pool.run(new_task("echo", "(sx)", ("seven", 7)), None)
        self.assertEqual(result.unpack(), ("seven", 7))

    def test_run_async_returns_the_value(self):
        loop = Loop()
        self.pool.run_async(new_task("echo", "(s)", ("later",)), None, loop.end)
        self.assertIsNone(loop.answer)
        pool, result = loop.run()
        self.assertIs(pool, self.pool)
        self.assertEqual(pool.run_finish(result).unpack(), ("later",))

    def test_submit_async_gives_a_future(self):
        loop = Loop()
        self.pool.submit_async(new_task("echo", "(i)", (5,)), None, loop.end)
        pool, result = loop.run()
        future = pool.submit_finish(result)
        self.assertEqual(future.collect(LIMIT, None).unpack(), (5,))

    def test_an_error_crosses_with_domain_and_code(self):
        error = self.assert_run_fails(Gio.io_error_quark(), Gio.IOErrorEnum.NOT_FOUND, "fail")
        self.assertEqual(error.message, "there is nothing")

    def test_an_error_has_its_info(self):
        future = self.pool.submit(new_task("fail"), None)
        self.assertTrue(future.wait(LIMIT))
        self.assertEqual(future.get_state(), Aiopool.FutureState.FAILED)
        self.assert_error(future.get_error(), Gio.io_error_quark(), Gio.IOErrorEnum.NOT_FOUND)
        info = future.get_error_info()
        self.assertEqual((info.get_type_name(), info.get_message()),
                         ("Missing", "there is nothing"))
        self.assertEqual(info.get_notes(), ["first", "second"])
        self.assertIsNone(info.get_cause())

    def test_an_unknown_function_fails_its_task(self):
        self.assert_run_fails(Aiopool.task_error_quark(), Aiopool.TaskError.UNKNOWN_FUNCTION,
                              "nonsense")

    def test_a_callback_cancels_by_force(self):
        loop = Loop()
        future = self.pool.submit(new_task("nap"), None)
        cancelled = []
        future.connect("progressed", lambda future, fraction, message: cancelled.append(
            future.cancel(Aiopool.CancelMode.FORCE)))
        future.connect("done", loop.end)
        loop.run()
        self.assertEqual(cancelled, [True])
        self.assertEqual(future.props.state, Aiopool.FutureState.CANCELLED)
        self.assert_fails(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED, future.get_result)
        self.assertFalse(future.cancel(Aiopool.CancelMode.FORCE))

    def test_a_cancellable_cancels(self):
        loop = Loop()
        cancellable = Gio.Cancellable()
        self.pool.run_async(new_task("nap"), cancellable, loop.end)
        GLib.idle_add(cancellable.cancel)
        _, result = loop.run()
        self.assert_fails(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED, self.pool.run_finish,
                          result)

    def test_a_function_that_is_told_to_stop_decides(self):
        loop = Loop()
        future = self.pool.submit(new_task("nap"), None)
        future.connect("progressed", lambda future, *_: future.cancel(
            Aiopool.CancelMode.COOPERATIVE))
        future.collect_async(None, loop.end)
        _, result = loop.run()
        self.assert_fails(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED, future.collect_finish,
                          result)

    def test_a_task_that_runs_too_long_fails(self):
        task = new_task("nap")
        task.set_timeout(0.05)
        self.assert_fails(Aiopool.task_error_quark(), Aiopool.TaskError.TIMED_OUT, self.pool.run,
                          task, None)

    def test_a_crash_costs_one_task(self):
        error = self.assert_run_fails(Aiopool.task_error_quark(), Aiopool.TaskError.CRASHED,
                                      "crash")
        self.assertIn("signal 11", error.message)
        self.assertEqual(self.pool.run(new_task("echo", "(i)", (1,)), None).unpack(), (1,))

    def test_a_callback_that_raises_keeps_nobody_from_hearing(self):
        loop = Loop()
        raised = []

        def fail(*_):
            raised.append(1)
            raise RuntimeError("on purpose")

        hook, sys.excepthook = sys.excepthook, lambda *_: None
        future = self.pool.submit(new_task("echo"), None)
        future.add_done_callback(fail)
        future.connect("done", fail)
        future.connect("done", loop.end)
        loop.run()
        self.pool.run_async(new_task("echo"), None, fail)
        self.pool.run_async(new_task("echo"), None, loop.end)
        loop.run()
        sys.excepthook = hook
        self.assertEqual(len(raised), 3)

    def test_a_pool_is_joined_and_goes_on(self):
        loop = Loop()
        self.assertLessEqual(self.pool.spawn_workers(5), 2)
        worker = next(iter(self.pool.dup_workers()), None)
        self.assertTrue(self.pool.join(None))
        self.assertEqual(self.pool.get_n_workers(), 0)
        self.assertEqual(len(self.pool.dup_workers()), 0)
        self.assertEqual(worker.get_exit_code(), (True, 0))
        self.assertTrue(self.pool.check())
        self.assertTrue(self.pool.test(None))
        self.pool.join_async(None, loop.end)
        _, result = loop.run()
        self.assertTrue(self.pool.join_finish(result))

    def test_an_initializer_that_fails_breaks_its_pool(self):
        pool = Aiopool.Pool(max_workers=1, launcher=self.pool.get_launcher(),
                            initializer=new_task("fail"))
        initializer = Aiopool.pool_error_quark(), Aiopool.PoolError.INITIALIZER
        self.assert_fails(*initializer, pool.test, None)
        self.assertTrue(pool.check())
        future = pool.submit(new_task("echo"), None)
        self.assertTrue(future.wait(LIMIT))
        self.assert_error(future.get_error(), *initializer)
        self.assert_fails(*initializer, pool.check)
        self.assertTrue(pool.props.is_broken)
        self.assertEqual(pool.dup_broken_info().get_type_name(), "Missing")
        (task,) = pool.dup_cancelled_tasks()
        self.assertEqual(task.get_function(), "echo")

    def test_progress_and_partial_results_come_before_the_end(self):
        loop = Loop()
        events = []
        messages = []
        future = self.pool.submit(new_task("count", "(u)", (3,)), None)
        future.connect("emitted", lambda _, value: events.append(value.unpack()))
        future.connect("progressed", lambda _, fraction, message: messages.append(message))
        future.connect("done", loop.end)
        loop.run()
        self.assertEqual(events, [0, 1, 2])
        self.assertEqual(set(messages), {"counting"})
        self.assertEqual((future.props.progress, future.props.message), (1.0, "counting"))
        self.assertEqual(future.dup_message(), "counting")
        self.assertEqual(future.get_result().unpack(), 3)

    def test_done_callbacks_come_in_order(self):
        loop = Loop()
        called = []
        future = self.pool.submit(new_task("echo"), None)
        future.add_done_callback(lambda _, data: called.append(data), "first")
        removed = future.add_done_callback(lambda _, data: called.append(data), "removed")
        future.add_done_callback(lambda _, data: called.append(data), "second")
        future.add_done_callback(loop.end)
        self.assertTrue(future.remove_done_callback(removed))
        self.assertTrue(future.wait(LIMIT))
        self.assertEqual(called, [])
        (answer,) = loop.run()
        self.assertIs(answer, future)
        self.assertEqual(called, ["first", "second"])

    def test_what_a_worker_logs_comes_here(self):
        loop = Loop()

        def on_log(_source, record):
            loop.end(record)
            return True

        future = self.pool.submit(new_task("warn"), None)
        future.connect("log", on_log)
        (record,) = loop.run()
        self.assertEqual(record.get_level(), GLib.LogLevelFlags.LEVEL_WARNING)
        self.assertEqual((record.get_domain(), record.get_message()), ("smoke", "mind the gap"))
        self.assertEqual(record.get_fields().unpack(), {"WIDTH": "42"})
        self.assertEqual((record.get_function(), record.get_tag()), ("warn", None))
        future.collect(LIMIT, None)
        self.assertEqual(record.get_worker_pid(), future.get_worker_pid())

        handler = self.pool.connect("log", on_log)
        self.pool.run(new_task("warn"), None)
        (record,) = loop.run()
        self.pool.disconnect(handler)
        self.assertEqual(record.get_message(), "mind the gap")

    def test_a_future_tells_about_its_task(self):
        task = new_task("echo")
        future = self.pool.submit(task, None)
        future.collect(LIMIT, None)
        self.assertIs(future.props.task, task)
        self.assertTrue(future.is_done())
        self.assertGreater(future.get_worker_pid(), 0)
        self.assertGreaterEqual(future.get_run_time(), 0)
        self.assertLessEqual(future.get_started_at(), future.get_finished_at())
        self.assertIsNone(future.get_error())
        self.assertEqual(future.get_value()[1].unpack(), ())

    def test_a_result_too_early_is_pending(self):
        future = self.pool.submit(new_task("nap"), None)
        self.assert_fails(Gio.io_error_quark(), Gio.IOErrorEnum.PENDING, future.get_result)
        self.assert_fails(Gio.io_error_quark(), Gio.IOErrorEnum.TIMED_OUT, future.collect, 0, None)
        self.assertTrue(future.cancel(Aiopool.CancelMode.FORCE))

    def test_bytes_keep_their_format(self):
        payload = GLib.Bytes.new(b'{"a": 1}')
        task = Aiopool.Task.new_for_payload("echo-payload", payload, Aiopool.Format.JSON)
        future = self.pool.submit(task, None)
        self.assertTrue(future.wait(LIMIT))
        received, kind = future.get_payload()
        self.assertEqual((received.get_data(), kind), (payload.get_data(), Aiopool.Format.JSON))
        self.assert_fails(Aiopool.task_error_quark(), Aiopool.TaskError.WRONG_TYPE,
                          future.get_result)

    def test_tasks_have_something_in_common(self):
        shared = Aiopool.SharedData.new(GLib.Bytes.new(b"for all"))
        task = Aiopool.Task(function="shared", shared_data=shared)
        other = Aiopool.Task(function="shared")
        self.assertEqual(shared.get_bytes().get_data(), b"for all")
        self.assertIs(task.props.shared_data, shared)
        self.assertIsNone(other.get_shared_data())
        for _ in range(3):
            self.assertEqual(self.pool.run(task, None).unpack(), "for all")
            self.assertEqual(self.pool.run(other, None).unpack(), "nothing")

    def test_a_task_has_properties(self):
        task = Aiopool.Task(function="echo", arguments=GLib.Variant("(s)", ("p",)), timeout=2.5,
                            queue_timeout=3.5, priority=-1, retries=2, tag="mine",
                            keywords=GLib.Variant("a{sv}", {"k": GLib.Variant("i", 1)}))
        self.assertEqual((task.props.timeout, task.get_queue_timeout()), (2.5, 3.5))
        self.assertEqual((task.props.priority, task.props.retries), (-1, 2))
        self.assertEqual((task.props.tag, task.props.function), ("mine", "echo"))
        self.assertEqual(task.props.keywords.unpack(), {"k": 1})
        self.assertEqual(self.pool.run(task, None).unpack(), ("p",))

    def test_a_pool_has_properties(self):
        launcher = Aiopool.Launcher.new_for_plugins([PLUGIN])
        pool = Aiopool.Pool(max_workers=3, name="mine", launcher=launcher, idle_timeout=5.0)
        changed = []
        pool.connect("notify::grace-period",
                     lambda pool, _: changed.append(pool.props.grace_period))
        pool.props.grace_period = 0.5
        self.assertEqual(changed, [0.5])
        self.assertEqual((pool.props.max_workers, pool.get_name()), (3, "mine"))
        self.assertEqual((pool.props.idle_timeout, pool.props.n_pending), (5.0, 0))
        self.assertIs(pool.props.launcher, launcher)

    def test_a_launcher_has_limits_and_a_sandbox(self):
        launcher = Aiopool.Launcher.new_for_plugins([PLUGIN])
        launcher.props.max_core_size = 0
        launcher.set_nice(1)
        launcher.set_scheduling_class(Aiopool.SchedulingClass.BATCH)
        launcher.props.sandbox = Aiopool.Sandbox.REQUIRE
        launcher.share_path("/etc/passwd", False)
        self.assertEqual((launcher.get_max_core_size(), launcher.props.nice), (0, 1))
        self.assertEqual(launcher.props.scheduling_class, Aiopool.SchedulingClass.BATCH)
        pool = Aiopool.Pool.new_with_launcher(1, launcher)
        if launcher.get_sandbox_kind() == Aiopool.SandboxKind.NONE:
            self.assert_run_fails(Aiopool.pool_error_quark(), Aiopool.PoolError.SANDBOX, "echo",
                                  pool)
        else:
            self.assertEqual(pool.run(new_task("echo", "(i)", (7,)), None).unpack(), (7,))

    def test_the_workers_are_a_list_model(self):
        pool = Aiopool.Pool.new_with_launcher(1, Aiopool.Launcher.new_for_plugins([PLUGIN]))
        loop = Loop()
        pool.get_workers().connect("items-changed", loop.end)
        future = pool.submit(new_task("echo"), None)
        loop.run()
        self.assertEqual(future.collect(LIMIT, None).unpack(), ())
        self.assertEqual(pool.get_workers().get_item_type(), Aiopool.Worker.__gtype__)
        (worker,) = pool.props.workers
        self.assertEqual(worker.props.id, 1)
        self.assertEqual(worker.get_pid(), future.get_worker_pid())
        self.assertIn(worker.get_state(), [Aiopool.WorkerState.IDLE, Aiopool.WorkerState.BUSY])

    def test_a_pool_tells_what_it_has_done(self):
        pool = Aiopool.Pool.new_with_launcher(1, Aiopool.Launcher.new_for_plugins([PLUGIN]))
        loop = Loop()
        told = []

        def on_done(*_):
            told.append(pool.props.n_done)
            if told[-1] == 20:
                loop.end()

        pool.connect("notify::n-done", on_done)
        for i in range(20):
            pool.submit(new_task("echo", "(i)", (i,)), None)
        loop.run()
        self.assertEqual(told, sorted(told))
        stats = pool.props.stats
        self.assertEqual((stats.get_n_done(), stats.props.n_failed, stats.props.n_pending),
                         (20, 0, 0))
        self.assertLessEqual(stats.get_run_time_median(), stats.get_run_time_p99())
        self.assertGreater(pool.props.tasks_per_second, 0)
        self.assertLessEqual(pool.get_utilization(), 1)
        pool.reset_stats()
        self.assertEqual(pool.dup_stats().props.n_done, 0)
        self.assertEqual(stats.props.n_done, 20)

    def test_a_trace_begins_and_ends(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "trace.json")
            self.assertTrue(Aiopool.trace_start(str(path)))
            with self.assertRaises(GLib.Error) as caught:
                Aiopool.trace_start(str(path))
            self.assertTrue(caught.exception.matches(Gio.io_error_quark(), Gio.IOErrorEnum.BUSY))
            answer = self.pool.run(new_task("echo", "(i)", (7,)), None)
            self.assertEqual(answer.unpack(), (7,))
            Aiopool.trace_stop()
            events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
        self.assertEqual([each["name"] for each in events if each.get("cat") == "task"], ["echo"])

    def test_shutdown_async_finishes_the_tasks(self):
        pool = Aiopool.Pool.new_with_launcher(1, Aiopool.Launcher.new_for_plugins([PLUGIN]))
        loop = Loop()
        futures = [pool.submit(new_task("echo", "(i)", (i,)), None) for i in range(5)]
        pool.shutdown_async(Aiopool.ShutdownFlags.DRAIN, None, loop.end)
        _, result = loop.run()
        self.assertTrue(pool.shutdown_finish(result))
        self.assertEqual([future.get_result().unpack() for future in futures],
                         [(i,) for i in range(5)])
        self.assert_run_fails(Aiopool.pool_error_quark(), Aiopool.PoolError.CLOSED, "echo", pool)

    def test_a_promise_makes_a_future(self):
        promise = Aiopool.Promise.new(None)
        future = promise.get_future()
        self.assertTrue(promise.start())
        self.assertEqual(future.get_state(), Aiopool.FutureState.RUNNING)
        promise.set_progress(0.5, "half")
        self.assertEqual(future.get_progress(), 0.5)
        self.assertTrue(promise.resolve_value("text"))
        self.assertFalse(promise.resolve(GLib.Variant("s", "late")))
        self.assertEqual(future.get_value(), (True, "text"))

    def test_a_subclass_is_an_executor(self):
        executor = InlineExecutor()
        self.assertEqual(executor.run(new_task("double", "(x)", (21,)), None).unpack(), 42)
        self.assert_run_fails(Gio.io_error_quark(), Gio.IOErrorEnum.NOT_FOUND, "other", executor)
        self.assertEqual((executor.props.n_pending, executor.get_n_running()), (3, 4))

        loop = Loop()
        executor.run_async(new_task("double", "(x)", (4,)), None, loop.end)
        self.assertEqual(executor.run_finish(loop.run()[1]).unpack(), 8)

        self.assertTrue(executor.shutdown(Aiopool.ShutdownFlags.DRAIN, None))
        self.assert_run_fails(Aiopool.pool_error_quark(), Aiopool.PoolError.CLOSED, "double",
                              executor)

    def test_a_subclass_that_raises_fails_the_task(self):
        self.assert_run_fails(Aiopool.task_error_quark(), Aiopool.TaskError.FAILED, "any",
                              RaisingExecutor())
        self.assert_fails(Aiopool.task_error_quark(), Aiopool.TaskError.NOT_SUPPORTED,
                          RaisingExecutor().shutdown, Aiopool.ShutdownFlags.DRAIN, None)


if __name__ == "__main__":
    main(sys.argv[2:])
