# SPDX-License-Identifier: LGPL-2.1-or-later
"""Small things for those who split work and share a time limit by themselves."""

import time
from functools import partial
from itertools import islice, starmap


def get_chunks(iterable, chunk_size):
    """Yields tuples of `chunk_size` items; the last one may be shorter."""
    if chunk_size < 1:
        raise ValueError("chunk_size must be at least 1")
    iterator = iter(iterable)
    while chunk := tuple(islice(iterator, chunk_size)):
        yield chunk


def call_chunk(target, chunk):
    return list(starmap(target, chunk))


def split_map_task(target, *iterables, chunk_size=1):
    """Yields functions without arguments, each of which returns the list of the results of one chunk."""
    return split_starmap_task(target, zip(*iterables), chunk_size)


def split_starmap_task(target, iterable, chunk_size=1):
    """As split_map_task(), for one iterable of tuples of arguments."""
    for chunk in get_chunks(iterable, chunk_size):
        yield partial(call_chunk, target, chunk)


class Countdown:
    """How much of `timeout` seconds is left, from the first check() on. None is for ever."""

    def __init__(self, timeout):
        self._timeout = timeout
        self._instant_a = self._instant_b = None

    @property
    def timeout(self):
        return self._timeout

    @property
    def instant_a(self):
        """When it began, on the monotonic clock; None before."""
        return self._instant_a

    @property
    def instant_b(self):
        """When it was checked last."""
        return self._instant_b

    def check(self):
        """Seconds that are left, never below 0; None for ever."""
        if self._timeout is None:
            return None
        self._instant_b = time.monotonic()
        if self._instant_a is None:
            self._instant_a = self._instant_b
        return max(0, self._timeout - (self._instant_b - self._instant_a))
