# SPDX-License-Identifier: LGPL-2.1-or-later
"""How a task's exception is told to the pool.

It goes as a GError, whose text is for everybody; as an error info, with tracebacks, notes and the
chain of causes and contexts as text; and, if the task was a pickle, as a pickle of all that (see
`_pickling.dump_exception`), from which a parent in Python makes an exception of the same type.
"""

import sys
import traceback

from aiopool import _native, _worker

TASK_ERROR = "aiopool-task-error-quark"
FAILED, UNKNOWN_FUNCTION, ENCODE, DECODE = _native.TASK_ERROR_CODES
IO_ERROR, CANCELLED = "g-io-error-quark", 19

MAX_DEPTH = 16
MAX_INFOS = 64
MAX_NOTES = 64
MAX_TEXT = 16 * 1024


def clean(text):
    """As UTF-8 can hold it, without the NUL that ends a text in C."""
    return text[:MAX_TEXT].encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def text_of(exception):
    try:
        return clean(str(exception))
    except BaseException as error:
        return f"<its text cannot be made: {type(error).__qualname__}>"


def name_of(exception):
    kind = type(exception)
    name = kind.__qualname__
    return clean(name if kind.__module__ == "builtins" else f"{kind.__module__}.{name}")


def notes_of(exception):
    notes = getattr(exception, "__notes__", None)
    if not isinstance(notes, (list, tuple)):
        return []
    return [clean(note) for note in notes if isinstance(note, str)][:MAX_NOTES]


def members_of(exception):
    """The exceptions in a group, else nothing."""
    return exception.exceptions if isinstance(exception, BaseExceptionGroup) else ()


def traceback_of(exception):
    """Without its chain, but with those of the exceptions in a group."""
    try:
        told = traceback.TracebackException.from_exception(exception, limit=-50)
        told.__cause__ = told.__context__ = None
        lines = list(told.format())
    except BaseException:
        lines = traceback.format_tb(exception.__traceback__, limit=-50)
    text = "".join(lines)
    return clean(text[-MAX_TEXT:])


class Chain:
    """The exceptions that belong to one, each once, in the order in which they are met."""

    def __init__(self, exception):
        self.exceptions = []
        self.texts = {}
        self.n_left = MAX_INFOS
        self.add(exception)

    def add(self, exception):
        waiting = [(exception, 0)]
        while waiting and len(self.exceptions) < MAX_INFOS:
            exception, depth = waiting.pop(0)
            if exception is None or depth >= MAX_DEPTH or id(exception) in self.texts:
                continue
            self.exceptions.append(exception)
            self.texts[id(exception)] = (name_of(exception), text_of(exception),
                                         traceback_of(exception), notes_of(exception))
            waiting.append((exception.__cause__, depth + 1))
            waiting.append((exception.__context__, depth + 1))
            waiting += [(member, depth + 1) for member in members_of(exception)]

    def info(self, exception, above=()):
        """As the extension wants it; what would lead back, or was met before, is left out."""
        if (exception is None or id(exception) not in self.texts or id(exception) in above
                or self.n_left == 0):
            return None
        self.n_left -= 1
        above = above + (id(exception),)
        cause = self.info(exception.__cause__, above)
        context = exception.__context__
        if context is exception.__cause__:  # told already
            return (*self.texts[id(exception)], cause, None)
        return (*self.texts[id(exception)], cause, self.info(context, above))


def classify(task, exception):
    """(domain, code, message)"""
    message = text_of(exception)
    if task.cancelled and is_cancellation(exception):
        return IO_ERROR, CANCELLED, "The task was cancelled"
    if isinstance(exception, _worker.UnknownFunction):
        return TASK_ERROR, UNKNOWN_FUNCTION, message
    if isinstance(exception, (_worker.EncodeError, _native.PackError)):
        return TASK_ERROR, ENCODE, f"Function '{task.function}' gave what cannot be sent: {message}"
    if isinstance(exception, _worker.DecodeError):
        return TASK_ERROR, DECODE, message
    if type(exception).__module__ in ("gi._error", "gi.repository.GLib"):
        try:
            return str(exception.domain), int(exception.code), clean(str(exception.message))
        except Exception:
            pass
    name = name_of(exception)
    return TASK_ERROR, FAILED, f"{name}: {message}" if message else name


def is_cancellation(exception):
    if isinstance(exception, _native.TaskCancelled):
        return True
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and isinstance(exception, asyncio.CancelledError)


def fail(task, exception):
    domain, code, message = classify(task, exception)
    chain = Chain(exception)
    pickle = None
    if task._payload_format() == _worker.FORMAT_PICKLE:
        from aiopool import _pickling

        pickle = _pickling.dump_exception(chain)
    task._return_error(domain, code, message, chain.info(exception), pickle)
    # The frames of the traceback hold the arguments, which are the parent's memory.
    for exception in chain.exceptions:
        exception.__traceback__ = None
