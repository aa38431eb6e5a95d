# SPDX-License-Identifier: LGPL-2.1-or-later
"""Event loops of asyncio, and how they hear of ends.

Each loop has a queue, whose descriptor it watches: what ends together is told of together, and no
thread comes in between. A loop that cannot watch descriptors is told by the collector's thread.
"""

import os
import sys
import weakref
from functools import partial

from aiopool import _core

_bridges = weakref.WeakKeyDictionary()  # from loop to Bridge


def get_running():
    """The event loop that runs in this thread, or None. It costs next to nothing."""
    asyncio = sys.modules.get("asyncio")
    return asyncio._get_running_loop() if asyncio is not None else None


class Bridge:
    """What a loop hears by. Belongs to the loop's thread."""

    def __init__(self, loop):
        self.queue = _core.Queue()
        self.loop = weakref.ref(loop)
        try:
            loop.add_reader(self.queue.fileno(), self.deliver)
            self.is_watched = True
        except NotImplementedError:
            self.is_watched = False

    def add(self, handle):
        if self.is_watched:
            self.queue.add(handle)
        else:
            _core.collector().add(handle)

    def deliver(self):
        ended, news = self.queue.take()
        calls = [handle.on_news for handle in news]
        calls += [partial(handle.on_told, self) for handle in ended]
        self.call_all(calls)

    def call_all(self, calls):
        """In the loop. What ends that, as SystemExit in a callback does, ends no other call: those that
        are left come when the loop runs again."""
        iterator = iter(calls)
        try:
            for call in iterator:
                call()
        except BaseException:
            rest = list(iterator)
            if rest:
                self.loop().call_soon(self.call_all, rest)
            raise


def get_bridge(loop):
    bridge = _bridges.get(loop)
    if bridge is None:
        bridge = _bridges[loop] = Bridge(loop)
    return bridge


def get_running_bridge():
    """None if no loop runs in this thread."""
    loop = get_running()
    return get_bridge(loop) if loop is not None else None


os.register_at_fork(after_in_child=_bridges.clear)
