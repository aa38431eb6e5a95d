# SPDX-License-Identifier: LGPL-2.1-or-later

import asyncio
import hashlib

import aiopool


def digest(text, *, rounds=1):
    data = text.encode()
    for i in range(rounds):
        data = hashlib.sha256(data).digest()
    return data.hex()[:8]


def squares(count):
    for i in range(count):
        yield i * i


async def fetch(number):
    await asyncio.sleep(0.01)  # as if it waited for a server
    return f"page {number}"


async def main():
    async with aiopool.ProcessPool(2, coroutines_per_worker=8) as pool:
        pages = await asyncio.gather(*(pool.run(fetch, i) for i in range(8)))
        digests = [text async for text in pool.imap(digest, pages)]
        total = 0
        async for square in pool.stream(squares, 10):
            total += square
        last = await pool.options(timeout=60, priority=1).run(digest, "last", rounds=1000)
        print(len(digests), total, last)


if __name__ == "__main__":
    asyncio.run(main())
