#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Python worker: pickled calls, buffers in shared memory, exceptions that are made again."""

import math
import os

from worker_case import Aiopool, Case, GLib, _payload, _pickling, _spawn

import worker_tasks
from taptest import main

try:
    import numpy
except ImportError:
    numpy = None

MEBIBYTE = 2**20


def own_function(value):
    return [value, __name__]


class OwnClass:
    def __init__(self, value):
        self.value = value

    def method(self, other):
        return self.value + other


class Pickles(Case):
    @classmethod
    def setUpClass(cls):
        cls.pool = Aiopool.Pool(max_workers=1, launcher=_spawn.make_launcher())

    @classmethod
    def tearDownClass(cls):
        cls.pool.shutdown(Aiopool.ShutdownFlags.TERMINATE, None)

    def run_here(self, function, *args, **keywords):
        return self.run_pickle(self.pool, function, *args, **keywords)

    def test_arguments_and_results_are_pickled(self):
        self.assertEqual(self.run_here(pow, 2, 10), 1024)
        self.assertEqual(self.run_here(int, "ff", base=16), 255)
        value = {"a": {1, 2}, 3: None, "f": 1j, "nested": [("x",)]}
        self.assertEqual(self.run_here(worker_tasks.echo, value), value)

    def test_the_task_may_name_the_function(self):
        data = b"".join(_pickling.pack_call(None, (2.0,), {}))
        self.assertEqual(self.get_pickle(self.submit_bytes(self.pool, data, "math:sqrt")),
                         math.sqrt(2))

    def test_methods_and_partials_are_called(self):
        from functools import partial

        self.assertEqual(self.run_here(partial(pow, 2), 3), 8)
        self.assertEqual(self.run_here("a-b".split, "-"), ["a", "b"])

    def test_what_is_in_main_is_found(self):
        self.assertEqual(self.run_here(own_function, 1), [1, "__mp_main__"])
        self.assertEqual(self.run_here(OwnClass(3).method, 4), 7)
        made = self.run_here(OwnClass, 5)
        self.assertEqual((type(made), made.value), (OwnClass, 5))

    def test_large_values_keep_their_type(self):
        for value in (b"b" * MEBIBYTE, bytearray(b"a" * MEBIBYTE)):
            found = self.run_here(worker_tasks.echo, value)
            self.assertEqual((type(found), found), (type(value), value))
            found = self.run_here(worker_tasks.echo, [value, {"key": value}])
            self.assertEqual(found, [value, {"key": value}])

    def test_a_memoryview_is_a_memoryview_of_shared_memory(self):
        for value in (memoryview(b"short"), memoryview(b"m" * MEBIBYTE),
                      memoryview(bytes(MEBIBYTE)).cast("d"), memoryview(b"abcdef")[::2]):
            found = self.run_here(worker_tasks.echo, value)
            self.assertIs(type(found), memoryview)
            self.assertEqual((found.tolist(), found.format), (value.tolist(), value.format))
        found = self.run_here(worker_tasks.echo, [memoryview(b"x" * MEBIBYTE)])
        self.assertEqual(found[0].nbytes, MEBIBYTE)
        self.assertEqual(self.run_here(getattr, memoryview(b"m" * MEBIBYTE), "readonly"), True)

    def test_arrays_are_views(self):
        if numpy is None:
            self.skipTest("NumPy is not there")
        array = numpy.arange(MEBIBYTE, dtype="int32").reshape(1024, 1024)
        found = self.run_here(worker_tasks.echo, array)
        self.assertTrue((found == array).all())
        self.assertFalse(found.flags.writeable)
        self.assertEqual(self.run_here(worker_tasks.get_address, array) % _pickling.ALIGNMENT, 0)
        self.assertEqual(self.run_here(numpy.sum, array), array.sum())

    def test_buffers_can_be_made_writable(self):
        if numpy is None:
            self.skipTest("NumPy is not there")
        pieces = _pickling.pack_call(worker_tasks.add_in_place, (numpy.zeros(MEBIBYTE), 1), {},
                                     writable=True)
        future = self.submit_bytes(self.pool, b"".join(pieces))
        self.assertEqual(self.get_pickle(future).sum(), MEBIBYTE)

    def test_payloads_are_made_and_looked_at(self):
        for pieces in ([], [b""], [b"one"], [b"one", bytearray(b"two"), memoryview(b"three")],
                       [b"large" * 100_000], [b"large" * 100_000, b"end"]):
            payload = _payload.join(pieces)
            self.assertEqual(type(payload), GLib.Bytes)
            view = _payload.view(payload)
            del payload
            self.assertEqual(view, b"".join(pieces))
            self.assertTrue(view.readonly)
        for bad in (None, ["text"], [None]):
            with self.assertRaises(TypeError):
                _payload.join(bad)

    def test_a_result_is_a_view_of_shared_memory(self):
        found = [self.run_here(worker_tasks.echo, memoryview(bytes([i]) * MEBIBYTE))
                 for i in range(5)]
        self.assertEqual([bytes(view[-3:]) for view in found], [bytes([i]) * 3 for i in range(5)])

    def test_memory_that_a_task_keeps_is_not_used_again(self):
        first = memoryview(b"1" * MEBIBYTE)
        self.run_here(worker_tasks.keep, first)
        for _ in range(3):
            self.run_here(len, memoryview(b"2" * MEBIBYTE))
        self.assertEqual(self.run_here(worker_tasks.look), b"1" * 10)

    def test_a_generator_emits_pickles(self):
        future = self.submit_pickle(self.pool, worker_tasks.count, 3)
        emitted = []
        future.connect("emitted", lambda _, value: emitted.append(
            _pickling.unpack(value.get_data_as_bytes().get_data())))
        self.assertEqual(self.get_pickle(future), "counted")
        self.assertEqual(emitted, [0, 1, 2])

    def test_an_emitted_value_may_be_large(self):
        future = self.submit_pickle(self.pool, worker_tasks.emit_large, MEBIBYTE)
        emitted = []
        future.connect("emitted", lambda _, value: emitted.append(
            _pickling.unpack(value.get_data_as_bytes().get_data())))
        self.get_pickle(future)
        self.assertEqual([len(value) for value in emitted], [MEBIBYTE])

    # what cannot travel

    def test_13_an_argument_that_cannot_be_pickled_fails_here(self):
        with self.assertRaises(TypeError):
            _pickling.pack_call(len, (worker_tasks.lock(),), {})

    def test_14_a_result_that_cannot_be_pickled(self):
        info = self.expect(self.submit_pickle(self.pool, worker_tasks.lock),
                           Aiopool.TaskError.ENCODE, "lock")
        self.assertIn("EncodeError", info.get_type_name())

    def test_15_a_result_that_cannot_be_unpickled(self):
        with self.assertRaisesRegex(ValueError, "raised while unpickling"):
            self.run_here(worker_tasks.make, "BadToLoad")

    def test_16_an_argument_that_cannot_be_unpickled(self):
        for value, part in ((worker_tasks.BadToLoad(), "raised while unpickling"),
                            (worker_tasks.ExitsOnLoad(), "SystemExit: 9")):
            future = self.submit_pickle(self.pool, worker_tasks.echo, value)
            self.expect(future, Aiopool.TaskError.DECODE, part)

    def test_16_an_argument_whose_class_is_not_there(self):
        data = b"\x80\x05cno_such_module\nThing\n."
        self.expect(self.submit_bytes(self.pool, data), Aiopool.TaskError.DECODE, "no_such_module")

    def test_payloads_that_are_nonsense(self):
        good = b"".join(_pickling.pack_call(len, (b"x" * MEBIBYTE,), {}))
        for data in (b"", b"\x80", b"nonsense", good[:1000], good[:30], _pickling.MAGIC,
                     _pickling.MAGIC + b"\xff" * 100, b"\x80\x05N.", b"\x80\x05]."):
            with self.subTest(data[:20]):
                self.expect(self.submit_bytes(self.pool, data), Aiopool.TaskError.DECODE)
        self.assertEqual(self.run_here(abs, -1), 1)

    def test_20_a_result_that_fails_while_it_is_pickled(self):
        for name, part in (("FailsOnDump", "not me"), ("ExitsOnDump", "4")):
            future = self.submit_pickle(self.pool, worker_tasks.make, name)
            self.expect(future, Aiopool.TaskError.ENCODE, part)

    def test_20_a_result_that_crashes_while_it_is_pickled(self):
        pool = self.make_pool()
        self.expect_crash(self.submit_pickle(pool, worker_tasks.make, "CrashesOnDump"),
                          "exit status 5")
        self.expect_crash(self.submit_pickle(pool, worker_tasks.echo,
                                             worker_tasks.CrashesOnLoad()), "exit status 9")
        self.assertEqual(self.run_pickle(pool, abs, -1), 1)

    # exceptions

    def test_an_exception_is_made_again(self):
        future = self.submit_pickle(self.pool, worker_tasks.fail, "kept")
        exception, text = self.get_exception(future)
        self.assertIs(type(exception), worker_tasks.Kept)
        self.assertEqual((exception.args, exception.number, exception.word, exception.__notes__),
                         ((7, "seven"), 7, "seven", ["a note"]))
        self.assertIn("in fail", text)
        self.assertNotIn("_worker.py", text)

    def test_the_chain_is_made_again(self):
        future = self.submit_pickle(self.pool, worker_tasks.fail_in_a_chain)
        exception, text = self.get_exception(future)
        self.assertIsInstance(exception, RuntimeError)
        self.assertIsNone(exception.__cause__)
        self.assertIsInstance(exception.__context__, ValueError)
        self.assertIsInstance(exception.__context__.__cause__, KeyError)
        self.assertLess(text.index("KeyError"), text.index("direct cause"))
        self.assertLess(text.index("During handling"), text.index("RuntimeError: top"))

    def test_17_18_an_exception_that_cannot_travel_is_a_remote_error(self):
        for kind, name, message in (("two", "TwoArguments", "1"),
                                    ("not picklable", "NotPicklable", "text"),
                                    ("liar", "Liar", "text")):
            with self.subTest(kind):
                future = self.submit_pickle(self.pool, worker_tasks.fail, kind)
                exception, text = self.get_exception(future)
                self.assertIs(type(exception), _pickling.RemoteError)
                self.assertEqual((exception.type_name, exception.message),
                                 (f"worker_tasks.{name}", message))
                self.assertIn("in fail", exception.traceback)

    def test_4_5_exits_and_interrupts_are_the_exception(self):
        pid = self.run_here(os.getpid)
        for kind, expected in (("system exit", SystemExit), ("interrupt", KeyboardInterrupt),
                               ("memory", MemoryError), ("stop", StopIteration)):
            with self.assertRaises(expected):
                self.run_here(worker_tasks.fail, kind)
        self.assertEqual(self.run_here(os.getpid), pid)

    def test_odd_exceptions_have_an_end(self):
        for function, args in ((worker_tasks.fail_in_a_circle, ()), (worker_tasks.recurse, ()),
                               (worker_tasks.fail, ("huge",)), (worker_tasks.fail, ("nul",)),
                               (worker_tasks.fail, ("no text",))):
            with self.subTest(function.__name__, args=args):
                future = self.submit_pickle(self.pool, function, *args)
                info = self.expect(future, Aiopool.TaskError.FAILED)
                self.assertIsNotNone(info)
        self.assertEqual(self.run_here(abs, -1), 1)


if __name__ == "__main__":
    main()
