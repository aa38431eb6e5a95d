# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the executors share."""

import os
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

HERE = str(Path(__file__).resolve().parent)
sys.path[:1] = [HERE, str(Path(HERE).parent)]

import aiopool  # noqa: E402
import executor_tasks as tasks  # noqa: E402

LIMIT = 60  # seconds: for what must happen, however slow the machine


class Case(unittest.TestCase):
    kind = staticmethod(aiopool.ProcessPoolExecutor)

    def make(self, max_workers=1, **options):
        executor = self.kind(max_workers, **options)
        self.addCleanup(executor.shutdown)
        return executor

    def make_folder(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return Path(folder.name)

    def make_path(self, name):
        return str(self.make_folder() / name)

    def wait_for_file(self, path):
        end = time.monotonic() + LIMIT
        while not os.path.exists(path):
            self.assertLess(time.monotonic(), end, f"nobody has made {path}")
            time.sleep(0.001)

    def start_waiting(self, executor):
        """A task that has begun, and the path of the file that ends it."""
        begun, ended = self.make_path("begun"), self.make_path("ended")
        future = executor.submit(tasks.touch_and_wait, begun, ended)
        self.wait_for_file(begun)
        return future, ended

    def run_python(self, *arguments, status=0, cwd=HERE, python=sys.executable, **options):
        done = subprocess.run([str(python), *map(str, arguments)], capture_output=True, text=True,
                              timeout=LIMIT, cwd=cwd, **options)
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def run_program(self, text, *arguments, **options):
        return self.run_python(*arguments, "-c", text, **options)
