# SPDX-License-Identifier: LGPL-2.1-or-later
"""What rows do to each of the faces of the package, by the same words.

DROP_IN   aiopool.ProcessPoolExecutor, whose pool is broken by the death of a worker
RICH      aiopool.ProcessPool
PLAIN     aiopool.Executor
GOBJECT   gi.repository.Aiopool with Python workers: arguments and results are variants
"""

import os
import signal

import aiopool
from fault_case import stop, wait_until

WORKER = os.path.join(os.environ.get("AIOPOOL_WORKER_DIR", ""), "aiopool-worker")
LIMIT = 60  # seconds: for what must happen, however slow the machine


def get_text(error):
    """All that it tells: itself, its notes and its causes."""
    texts = []
    while error is not None:
        texts += [str(error), *getattr(error, "__notes__", ())]
        error = error.__cause__
    return "\n".join(texts)


class Face:
    """name: in the names of tests
    breaks: whether the death of a worker breaks the pool
    is_gobject: whether it needs PyGObject
    """

    breaks = False
    is_gobject = False

    def warm_up(self):
        """What stays for good comes now: the threads, and what wakes them when they wait. By the
        stock worker, which starts in no time; it has no functions."""
        from aiopool import _core

        class Handle(_core.Handle):
            def on_ended(self):
                ended.append(not held.wait(0.005))

        ended = []
        pool = _core._parent.Pool({"max_workers": 1, "launcher": ([WORKER], {}, {})},
                                  _core.collector())
        first = pool.submit(Handle, "none", [b""])
        assert first.wait(LIMIT)
        stop(first.worker_pid)
        held = pool.submit(Handle, "none", [b""])
        _core.collector().add(first)
        assert not held.wait(0.005)
        wait_until(lambda: ended == [True], "the wait of the collector")
        os.kill(first.worker_pid, signal.SIGCONT)
        assert pool.begin_shutdown(_core.SHUTDOWN_DRAIN).wait(LIMIT)

    def make(self, max_workers=1, **settings):
        """initializer, initargs, max_tasks, start_timeout, restart_budget"""
        raise NotImplementedError

    def submit(self, pool, function, *args):
        return pool.submit(function, *args)

    def run(self, pool, function, *args):
        return self.get_result(self.submit(pool, function, *args))

    def get_error(self, future):
        """Waits; None if there is none."""
        try:
            self.get_result(future)
        except BaseException as error:
            return error
        return None

    def expect_error(self, future, kind, *parts):
        error = self.get_error(future)
        assert isinstance(error, kind), f"{error!r} is no {kind}"
        for part in parts:
            assert part in get_text(error), f"{part!r} is not in {get_text(error)}"
        return error

    def get_pid(self, pool):
        return self.run(pool, os.getpid)

    def expect_good(self, pool):
        result = self.run(pool, pow, 2, 5)
        assert result == 32, result

    def expect_after_death(self, pool):
        """A death costs its task, or the pool."""
        if self.breaks:
            self.expect_broken(pool)
        else:
            self.expect_good(pool)


class ExecutorFace(Face):
    def add_callback(self, future, function):
        future.add_done_callback(function)

    def get_result(self, future):
        return future.result(LIMIT)

    def end(self, pool):
        pool.shutdown()

    def end_later(self, pool):
        pool.shutdown(wait=False)

    def cancel(self, future):
        return future.cancel()

    def is_cancelled(self, future):
        return future.cancelled()

    def expect_closed(self, pool):
        try:
            pool.submit(pow, 2, 5)
        except RuntimeError as error:
            assert "shutdown" in str(error), error
        else:
            raise AssertionError("the pool is not closed")

    def count_workers(self, pool):
        return pool._core.n_workers

    def set_start_timeout(self, pool, seconds):
        pool._core.set("start_timeout", seconds)


class DropIn(ExecutorFace):
    name = "drop-in"
    breaks = True

    def make(self, max_workers=1, *, max_tasks=None, start_timeout=None, restart_budget=None,
             **settings):
        pool = aiopool.ProcessPoolExecutor(max_workers, max_tasks_per_child=max_tasks, **settings)
        if start_timeout is not None:
            self.set_start_timeout(pool, start_timeout)
        return pool

    def expect_crash(self, future, *parts):
        from concurrent.futures.process import BrokenProcessPool

        self.expect_error(future, BrokenProcessPool, *parts)

    expect_bad_start = expect_crash

    def expect_broken(self, pool):
        from concurrent.futures.process import BrokenProcessPool

        try:
            pool.submit(pow, 2, 5)
        except BrokenProcessPool:
            return
        raise AssertionError("the pool is not broken")


