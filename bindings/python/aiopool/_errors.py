# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the package raises besides what tasks raise."""

from concurrent.futures import CancelledError as BaseCancelledError

from aiopool._core import (  # noqa: F401
    AiopoolError, BrokenPoolError, FinalizerError, InitializerError, PoolClosedError, PoolError,
    PoolFullError, RemoteTraceback, TaskError, TaskTimeoutError, UnknownFunctionError,
    WorkerCrashedError, each_cause)
from aiopool._pickling import RemoteError


class CancelledError(AiopoolError, BaseCancelledError):
    """The task was cancelled."""


def get_remote_traceback(exception):
    """The traceback of the worker as text; None if the exception does not come from one."""
    for link in each_cause(exception):
        if type(link).__name__ in ("RemoteTraceback", "_RemoteTraceback"):
            return link.tb.removeprefix('\n"""\n').removesuffix('"""')
    return exception.traceback if isinstance(exception, RemoteError) else None
