# SPDX-License-Identifier: LGPL-2.1-or-later
"""What comes of tasks: results as Python values, and errors as exceptions that Python knows."""

import asyncio
import concurrent.futures
import functools
import traceback

from gi.module import get_introspection_module
from gi.repository import Gio, GLib, GObject

from ._aiopool_pack import pack
from ._aiopool_unpack import unpack

Aiopool = get_introspection_module("Aiopool")

get_result = Aiopool.Future.get_result
get_value = Aiopool.Future.get_value

IO_ERROR = "g-io-error-quark"
POOL_ERROR = GLib.quark_to_string(Aiopool.pool_error_quark())
TASK_ERROR = GLib.quark_to_string(Aiopool.task_error_quark())


class CancelledError(GLib.Error, concurrent.futures.CancelledError):
    """A task was cancelled: the GLib.Error, under a name that Python knows too."""


class TimedOutError(GLib.Error, TimeoutError):
    """A wait or a task took too long."""

    def __init__(self, message, domain, code):
        GLib.Error.__init__(self, message, domain, code)


TRANSLATED = {
    (IO_ERROR, int(Gio.IOErrorEnum.CANCELLED)): CancelledError,
    (IO_ERROR, int(Gio.IOErrorEnum.TIMED_OUT)): TimedOutError,
    (TASK_ERROR, int(Aiopool.TaskError.TIMED_OUT)): TimedOutError,
    (TASK_ERROR, int(Aiopool.TaskError.QUEUE_TIMED_OUT)): TimedOutError,
}


def translate(error, future=None):
    """The same error, also as an exception of Python's if there is one, and with what is known
    about it."""
    kind = TRANSLATED.get((error.domain, int(error.code)))
    if kind is not None:
        error = kind(error.message, error.domain, error.code)
    info = future.get_error_info() if future is not None else None
    error.info = info
    if info is not None and info.get_traceback() and hasattr(error, "add_note"):
        error.add_note(info.get_traceback().rstrip())
    return error


def is_full(error):
    return error.domain == POOL_ERROR and error.code == Aiopool.PoolError.FULL


def translated(function):
    """A method that raises what Python knows."""
    @functools.wraps(function)
    def call_function(*arguments, **keywords):
        try:
            return function(*arguments, **keywords)
        except GLib.Error as error:
            raise translate(error) from None

    return call_function


def is_wrong_type(error):
    return error.domain == TASK_ERROR and error.code == Aiopool.TaskError.WRONG_TYPE


def read_value(future):
    """What is no GVariant: bytes, or what a promise was kept with. Of bytes in a GValue PyGObject
    keeps the address and no reference, so they are not asked for in that way."""
    try:
        payload, _ = future.get_payload()
        return payload.get_data() or b""
    except GLib.Error as error:
        if not is_wrong_type(error):
            raise
    return get_value(future)[1]


def read(future):
    """The result of a future that has ended."""
    try:
        variant = get_result(future)
    except GLib.Error as error:
        if is_wrong_type(error) and future.get_state() == Aiopool.FutureState.DONE:
            return read_value(future)
        raise translate(error, future) from None
    return unpack(variant)


def make_value(value):
    return GObject.Value(GObject.TYPE_PYOBJECT, value)


def as_glib_error(error):
    if isinstance(error, GLib.Error):
        return error
    if isinstance(error, (asyncio.CancelledError, concurrent.futures.CancelledError)):
        return GLib.Error("The task was cancelled", IO_ERROR, int(Gio.IOErrorEnum.CANCELLED))
    text = "".join(traceback.format_exception_only(type(error), error)).strip()
    return GLib.Error(text, TASK_ERROR, int(Aiopool.TaskError.FAILED))
