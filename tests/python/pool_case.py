# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the rich pool have in common."""

import os
import sys
import tempfile
import time
import unittest
from pathlib import Path

HERE = str(Path(__file__).resolve().parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)
sys.path.insert(1, str(Path(HERE).parent))

import aiopool  # noqa: E402
import pool_tasks as tasks  # noqa: E402

LIMIT = 60  # seconds: for what must happen, however slow the machine


class Case(unittest.TestCase):
    def make_pool(self, max_workers=2, kind=aiopool.ProcessPool, **settings):
        pool = kind(max_workers, **settings) if kind is aiopool.ProcessPool else kind(**settings)
        self.addCleanup(pool.shutdown_sync, terminate=True)
        return pool

    def make_directory(self):
        folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)  # a worker may be at it yet
        self.addCleanup(folder.cleanup)
        return folder.name

    def make_path(self, name="file"):
        return os.path.join(self.make_directory(), name)

    def wait_until(self, check):
        end = time.monotonic() + LIMIT
        while not (value := check()):
            self.assertLess(time.monotonic(), end, "it does not come about")
            time.sleep(0.001)
        return value

    def wait_for_file(self, path):
        self.wait_until(lambda: os.path.exists(path))

    def hold(self, pool, number=1):
        """Has a pool run so many tasks until the returned function is called."""
        directory = self.make_directory()
        go = os.path.join(directory, "go")
        here = [os.path.join(directory, str(i)) for i in range(number)]
        futures = [pool.submit(tasks.touch_and_wait, path, go) for path in here]
        for path in here:
            self.wait_for_file(path)

        def release():
            tasks.touch(go)
            return futures

        self.addCleanup(aiopool.wait, futures)
        self.addCleanup(release)
        return release


def main():
    import taptest

    taptest.main()
