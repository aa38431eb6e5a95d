# SPDX-License-Identifier: LGPL-2.1-or-later
from concurrent.futures import as_completed

from aiopool import ProcessPoolExecutor


def square(number):
    return number * number


if __name__ == "__main__":
    with ProcessPoolExecutor() as executor:
        futures = [executor.submit(square, number) for number in range(5)]
        print(sorted(future.result() for future in as_completed(futures)))
        print(sum(executor.map(square, range(100_000), chunksize=None)))
