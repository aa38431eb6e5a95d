#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Futures together, and one after the other, with the calls of C in Python."""

import sys
import threading
import unittest
from pathlib import Path

import gi

gi.require_version("Aiopool", "1")
from gi.repository import Aiopool, Gio, GLib  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from taptest import main  # noqa: E402

PLUGIN = sys.argv[1]

# Seconds after which a wait that nobody ends fails its test.
LIMIT = 60


def new_task(function, signature="()", values=()):
    return Aiopool.Task.new(function, GLib.Variant(signature, values))


def iterate_until(is_enough):
    context = GLib.MainContext.default()
    while not is_enough():
        context.iteration(True)


class FuturesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        launcher = Aiopool.Launcher.new_for_plugins([PLUGIN])
        cls.pool = Aiopool.Pool.new_with_launcher(2, launcher)

    @classmethod
    def tearDownClass(cls):
        cls.pool.shutdown(Aiopool.ShutdownFlags.DRAIN, None)
        cls.pool = None

    def submit(self, number):
        return self.pool.submit(new_task("echo", "(i)", (number,)), None)

    def test_a_set_is_drained_while_it_grows(self):
        futures = Aiopool.FutureSet.new_for([self.submit(number) for number in range(5)])
        seen = []
        while (future := futures.next(LIMIT, None)) is not None:
            seen.append(future.get_result().unpack()[0])
            if len(seen) <= 5:
                self.assertTrue(futures.add(self.submit(len(seen) + 4)))
        self.assertEqual(sorted(seen), list(range(10)))
        self.assertIsNone(futures.next(-1, None))

    def test_a_set_may_keep_the_order(self):
        futures = Aiopool.FutureSet.new_for([self.submit(number) for number in range(20)])
        futures.props.ordered = True
        seen = []
        while (future := futures.next(LIMIT, None)) is not None:
            seen.append(future.get_result().unpack()[0])
        self.assertEqual(seen, list(range(20)))

    def test_a_set_is_a_list_model(self):
        promises = [Aiopool.Promise.new(None) for _ in range(3)]
        futures = Aiopool.FutureSet.new_for([promise.get_future() for promise in promises])
        changes = []
        futures.connect("items-changed", lambda model, *change: changes.append(change))
        self.assertEqual(futures.get_n_items(), 3)
        self.assertIs(futures.get_item(2), promises[2].get_future())
        promises[1].resolve(GLib.Variant("i", 1))
        self.assertIs(futures.next(0, None), promises[1].get_future())
        self.assertEqual(changes, [(1, 1, 0)])
        self.assertEqual((futures.props.n_pending, futures.props.n_done), (2, 0))

    def test_a_wait_for_any_ends_in_time(self):
        promise = Aiopool.Promise.new(None)
        futures = Aiopool.FutureSet.new_for([promise.get_future()])
        with self.assertRaises(GLib.Error) as caught:
            futures.wait(Aiopool.WaitMode.ANY, 0.01, None)
        self.assertTrue(caught.exception.matches(Gio.io_error_quark(), Gio.IOErrorEnum.TIMED_OUT))
        futures.add(self.submit(1))
        self.assertTrue(futures.wait(Aiopool.WaitMode.ANY, LIMIT, None))
        self.assertEqual(futures.cancel(Aiopool.CancelMode.FORCE), 1)
        self.assertTrue(futures.wait(Aiopool.WaitMode.ALL, LIMIT, None))

    def test_results_are_collected_in_order(self):
        futures = Aiopool.FutureSet.new_for([self.submit(number) for number in range(4)])
        self.assertEqual(futures.collect_all(LIMIT, None), [(0,), (1,), (2,), (3,)])
        futures.add(self.pool.submit(new_task("fail"), None))
        with self.assertRaises(GLib.Error) as caught:
            futures.collect_all(LIMIT, None)
        self.assertTrue(caught.exception.matches(Gio.io_error_quark(), Gio.IOErrorEnum.NOT_FOUND))

    def test_next_async_and_batches(self):
        futures = Aiopool.FutureSet.new_for([self.submit(number) for number in range(30)])
        seen = []
        ends = []

        def on_next(source, result):
            future = source.next_finish(result)
            seen.append(future.get_result().unpack()[0])
            source.next_batch_async(0, LIMIT, None, on_batch)

        def on_batch(source, result):
            batch = source.next_batch_finish(result)
            seen.extend(future.get_result().unpack()[0] for future in batch)
            if len(batch) > 0:
                source.next_batch_async(0, LIMIT, None, on_batch)
            else:
                ends.append(None)

        futures.next_async(LIMIT, None, on_next)
        self.assertEqual(seen, [])
        iterate_until(lambda: ends)
        self.assertEqual(sorted(seen), list(range(30)))

    def test_another_thread_adds(self):
        futures = Aiopool.FutureSet.new()
        n_added = 50

        def add():
            for number in range(n_added):
                futures.add(self.submit(number))

        thread = threading.Thread(target=add)
        thread.start()
        seen = 0
        while seen < n_added:
            seen += futures.next(LIMIT, None) is not None
        thread.join()
        iterate_until(lambda: futures.get_n_items() == 0)

    def test_futures_are_chained(self):
        called = []

        def double(future, *data):
            called.append(threading.current_thread())
            (number,) = future.get_result().unpack()
            return GLib.Variant("(i)", (2 * number,))

        def again(future, extra):
            (number,) = future.get_result().unpack()
            return self.submit(number + extra)

        doubled = self.submit(21).map(Aiopool.ChainFlags.RESULTS_ONLY, double)
        chained = doubled.chain(Aiopool.ChainFlags.RESULTS_ONLY, again, 3)
        after = self.pool.submit_after(new_task("echo"), chained, Aiopool.ChainFlags.CANCEL)
        self.assertEqual(called, [])
        iterate_until(after.is_done)
        self.assertEqual(after.get_result().unpack(), (45,))
        self.assertEqual(called, [threading.main_thread()])

    def test_a_chain_that_fails(self):
        def give_up(future):
            return Aiopool.Future.new_for_error(
                GLib.Error.new_literal(Gio.io_error_quark(), "on purpose", Gio.IOErrorEnum.BUSY))

        def recover(future):
            self.assertIsNotNone(future.get_error())
            return Aiopool.Future.new_for_result(GLib.Variant("s", "well"))

        def say_nothing(future):
            return None

        failed = self.submit(1).chain(Aiopool.ChainFlags.NONE, give_up)
        past = failed.map(Aiopool.ChainFlags.RESULTS_ONLY, say_nothing)
        well = past.chain(Aiopool.ChainFlags.ERRORS_ONLY, recover)
        silent = self.submit(1).map(Aiopool.ChainFlags.NONE, say_nothing)
        iterate_until(lambda: well.is_done() and silent.is_done())
        self.assertTrue(past.get_error().matches(Gio.io_error_quark(), Gio.IOErrorEnum.BUSY))
        self.assertEqual(well.get_result().unpack(), "well")
        self.assertIsNone(silent.result())


if __name__ == "__main__":
    main(sys.argv[2:])
