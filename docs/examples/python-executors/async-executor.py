# SPDX-License-Identifier: LGPL-2.1-or-later
import asyncio

from aiopool import Executor


def square(number):
    return number * number


async def main():
    async with Executor(2) as executor:
        loop = asyncio.get_running_loop()
        print(await loop.run_in_executor(executor, square, 12))
        print(await executor.map_async(square, range(5)))


if __name__ == "__main__":
    asyncio.run(main())
