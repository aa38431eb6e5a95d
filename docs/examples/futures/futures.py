# SPDX-License-Identifier: LGPL-2.1-or-later

import sys

import gi

gi.require_version("Aiopool", "1")
from gi.repository import Aiopool, GLib


def square(call, arguments):
    (number,) = arguments.unpack()
    return GLib.Variant("x", number * number)


def drain(pool):
    futures = Aiopool.FutureSet(pool.submit("square", number) for number in range(1, 9))
    return sum(future.result() for future in futures)


def run():
    launcher = Aiopool.Launcher.new_for_argv([sys.executable, __file__])
    print(drain(Aiopool.Pool.new_with_launcher(2, launcher)))


if Aiopool.Service.is_worker():
    service = Aiopool.Service.new()
    service.add("square", square)
    service.run()
else:
    run()
