# SPDX-License-Identifier: LGPL-2.1-or-later
"""Process pools for Python.

This module imports nothing by itself: workers import it too, and their start should cost nothing.
What it offers is looked up in its submodules when it is first used (PEP 562).
"""

_PLACES = {
    "CurrentTask": "_native",
    "TaskCancelled": "_native",
    "ProcessPoolExecutor": "_executor",
    "RemoteError": "_pickling",
    "current_task": "_worker",
    "is_worker": "_native",
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
