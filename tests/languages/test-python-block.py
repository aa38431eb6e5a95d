#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Python that blocks in the override, and is interrupted."""

import os
import signal
import sys
import threading
import unittest
from pathlib import Path

import gi

gi.require_version("Aiopool", "1")
from gi.overrides import _aiopool_block as blocking  # noqa: E402
from gi.repository import Aiopool, GLib  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from taptest import main  # noqa: E402

PLUGIN = sys.argv[1]

LIMIT = 60  # seconds; a nap takes as long at least
blocking.SLICE = 0.02
WHILE = 2.5 * blocking.SLICE


def new_pool(n_workers=2, **options):
    return Aiopool.Pool(n_workers, launcher=Aiopool.Launcher.new_for_plugins([PLUGIN]), **options)


class Case(unittest.TestCase):
    def setUp(self):
        self.pool = new_pool()
        self.addCleanup(self.pool.shutdown, Aiopool.ShutdownFlags.TERMINATE
                        | Aiopool.ShutdownFlags.CANCEL_PENDING)


class InterruptTest(Case):
    def interrupt(self, function, *arguments, error=KeyboardInterrupt, seconds=1.5 * blocking.SLICE):
        timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        self.addCleanup(timer.join)
        with self.assertRaises(error):
            function(*arguments)

    def test_every_wait_for_a_future_is_interrupted(self):
        future = self.pool.submit("nap")
        futures = Aiopool.FutureSet([future])
        for wait in (future.wait, future.result, future.exception, future.collect, futures.wait,
                     futures.next, futures.next_batch, futures.collect_all, lambda: list(futures),
                     lambda: self.pool.run("nap")):
            self.interrupt(wait)
            self.assertFalse(future.is_done())
            self.assertEqual(len(futures), 1)

    def test_every_wait_for_a_batch_is_interrupted(self):
        batch = self.pool.map("nap", range(3))
        for wait in (batch.next, batch.next_batch, batch.wait, batch.collect_all,
                     lambda: list(batch)):
            self.interrupt(wait)
            self.assertEqual(batch.get_state(), Aiopool.FutureState.RUNNING)

    def test_every_wait_for_a_pool_is_interrupted(self):
        future = self.pool.submit("nap")
        for wait in (self.pool.join, self.pool.shutdown):
            self.interrupt(wait)
            self.assertFalse(future.is_done())

    def test_a_wait_for_room_is_interrupted(self):
        pool = new_pool(1, max_pending=1)
        first = pool.submit("nap")
        while first.get_state() == Aiopool.FutureState.PENDING:
            first.wait(0.001)
        second = pool.submit("nap")
        self.interrupt(pool.run, "echo")
        self.assertFalse(first.is_done() or second.is_done())
        pool.shutdown(Aiopool.ShutdownFlags.TERMINATE | Aiopool.ShutdownFlags.CANCEL_PENDING)

    def test_what_another_handler_raises_is_raised(self):
        def handle(*_):
            raise LookupError("on purpose")

        self.addCleanup(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, handle))
        futures = Aiopool.FutureSet([self.pool.submit("nap")])
        hook = sys.excepthook
        for seconds in (0.5 * blocking.SLICE, 1.5 * blocking.SLICE):
            self.interrupt(futures.next, error=LookupError, seconds=seconds)
        self.assertIs(sys.excepthook, hook)
        self.assertFalse(hasattr(sys, "last_value"))

    def test_with_that_is_interrupted_ends_what_runs(self):
        with self.assertRaises(KeyboardInterrupt), self.pool as pool:
            future = pool.submit("nap")
            raise KeyboardInterrupt
        self.assertTrue(future.is_done())


class WaitTest(Case):
    def test_waits_have_an_end(self):
        future = self.pool.submit("nap")
        futures = Aiopool.FutureSet([future])
        batch = self.pool.map("nap", range(3))
        for wait in (future.result, future.exception, future.collect, futures.next,
                     futures.collect_all, batch.next, batch.wait, batch.collect_all):
            with self.assertRaises(TimeoutError):
                wait(WHILE)
        self.assertFalse(future.wait(WHILE))
        for n in (1, 2):
            self.assertEqual(len(batch.next_batch(n, 0, WHILE)), 0)

    def test_what_would_wait_in_vain_does_not(self):
        napping = self.pool.submit("nap")
        future = napping.map(lambda ended: 1)  # which this thread has to call
        self.assertFalse(future.wait(LIMIT))
        with self.assertRaises(GLib.Error):
            future.collect()

    def test_a_task_that_emits_is_not_held_up(self):
        self.assertEqual(self.pool.run("count", GLib.Variant("u", 20_000)), 20_000)

    def test_other_threads_wait_too(self):
        future = self.pool.submit("echo", 1)
        results = []
        threads = [threading.Thread(target=lambda wait=wait: results.append(wait())) for wait in (
            future.result, future.collect, self.pool.map("echo", [1]).collect_all,
            lambda: self.pool.run("echo", 1), Aiopool.FutureSet([future]).next, self.pool.join)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT)
        self.assertEqual(len(results), len(threads))

    def test_an_iterator_is_asked_while_its_thread_waits(self):
        self.assertEqual(self.pool.map("echo", iter(range(500))).collect_all(),
                         [(i,) for i in range(500)])
        batch = self.pool.map("echo", iter(range(50)))
        self.assertTrue(batch.wait())
        self.assertEqual(len(batch.next_batch(50, 50)), 50)


if __name__ == "__main__":
    main(sys.argv[2:])
