#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Batches with the calls of C in Python, over a pool and an executor of one's own."""

import sys
import threading
import unittest
from pathlib import Path

import gi

gi.require_version("Aiopool", "1")
from gi.repository import Aiopool, Gio, GLib, GObject  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from taptest import main  # noqa: E402

PLUGIN = sys.argv[1]

# Seconds after which what nobody ends fails its test.
LIMIT = 60


class ThreadExecutor(Aiopool.Executor):
    """Runs "echo" and "fail", each call in a thread of its own."""

    def do_submit(self, task, cancellable):
        promise = Aiopool.Promise.new(task)
        threading.Thread(target=self.run_promise, args=(promise, task)).start()
        return promise.get_future()

    @staticmethod
    def run_promise(promise, task):
        if promise.start() and task.get_function() == "echo":
            promise.resolve(task.get_arguments())
        else:
            promise.reject(GLib.Error.new_literal(Gio.io_error_quark(), "no such item",
                                                  Gio.IOErrorEnum.NOT_FOUND))

    def do_begin_shutdown(self, flags):
        promise = Aiopool.Promise.new(None)
        promise.resolve(GLib.Variant("()", ()))
        return promise.get_future()


class Number(GObject.Object):
    def __init__(self, number):
        super().__init__()
        self.number = number


def iterate_until(is_there):
    is_late = []
    watch = GLib.timeout_add_seconds(LIMIT, lambda: is_late.append(True) or GLib.SOURCE_CONTINUE)
    while not is_there() and not is_late:
        GLib.MainContext.default().iteration(True)
    GLib.source_remove(watch)
    if is_late:
        raise AssertionError(f"nothing happened in {LIMIT} seconds")


class Common:
    def map(self, items, signature="ai", function="echo"):
        task = Aiopool.Task.new(function, None)
        return self.executor.map(task, GLib.Variant(signature, items))

    def new(self, source):
        return Aiopool.Batch.new(self.executor, Aiopool.Task.new("echo", None), source)

    def drain(self, batch):
        numbers = []
        while (future := batch.next(LIMIT, None)) is not None:
            numbers.append(future.get_result().unpack()[0])
            self.assertEqual(future.get_position(), len(numbers) - 1)
        return numbers

    def test_next_gives_one_after_the_other(self):
        self.assertEqual(self.drain(self.map(range(50))), list(range(50)))

    def test_chunks_are_of_any_size(self):
        for size in (0, 1, 7):
            batch = self.map(range(50))
            batch.props.chunk_size = size
            self.assertEqual(self.drain(batch), list(range(50)))

    def test_collect_all_gives_an_array(self):
        results = self.map(range(50)).collect_all(LIMIT, None)
        self.assertEqual(results, [(number,) for number in range(50)])
        self.assertEqual(self.map([]).collect_all(LIMIT, None), [])

    def test_starmap_passes_tuples(self):
        task = Aiopool.Task.new("echo", None)
        items = GLib.Variant("a(si)", [("a", 1), ("b", 2)])
        batch = self.executor.starmap(task, items)
        self.assertEqual(batch.collect_all(LIMIT, None), [("a", 1), ("b", 2)])

    def test_each_failure_is_of_its_item(self):
        batch = self.map([1, 2, 3], function="no-such-function")
        for _ in range(3):
            future = batch.next(LIMIT, None)
            self.assertEqual(future.get_state(), Aiopool.FutureState.FAILED)
        self.assertIsNone(batch.next(LIMIT, None))
        self.assertEqual(batch.props.n_failed, 3)
        with self.assertRaises(GLib.Error):
            self.map([1, 2, 3], function="no-such-function").collect_all(LIMIT, None)

    def test_a_function_is_a_source(self):
        numbers = iter(range(20))

        def pull(_data):
            number = next(numbers, None)
            return None if number is None else GLib.Variant("i", number)

        batch = self.new(Aiopool.Source.new_for_callback(pull, None))
        self.assertEqual(self.drain(batch), list(range(20)))

    def test_a_list_is_a_source(self):
        store = Gio.ListStore.new(Number)
        for number in range(20):
            store.append(Number(number))

        def make(item, _data):
            return GLib.Variant("i", item.number)

        batch = self.new(Aiopool.Source.new_for_list(store, make, None))
        self.assertEqual(batch.props.n_total, 20)
        self.assertEqual(self.drain(batch), list(range(20)))

    def test_items_are_pushed_as_they_are_wanted(self):
        numbers = iter(range(30))
        asked = []

        def on_wanted(source, n_items, _data):
            asked.append(n_items)
            for _ in range(n_items):
                number = next(numbers, None)
                if number is None:
                    source.end()
                    return
                source.push(GLib.Variant("i", number))

        batch = self.new(Aiopool.Source.new_pushed(on_wanted, None))
        self.assertEqual(self.drain(batch), list(range(30)))
        self.assertTrue(asked)

    def test_a_batch_is_a_list(self):
        batch = self.map(range(40))
        changes = []
        batch.connect("items-changed", lambda *change: changes.append(change[1:]))
        self.assertEqual(len(batch), 0)
        batch.start()
        iterate_until(lambda: len(batch) == 40)
        self.assertEqual([future.get_result().unpack()[0] for future in batch[:]], list(range(40)))
        self.assertEqual(sum(added for _, _, added in changes), 40)

    def test_reads_are_asynchronous(self):
        batch = self.map(range(10))
        answers = []
        batch.next_async(None, lambda source, result: answers.append(source.next_finish(result)))
        iterate_until(lambda: answers)
        self.assertEqual(answers[0].get_result().unpack(), (0,))
        batch.next_batch_async(9, 9, LIMIT, None, lambda source, result:
                               answers.append(source.next_batch_finish(result)))
        iterate_until(lambda: len(answers) == 2)
        self.assertEqual(len(answers[1]), 9)

    def test_a_cancel_ends_it(self):
        batch = self.map(range(10))
        self.assertTrue(batch.cancel(Aiopool.CancelMode.FORCE))
        with self.assertRaises(GLib.Error) as caught:
            while batch.next(LIMIT, None) is not None:
                pass
        self.assertTrue(caught.exception.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED))
        self.assertEqual(batch.props.state, Aiopool.FutureState.CANCELLED)


class PoolBatchTest(Common, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        launcher = Aiopool.Launcher.new_for_plugins([PLUGIN])
        cls.executor = Aiopool.Pool.new_with_launcher(2, launcher)

    @classmethod
    def tearDownClass(cls):
        cls.executor.shutdown(Aiopool.ShutdownFlags.DRAIN, None)
        cls.executor = None


class OwnExecutorBatchTest(Common, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.executor = ThreadExecutor()

    @classmethod
    def tearDownClass(cls):
        cls.executor = None


if __name__ == "__main__":
    main(sys.argv[2:])
