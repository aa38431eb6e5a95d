# SPDX-License-Identifier: LGPL-2.1-or-later
"""How many items of a map make one task, and how many tasks are under way.

**A chooser** is asked for the size of the next chunk, `choose(n_tasks, n_items)`, with what is under
way already; 0 means that there is no room. It is told what there is to know, by
`learn(future, n_items)` and `drew(n_items, seconds)`.

What is automatic begins with items of their own, and lets chunks grow by and by to a few milliseconds
of work: so long functions run one by one, and are not drawn ahead of; short ones pay for little but
themselves; and whatever a crash costs is no more than that.
"""

import time
from functools import partial

from aiopool import _core, _parent

WORK = 0.005  # seconds of work in a chunk
LEAST_WORK = 0.0003  # at the end, when chunks get smaller so that the workers end together
DRAWING = 0.002  # seconds in which the items of a chunk are taken from their source
MAX_BYTES = 1 << 20  # of what goes to and fro for a chunk
MAX_SIZE = 8192  # items, of nobody knows how many
GROWTH = 8

LEAST_BUFFER = 16  # tasks under way, however few workers there are
TASKS_PER_WORKER = 4
CHUNKS_PER_WORKER = 4  # of the items that are left
PARTS_PER_WORKER = 64  # of all items, when they are submitted at once

SIZED = (list, tuple, range, dict, set, frozenset, str, bytes, bytearray)
LATER = 0x20 | 0x80 | 0x100 | 0x200  # code flags of generators and coroutines, see `inspect`


class Fixed:
    """So many items, and at most so many tasks; None for any number of them."""

    def __init__(self, size, max_tasks):
        self.size = size
        self.max_tasks = max_tasks
        self.is_eager = max_tasks is None

    def choose(self, n_tasks, n_items):
        return self.size if self.max_tasks is None or n_tasks < self.max_tasks else 0

    def learn(self, future, n_items):
        pass

    def drew(self, n_items, seconds):
        pass


class Automatic:
    """`n_items`: how many there are, or None. `buffer_size`: how many may be under way, or None."""

    is_eager = False

    def __init__(self, n_workers, n_items, buffer_size):
        self.n_workers = n_workers
        self.n_left = n_items
        self.buffer_size = buffer_size
        self.size = 1
        self.drawable = MAX_SIZE  # items in the time that drawing may take
        self.seconds = None  # of an item

    def choose(self, n_tasks, n_items):
        if n_tasks >= self.n_workers * TASKS_PER_WORKER:
            return 0
        size = min(self.size, self.drawable)
        if self.n_left is not None and size > 1:
            part = self.n_left // (self.n_workers * CHUNKS_PER_WORKER)
            size = min(size, max(part, int(LEAST_WORK / self.seconds), 1))
        if self.buffer_size is not None:
            size = min(size, max(1, self.buffer_size // (2 * self.n_workers)),
                       self.buffer_size - n_items)
        return size

    def drew(self, n_items, seconds):
        if self.n_left is not None:
            self.n_left = max(0, self.n_left - n_items)
            self.drawable = max(1, self.n_left)
        elif seconds > DRAWING:
            self.drawable = max(1, int(n_items * DRAWING / seconds))
        else:
            self.drawable = min(MAX_SIZE, 2 * max(self.drawable, n_items))

    def learn(self, future, n_items):
        seconds = max(future.run_time / n_items, 1e-9)
        if self.seconds is not None and seconds < self.seconds:
            seconds = (3 * seconds + self.seconds) / 4
        self.seconds = seconds
        best = max(1, min(int(WORK / seconds), MAX_BYTES * n_items // max(1, future.n_bytes)))
        self.size = min(best, max(self.size, n_items * GROWTH))


def choose_eagerly(n_items, n_workers):
    """For what is submitted at once, before anything is known."""
    return Fixed(max(1, n_items // (n_workers * PARTS_PER_WORKER)), None)


def count(iterables):
    """How many items there are, if that is known without asking foreign code."""
    if all(type(items) in SIZED for items in iterables):
        return min(map(len, iterables), default=0)
    return None


def gives_later(function):
    """Whether it is, as far as can be seen, a coroutine or generator function. Those run by
    themselves: several coroutines at once in a worker."""
    while isinstance(function, partial):
        function = function.func
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    if code is None:
        code = getattr(getattr(type(function), "__call__", None), "__code__", None)
    return code is not None and code.co_flags & LATER != 0


def make(pool, target, options, iterables, chunk_size, buffer_size, is_eager):
    """The chooser for a map; None if that is to be found when all items are there.

    What options say about a task they say about each item, where the caller has not said how many
    items a task has."""
    n_workers = pool.max_workers
    if chunk_size is None:
        is_single = (pool._is_inline or pool.max_tasks_per_worker is not None or gives_later(target)
                     or is_about_one_task(options))
        if not is_single:
            return None if is_eager else Automatic(n_workers, count(iterables), buffer_size)
    max_tasks = buffer_size or max(LEAST_BUFFER, TASKS_PER_WORKER * n_workers)
    return Fixed(chunk_size or 1, None if is_eager else max_tasks)


def is_about_one_task(options):
    return any(options.get(name) is not None
               for name in ("timeout", "queue_timeout", "retries", "on_progress"))


def draw(iterator, size, chooser, items):
    """Adds items until there are so many; fewer at the end. If the iterator raises, those that it gave
    before are there nevertheless."""
    from itertools import islice

    start = time.monotonic()
    before = len(items)
    items.extend(islice(iterator, max(0, size - before)))
    chooser.drew(len(items) - before, time.monotonic() - start)


def was_not_read(future):
    """Whether a chunk failed because it could not be unpickled, so that nothing of it has run."""
    error = future.error
    return error is not None and error[:2] == (_core.TASK_ERROR, _parent.TASK_DECODE)
