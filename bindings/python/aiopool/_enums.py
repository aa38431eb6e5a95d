# SPDX-License-Identifier: LGPL-2.1-or-later
"""Enumerations. They are imported when somebody looks at one: the module `enum` takes as long as all
of this package."""

from enum import IntEnum

from aiopool import _core


class Status(IntEnum):
    """What has become of a task."""

    PENDING = _core.STATE_PENDING
    RUNNING = _core.STATE_RUNNING
    COMPLETED = _core.STATE_DONE
    FAILED = _core.STATE_FAILED
    CANCELLED = _core.STATE_CANCELLED


class CancelMode(IntEnum):
    """How hard to cancel: only what has not started, by telling the task, or whatever it does."""

    PENDING = _core.CANCEL_PENDING
    COOPERATIVE = _core.CANCEL_COOPERATIVE
    FORCE = _core.CANCEL_FORCE
