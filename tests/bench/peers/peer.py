#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What Python's own process pools take for the work that the pool-* programs do.

    peer.py KIND latency|rate N    KIND start    KIND pss    KIND argument MIB TIMES
    peer.py KIND spin MICROSECONDS N    futures-... as-completed N

KIND is futures-fork, futures-spawn, pool-fork or pool-spawn. One JSON object a figure.
"""

import collections
import concurrent.futures
import json
import multiprocessing
import statistics
import sys
import time

WORKERS = 2


def noop():
    return None


def nap():
    time.sleep(0.02)


def sink(data):
    return len(data)


def spin(microseconds):
    end = time.monotonic() + microseconds * 1e-6
    while time.monotonic() < end:
        pass


class Futures:
    """concurrent.futures.ProcessPoolExecutor"""

    def __init__(self, method):
        context = multiprocessing.get_context(method)
        self.executor = concurrent.futures.ProcessPoolExecutor(WORKERS, mp_context=context)

    def submit(self, function, *args):
        return self.executor.submit(function, *args).result

    def close(self):
        self.executor.shutdown()


class Pool:
    """multiprocessing.Pool"""

    def __init__(self, method):
        self.pool = multiprocessing.get_context(method).Pool(WORKERS)

    def submit(self, function, *args):
        return self.pool.apply_async(function, args).get

    def close(self):
        self.pool.close()
        self.pool.join()


def make(kind):
    name, method = kind.split('-')
    return {'futures': Futures, 'pool': Pool}[name](method)


def make_warm(kind):
    peer = make(kind)
    for get in [peer.submit(nap) for _ in range(2 * WORKERS)]:
        get()
    return peer


def emit(kind, name, unit, value):
    print(json.dumps({'name': f'peer.{kind}.{name}', 'unit': unit, 'value': value}))


def measure_latency(kind, number):
    peer = make_warm(kind)
    samples = []
    for _ in range(int(number)):
        start = time.perf_counter()
        peer.submit(noop)()
        samples.append(time.perf_counter() - start)
    emit(kind, 'latency', 'us', statistics.median(samples) * 1e6)
    peer.close()


def count_rate(peer, number, function, *args):
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
    workers = [child.pid for child in multiprocessing.active_children()]
    emit(kind, 'pss', 'MiB', sum(map(read_pss, workers)) / len(workers))
    peer.close()


def measure_as_completed(kind, number):
    peer = make_warm(kind)
    start = time.perf_counter()
    futures = [peer.executor.submit(noop) for _ in range(int(number))]
    for future in concurrent.futures.as_completed(futures):
        future.result()
    emit(kind, f'as-completed.{number}', '1/s', int(number) / (time.perf_counter() - start))
    peer.close()


def measure_argument(kind, mib, times):
    peer = make_warm(kind)
    data = bytes(b'a') * (int(mib) << 20)
    samples = []
    for _ in range(int(times) + 1):
        start = time.perf_counter()
        assert peer.submit(sink, data)() == len(data)
        samples.append(time.perf_counter() - start)
    emit(kind, f'argument.{mib}', 'ms', statistics.median(samples[1:]) * 1e3)
    peer.close()


def number_back(number):
    return number


def measure_map(kind, number):
    """With the chunks that each chooses; those of futures are of one."""
    peer = make_warm(kind)
    start = time.perf_counter()
    if kind.startswith('pool'):
        results = peer.pool.map(number_back, range(int(number)))
    else:
        results = list(peer.executor.map(number_back, range(int(number)), chunksize=1000))
    emit(kind, 'map', '1/s', len(results) / (time.perf_counter() - start))
    peer.close()


MEASUREMENTS = {
    'argument': measure_argument,
    'as-completed': measure_as_completed,
    'latency': measure_latency,
    'map': measure_map,
    'pss': measure_pss,
    'rate': measure_rate,
    'spin': measure_spin,
    'start': measure_start,
}

if __name__ == '__main__':
    MEASUREMENTS[sys.argv[2]](sys.argv[1], *sys.argv[3:])
