#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What process pools of Python take for the work that the pool-* programs do.

    peer.py KIND latency|rate N    KIND start    KIND pss    KIND argument|view MIB TIMES
    peer.py KIND spin MICROSECONDS N    KIND map|mapped N
    futures-... as-completed N

KIND is futures-fork, futures-spawn, pool-fork, pool-spawn, loky-loky, aiopool-futures or aiopool-pool.
`view` is a memoryview. One JSON object a figure.

Workers of most kinds run this module, too. What only the parent needs is imported by functions, so
that the figures are those of the pools.
"""

import os
import sys
import time

WORKERS = 2


def noop():
    return None


def nap():
    time.sleep(0.02)


def whoami():
    time.sleep(0.005)
    return os.getpid()


def negate(number):
    return -number


def sink(data):
    return len(data)


def spin(microseconds):
    end = time.monotonic() + microseconds * 1e-6
    while time.monotonic() < end:
        pass


class Futures:
    """concurrent.futures.ProcessPoolExecutor"""

    def __init__(self, method):
        import concurrent.futures
        import multiprocessing

        context = multiprocessing.get_context(method)
        self.executor = concurrent.futures.ProcessPoolExecutor(WORKERS, mp_context=context)

    def submit(self, function, *args):
        return self.executor.submit(function, *args).result

    def map(self, function, items):
        return list(self.executor.map(function, items))

    def close(self):
        self.executor.shutdown()


class Loky(Futures):
    """The executor of loky, which joblib has with it."""

    def __init__(self, method):
        from joblib.externals.loky import ProcessPoolExecutor

        self.executor = ProcessPoolExecutor(WORKERS)


class Aiopool(Futures):
    """aiopool.ProcessPoolExecutor"""

    def __init__(self, method):
        import aiopool

        self.executor = aiopool.ProcessPoolExecutor(WORKERS)

    def map(self, function, items):
        return list(self.executor.map(function, items, chunksize=None))


class AiopoolPool:
    """aiopool.ProcessPool"""

    def __init__(self, method):
        import aiopool

        self.pool = aiopool.ProcessPool(WORKERS)

    def submit(self, function, *args):
        return self.pool.submit(function, *args).collect

    def map(self, function, items):
        return list(self.pool.map(function, items))

    def close(self):
        self.pool.shutdown()


class Pool:
    """multiprocessing.Pool"""

    def __init__(self, method):
        import multiprocessing

        self.pool = multiprocessing.get_context(method).Pool(WORKERS)

    def submit(self, function, *args):
        return self.pool.apply_async(function, args).get

    def map(self, function, items):
        return self.pool.map(function, items)

    def close(self):
        self.pool.close()
        self.pool.join()


def make(kind):
    name, method = kind.split('-')
    if kind == 'aiopool-pool':
        return AiopoolPool(method)
    return {'futures': Futures, 'pool': Pool, 'loky': Loky, 'aiopool': Aiopool}[name](method)


def make_warm(kind):
    peer = make(kind)
    for get in [peer.submit(nap) for _ in range(2 * WORKERS)]:
        get()
    return peer


def emit(kind, name, unit, value):
    import json

    print(json.dumps({'name': f'peer.{kind}.{name}', 'unit': unit, 'value': value}))


def median(samples):
    import statistics

    return statistics.median(samples)


def measure_latency(kind, number):
    peer = make_warm(kind)
    samples = []
    for _ in range(int(number)):
        start = time.perf_counter()
        peer.submit(noop)()
        samples.append(time.perf_counter() - start)
    emit(kind, 'latency', 'us', median(samples) * 1e6)
    peer.close()


def count_rate(peer, number, function, *args):
    import collections

    start = time.perf_counter()
    pending = collections.deque(peer.submit(function, *args) for _ in range(number))
    while pending:
        pending.popleft()()
    return number / (time.perf_counter() - start)


def measure_rate(kind, number):
    peer = make_warm(kind)
    emit(kind, 'rate', '1/s', count_rate(peer, int(number), noop))
    peer.close()


def measure_spin(kind, microseconds, number):
    peer = make_warm(kind)
    emit(kind, f'spin.{microseconds}', '1/s',
         count_rate(peer, int(number), spin, int(microseconds)))
    peer.close()


def measure_start(kind):
    start = time.perf_counter()
    peer = make(kind)
    results = [peer.submit(noop) for _ in range(WORKERS)]
    results[0]()
    emit(kind, 'start', 'ms', (time.perf_counter() - start) * 1e3)
    results[1]()
    peer.close()


def read_pss(pid):
    with open(f'/proc/{pid}/smaps_rollup', encoding='ascii') as lines:
        for line in lines:
            if line.startswith('Pss:'):
                return int(line.split()[1]) / 1024
    raise LookupError(f'{pid}: no Pss')


def measure_pss(kind):
    peer = make_warm(kind)
    workers = set()
    while len(workers) < WORKERS:
        workers |= {get() for get in [peer.submit(whoami) for _ in range(2 * WORKERS)]}
    emit(kind, 'pss', 'MiB', sum(map(read_pss, workers)) / len(workers))
    peer.close()


def measure_as_completed(kind, number):
    import concurrent.futures

    peer = make_warm(kind)
    start = time.perf_counter()
    futures = [peer.executor.submit(noop) for _ in range(int(number))]
    for future in concurrent.futures.as_completed(futures):
        future.result()
    emit(kind, f'as-completed.{number}', '1/s', int(number) / (time.perf_counter() - start))
    peer.close()


def measure_memory(kind, name, data, times):
    peer = make_warm(kind)
    samples = []
    for _ in range(int(times) + 1):
        start = time.perf_counter()
        assert peer.submit(sink, data)() == len(data)
        samples.append(time.perf_counter() - start)
    emit(kind, name, 'ms', median(samples[1:]) * 1e3)
    peer.close()


def measure_argument(kind, mib, times):
    measure_memory(kind, f'argument.{mib}', b'a' * (int(mib) << 20), times)


def measure_view(kind, mib, times):
    measure_memory(kind, f'view.{mib}', memoryview(b'a' * (int(mib) << 20)), times)


def measure_map(kind, number):
    peer = make_warm(kind)
    items = range(int(number))
    samples = []
    for _ in range(5):
        start = time.perf_counter()
        results = peer.map(negate, items)
        samples.append(time.perf_counter() - start)
        assert len(results) == len(items) and results[-1] == -items[-1]
    emit(kind, 'map', '1/s', len(items) / median(samples))
    peer.close()


def number_back(number):
    return number


def measure_mapped(kind, number):
    """With the chunks that each chooses; those of futures are of one."""
    peer = make_warm(kind)
    start = time.perf_counter()
    if kind.startswith('pool'):
        results = peer.pool.map(number_back, range(int(number)))
    else:
        results = list(peer.executor.map(number_back, range(int(number)), chunksize=1000))
    emit(kind, 'mapped', '1/s', len(results) / (time.perf_counter() - start))
    peer.close()


MEASUREMENTS = {
    'argument': measure_argument,
    'as-completed': measure_as_completed,
    'latency': measure_latency,
    'map': measure_map,
    'mapped': measure_mapped,
    'pss': measure_pss,
    'rate': measure_rate,
    'spin': measure_spin,
    'start': measure_start,
    'view': measure_view,
}

if __name__ == '__main__':
    MEASUREMENTS[sys.argv[2]](sys.argv[1], *sys.argv[3:])
