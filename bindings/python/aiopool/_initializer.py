# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a worker does before its first task, as parents ask for it and as workers do it."""

import sys
from _pickle import PicklingError

from aiopool import _calls, _spawn

# --- in the parent --------------------------------------------------------------------------------


class InheritedFd:
    """A descriptor that came with the initializer, as multiprocessing wants it."""

    def __init__(self, index):
        self.index = index

    def detach(self):
        import os

        from aiopool import current_task

        return os.dup(current_task().fds[self.index])


class Spawning:
    """In the place of a process that multiprocessing starts: takes the descriptors to hand over."""

    DupFd = InheritedFd

    def __init__(self):
        self.fds = []

    def duplicate_for_child(self, fd):
        self.fds.append(fd)
        return len(self.fds) - 1


def make_initializer(function, args, context=None, is_logged=False):
    """What make_pool() takes, or None. `context`: of multiprocessing, if there is one. `is_logged`: a
    failure is logged by the worker, too."""
    label = label_for(function)
    if function is not None and is_logged:
        function, args = run_and_log, (function, tuple(args))
    if "multiprocessing.process" in sys.modules or context is not None:
        return *pack_initializer(function, args), label
    return None if function is None else (function, args, {}, {}, label)


def label_for(function):
    """What it is called when it fails."""
    from functools import partial

    while isinstance(function, partial):
        function = function.func
    return getattr(function, "__qualname__", type(function).__qualname__)


def pack_initializer(function, args):
    """Workers get the key for connections to managers, and the process that clears away semaphores and
    shared memory, as workers of multiprocessing do."""
    from multiprocessing import resource_tracker
    from multiprocessing.context import get_spawning_popen, set_spawning_popen
    from multiprocessing.process import current_process

    spawning = Spawning()
    before = get_spawning_popen()
    set_spawning_popen(spawning)
    try:
        data = b"" if function is None else dump((function, tuple(args)), spawning)
    finally:
        set_spawning_popen(before)
    state = {"authkey": bytes(current_process().authkey)}
    if resource_tracker._resource_tracker._fd is not None:
        state["tracker"] = spawning.duplicate_for_child(resource_tracker.getfd())
    return initialize, (state, data), {}, {"fds": spawning.fds}


def dump(value, spawning):
    from multiprocessing.reduction import ForkingPickler

    cloudpickle = _calls.import_cloudpickle()
    try:
        data = dump_with(ForkingPickler, value)
        if cloudpickle is None or _spawn.describe_main() or b"__main__" not in data:
            return data
    except (PicklingError, AttributeError, TypeError):
        if cloudpickle is None:
            raise
    spawning.fds.clear()
    return dump_with(cloudpickle.CloudPickler, value)


def dump_with(base, value):
    from io import BytesIO
    from multiprocessing.reduction import ForkingPickler
    from multiprocessing.synchronize import SemLock

    class Pickler(base):
        def reducer_override(self, value):
            if isinstance(value, SemLock) and value._semlock.name is None:
                raise ValueError(
                    f"the {type(value).__name__} belongs to the context 'fork' of multiprocessing, "
                    f"which workers cannot share: make it with get_context('spawn')")
            reduce = ForkingPickler._extra_reducers.get(type(value))
            if reduce is not None:
                return reduce(value)
            if base is ForkingPickler:
                return NotImplemented
            return super().reducer_override(value)

    file = BytesIO()
    Pickler(file, 5).dump(value)
    return file.getvalue()


# --- in the worker --------------------------------------------------------------------------------


def run_and_log(function, args):
    """Calls an initializer. If that fails it is logged, as CPython's own executors do, and what is to
    run at the end of a process of multiprocessing runs before anybody hears of it."""
    try:
        function(*args)
    except BaseException:
        import logging

        logging.getLogger("concurrent.futures").critical("Exception in initializer:", exc_info=True)
        if "multiprocessing.util" in sys.modules:
            sys.modules["multiprocessing.util"]._exit_function()
        raise


def initialize(state, data):
    """Without multiprocessing, as long as nobody else imports that."""
    import os

    from aiopool import current_task
    from aiopool._worker import when_imported

    def set_key(process):
        process.current_process().authkey = state["authkey"]

    def set_tracker(resource_tracker):
        resource_tracker._resource_tracker._fd = tracker

    when_imported("multiprocessing.process", set_key)
    if "tracker" in state:
        tracker = os.dup(current_task().fds[state["tracker"]])
        when_imported("multiprocessing.resource_tracker", set_tracker)
    if data:
        from _pickle import loads

        function, args = loads(data)
        function(*args)
