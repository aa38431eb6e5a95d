#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Functions that go by their value are sent to each worker once, and made there once."""

import gc
import os
import sys
import threading
import time
import unittest
from pathlib import Path

sys.path[:1] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

import aiopool  # noqa: E402
from aiopool import _calls, _core  # noqa: E402
from executor_case import LIMIT, Case  # noqa: E402
from taptest import main  # noqa: E402

try:
    import cloudpickle
except ImportError:
    cloudpickle = None

try:
    import numpy
except ImportError:
    numpy = None

MIB = 1 << 20


def made(path, data):
    """In a worker: one more was made there."""
    with open(path, "a") as file:
        file.write(f"{os.getpid()}\n")
    return Captured(path, data)


class Captured:
    """What tells in a file how often, and where, it was unpickled."""

    def __init__(self, path, data):
        self.path = path
        self.data = data

    def __reduce__(self):
        return made, (self.path, self.data)


def count_mapped(pid):
    return Path(f"/proc/{pid}/maps").read_text().count("/memfd:aiopool-segment")


def make_function(captured):
    return lambda number: (os.getpid(), number + len(captured.data))


@unittest.skipIf(cloudpickle is None, "cloudpickle is not installed")
class ByValue(Case):
    def make_counted(self, size):
        path = self.make_path("made")
        return make_function(Captured(path, bytes(size))), path

    def read(self, path):
        """The processes that have made one, each as often as it did."""
        return Path(path).read_text().split()

    def make_all(self, n):
        """An executor of each kind with the way to submit."""
        for kind in aiopool.ProcessPoolExecutor, aiopool.Executor, aiopool.ProcessPool:
            with self.subTest(kind.__name__), kind(n) as pool:
                yield pool, lambda *args, pool=pool: tasks_result(pool.submit(*args))

    def test_each_worker_makes_it_once(self):
        for pool, run in self.make_all(2):
            for size in 10, 100_000, 4 * MIB:
                function, path = self.make_counted(size)
                futures = [pool.submit(function, number) for number in range(50)]
                results = [tasks_result(future) for future in futures]
                self.assertEqual([result[1] for result in results], list(range(size, size + 50)))
                pids = {str(result[0]) for result in results}
                self.assertEqual(sorted(self.read(path)), sorted(pids))

    def test_a_call_is_as_small_as_its_arguments(self):
        function = make_function(Captured("/nowhere", bytes(4 * MIB)))
        pieces, shared = _core.pack_call(None, function, (7,), {})
        self.assertLess(sum(len(memoryview(piece)) for piece in pieces), 100)
        self.assertGreater(len(shared.view), 4 * MIB)
        again, same = _core.pack_call(None, function, (8,), {"key": 1})
        self.assertIs(same, shared)
        pieces, same = _core.pack_call("aiopool._calls:call_each", _calls.call_each,
                                       (function, [1, 2]), {})
        self.assertLess(sum(len(memoryview(piece)) for piece in pieces), 200)
        self.assertIs(same, shared)

    def test_a_map_sends_it_once(self):
        for kind in aiopool.ProcessPoolExecutor, aiopool.ProcessPool:
            with self.subTest(kind.__name__), kind(2) as pool:
                size = {"chunk_size": 7} if kind is aiopool.ProcessPool else {"chunksize": 7}
                function, path = self.make_counted(300_000)
                results = list(pool.map(function, range(100), **size))
                results += list(pool.map(function, range(100)))
                self.assertEqual([result[1] for result in results],
                                 [300_000 + i for i in range(100)] * 2)
                pids = {str(result[0]) for result in results}
                self.assertEqual(sorted(self.read(path)), sorted(pids))

    def test_a_map_with_several_arguments(self):
        offset = 5
        for pool, run in self.make_all(1):
            add = (lambda a, b: a + b + offset)
            if isinstance(pool, aiopool.ProcessPool):
                found = list(pool.starmap(add, zip(range(20), range(20)), chunk_size=3))
            else:
                found = list(pool.map(add, range(20), range(20)))
            self.assertEqual(found, [2 * i + offset for i in range(20)])

    def test_a_worker_in_the_place_of_another_makes_it_again(self):
        with aiopool.ProcessPool(1) as pool:
            function, path = self.make_counted(200_000)
            pids = []
            for number in range(3):
                pid = pool.run(function, number)[0]
                self.assertEqual(pool.run(function, number)[0], pid)
                pids.append(str(pid))
                with self.assertRaises(aiopool.WorkerCrashedError):
                    pool.run(os._exit, 1)
            self.assertEqual(len(set(pids)), 3)
            self.assertEqual(self.read(path), pids)

    def test_one_that_changes_is_sent_anew(self):
        with aiopool.ProcessPool(1) as pool:
            count = 0

            def tell():
                return count

            for count in range(1, 6):
                self.assertEqual(pool.run(tell), count)
                self.assertEqual(pool.run(tell), count)

    def test_one_that_gets_another_name_is_sent_anew(self):
        with aiopool.ProcessPool(1) as pool:
            def tell():
                return tell.__name__, tell.__qualname__, tell.__doc__

            for name in "tell", "other", "third":
                tell.__name__ = tell.__qualname__ = tell.__doc__ = name
                self.assertEqual(pool.run(tell), (name,) * 3)

    @unittest.skipIf(numpy is None, "numpy is not installed")
    def test_what_is_gone_here_is_given_up_there(self):
        with aiopool.ProcessPool(1) as pool:
            array = numpy.zeros(MIB)
            function = (lambda number: (os.getpid(), number + len(array)))
            pid = pool.run(function, 1)[0]
            self.assertEqual(count_mapped(pid), 1)
            function = array = None
            gc.collect()
            pool.run(os.getpid)  # which takes in what is left of the call before
            end = time.monotonic() + LIMIT
            while count_mapped(pid) > 0 and time.monotonic() < end:
                time.sleep(0.001)
            self.assertEqual(count_mapped(pid), 0)
            self.assertEqual(pool.run(os.getpid), pid)

    def test_many_functions(self):
        with aiopool.ProcessPool(1) as pool:
            functions = [make_function(Captured(self.make_path("made"), bytes(i)))
                         for i in range(200)]
            for _ in range(2):
                for i, function in enumerate(functions):
                    self.assertEqual(pool.run(function, 1)[1], 1 + i)

    def test_cancelled_calls_are_found_while_others_are_made(self):
        interval = sys.getswitchinterval()
        self.addCleanup(sys.setswitchinterval, interval)
        pool = aiopool.ProcessPool(1)
        functions = [make_function(Captured("/nowhere", bytes(i))) for i in range(500)]
        is_over = threading.Event()
        waiting = [pool.submit(time.sleep, 0.2)]
        waiting += [pool.submit(function, 1) for function in functions]

        def make_more():
            while not is_over.is_set():
                number = 5
                _calls.get_pickled(lambda: number)

        thread = threading.Thread(target=make_more)
        pool.shutdown()
        sys.setswitchinterval(1e-6)
        thread.start()
        try:
            found = [call[0] for call in pool.cancelled_tasks]
        finally:
            is_over.set()
            thread.join()
        self.assertGreater(len(found), 400)
        self.assertTrue(set(found) <= {time.sleep, *functions})
        del waiting

    def test_calls_with_what_only_cloudpickle_pickles(self):
        for pool, run in self.make_all(1):
            self.assertEqual(run(lambda function, number: function(number), lambda i: i + 1, 2), 3)
            self.assertEqual(run(lambda: lambda: 5)(), 5)
            self.assertEqual(list(pool.map(lambda function: function(), [lambda: 1, lambda: 2])),
                             [1, 2])

    def test_generators_and_coroutines(self):
        with aiopool.ProcessPool(1) as pool:
            offset = 3

            async def later(number):
                return number + offset

            def each(number):
                for i in range(number):
                    yield i + offset

            for _ in range(3):
                self.assertEqual(pool.run(later, 2), 5)
                self.assertEqual(list(pool.stream(each, 3)), [3, 4, 5])

    def test_one_that_cannot_be_made_fails_each_call(self):
        class Bad:
            def __reduce__(self):
                return int, ("no number",)

        bad = Bad()
        with aiopool.ProcessPool(1) as pool:
            for _ in range(2):
                with self.assertRaisesRegex(ValueError, "no number"):
                    pool.run(lambda: bad)
            self.assertEqual(pool.run(lambda: 1), 1)

    @unittest.skipIf(numpy is None, "numpy is not installed")
    def test_arrays_of_a_closure_are_in_shared_memory(self):
        table = numpy.arange(MIB, dtype="float64")

        def look_up(index):
            table[index] += 1  # in pages of this worker's own
            return os.getpid(), float(table[index])

        with aiopool.ProcessPool(2) as pool:
            results = [future.collect() for future in [pool.submit(look_up, 5) for _ in range(40)]]
            for pid in {result[0] for result in results}:
                own = [value for other, value in results if other == pid]
                self.assertEqual(sorted(own), [6.0 + i for i in range(len(own))])
                self.assertEqual(count_mapped(pid), 1)
            self.assertEqual(table[5], 5)


def tasks_result(future):
    return future.collect() if hasattr(future, "collect") else future.result(LIMIT)


if __name__ == "__main__":
    main()
