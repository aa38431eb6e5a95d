# SPDX-License-Identifier: LGPL-2.1-or-later
"""Process pools for Python.

This module imports nothing by itself: workers import it too, and their start should cost nothing.
What it offers is looked up in its submodules when it is first used (PEP 562).
"""

_PLACES = {
    "AiopoolError": "_errors",
    "BrokenPoolError": "_errors",
    "CancelMode": "_enums",
    "CancelledError": "_errors",
    "Countdown": "_tools",
    "CurrentTask": "_native",
    "DualProcessPool": "_pool",
    "Executor": "_executor",
    "FinalizerError": "_errors",
    "Future": "_future",
    "FutureFilter": "_waits",
    "IDLE_TIMEOUT": "_pool",
    "InitializerError": "_errors",
    "Pool": "_pool",
    "PoolClosedError": "_errors",
    "PoolError": "_errors",
    "PoolFullError": "_errors",
    "ProcessPool": "_pool",
    "ProcessPoolExecutor": "_executor",
    "QuadProcessPool": "_pool",
    "RemoteError": "_pickling",
    "RemoteTraceback": "_errors",
    "Results": "_results",
    "SingleProcessPool": "_pool",
    "Status": "_enums",
    "Stream": "_stream",
    "TaskCancelled": "_native",
    "TaskError": "_errors",
    "TaskTimeoutError": "_errors",
    "TripleProcessPool": "_pool",
    "UnknownFunctionError": "_errors",
    "Worker": "_workers",
    "WorkerCrashedError": "_errors",
    "as_done": "_waits",
    "collect": "_waits",
    "current_task": "_worker",
    "get_chunks": "_tools",
    "get_remote_traceback": "_errors",
    "is_worker": "_native",
    "split_map_task": "_tools",
    "split_starmap_task": "_tools",
    "wait": "_waits",
}

__all__ = sorted(_PLACES)


def __getattr__(name):
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{place}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(set(globals()) | set(__all__))
