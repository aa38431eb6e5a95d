# SPDX-License-Identifier: LGPL-2.1-or-later

import sys

import gi

gi.require_version("Aiopool", "1")
from gi.repository import Aiopool


def square(number):
    return number * number


if Aiopool.Service.is_worker():
    service = Aiopool.Service.new()
    service.function(square)
    service.run()
else:
    launcher = Aiopool.Launcher.new_for_argv([sys.executable, __file__])
    with Aiopool.Pool(2, launcher=launcher) as pool:
        print(pool.run("square", 12))
