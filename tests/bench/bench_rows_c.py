# SPDX-License-Identifier: LGPL-2.1-or-later
"""P1 to P9 and P12 for C, with the floors and the peers that they are held against."""

from bench_model import Check, Job, Note, Row, flatness, largest, ratio, ratio_to_best, value

PYTHON_PEERS = ('futures-fork', 'futures-spawn', 'pool-fork', 'pool-spawn')
PEERS = (*PYTHON_PEERS, 'piscina')
PENDING = (1000, 10_000, 100_000, 1_000_000)
SPIN = {10: 0.85, 100: 0.95, 1000: 0.99}
# How often: in full, and for a quick look.
TRIPS = (20_000, 3000)
MANY = (1_000_000, 100_000)
STARTS = (9, 3)

STEPS_10_US = '5000'  # of bench_work(), some 10 us


def job(program, *arguments, **options):
    return Job(program, tuple(str(argument) for argument in arguments), **options)


def peer(kind, *arguments, **options):
    if kind == 'piscina':
        return job('peers/piscina.mjs', *arguments, **options)
    return job('peers/peer.py', kind, *arguments, **options)


def latency(pick, title, id_, what, limits, checks=()):
    trips = pick(*TRIPS)
    jobs = []
    for place in ('one', 'two', 'free'):
        jobs += [job('floor-pingpong', 'latency', place, trips),
                 job('pool-latency', what, place, trips)]
        if what == 'async':
            jobs.append(job('floor-gtask', 'thread-latency', place, trips))
    goals = [Check(f'{place} core{"s" if place == "two" else ""}',
                   ratio(f'pool.{what}.{place}', f'raw.latency.{place}'), '<=', limit, 'raw')
             for place, limit in limits.items()]
    notes = [Note(f'{label}, {place}', value(f'{name}.{place}', 'us'))
             for label, name in (('raw', 'raw.latency'), ('aiopool', f'pool.{what}'))
             for place in ('one', 'two', 'free')]
    return Row(id_, title, tuple(jobs), (*goals, *checks), tuple(notes))


def throughput(pick):
    many = pick(*MANY)
    best = [f'peer.{kind}.rate' for kind in PYTHON_PEERS]
    own = 'pool.rate.all'
    return Row(
        'P3', 'submit no-op tasks one by one',
        (job('pool-throughput', 'all', many), job('floor-gtask', 'thread-rate', many, 0),
         job('floor-gtask', 'return-rate', many, 1000),
         job('pool-throughput', 'window', pick(300_000, 50_000), 64),
         job('floor-gtask', 'thread-rate', pick(200_000, 50_000), 64),
         job('floor-threadpool', 'rate', many),
         *(peer(kind, 'rate', pick(20_000, 5000)) for kind in PEERS)),
        (Check('all at once', value(own, '1/s'), '>=', 1e6),
         Check('all at once', ratio(own, 'gtask.thread.rate'), '>=', 1.7,
               'g_task_run_in_thread'),
         Check('all at once', ratio(own, 'gtask.return.rate.1000'), '>=', 0.7,
               'GTask made and returned'),
         Check('all at once', ratio_to_best(own, best), '>=', 20, 'best process peer'),
         Check('64 outstanding', ratio('pool.rate.window', own), '>=', 0.3,
               'aiopool all at once')),
        (Note('64 outstanding', value('pool.rate.window', '1/s')),
         Note('64 outstanding : g_task_run_in_thread, 64',
              ratio('pool.rate.window', 'gtask.thread.rate.window')),
         Note('g_task_run_in_thread', value('gtask.thread.rate', '1/s')),
         Note('GTask made and returned', value('gtask.return.rate.1000', '1/s')),
         Note('GThreadPool, one source', value('gthreadpool.rate', '1/s')),
         *(Note(kind, value(f'peer.{kind}.rate', '1/s')) for kind in PEERS)))


