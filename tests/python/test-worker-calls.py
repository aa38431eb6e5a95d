#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Python worker: functions by name, values, the task that runs, and the worker's start."""

import os
import subprocess
import sys

from worker_case import HERE, Aiopool, Case, GLib, _spawn

import worker_tasks
from taptest import main


class Calls(Case):
    @classmethod
    def setUpClass(cls):
        cls.pool = Aiopool.Pool(max_workers=1, launcher=_spawn.make_launcher())

    @classmethod
    def tearDownClass(cls):
        cls.pool.shutdown(Aiopool.ShutdownFlags.TERMINATE, None)

    def type_of(self, signature, value):
        return self.run_variant(self.pool, "echo", f"({signature})", (value,)).get_type_string()

    def test_a_tuple_is_the_positional_arguments(self):
        self.assertEqual(self.run_task(self.pool, "answer", "(is)", (1, "a")), [[1, "a"], {}])
        self.assertEqual(self.run_task(self.pool, "answer"), [[], {}])

    def test_anything_else_is_the_only_argument(self):
        self.assertEqual(self.run_task(self.pool, "answer", "s", "a"), [["a"], {}])
        self.assertEqual(self.run_task(self.pool, "answer", "ai", [1, 2]), [[[1, 2]], {}])

    def test_keywords_are_keywords(self):
        found = self.run_task(self.pool, "answer", "(i)", (1,),
                              keywords={"key": GLib.Variant("s", "value")})
        self.assertEqual(found, [[1], {"key": "value"}])

    def test_what_tasks_have_in_common_is_a_view(self):
        for size in 5, 300_000:
            shared = Aiopool.SharedData(b"text" + bytes(size - 4))
            task = Aiopool.Task("worker_tasks:read_shared", shared_data=shared)
            for _ in range(2):
                found = self.pool.submit(task).collect(60)
                self.assertEqual(found, (b"text", size, True))
        self.assertIsNone(self.run_task(self.pool, "read_shared"))

    def test_a_name_may_be_qualified(self):
        self.assertEqual(self.run_task(self.pool, "Calculator.Inner.double", "(i)", (4,)), 8)
        self.assertEqual(self.run_task(self.pool, "os.path:join", "(ss)", ("a", "b")), "a/b")

    def test_a_name_that_is_nothing_is_an_unknown_function(self):
        for name, part in {
            "nonsense": "module:function", ":": "module:function", "a:": "module:function",
            "no_such_module:f": "no_such_module", "os.nothing:f": "os.nothing",
            "os:no_such": "no_such", "os:path.no": "path.no", "os:name": "cannot be called",
            "..:x": "", "worker tasks:x": "",
        }.items():
            with self.subTest(name):
                future = self.pool.submit(Aiopool.Task.new(name, None), None)
                self.expect(future, Aiopool.TaskError.UNKNOWN_FUNCTION, part)

    def test_every_type_arrives(self):
        for signature, value, name in (
            ("b", True, "bool"), ("y", 200, "int"), ("n", -5, "int"), ("q", 5, "int"),
            ("i", -5, "int"), ("u", 5, "int"), ("x", -2**63, "int"), ("t", 2**64 - 1, "int"),
            ("d", 0.5, "float"), ("s", "text", "str"), ("o", "/a", "str"), ("g", "ai", "str"),
            ("v", GLib.Variant("i", 1), "int"), ("mi", None, "NoneType"), ("mi", 5, "int"),
            ("ay", b"bytes", "bytes"), ("ai", [1], "list"), ("a{ss}", {"a": "b"}, "dict"),
            ("(i)", (1,), "tuple"), ("as", ["a"], "list"), ("ab", [True], "list"),
        ):
            with self.subTest(signature):
                self.assertEqual(self.run_task(self.pool, "type_name", f"({signature})", (value,)),
                                 name)

    def test_results_have_the_types_of_the_table(self):
        for signature, value, found in (
            ("b", True, "b"), ("i", 1, "x"), ("t", 2**64 - 1, "t"), ("d", 1.5, "d"),
            ("s", "a", "s"), ("mi", None, "mv"), ("ay", b"a", "ay"), ("ai", [1, 2], "ax"),
            ("ad", [1.0], "ad"), ("as", ["a"], "as"), ("ai", [], "av"), ("aai", [[1], [2]], "aax"),
            ("av", [GLib.Variant("i", 1), GLib.Variant("s", "a")], "av"),
            ("(is)", (1, "a"), "(xs)"), ("()", (), "()"), ("a{si}", {"a": 1}, "a{sv}"),
            ("a{is}", {1: "a"}, "a{xv}"), ("at", [1, 2**64 - 1], "av"),
        ):
            with self.subTest(found):
                self.assertEqual(self.type_of(signature, value), found)

    def test_values_come_back_as_they_went(self):
        for signature, value in (
            ("ax", list(range(1000))), ("ad", [0.5, float("inf")]), ("s", "äöü\U0001f600"),
            ("at", [2**63, 5]), ("a{sv}", {"a": GLib.Variant("x", 1)}), ("ab", [True, False]),
        ):
            with self.subTest(signature):
                sent = GLib.Variant(signature, value)
                found = self.run_task(self.pool, "echo", "(v)", (sent,))
                self.assertEqual(found, sent.unpack())

    def test_bytes_of_a_mebibyte_are_bytes(self):
        data = GLib.Variant.new_from_bytes(GLib.VariantType("ay"), GLib.Bytes.new(b"ab" * 2**19),
                                           True)
        task = Aiopool.Task.new("worker_tasks:echo", data)
        result = self.wait(self.pool.submit(task, None)).get_result()
        self.assertEqual(result.get_data_as_bytes().get_data(), b"ab" * 2**19)

    def test_buffers_are_arrays(self):
        result = self.run_variant(self.pool, "array:array", "(sad)", ("d", [1.0, 2.5]))
        self.assertEqual((result.get_type_string(), result.unpack()), ("ad", [1.0, 2.5]))
        result = self.run_variant(self.pool, "array:array", "(sai)", ("h", [1, -2]))
        self.assertEqual((result.get_type_string(), result.unpack()), ("an", [1, -2]))
        self.assertEqual(self.run_variant(self.pool, "builtins:bytearray", "(ay)", (b"x",))
                         .get_type_string(), "ay")

    def test_what_does_not_fit_is_named(self):
        for kind, part in {
            "object": "'object'", "large int": "64 bits", "surrogate": "Unicode", "nul": "NUL",
            "mixed keys": "keys", "complex": "'complex'", "deep": "nested", "cycle": "nested",
        }.items():
            with self.subTest(kind):
                future = self.submit(self.pool, "odd_value", "(s)", (kind,))
                self.expect(future, Aiopool.TaskError.ENCODE, part)

    def test_raw_bytes_are_a_memoryview(self):
        for size in (10, 1_000_000):
            task = Aiopool.Task.new_for_payload("builtins:bytes", GLib.Bytes.new(b"x" * size),
                                                Aiopool.Format.RAW)
            payload, format = self.wait(self.pool.submit(task, None)).get_payload()
            self.assertEqual((payload.get_data(), format), (b"x" * size, Aiopool.Format.RAW))

    def test_json_is_read_and_written(self):
        task = Aiopool.Task.new_for_payload("worker_tasks:echo", GLib.Bytes.new(b'{"a": [1, null]}'),
                                            Aiopool.Format.JSON)
        payload, format = self.wait(self.pool.submit(task, None)).get_payload()
        self.assertEqual((payload.get_data(), format),
                         (b'{"a": [1, null]}', Aiopool.Format.JSON))

    def test_a_task_tells_and_emits(self):
        future = self.submit(self.pool, "tell", timeout=30)
        emitted = []
        future.connect("emitted", lambda _, value: emitted.append(value.unpack()))
        name, cancelled, left = self.wait(future).get_result().unpack()
        self.assertEqual((name, cancelled), ("worker_tasks:tell", False))
        self.assertTrue(0 < left <= 30)
        self.assertEqual(emitted, [{"n": 1}])
        self.assertEqual((future.get_progress(), future.dup_message()), (0.5, "a quarter"))

    def test_outside_of_tasks_there_is_none(self):
        import aiopool

        self.assertIsNone(aiopool.current_task())

    def test_a_generator_emits_its_items(self):
        future = self.submit(self.pool, "count", "(i)", (3,))
        emitted = []
        future.connect("emitted", lambda _, value: emitted.append(value.unpack()))
        self.assertEqual(self.wait(future).get_result().unpack(), "counted")
        self.assertEqual(emitted, [0, 1, 2])

    def test_a_generator_that_fails_has_emitted(self):
        future = self.submit(self.pool, "count_and_fail", "(i)", (2,))
        emitted = []
        future.connect("emitted", lambda _, value: emitted.append(value.unpack()))
        self.expect(future, Aiopool.TaskError.FAILED, "after the last")
        self.assertEqual(emitted, [0, 1])

    def test_log_records_come_once_each(self):
        records = []

        def on_log(future, record):
            names, level = record.get_domain(), record.get_level()
            records.append((names, int(level), record.get_message().split("\n")[0],
                            record.get_fields().unpack()["PYTHON_LEVEL"]))
            return True

        future = self.submit(self.make_pool(), "log_all")
        future.connect("log", on_log)
        self.wait(future).get_result()
        self.assertEqual(records, [
            ("some.logger", int(GLib.LogLevelFlags.LEVEL_WARNING), "one warning", "30"),
            ("some.logger", int(GLib.LogLevelFlags.LEVEL_DEBUG), "heard", "10"),
            ("some.logger", int(GLib.LogLevelFlags.LEVEL_CRITICAL), "failed", "40"),
        ])

    def test_a_task_may_make_a_pool(self):
        self.assertEqual(self.run_task(self.make_pool(), "make_pool"), 42)


