# SPDX-License-Identifier: LGPL-2.1-or-later

import asyncio
import sys

import gi

gi.require_version("Aiopool", "1")
from gi.repository import Aiopool


def list_divisors(number):
    return [divisor for divisor in range(1, number) if number % divisor == 0]


def list_ancestors(pool, number):
    seen = {number}
    futures = Aiopool.FutureSet([pool.submit("list_divisors", number)])
    for future in futures:
        for divisor in set(future.result()) - seen:
            seen.add(divisor)
            futures.add(pool.submit("list_divisors", divisor))
    return seen


async def find_perfect(pool, last):
    perfect = []
    number = 1
    async for divisors in pool.map("list_divisors", range(2, last), chunk_size=0):
        number += 1
        if sum(divisors) == number:
            perfect.append(number)
    return perfect, await pool.map("list_divisors", perfect)


if Aiopool.Service.is_worker():
    service = Aiopool.Service.new()
    service.function(list_divisors)
    service.run()
else:
    launcher = Aiopool.Launcher.new_for_argv([sys.executable, __file__])
    with Aiopool.Pool(2, launcher=launcher) as pool:
        print(asyncio.run(find_perfect(pool, 500)), len(list_ancestors(pool, 360)))
