# SPDX-License-Identifier: LGPL-2.1-or-later
"""Large arrays: what came in shared memory can be written to, and nobody else sees that."""

import unittest

import aiopool
from taptest import main

try:
    import numpy
except ImportError:
    numpy = None

SIZE = 200_000  # bytes, and so not in the pickle


def double(array):
    array *= 2
    return array


def same(value):
    return value


def describe(view):
    return view.readonly, view.format, view.shape


class Arrays(unittest.TestCase):
    def run_everywhere(self, check):
        for make in aiopool.ProcessPoolExecutor, aiopool.Executor, aiopool.ProcessPool:
            with self.subTest(make.__name__), make(1) as pool:
                def run(function, *args, pool=pool):
                    future = pool.submit(function, *args)
                    return future.collect() if hasattr(future, "collect") else future.result()

                check(run)

    def test_arrays_can_be_written_to_on_both_sides(self):
        if numpy is None:
            self.skipTest("numpy is not installed")
        array = numpy.arange(SIZE // 8, dtype="float64")

        def check(run):
            for _ in range(3):  # in the same memory
                result = run(double, array)
                self.assertTrue((result == 2 * numpy.arange(SIZE // 8)).all())
                self.assertEqual(array[1], 1)
                result += 1

        self.run_everywhere(check)

    def test_a_memoryview_is_read_only_if_it_was(self):
        def check(run):
            for size in 10, SIZE:
                self.assertEqual(run(describe, memoryview(bytes(size))), (True, "B", (size,)))
                self.assertEqual(run(describe, memoryview(bytearray(size))), (False, "B", (size,)))
                self.assertEqual(describe(run(same, memoryview(bytes(size)))), (True, "B", (size,)))
                view = memoryview(bytearray(8 * size)).cast("d").cast("B").cast("d", (size // 2, 2))
                self.assertEqual(describe(run(same, view)), (False, "d", (size // 2, 2)))

        self.run_everywhere(check)


if __name__ == "__main__":
    main()
