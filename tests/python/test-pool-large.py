#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Large arguments: when they are read, and how long they are kept."""

import gc
import hashlib
import sys

import pool_case

SIZE = 1_000_003  # bytes


def digest(*values):
    return [hashlib.md5(value, usedforsecurity=False).hexdigest() for value in values]


def describe(view):
    return view.readonly, view.format, view.nbytes, digest(view)


def make_bytes(start=0):
    return bytes((start + i * i) % 251 for i in range(SIZE))


class Large(pool_case.Case):
    def setUp(self):
        self.pool = self.make_pool(1)

    def wait_until_let_go(self, held, number):
        """What a thread is told of is let go when it comes back to the pool, at the latest.
        `held`: a list with the bytes."""
        def check():
            gc.collect()
            return self.pool.run(len, b"") == 0 and sys.getrefcount(held[0]) == number

        self.wait_until(check)

    def test_what_is_changed_after_submit_comes_as_it_was(self):
        release = self.hold(self.pool)
        array = bytearray(make_bytes())
        constant = make_bytes(1)
        expected = digest(array, array, constant, array)
        future = self.pool.submit(digest, array, memoryview(array), constant, array)
        array[:] = bytes(SIZE)
        array.clear()  # nobody holds it
        release()
        self.assertEqual(future.collect(), expected)

    def test_large_and_small_come_in_their_order(self):
        values = [make_bytes(i)[:size] for i, size in
                  enumerate((10, SIZE, 70_000, 0, SIZE - 5, 300_000, 1))]
        values += map(memoryview, values[:3])
        for _ in range(3):
            self.assertEqual(self.pool.run(digest, *values), digest(*values))

    def test_views_of_bytes_come_as_what_they_show(self):
        data = make_bytes()
        for view in (memoryview(data), memoryview(data)[3:-4], memoryview(data)[:-3].cast("d"),
                     memoryview(memoryview(data)[100:]), memoryview(data).cast("b"),
                     memoryview(data)[::-1]):
            self.assertEqual(self.pool.run(describe, view), describe(memoryview(view.tobytes())
                                                                     .cast(view.format)))

    def test_a_view_may_be_released_after_submit(self):
        release = self.hold(self.pool)
        data = make_bytes()
        with memoryview(data) as view, view[1:] as part:
            future = self.pool.submit(digest, view, part)
        release()
        self.assertEqual(future.collect(), digest(data, data[1:]))

    def test_bytes_are_not_copied_until_they_are_sent(self):
        release = self.hold(self.pool)
        held = [make_bytes()]
        before = sys.getrefcount(held[0])
        futures = [self.pool.submit(digest, held[0]), self.pool.submit(digest, memoryview(held[0])),
                   self.pool.options(retries=1).submit(digest, held[0])]
        self.assertEqual(sys.getrefcount(held[0]), before + 3)
        release()
        self.assertEqual([future.collect() for future in futures], 3 * [digest(held[0])])
        del futures
        self.wait_until_let_go(held, before)

    def test_bytes_of_a_cancelled_call_are_let_go(self):
        release = self.hold(self.pool)
        held = [make_bytes()]
        before = sys.getrefcount(held[0])
        future = self.pool.submit(digest, held[0])
        self.assertTrue(future.cancel())
        release()
        del future
        self.wait_until_let_go(held, before)


if __name__ == "__main__":
    pool_case.main()
