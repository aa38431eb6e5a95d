# SPDX-License-Identifier: LGPL-2.1-or-later
"""A program that forgot the guard; test-worker-calls.py runs it."""

from worker_case import Aiopool, GLib, _spawn


def double(value):
    return 2 * value


pool = Aiopool.Pool(max_workers=1, launcher=_spawn.make_launcher())
try:
    print(pool.run(Aiopool.Task.new("__main__:double", GLib.Variant("(i)", (1,))), None))
except GLib.Error as error:
    print(error.message)
    raise
