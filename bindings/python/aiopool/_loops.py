# SPDX-License-Identifier: LGPL-2.1-or-later
"""Event loops of asyncio, and how they hear of ends.

Each loop has a queue, whose descriptor it watches: what ends together is told of together, and no
thread comes in between. A loop that cannot watch descriptors is told by the collector's thread.
"""

import os
import sys
import threading
import weakref
from collections import deque

from aiopool import _core

_bridges = weakref.WeakKeyDictionary()  # from loop to Bridge
_all = set()  # of Bridge
_sweeping = threading.Lock()


def get_running():
    """The event loop that runs in this thread, or None. It costs next to nothing."""
    asyncio = sys.modules.get("asyncio")
    return asyncio._get_running_loop() if asyncio is not None else None


class Bridge:
    """What a loop hears by. Belongs to the loop's thread."""

    is_drained = False  # by a thread, since the loop is closed

    def __init__(self, loop):
        self.queue = _core.Queue()
        self.news, self.ended = deque(), deque()  # what is to be told yet
        self.loop = weakref.ref(loop, lambda reference: sweep())
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
        self.news.extend(news)
        self.ended.extend(ended)
        try:
            while self.news:
                self.news.popleft().on_news()
            while self.ended:
                self.ended[0].on_told(self)
                self.ended.popleft()
        except BaseException:  # KeyboardInterrupt, which ends the loop; it may run again
            self.loop().call_soon(self.deliver)
            raise


def get_bridge(loop):
    bridge = _bridges.get(loop)
    if bridge is None:
        sweep()
        bridge = _bridges[loop] = Bridge(loop)
        _all.add(bridge)
    return bridge


def sweep():
    """Takes what has come for loops that were closed before their tasks had ended, which nobody else
    does; what it was told by, and a descriptor with it, goes when there is nothing to come any more."""
    if not _sweeping.acquire(blocking=False):
        return
    try:
        for bridge in list(_all):
            loop = bridge.loop()
            if loop is not None and not loop.is_closed():
                continue
            if not bridge.is_drained:  # whose thread would wait for what is taken here
                bridge.queue.take()
            if len(bridge.queue) == 0:
                _all.discard(bridge)
                if loop is not None:
                    _bridges.pop(loop, None)
            elif not bridge.is_drained:
                bridge.is_drained = True
                threading.Thread(target=drain, args=(bridge.queue,), name="aiopool-drain",
                                 daemon=True).start()
    finally:
        _sweeping.release()


def drain(queue):
    """Tasks that emit wait until somebody takes that."""
    while len(queue) > 0:
        queue.wait()
        queue.take()
    sweep()


def get_running_bridge():
    """None if no loop runs in this thread."""
    loop = get_running()
    return get_bridge(loop) if loop is not None else None


def settle_soon(loop, waiter):
    """From any thread."""
    def settle():
        if not waiter.done():
            waiter.set_result(None)

    call_soon(loop, settle)


def call_soon(loop, function, *args):
    """From any thread. A loop that was closed is told nothing any more."""
    try:
        loop.call_soon_threadsafe(function, *args)
    except RuntimeError:
        if not loop.is_closed():
            raise


def forget():
    global _sweeping
    _sweeping = threading.Lock()
    _bridges.clear()
    _all.clear()


os.register_at_fork(after_in_child=forget)
