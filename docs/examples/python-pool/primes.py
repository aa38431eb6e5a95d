# SPDX-License-Identifier: LGPL-2.1-or-later

import aiopool


def is_prime(number):
    return number > 1 and all(number % i for i in range(2, int(number**0.5) + 1))


def main():
    with aiopool.ProcessPool(2) as pool:
        future = pool.submit(is_prime, 1_000_003)
        future.add_callback(lambda future: future.duration)
        n_primes = sum(pool.map(is_prime, range(1000)))
        print(n_primes, future.collect(timeout=60), pool.run(is_prime, 7))


if __name__ == "__main__":
    main()
