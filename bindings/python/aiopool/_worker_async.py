# SPDX-License-Identifier: LGPL-2.1-or-later
"""Coroutines as tasks.

The first one has the worker change from waiting in C to an event loop of asyncio, for good. Tasks come
by the loop from then on: `_native.dispatch` runs plain functions right there and starts coroutines,
as many at once as the pool allows tasks per worker.
"""

import asyncio
import os
from contextvars import ContextVar, copy_context

from aiopool import _native, _worker

READ, WAIT, END = 0, 1, 2  # as in AiopoolWorkerNext

current = ContextVar("aiopool_task", default=None)


class Loop:
    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.context = copy_context()  # of plain functions, of which each coroutine has a copy
        asyncio.set_event_loop(self.loop)
        self.cancel_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.loop.add_reader(self.cancel_fd, self.on_cancelled)
        self.running = {}  # asyncio.Task -> CurrentTask
        self.fd = None
        self.is_reading = False

    def start(self, task, awaitable):
        task._defer()
        job = self.loop.create_task(self.serve(task, awaitable))
        self.running[job] = task
        job.add_done_callback(self.on_done)
        task._listen(self.cancel_fd)

    async def serve(self, task, awaitable):
        current.set(task)
        try:
            if type(awaitable) is _worker.async_generator:
                await self.emit_all(task, awaitable)
                result = None
            else:
                result = await awaitable
            _worker.answer(task, result)
        except BaseException as exception:
            _worker.fail(task, exception)

    async def emit_all(self, task, items):
        """Emitting waits while the parent is behind, and other coroutines shall run meanwhile."""
        try:
            async for item in items:
                await self.loop.run_in_executor(None, task.emit, item)
        finally:
            await items.aclose()

    def on_done(self, job):
        task = self.running.pop(job, None)
        if task is not None and job.cancelled():  # before it ran at all
            _worker.fail(task, asyncio.CancelledError())

    def on_cancelled(self):
        os.eventfd_read(self.cancel_fd)
        for job, task in list(self.running.items()):
            if task.cancelled and not job.cancelling():
                job.cancel()

    def step(self):
        self.context.run(self.take_step)

    def take_step(self):
        # A plain function may run a loop of its own: to it there is none.
        asyncio._set_running_loop(None)
        try:
            next = _native.dispatch()
        finally:
            asyncio._set_running_loop(self.loop)
        if next == END:
            self.loop.stop()
        elif next == READ and not self.is_reading:
            self.loop.add_reader(self.fd, self.step)
        elif next == WAIT and self.is_reading:
            self.loop.remove_reader(self.fd)
        self.is_reading = next == READ

    def run(self, fd):
        self.fd = fd
        self.loop.call_soon(self.step)
        try:
            self.loop.run_forever()
        finally:
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            asyncio.set_event_loop(None)


_loop = None


def start(task, awaitable):
    global _loop
    if _loop is None:
        _loop = Loop()
    _loop.start(task, awaitable)


def run(fd):
    _loop.run(fd)


def wake():
    _loop.loop.call_soon(_loop.step)
