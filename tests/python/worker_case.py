# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the Python worker have in common: pools, calls, and how they end."""

import os
import sys
import tempfile
import time
import unittest
from pathlib import Path

import gi

gi.require_version("Aiopool", "1")
from gi.repository import Aiopool, GLib  # noqa: E402

from aiopool import _payload, _pickling, _spawn  # noqa: E402

HERE = str(Path(__file__).resolve().parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)
sys.path.insert(1, str(Path(HERE).parent))

LIMIT = 60  # seconds: for what must happen, however slow the machine


class Case(unittest.TestCase):
    def make_pool(self, max_workers=1, **properties):
        properties.setdefault("launcher", _spawn.make_launcher())
        pool = Aiopool.Pool(max_workers=max_workers, **properties)
        self.addCleanup(pool.shutdown, Aiopool.ShutdownFlags.TERMINATE, None)
        return pool

    def make_directory(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return folder.name

    def wait_for_file(self, path):
        end = time.monotonic() + LIMIT
        while not os.path.exists(path):
            self.assertLess(time.monotonic(), end, f"nobody has made {path}")
            time.sleep(0.001)

    # GVariants

    def submit(self, pool, function, signature="()", values=(), keywords=None, timeout=None):
        name = function if ":" in function else f"worker_tasks:{function}"
        task = Aiopool.Task.new(name, GLib.Variant(signature, values))
        if keywords is not None:
            task.set_keywords(GLib.Variant("a{sv}", keywords))
        if timeout is not None:
            task.set_timeout(timeout)
        return pool.submit(task, None)

    def wait(self, future):
        self.assertTrue(future.wait(LIMIT), "it does not end")
        context = GLib.MainContext.default()
        while context.iteration(False):
            pass
        return future

    def run_variant(self, pool, *args, **keywords):
        """The result, or the error is raised."""
        return self.wait(self.submit(pool, *args, **keywords)).get_result()

    def run_task(self, pool, *args, **keywords):
        return self.run_variant(pool, *args, **keywords).unpack()

    def expect(self, future, code, part="", domain="aiopool-task-error-quark"):
        """Returns the error info."""
        error = self.wait(future).get_error()
        self.assertIsNotNone(error, "it did not fail")
        self.assertEqual((error.domain, error.code), (domain, int(code)), error.message)
        self.assertIn(part, error.message)
        return future.get_error_info()

    def expect_crash(self, future, part):
        self.expect(future, Aiopool.TaskError.CRASHED, part)

    def expect_cancelled(self, future):
        self.assertEqual(self.wait(future).get_state(), Aiopool.FutureState.CANCELLED)

    # Pickles

    def submit_pickle(self, pool, function, *args, **keywords):
        pieces = _pickling.pack_call(function, args, keywords)
        return self.submit_payload(pool, _payload.join(pieces),
                                   getattr(function, "__name__", "pickle"))

    def submit_bytes(self, pool, data, name="pickle"):
        return self.submit_payload(pool, GLib.Bytes.new(data), name)

    def submit_payload(self, pool, payload, name):
        return pool.submit(Aiopool.Task.new_for_payload(name, payload, Aiopool.Format.PICKLE), None)

    def get_pickle(self, future):
        """The result, or the exception is raised."""
        error = self.wait(future).get_error()
        if error is None:
            return _pickling.unpack(_payload.view(future.get_payload()[0]))
        raise self.get_exception(future)[0]

    def get_exception(self, future):
        payload, format = self.wait(future).get_error_info().get_payload()
        self.assertEqual(format, Aiopool.Format.PICKLE)
        return _pickling.load_exception(_payload.view(payload))

    def run_pickle(self, pool, function, *args, **keywords):
        return self.get_pickle(self.submit_pickle(pool, function, *args, **keywords))