class Start(Case):
    def test_the_worker_has_the_settings_of_its_parent(self):
        path, argv, *flags = self.run_task(self.make_pool(), "settings")
        self.assertEqual(path, sys.path)
        self.assertEqual(argv, sys.argv)
        self.assertEqual(flags[1:], [sys.flags.utf8_mode, sys.flags.optimize])

    def test_options_of_the_interpreter_are_passed_on(self):
        program = ("import sys; sys.path[:0] = sys.argv[1:]\n"
                   "import worker_case\n"
                   "pool = worker_case.Aiopool.Pool(launcher=worker_case._spawn.make_launcher())\n"
                   "task = worker_case.Aiopool.Task.new('worker_tasks:settings', None)\n"
                   "print(pool.run(task, None)[3:])")
        done = subprocess.run([sys.executable, "-X", "utf8", "-O", "-c", program, HERE],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stdout.strip(), "[1, 1]", done.stderr)

    def run_program(self, *words):
        program = ("import sys; sys.path.insert(0, sys.argv[1])\n"
                   "import worker_case\n"
                   "pool = worker_case.Aiopool.Pool(launcher=worker_case._spawn.make_launcher())\n"
                   "task = worker_case.Aiopool.Task.new('worker_tasks:settings', None)\n"
                   "print(len(pool.run(task, None)[1]))")
        done = subprocess.run([sys.executable, "-c", program, HERE, *words],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return int(done.stdout)

    def test_very_many_words_of_the_program_are_left_out(self):
        self.assertEqual(self.run_program("word"), 3)
        self.assertEqual(self.run_program(*["word" * 100] * 1000), 1)

    def test_the_worker_imports_next_to_nothing(self):
        launcher = Aiopool.Launcher.new_for_python(sys.executable)
        launcher.setenv("PYTHONPATH", HERE + os.pathsep + os.environ.get("PYTHONPATH", ""))
        names = self.run_task(self.make_pool(launcher=launcher), "module_names")
        for name in ("gi", "asyncio", "multiprocessing", "logging", "pickle", "_pickle", "typing",
                     "traceback", "concurrent.futures", "aiopool._pickling"):
            self.assertNotIn(name, names)

    def test_a_worker_without_settings_has_the_environment(self):
        launcher = Aiopool.Launcher.new_for_python(sys.executable)
        launcher.setenv("PYTHONPATH", HERE + os.pathsep + os.environ.get("PYTHONPATH", ""))
        path, argv, *rest = self.run_task(self.make_pool(launcher=launcher), "settings")
        self.assertIn(HERE, path)
        self.assertEqual(argv, ["-c"])

    def test_a_python_that_is_missing_fails_the_start(self):
        launcher = Aiopool.Launcher.new_for_python("/nonexistent/python")
        future = self.submit(self.make_pool(launcher=launcher), "echo", "(i)", (1,))
        self.expect(future, Aiopool.PoolError.START_FAILED, "/nonexistent/python",
                    "aiopool-pool-error-quark")

    def test_a_package_that_is_missing_fails_the_start(self):
        launcher = _spawn.configure(Aiopool.Launcher.new_for_argv(
            [sys.executable, "-I", "-c", _spawn.CODE, "/nonexistent"]))
        future = self.submit(self.make_pool(launcher=launcher), "echo", "(i)", (1,))
        self.expect(future, Aiopool.PoolError.START_FAILED, "No module named 'aiopool'",
                    "aiopool-pool-error-quark")

    def test_a_function_of_main_runs_without_the_guarded_part(self):
        self.assertEqual(self.run_task(self.make_pool(), "__main__:main_function", "(i)", (4,)),
                         [4, "__mp_main__", "guarded part left out"])

    def test_an_unguarded_main_starts_no_pools_without_end(self):
        program = os.path.join(HERE, "unguarded.py")
        done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60)
        self.assertIn('if __name__ == "__main__"', done.stdout, done.stderr)


GUARDED = "guarded part left out"


def main_function(value):
    return [value, __name__, GUARDED]


if __name__ == "__main__":
    GUARDED = "guarded part run"
    main()
