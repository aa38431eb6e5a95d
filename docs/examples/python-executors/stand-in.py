# SPDX-License-Identifier: LGPL-2.1-or-later

import concurrent.futures

import aiopool

concurrent.futures.ProcessPoolExecutor = aiopool.ProcessPoolExecutor


def square(number):
    return number * number


if __name__ == "__main__":
    with concurrent.futures.ProcessPoolExecutor() as executor:
        print(type(executor).__module__, list(executor.map(square, range(5))))