def waiting(pick):
    pending = PENDING[:pick(4, 3)]

    def names(mode, what):
        return [f'pool.pending.{mode}.{n}.{what}' for n in pending]

    modes = {'fresh': 'a fresh Task each', 'reused': 'one Task again and again'}
    return Row(
        'P4', f'pending tasks, 1 k to {pick("1 M", "100 k")}',
        tuple(job('pool-pending', 'bytes', mode, n) for mode in modes for n in pending) +
        tuple(job('pool-pending', 'time', mode, n, max(3, min(50, 100_000 // n)))
              for mode in modes for n in pending),
        tuple(check for mode, label in modes.items() for check in (
            Check(f'{label}: time', flatness(names(mode, 'time')), '<=', 1.2,
                  'the fastest size'),
            Check(f'{label}: memory', largest(names(mode, 'bytes'), 'B'), '<=', 350))),
        tuple(Note(f'{modes[mode]}, {n}: {what}',
                   value(f'pool.pending.{mode}.{n}.{what}', unit))
              for mode in modes for what, unit in (('time', 'ns'), ('bytes', 'B'))
              for n in pending))


def values(pick):
    sizes = {10: pick(30, 5), 100: pick(10, 3)}
    shapes = [(what, mib) for what in ('argument', 'result') for mib in sizes]
    return Row(
        'P5', 'large arguments and results',
        tuple(job('floor-memcpy', 'copy', mib, n) for mib, n in sizes.items()) +
        tuple(job('pool-values', what, mib, sizes[mib]) for what, mib in shapes) +
        tuple(job('pool-values', 'held', what, mib, 5) for what, mib in shapes) +
        tuple(peer(kind, 'argument', mib, 3) for kind in ('futures-fork', 'piscina')
              for mib in sizes),
        tuple(Check(f'{mib} MiB {what}', ratio(f'pool.{what}.{mib}', f'memcpy.{mib}'), '<=',
                    1.3, 'memcpy') for what, mib in shapes) +
        tuple(Check(f'{mib} MiB {what}, loop held',
                    value(f'pool.held.{what}.{mib}.tick', 'ms'), '<=', 5)
              for what, mib in shapes),
        tuple(Note(f'{mib} MiB memcpy', value(f'memcpy.{mib}', 'ms')) for mib in sizes) +
        tuple(Note(f'{mib} MiB {what}, {label}', value(name.format(what, mib), 'ms'))
              for what, mib in shapes for label, name in (
                  ('warm', 'pool.{}.{}'), ('the first', 'pool.{}.{}.first'),
                  ('longest dispatch', 'pool.held.{}.{}.dispatch'))) +
        tuple(Note(f'{mib} MiB result, read by the caller',
                   value(f'pool.result.{mib}.read', 'ms')) for mib in sizes) +
        tuple(Note(f'{mib} MiB argument, {kind}', value(f'peer.{kind}.argument.{mib}', 'ms'))
              for kind in ('futures-fork', 'piscina') for mib in sizes))


def work(pick):
    tasks = {us: pick(1_000_000, 200_000) // us for us in SPIN}
    return Row(
        'P6', 'work done on two workers',
        tuple(j for us, n in tasks.items() for j in (
            job('floor-work', 'spin', us, n), job('pool-work', 'spin', us, n))) +
        (job('floor-work', 'steps', STEPS_10_US, tasks[10]),
         job('pool-work', 'steps', STEPS_10_US, tasks[10])) +
        tuple(peer(kind, 'spin', us, min(n, 5000)) for kind in ('futures-fork', 'piscina')
              for us, n in tasks.items() if us > 10),
        tuple(Check(f'{us} us a task', ratio(f'pool.spin.{us}', f'raw.spin.{us}'), '>=', limit,
                    'two raw processes') for us, limit in SPIN.items()),
        (Note('some 10 us a task, counted in steps : two raw processes',
              ratio(f'pool.steps.{STEPS_10_US}', f'raw.steps.{STEPS_10_US}')),
         *(Note(f'{kind}, {us} us a task : two raw processes',
                ratio(f'peer.{kind}.spin.{us}', f'raw.spin.{us}'))
           for kind in ('futures-fork', 'piscina') for us in SPIN if us > 10)))


def uneven(pick):
    cases = {'cold': 'cold', 'noop': 'after 20 k no-ops',
             'spin': 'after 20 k of the same function, no length'}
    return Row(
        'P7', '50 x 1 ms, 1 x 100 ms, 50 x 1 ms',
        tuple(job('pool-work', 'uneven', case, times=pick(3, 1))
              for case in ('single', *cases)),
        tuple(Check(label, ratio(f'pool.uneven.{case}', 'pool.uneven.single'), '<=', 1.05,
                    'one task at a time') for case, label in cases.items()),
        (Note('ideal list schedule', value('uneven.ideal', 'ms')),
         Note('one task at a time', value('pool.uneven.single', 'ms')),
         *(Note(label, value(f'pool.uneven.{case}', 'ms')) for case, label in cases.items())))


def start(pick):
    n_start = pick(*STARTS)
    return Row(
        'P8', 'two workers from nothing to the first result',
        (job('floor-spawn', 'hello', '@bench-hello', 1, pick(20, 5)),
         job('floor-spawn', 'hello', '@bench-hello', 2, pick(20, 5)),
         job('pool-start', 'first', 2, times=n_start), job('pool-start', 'all', times=n_start),
         *(peer(kind, 'start', times=pick(3, 1)) for kind in PEERS)),
        (Check('C', ratio('pool.start.2.first', 'spawn.2.first'), '<=', 1.2,
               'posix_spawn of two GIO programs'),),
        (Note('C', value('pool.start.2.first', 'ms')),
         Note('C, until both have answered', value('pool.start.2.all', 'ms')),
         Note('C, until both have answered : posix_spawn of two',
              ratio('pool.start.2.all', 'spawn.2.all')),
         Note('C, submit() itself', value('pool.start.2.submit', 'ms')),
         Note('posix_spawn of one GIO program', value('spawn.1.first', 'ms')),
         Note('posix_spawn of two, the first', value('spawn.2.first', 'ms')),
         *(Note(kind, value(f'peer.{kind}.start', 'ms')) for kind in PEERS)))


def idle(pick):
    return Row(
        'P9', 'an idle pool',
        (job('pool-idle', 'pss'), job('pool-idle', 'wakeups', pick(3, 1)),
         *(peer(kind, 'pss') for kind in PEERS)),
        (Check('C: PSS per worker', value('pool.pss', 'MiB'), '<=', 1.2),
         Check('C: wake-ups', value('pool.wakeups', ''), '<=', 0)),
        tuple(Note(f'{kind}: PSS per worker', value(f'peer.{kind}.pss', 'MiB'))
              for kind in PEERS))


def loop(pick):
    n_start = pick(*STARTS)
    ways = {'callback': 'done callbacks', 'async': 'run_async',
            'stream': 'submitted as they arrive'}
    return Row(
        'P12', f'the main loop while {pick(100, 20)} k results arrive; spawn from a large parent',
        tuple(job('pool-loop', 'flood', way, pick(100_000, 20_000)) for way in ways) +
        (job('pool-start', 'resident', 0, times=n_start),
         job('pool-start', 'resident', 1024, times=pick(3, 1))),
        tuple(Check(f'longest dispatch, {label}', value(f'pool.loop.{way}.dispatch', 'ms'),
                    '<=', 4) for way, label in ways.items()) +
        (Check('first result from a 1 GiB parent',
               ratio('pool.start.resident.1024.first', 'pool.start.resident.0.first'), '<=',
               1.5, 'a small parent'),),
        tuple(Note(f'{label}: {what}', value(f'pool.loop.{way}.{key}', 'ms'))
              for way, label in ways.items()
              for key, what in (('cpu', 'longest dispatch, processor time'),
                                ('tick', '1 ms tick late'))) +
        tuple(Note(f'{mib} MiB resident: {key}', value(f'pool.start.resident.{mib}.{key}', 'ms'))
              for mib in (0, 1024) for key in ('first', 'submit')))


def as_completed(pick):
    many, fewer = pick(100_000, 20_000), pick(10_000, 2000)
    ways = {'next': ('next, blocking', 10), 'batch': ('next_batch, blocking', 10),
            'async': ('next_async', 5)}
    python = 'concurrent.futures.as_completed'

    def name(way, what, n=many):
        return f'pool.set.{way}.{n}.{what}'

    return Row(
        'completed', f'{many // 1000} k futures as they end, from submit to the last',
        tuple(job('pool-set', way, n) for way in ways for n in (many, fewer)) +
        (peer('futures-fork', 'as-completed', many),),
        tuple(Check(label, ratio(name(way, 'rate'), f'peer.futures-fork.as-completed.{many}'),
                    '>=', least, python) for way, (label, least) in ways.items()),
        (Note(python, value(f'peer.futures-fork.as-completed.{many}', '1/s')),
         *(Note(label, value(name(way, 'rate'), '1/s')) for way, (label, _) in ways.items()),
         *(Note(f'{label}: time of one : with {fewer // 1000} k',
                ratio(name(way, 'time'), name(way, 'time', fewer)))
           for way, (label, _) in ways.items()),
         *(Note(f'{label}: threads switched in, for each future', value(name(way, 'switches'), ''))
           for way, (label, _) in ways.items())))


def floors(pick):
    many = pick(*MANY)
    trips = pick(*TRIPS)
    return Row(
        'floors', 'what is left when there is no pool',
        (*(job('floor-pingpong', 'latency', place, trips) for place in ('one', 'two', 'free')),
         *(job('floor-gtask', 'thread-latency', place, trips)
           for place in ('one', 'two', 'free')),
         job('floor-gtask', 'thread-rate', many, 0),
         job('floor-gtask', 'return-rate', many, 1), job('floor-gtask', 'return-rate', many, 1000),
         job('floor-threadpool', 'latency', trips), job('floor-threadpool', 'rate', many),
         *(job('floor-memcpy', 'copy', mib, pick(100, 50) // (mib // 10)) for mib in (10, 100)),
         *(job('floor-spawn', 'hello', '@bench-hello', n, pick(20, 5)) for n in (1, 2)),
         *(job('floor-work', 'spin', us, pick(1_000_000, 200_000) // us) for us in SPIN)),
        (),
        (*(Note(f'raw ping-pong, {place}', value(f'raw.latency.{place}', 'us'))
           for place in ('one', 'two', 'free')),
         *(Note(f'g_task_run_in_thread, {place}', value(f'gtask.thread.latency.{place}', 'us'))
           for place in ('one', 'two', 'free')),
         Note('GThreadPool, one source', value('gthreadpool.latency.free', 'us')),
         Note('g_task_run_in_thread', value('gtask.thread.rate', '1/s')),
         Note('GThreadPool, one source', value('gthreadpool.rate', '1/s')),
         Note('GTask made and returned, one at a time', value('gtask.return.rate.1', '1/s')),
         Note('GTask made and returned, 1000 at a time',
              value('gtask.return.rate.1000', '1/s')),
         *(Note(f'memcpy {mib} MiB', value(f'memcpy.{mib}', 'ms')) for mib in (10, 100)),
         *(Note(f'posix_spawn of {n} to the first byte', value(f'spawn.{n}.first', 'ms'))
           for n in (1, 2)),
         *(Note(f'two processes, {us} us a task', value(f'raw.spin.{us}', '1/s'))
           for us in SPIN)))


def peers(pick):
    return Row(
        'peers', 'what others take',
        tuple(peer(kind, 'latency', pick(5000, 1000)) for kind in PEERS) +
        tuple(peer(kind, 'argument', mib, 3) for kind in PEERS for mib in (10, 100)),
        (),
        tuple(Note(f'{kind}: latency', value(f'peer.{kind}.latency', 'us')) for kind in PEERS) +
        tuple(Note(f'{kind}: {mib} MiB argument', value(f'peer.{kind}.argument.{mib}', 'ms'))
              for kind in PEERS for mib in (10, 100)))


def chunks(pick):
    sizes = (10, 100, 4096, 100_000)
    many = pick(4_000_000, 400_000)
    return Row(
        'chunks', 'no-op items in chunks, two workers, without a pool',
        (*(job('sched-chunks', 'rate', many, size) for size in sizes),
         job('sched-chunks', 'floor', many)),
        (),
        (*(Note(f'{size} a chunk', value(f'sched.chunks.rate.{size}', '1/s')) for size in sizes),
         Note('GVariant alone, one process', value('chunks.floor', '1/s'))))


def blocking_run(pick):
    spin = Check('two cores, opt-in spin (no public API yet)',
                 ratio('pool.run.spin.two', 'raw.latency.two'), '<=', 0.4, 'raw')
    return latency(pick, 'blocking run, no-op', 'P1', 'run', {'two': 1.5, 'one': 1.3}, (spin,))


def async_run(pick):
    threads = (Check(label, ratio(f'pool.async.{place}', f'gtask.thread.latency.{place}'), '<=',
                     1.0, 'g_task_run_in_thread')
               for place, label in (('two', 'two cores'), ('one', 'one core')))
    return latency(pick, 'run_async in a running main loop', 'P2', 'async',
                   {'two': 1.6, 'one': 2.0}, threads)


def maps(pick):
    many = pick(*MANY)
    sizes = (1, 0, 4096)
    labels = {1: 'chunks of 1', 0: 'chosen chunks', 4096: 'chunks of 4096'}
    return Row(
        'map', f'a batch of {pick(1000, 100)} k no-op items',
        (*(job('pool-map', 'collect', many, size) for size in sizes),
         *(job('pool-map', 'next', many, size) for size in sizes),
         *(job('pool-map', 'memory', many, size) for size in (1, 4096)),
         job('pool-map', 'list', 100_000, 0),
         *(peer(kind, 'mapped', pick(200_000, 50_000)) for kind in ('pool-fork', 'futures-fork'))),
        (Check('collect_all, chosen chunks', ratio('pool.map.0', 'peer.pool-fork.mapped'), '>=', 1.0,
               'multiprocessing.Pool.map'),
         Check('a list of 100 k while it fills: longest dispatch',
               value('pool.map.list.dispatch', 'ms'), '<=', 4)),
        (*(Note(f'collect_all, {labels[size]}', value(f'pool.map.{size}', '1/s'))
           for size in sizes),
         *(Note(f'next, {labels[size]}', value(f'pool.map.next.{size}', '1/s'))
           for size in sizes),
         *(Note(f'memory per result, {labels[size]}', value(f'pool.map.memory.{size}', 'B'))
           for size in (1, 4096)),
         Note('a list of 100 k while it fills', value('pool.map.list', '1/s')),
         Note('multiprocessing.Pool.map', value('peer.pool-fork.mapped', '1/s')),
         Note('ProcessPoolExecutor.map, chunks of 1000', value('peer.futures-fork.mapped', '1/s'))))


ROWS = (blocking_run, async_run, throughput, waiting, values, work, uneven, start, idle, loop, maps,
        chunks, as_completed, floors, peers)


def make_rows(quick):
    return tuple(make(lambda full, small: small if quick else full) for make in ROWS)