class Plain(ExecutorFace):
    name = "executor"

    def make(self, max_workers=1, *, start_timeout=None, restart_budget=None, **settings):
        pool = aiopool.Executor(max_workers, **settings)
        if start_timeout is not None:
            self.set_start_timeout(pool, start_timeout)
        if restart_budget is not None:
            pool._core.set("restart_budget", restart_budget)
        return pool

    def expect_crash(self, future, *parts):
        self.expect_error(future, aiopool.WorkerCrashedError, *parts)

    def expect_bad_start(self, future, *parts):
        self.expect_error(future, aiopool.BrokenPoolError, *parts)


class Rich(Face):
    name = "pool"

    def make(self, max_workers=1, *, max_tasks=None, initargs=(), **settings):
        return aiopool.ProcessPool(max_workers, max_tasks_per_worker=max_tasks, init_args=initargs,
                                   **settings)

    def add_callback(self, future, function):
        future.add_callback(function)

    def get_result(self, future):
        return future.collect(LIMIT)

    def end(self, pool):
        pool.shutdown(cancel_pending=False)

    def end_later(self, pool):
        pool._begin_shutdown(False, False)

    def cancel(self, future):
        return future.cancel(aiopool.CancelMode.PENDING)

    def is_cancelled(self, future):
        return future.is_cancelled

    def expect_closed(self, pool):
        try:
            pool.submit(pow, 2, 5)
        except aiopool.PoolClosedError:
            return
        raise AssertionError("the pool is not closed")

    def count_workers(self, pool):
        return pool.count_workers()

    expect_crash = Plain.expect_crash
    expect_bad_start = Plain.expect_bad_start


class GObject(Face):
    name = "gobject"
    is_gobject = True

    def make(self, max_workers=1, *, max_tasks=None, initializer=None, initargs=(), **settings):
        self.load()
        if initializer is not None:
            settings["initializer"] = self.Aiopool.Task(initializer, *initargs)
        if max_tasks is not None:
            settings["max_tasks_per_worker"] = max_tasks
        return self.Aiopool.Pool(max_workers, launcher=self.make_launcher(), **settings)

    def load(self):
        import gi

        gi.require_version("Aiopool", "1")
        from gi.repository import Aiopool, GLib

        from aiopool._spawn import make_launcher

        self.Aiopool, self.GLib, self.make_launcher = Aiopool, GLib, make_launcher

    def warm_up(self):
        """As above, and what this main context hears by."""
        self.load()
        ended = []
        pool = self.Aiopool.Pool(1, launcher=self.Aiopool.Launcher.new_for_argv([WORKER]))
        first = pool.submit("none")
        first.wait(LIMIT)
        stop(first.get_worker_pid())
        held = pool.submit("none")
        held.add_done_callback(ended.append)
        assert not held.wait(0.005)
        os.kill(first.get_worker_pid(), signal.SIGCONT)
        held.wait(LIMIT)
        while not ended:
            self.GLib.MainContext.default().iteration(True)
        self.end(pool)

    def add_callback(self, future, function):
        future.add_done_callback(function)

    def get_result(self, future):
        return future.result(LIMIT)

    def end(self, pool):
        pool.shutdown()
        while self.GLib.MainContext.default().iteration(False):
            pass

    def cancel(self, future):
        return future.cancel(self.Aiopool.CancelMode.PENDING)

    def is_cancelled(self, future):
        return future.get_state() == self.Aiopool.FutureState.CANCELLED

    def expect_glib_error(self, future, quark, code, *parts):
        error = self.expect_error(future, self.GLib.Error, *parts)
        assert error.matches(quark, code), error

    def expect_crash(self, future, *parts):
        self.expect_glib_error(future, self.Aiopool.task_error_quark(),
                               self.Aiopool.TaskError.CRASHED, *parts)

    def expect_bad_start(self, future, *parts):
        error = self.expect_error(future, self.GLib.Error, *parts)
        assert error.domain == self.GLib.quark_to_string(self.Aiopool.pool_error_quark()), error

    def expect_closed(self, pool):
        try:
            pool.submit(pow, 2, 5)
        except self.GLib.Error as error:
            assert error.matches(self.Aiopool.pool_error_quark(), self.Aiopool.PoolError.CLOSED), error
        else:
            raise AssertionError("the pool is not closed")

    def count_workers(self, pool):
        return pool.get_n_workers()


DROP_IN, RICH, PLAIN, GOBJECT = DropIn(), Rich(), Plain(), GObject()
PACKAGE = DROP_IN, RICH, PLAIN
ALL = *PACKAGE, GOBJECT

# PLAIN has the futures of the one and the pool of the other of these.
PAIR = DROP_IN, RICH
THREE = *PAIR, GOBJECT
