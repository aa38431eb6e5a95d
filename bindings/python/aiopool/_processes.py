# SPDX-License-Identifier: LGPL-2.1-or-later
"""What programs look at behind the back of a concurrent.futures.ProcessPoolExecutor: its processes,
the thread that manages them, and the queue to them. Here these are views of the pool.

Nothing is made of this before somebody asks. Whoever has such a view keeps the pool, but not the
executor: that one's end begins when it is dropped, as without a view.
"""

import os
import signal
import threading
import time
from collections.abc import Mapping
from weakref import WeakValueDictionary, ref

from aiopool import _core
from aiopool._tools import Countdown

POLL_SECONDS = 0.005


def sleep_until(function, timeout):
    """Whether `function` came to be true within `timeout` seconds; None is for ever."""
    countdown = Countdown(timeout)
    while not function():
        left = countdown.check()
        if left == 0:
            return False
        time.sleep(POLL_SECONDS if left is None else min(POLL_SECONDS, left))
    return True


class Process:
    """A worker, with what a Process of multiprocessing has."""

    daemon = False

    def __init__(self, worker):
        self._worker = worker
        self._fd = None  # a pidfd; -1 if there is none to be had
        self._lock = threading.Lock()
        self.pid = self.ident = worker.pid
        self.name = f"AiopoolWorker-{worker.id}"

    def __repr__(self):
        state = "started" if self.is_alive() else f"stopped exitcode={self.exitcode}"
        return f"<{type(self).__name__} name={self.name!r} pid={self.pid} {state}>"

    def __del__(self):
        if self._fd is not None and self._fd >= 0:
            os.close(self._fd)

    def _open(self):
        """A descriptor of the process: no other one that gets its number is ever meant."""
        with self._lock:
            if self._fd is None:
                self._fd = -1
                try:
                    fd = os.pidfd_open(self.pid)
                except (AttributeError, OSError):
                    return self._fd
                if is_child(self.pid):
                    self._fd = fd
                else:
                    os.close(fd)
            return self._fd

    @property
    def sentinel(self):
        """A descriptor that is ready for reading when the process has ended."""
        fd = self._open()
        if fd < 0:
            raise ValueError("the process has ended, or this system has no such descriptors")
        return fd

    @property
    def exitcode(self):
        if self._worker.state != _core.WORKER_DEAD:
            return None
        return self._worker.exit_code

    def is_alive(self):
        return self._worker.state != _core.WORKER_DEAD

    def join(self, timeout=None):
        sleep_until(lambda: not self.is_alive(), timeout)

    def terminate(self):
        self._send(signal.SIGTERM)

    def kill(self):
        self._send(signal.SIGKILL)

    def _send(self, number):
        fd = self._open()
        try:
            if fd >= 0:
                signal.pidfd_send_signal(fd, number)
            elif self.is_alive():
                os.kill(self.pid, number)
        except ProcessLookupError:
            pass

    def close(self):
        if self.is_alive():
            raise ValueError("the process is still running")


def is_child(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1]) == os.getpid()
    except (OSError, ValueError, IndexError):
        return False


class Processes(Mapping):
    """From process ids to processes, of those workers that may have tasks, or, in a pool that was
    shut down, of those that are left."""

    def __init__(self, internals):
        self._internals = internals
        self._made = WeakValueDictionary()

    def copy(self):
        """A dict of this moment."""
        closing = () if self._internals.has_begun_to_end() else (_core.WORKER_CLOSING,)
        found = {}
        for worker in self._internals.core.workers():
            if worker.pid > 0 and worker.state not in (_core.WORKER_DEAD, *closing):
                process = self._made.get(worker.id)
                if process is None:
                    process = self._made[worker.id] = Process(worker)
                found[worker.pid] = process
        return found

    def __getitem__(self, pid):
        return self.copy()[pid]

    def __iter__(self):
        return iter(self.copy())

    def __len__(self):
        return len(self.copy())

    def keys(self):
        return self.copy().keys()

    def values(self):
        return self.copy().values()

    def items(self):
        return self.copy().items()

    def __repr__(self):
        return repr(self.copy())


class Manager:
    """In the place of the thread that manages the processes; the library has no such thread for each
    pool. It ends with the pool."""

    daemon = False
    name = "aiopool"

    def __init__(self, internals):
        self._internals = internals

    def is_alive(self):
        return not self._internals.is_over()

    def join(self, timeout=None):
        sleep_until(self._internals.is_over, timeout)


class CallQueue:
    """In the place of the queue to the processes: each worker has a socket instead. What was
    submitted is written by the time that the pool has ended."""

    def __init__(self, internals):
        self._internals = internals

    def join_thread(self):
        sleep_until(self._internals.is_over, None)

    def close(self):
        pass

    def cancel_join_thread(self):
        pass


class PendingItems:
    """How many calls have not ended."""

    def __init__(self, internals):
        self._internals = internals

    def __len__(self):
        core = self._internals.core
        return core.n_pending + core.n_running


class Internals:
    """What the views of one executor share."""

    def __init__(self, executor):
        self.core = executor._core
        self.executor = ref(executor, self._on_dropped)
        self.ending = None  # of a pool whose executor was dropped

    def _on_dropped(self, executor):
        try:
            self.ending = self.core.begin_shutdown(_core.SHUTDOWN_DRAIN)
        except _core.PoolError:  # in a child of this process
            pass

    def _get_ending(self):
        executor = self.executor()
        return self.ending if executor is None else executor._ending

    def has_begun_to_end(self):
        return self._get_ending() is not None

    def is_over(self):
        ending = self._get_ending()
        if ending is not None:
            return ending.has_ended
        return self.core.get("is-broken") and not self.core.workers()


VIEWS = {
    "_processes": Processes,
    "_executor_manager_thread": Manager,
    "_call_queue": CallQueue,
    "_pending_work_items": PendingItems,
}


def make_views(executor):
    internals = Internals(executor)
    return {name: kind(internals) for name, kind in VIEWS.items()}
