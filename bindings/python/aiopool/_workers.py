# SPDX-License-Identifier: LGPL-2.1-or-later
"""The workers of a pool, for who wants to look at them."""

from aiopool import _core


class Worker:
    """A worker process of a pool. What it tells of its state is that of now."""

    worker_type = "process"

    def __init__(self, worker, pool_name):
        self._worker = worker
        self.worker_id = worker.id
        self.worker_name = f"aiopool-{pool_name}-process-worker-{worker.id}"

    @property
    def pid(self):
        return self._worker.pid

    @property
    def exit_code(self):
        """As a process of multiprocessing has it: negative for a signal, None while it lives."""
        return self._worker.exit_code

    def is_alive(self):
        return self._worker.state != _core.WORKER_DEAD

    def is_busy(self):
        return self._worker.state == _core.WORKER_BUSY

    def __repr__(self):
        return f"<aiopool.Worker {self.worker_name!r}, pid {self.pid}>"


Worker.__module__ = "aiopool"
