# SPDX-License-Identifier: LGPL-2.1-or-later

import numpy

import aiopool


def scale(array, factor):
    return array * factor  # `array` is a view of memory that both processes share


def main():
    array = numpy.ones((1000, 1000))
    with aiopool.ProcessPool(2) as pool:
        results = pool.starmap(scale, [(array, factor) for factor in range(4)])
        print([float(result.mean()) for result in results])


if __name__ == "__main__":
    main()
