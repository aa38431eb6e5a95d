# SPDX-License-Identifier: LGPL-2.1-or-later

import asyncio
import sys

import gi

gi.require_version("Aiopool", "1")
from gi.repository import Aiopool, GLib


def divide(number, by=1):
    return number / by


async def main():
    launcher = Aiopool.Launcher.new_for_argv([sys.executable, __file__])
    async with Aiopool.Pool(2, launcher=launcher, idle_timeout=5) as pool:
        half = await pool.run_async("divide", 24, by=2)
        halves = await asyncio.gather(*(pool.run_async("divide", i, by=2) for i in range(8)))

        future = pool.options(timeout=60).submit("divide", 1, by=0)
        try:
            await asyncio.wait_for(future, 60)
        except GLib.Error as error:
            if not error.matches(Aiopool.task_error_quark(), Aiopool.TaskError.FAILED):
                raise
            print(half, sum(halves), error.message)


if Aiopool.Service.is_worker():
    service = Aiopool.Service.new()
    service.function(divide)
    service.run()
else:
    asyncio.run(main())
