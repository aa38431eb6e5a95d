# SPDX-License-Identifier: LGPL-2.1-or-later
"""P8 to P10 for Python: the package `aiopool` beside the process pools of Python."""

from bench_model import Check, Job, Note, Row, ratio, value

OWN = {'pool': 'aiopool-pool', 'futures': 'aiopool-futures'}
PEERS = ('futures-fork', 'futures-spawn', 'pool-fork', 'loky-loky')
ALL = (*OWN.values(), *PEERS)
FUTURES = 'futures-fork'
POOL = 'pool-fork'
LABELS = {FUTURES: 'ProcessPoolExecutor', POOL: 'mp.Pool'}


def job(kind, *arguments, **options):
    return Job('peers/peer.py', (kind, *map(str, arguments)), **options)


def figure(kind, name):
    return f'peer.{kind}.{name}'


def check(label, own, name, peer, comparison, limit):
    return Check(label, ratio(figure(own, name), figure(peer, name)), comparison, limit,
                 LABELS.get(peer, peer))


def notes(name, unit, label=''):
    return tuple(Note(f'{kind}{label}', value(figure(kind, name), unit)) for kind in ALL)


def start(pick):
    peer = 'futures-spawn'
    jobs = tuple(job(kind, 'start', times=pick(5, 2)) for kind in ALL)
    checks = tuple(Check(kind, ratio(figure(kind, 'start'), figure(peer, 'start')), '<=', 0.3, peer)
                   for kind in OWN.values())
    return Row('P8-py', 'Python: two workers from nothing to the first result', jobs, checks,
               notes('start', 'ms'))


def idle(pick):
    jobs = tuple(job(kind, 'pss') for kind in ALL)
    checks = tuple(Check(kind, value(figure(kind, 'pss'), 'MiB'), '<=', 6) for kind in OWN.values())
    return Row('P9-py', 'Python: PSS of an idle worker', jobs, checks, notes('pss', 'MiB'))


def throughput(pick):
    pool, futures = OWN['pool'], OWN['futures']
    jobs = tuple(job(kind, 'rate', pick(20_000, 4000)) for kind in ALL)
    checks = (check(pool, pool, 'rate', FUTURES, '>=', 10), check(pool, pool, 'rate', POOL, '>=', 4),
              check(futures, futures, 'rate', FUTURES, '>=', 5),
              check(futures, futures, 'rate', POOL, '>=', 2))
    return Row('P10-a', 'Python: submit no-op tasks one by one', jobs, checks, notes('rate', '1/s'))


def latency(pick):
    jobs = tuple(job(kind, 'latency', pick(3000, 500)) for kind in ALL)
    checks = tuple(check(kind, kind, 'latency', POOL, '<=', 0.5) for kind in OWN.values())
    return Row('P10-b', 'Python: submit a no-op task and wait', jobs, checks, notes('latency', 'us'))


def mapping(pick):
    kinds = (*OWN.values(), POOL)
    jobs = tuple(job(kind, 'map', pick(100_000, 20_000)) for kind in kinds)
    checks = tuple(check(kind, kind, 'map', POOL, '>=', 1) for kind in OWN.values())
    return Row('P10-c', 'Python: map of 100 000 items', jobs, checks,
               tuple(Note(kind, value(figure(kind, 'map'), '1/s')) for kind in kinds))


def memory(pick):
    times = pick(9, 3)
    jobs = tuple(job(kind, 'argument', 10, times) for kind in ALL)
    jobs += tuple(job(kind, 'argument', 100, 3) for kind in (*OWN.values(), FUTURES))
    jobs += tuple(job(kind, 'view', 10, times) for kind in OWN.values())
    checks = tuple(check(f'10 MiB of bytes, {kind}', kind, 'argument.10', FUTURES, '<=', 0.3)
                   for kind in OWN.values())
    checks += tuple(Check(f'10 MiB memoryview, {kind}',
                          ratio(figure(kind, 'view.10'), figure(FUTURES, 'argument.10')), '<=', 0.05,
                          'ProcessPoolExecutor with bytes') for kind in OWN.values())
    more = tuple(Note(f'100 MiB of bytes, {kind}', value(figure(kind, 'argument.100'), 'ms'))
                 for kind in (*OWN.values(), FUTURES))
    more += tuple(Note(f'10 MiB memoryview, {kind}', value(figure(kind, 'view.10'), 'ms'))
                  for kind in OWN.values())
    return Row('P10-d', 'Python: large arguments', jobs, checks,
               notes('argument.10', 'ms', ', 10 MiB of bytes') + more)


def make_rows(quick):
    def pick(full, short):
        return short if quick else full

    return [make(pick) for make in (start, idle, throughput, latency, mapping, memory)]
