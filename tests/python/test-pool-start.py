#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How workers are started, what is imported for that, and the form of plain calls."""

import math
import os
import subprocess
import sys
import unittest

import pool_case
from pool_case import LIMIT

import aiopool

# Nobody shall wait for these before the first task is on its way.
HEAVY = ("asyncio", "concurrent.futures", "enum", "inspect", "logging", "re", "subprocess")


class Number(int):
    pass


class Text(str):
    pass


def run_python(*arguments):
    packages = os.path.dirname(os.path.dirname(aiopool.__file__))
    environment = {**os.environ, "PYTHONPATH": f"{packages}:{pool_case.HERE}"}
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True,
                          text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Start(unittest.TestCase):
    def test_a_program_imports_little(self):
        code = f"import sys; {{}}print([name for name in {HEAVY} if name in sys.modules])"
        without = run_python("-c", code.format(""))
        pool = "import aiopool; pool = aiopool.ProcessPool(1); pool.shutdown(); "
        self.assertEqual(run_python("-c", code.format(pool)), without)

    def test_a_worker_imports_pickle_when_it_needs_it(self):
        look = "'_pickle' in __import__('sys').modules"
        if run_python("-c", f"print({look})") == "True":
            self.skipTest("the interpreter imports it at its start")
        code = ("import aiopool\n"
                "with aiopool.ProcessPool(1) as pool:\n"
                f"    print([pool.run(eval, text) for text in ({look!r}, '[1]', {look!r})])")
        self.assertEqual(run_python("-c", code), "[False, [1], True]")

    def test_workers_have_the_options_of_the_interpreter(self):
        code = ("import aiopool, pool_flags\n"
                "with aiopool.ProcessPool(1) as pool:\n"
                "    print(pool.run(pool_flags.tell))")
        said = run_python("-OO", "-s", "-P", "-B", "-W", "ignore::DeprecationWarning", "-X", "utf8",
                          "-X", "int_max_str_digits=5000", "-c", code)
        self.assertEqual(said, "[2, 1, True, 1, 1, True, '5000']")


class Values(pool_case.Case):
    @classmethod
    def setUpClass(cls):
        cls.pool = aiopool.ProcessPool(1)
        cls.addClassCleanup(cls.pool.shutdown_sync)

    def echo(self, value):
        """There and back again."""
        return self.pool.run(getattr, value, "no such name", value)

    def test_plain_values_come_back_as_they_were(self):
        for value in (None, True, False, 0, -1, 1 << 62, -(1 << 64), 10 ** 300, 0.0, -0.5, math.inf,
                      "", "text", "\u00e4\U0001f600", "\ud800", "a\0b", b"", b"\0\xff" * 100,
                      "x" * 100_000, b"x" * 100_000):
            found = self.echo(value)
            self.assertEqual(found, value)
            self.assertIs(type(found), type(value))
        self.assertTrue(math.isnan(self.echo(math.nan)))
        self.assertEqual(math.copysign(1, self.echo(-0.0)), -1)

    def test_derived_types_stay_what_they_are(self):
        for value in (Number(3), Text("three")):
            self.assertIs(type(self.echo(value)), type(value))

    def test_a_call_without_arguments_is_one(self):
        self.assertEqual(self.pool.run(dict), {})
        self.assertEqual(self.pool.run(int), 0)

    def test_plain_calls_that_were_cancelled_are_told(self):
        pool = self.make_pool(1)
        release = self.hold(pool)
        futures = [pool.submit(divmod, 7, 2), pool.submit(divmod, 7, Number(2)), pool.submit(dict)]
        handle = pool._begin_shutdown(True, False)[0]
        release()
        handle.wait(LIMIT)
        self.assertTrue(all(future.is_cancelled for future in futures))
        self.assertEqual(sorted(pool.cancelled_tasks, key=str),
                         [(divmod, (7, 2), {}), (divmod, (7, 2), {}), (dict, (), {})])


if __name__ == "__main__":
    pool_case.main()
