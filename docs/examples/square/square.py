# SPDX-License-Identifier: LGPL-2.1-or-later

import sys

import gi

gi.require_version("Aiopool", "1")
from gi.repository import Aiopool, GLib


def square(call, arguments):
    (number,) = arguments.unpack()
    return GLib.Variant("x", number * number)


if Aiopool.Service.is_worker():
    service = Aiopool.Service.new()
    service.add("square", square)
    service.run()
else:
    launcher = Aiopool.Launcher.new_for_argv([sys.executable, __file__])
    pool = Aiopool.Pool.new_with_launcher(2, launcher)
    task = Aiopool.Task.new("square", GLib.Variant("(x)", (12,)))
    print(pool.run(task, None).unpack())
