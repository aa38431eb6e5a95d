#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Functions that cloudpickle sends: what they have is what they had when they were submitted."""

import functools
import sys
import unittest
from pathlib import Path

sys.path[:1] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

import aiopool  # noqa: E402
import executor_tasks as tasks  # noqa: E402
from executor_case import LIMIT, Case  # noqa: E402
from taptest import main  # noqa: E402

try:
    import cloudpickle
except ImportError:
    cloudpickle = None


@unittest.skipIf(cloudpickle is None, "cloudpickle is not installed")
class Functions(Case):
    @classmethod
    def setUpClass(cls):
        cls.executor = cls.kind(1)

    @classmethod
    def tearDownClass(cls):
        cls.executor.shutdown()

    def call(self, /, *args, **kwargs):
        return self.executor.submit(*args, **kwargs).result(LIMIT)

    def count_pickles(self, function):
        from aiopool import _calls

        made = []
        dump = _calls.dump_function
        pickles = _calls.get_pickles()
        pickles.dump = lambda value: made.append(value) or dump(value)
        try:
            function()
        finally:
            pickles.dump = dump
        return len(made)

    def test_lambdas_closures_and_what_is_made_of_them(self):
        offset = 5

        def add(number, *, more=1):
            return number + offset + more

        self.assertEqual(self.call(lambda number: number + offset, 2), 7)
        self.assertEqual(self.call(add, 2), 8)
        self.assertEqual(self.call(add, 2, more=2), 9)
        self.assertEqual(self.call(functools.partial(add, more=3), 2), 10)
        self.assertEqual(self.call(lambda: add)(2), 8)
        self.assertEqual(list(self.executor.map(lambda i: i * offset, range(3), chunksize=2)),
                         [0, 5, 10])

        class Local:
            def __call__(self, number):
                return number - offset

        self.assertEqual(self.call(Local(), 7), 2)

    def test_a_closure_that_changes(self):
        count = 0
        items = []

        def tell():
            return count, items

        for _ in range(3):
            count += 1
            items.append(count)
            self.assertEqual(self.call(tell), (count, items))

    def test_a_function_that_calls_itself(self):
        def factorial(number):
            return 1 if number == 0 else number * factorial(number - 1)

        self.assertEqual(self.call(factorial, 5), 120)
        self.assertEqual(self.call(factorial, 6), 720)

    def test_globals_and_defaults_that_change(self):
        scope = {"aiopool": aiopool}
        exec("factor = 2\n"
             "def helper(number): return number * factor\n"
             "def function(number, base=1): return helper(number) + base\n", scope)
        function = scope["function"]
        self.assertEqual(self.call(function, 5), 11)
        scope["factor"] = 3
        self.assertEqual(self.call(function, 5), 16)
        exec("def helper(number): return number - factor\n", scope)
        self.assertEqual(self.call(function, 5), 3)
        function.__defaults__ = (100,)
        self.assertEqual(self.call(function, 5), 102)
        scope["factor"] = 0.0
        self.assertEqual(str(self.call(function, -0.0)), "100.0")
        del scope["helper"]
        with self.assertRaises(NameError):
            self.call(function, 5)

    def test_one_pickle_serves_as_long_as_nothing_changes(self):
        offset = 5

        def add(number, power=2):
            return pow(number, power) + offset + len(sys.argv[:0])

        def run():
            for number in range(3):
                self.assertEqual(self.call(add, number), number * number + 5)

        self.assertEqual(self.count_pickles(run), 1)
        self.assertEqual(self.count_pickles(run), 0)
        items = [1]
        self.assertEqual(self.count_pickles(lambda: [self.call(lambda: items) for _ in range(2)]), 2)

    def test_a_function_that_is_gone_is_kept_by_nobody(self):
        import gc
        import weakref

        def make():
            def function(number):
                return function if number < 0 else number

            return function

        function = make()
        self.assertEqual(self.call(function, 3), 3)
        gone = weakref.ref(function)
        del function
        gc.collect()
        self.assertIsNone(gone())

    def test_an_initializer_that_is_a_closure(self):
        import multiprocessing

        value = [7]
        lock = multiprocessing.get_context("spawn").Lock()
        executor = self.make(initializer=lambda lock: tasks.set_state((value, lock.acquire(False))),
                             initargs=(lock,))
        self.assertEqual(executor.submit(tasks.get_state).result(LIMIT), ([7], True))


if __name__ == "__main__":
    main()
