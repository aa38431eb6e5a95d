# SPDX-License-Identifier: LGPL-2.1-or-later
"""What all executors of the package stand on: pools and futures without PyGObject.

The extension `aiopool._parent` does what costs; here are its errors, the thread that hears of ends,
and the end of the program. A pool in these terms:

    core = make_pool(max_workers=2, idle_timeout=5)         any property of Aiopool.Pool, by its name
    handle = core.call(Handle, function, args, kwargs)      pickled and submitted in one go
    handle.wait(timeout)                                    blocks without the interpreter's lock
    handle.load()                                           the result, or raises the error

`make_pool(**settings)` returns a `_parent.Pool`. Beside properties, settings are `initializer` and
`finalizer`, each a tuple (function, args, kwargs), and `launcher`, a dict of properties of
Aiopool.Launcher (max_memory, nice, sandbox ...). What is None is as by default.

**`Pool`** (of `_parent`; any thread may call):

    call(type, function, args, kwargs, options=None, queue=None)
                        submits a call and returns an instance of `type`, a class derived from
                        Handle; __init__ is not called, so what it has besides are class attributes
                        or set by the caller. `options`: a dict of properties of Aiopool.Task
                        (timeout, queue_timeout, priority, retries, tag) and `fds`, descriptors.
                        Raises what cannot be pickled, and what the pool says (see Errors).
    submit(type, name, pieces, options=None, queue=None)
                        the same for a payload of `_pickling`, for the function called `name`
    begin_shutdown(flags), begin_join(), begin_test()
                        return a Handle of their end
    n_pending, n_running, n_workers, n_idle, n_busy, spawn_workers(n), check()
    get(property), set(property, value)

A pool that nobody has any more does what it was given, and then goes.

**`Handle`** is a future of the library: `wait(timeout=None)` -> bool, `load()`, `has_ended`, `state`
(`STATE_PENDING` ... `STATE_CANCELLED`), `cancel_task(mode)` -> bool (`CANCEL_PENDING`,
`CANCEL_COOPERATIVE`, `CANCEL_FORCE`), `error` (domain, code, message), `error_payload`, `error_info`,
`standard_error`, `queue_time`, `run_time`, `submitted_at`, `started_at`, `finished_at`, `worker_pid`,
`progress`, `message`, `function`. Waiting needs nobody else: the thread that waits reads what the
worker sends. In the main thread signals are handled meanwhile.

**`Queue`** tells which of many handles have ended. It has a descriptor (`fileno()`) for an event loop,
or is waited for by a thread (`wait(timeout)`, `wake()`); then `take()` returns two lists: of handles
that have ended, and of handles with news. `add(handle)` has it told of one. Only a handle that is made
with a queue, `core.call(..., queue=queue)`, has news: what its task emits, and its progress, which
`handle.take_news()` returns as pairs (`NEWS_EMITTED`, memoryview) or (`NEWS_PROGRESS`, fraction); such a
handle is added already. `_pickling.unpack` makes the value of a memoryview. The queue keeps what it
shall tell of.

**`collector()`** is the queue of a thread of this module, which calls `handle.on_ended()` of each handle
that was added to it and has ended, and `handle.on_news()`. Nothing of Python ever runs on a thread of
the library.

**Errors.** `load()` raises the exception of the task, with the traceback of the worker as its cause; if
it has none, or for what the pool does, one of the classes below, all of them `AiopoolError`.
`make_failure(handle)` gives it without raising, `make_error(domain, code, message)` one alone.

**The end of the program.** Tasks are waited for, as concurrent.futures does. `at_exit(function)` has a
function called before that. In a child by fork() all that belongs to the parent is left alone.
"""

import os
import sys
import threading

from _pickle import PicklingError

from aiopool import _calls, _parent, _pickling, _spawn
from aiopool._parent import (  # noqa: F401
    CANCEL_COOPERATIVE, CANCEL_FORCE, CANCEL_PENDING, DEATH_BREAK, DEATH_ISOLATE, NEWS_EMITTED,
    NEWS_PROGRESS, POOL_ERROR, SHUTDOWN_CANCEL_PENDING, SHUTDOWN_DRAIN, SHUTDOWN_TERMINATE,
    STATE_CANCELLED, STATE_DONE, STATE_FAILED, STATE_PENDING, STATE_RUNNING, TASK_ERROR,
    WORKER_BUSY, WORKER_CLOSING, WORKER_DEAD, WORKER_IDLE, WORKER_STARTING, Handle, Queue)

INLINE_VARIABLE = "AIOPOOL_INLINE"
MUCH = 4 << 20  # bytes of a result, to make which would hold up an event loop


# --- errors ---------------------------------------------------------------------------------------


class AiopoolError(Exception):
    """What the library has to say. `domain` and `code` are those of the GError."""

    domain = None
    code = None


class TaskError(AiopoolError):
    """A task has failed without an exception of its own."""


class WorkerCrashedError(TaskError):
    """The worker died while it had the task."""


class TaskTimeoutError(TaskError, TimeoutError):
    """The task ran, or waited, longer than it may."""


class UnknownFunctionError(TaskError, LookupError):
    """The worker does not find the function."""


class PoolError(AiopoolError):
    """The pool cannot do what it should."""


class PoolClosedError(PoolError, RuntimeError):
    """The pool was shut down."""


class BrokenPoolError(PoolError):
    """The pool is of no use any more."""


class InitializerError(BrokenPoolError):
    """The initializer has failed in a worker."""


class FinalizerError(BrokenPoolError):
    """The finalizer has failed in a worker."""


class PoolFullError(PoolError):
    """There are as many tasks pending as may be."""


ERRORS = {
    (TASK_ERROR, _parent.TASK_CRASHED): WorkerCrashedError,
    (TASK_ERROR, _parent.TASK_MAY_HAVE_RUN): WorkerCrashedError,
    (TASK_ERROR, _parent.TASK_TIMED_OUT): TaskTimeoutError,
    (TASK_ERROR, _parent.TASK_QUEUE_TIMED_OUT): TaskTimeoutError,
    (TASK_ERROR, _parent.TASK_UNKNOWN_FUNCTION): UnknownFunctionError,
    (POOL_ERROR, _parent.POOL_CLOSED): PoolClosedError,
    (POOL_ERROR, _parent.POOL_FULL): PoolFullError,
    (POOL_ERROR, _parent.POOL_BROKEN): BrokenPoolError,
    (POOL_ERROR, _parent.POOL_START_FAILED): BrokenPoolError,
    (POOL_ERROR, _parent.POOL_START_TIMED_OUT): BrokenPoolError,
    (POOL_ERROR, _parent.POOL_INITIALIZER): InitializerError,
    (POOL_ERROR, _parent.POOL_FINALIZER): FinalizerError,
    (POOL_ERROR, _parent.POOL_NOT_A_WORKER): BrokenPoolError,
}
FAMILIES = {TASK_ERROR: TaskError, POOL_ERROR: PoolError}
IO_ERROR, IO_CANCELLED = "g-io-error-quark", 19


def make_error(domain, code, message, payload=None):
    """`payload`: a dump of the exception that is the cause."""
    if (domain, code) == (IO_ERROR, IO_CANCELLED):
        from concurrent.futures import CancelledError

        return CancelledError(message)
    error = ERRORS.get((domain, code), FAMILIES.get(domain, AiopoolError))(message)
    error.domain, error.code = domain, code
    if payload is not None:
        error.__cause__ = link_traceback(*_pickling.load_exception(payload))
    return error


class RemoteTraceback(Exception):
    """The traceback of a worker, as the cause of the exception that came from there."""

    def __init__(self, text):
        super().__init__(text)
        self.tb = text  # as in concurrent.futures

    def __str__(self):
        return self.tb


def each_cause(exception):
    """The exception and its causes, each once."""
    seen = set()
    while exception is not None and id(exception) not in seen:
        yield exception
        seen.add(id(exception))
        exception = exception.__cause__


def link_traceback(exception, text):
    """The text is the cause of the last exception in a row of causes."""
    for last in each_cause(exception):
        pass
    if last.__cause__ is None:
        is_suppressed = last.__suppress_context__
        last.__cause__ = RemoteTraceback(f'\n"""\n{text}"""')
        last.__suppress_context__ = is_suppressed
    return exception


def find_traceback(exception):
    """The exception of a row of causes whose cause is a RemoteTraceback, and that; None without."""
    for link in each_cause(exception):
        if isinstance(link.__cause__, RemoteTraceback):
            return link, link.__cause__
    return None


def make_failure(handle):
    """The exception of a task that has failed."""
    payload = handle.error_payload
    error = handle.error
    if payload is not None and error[0] != POOL_ERROR:
        return link_traceback(*_pickling.load_exception(payload))
    error = make_error(*error, payload)
    if payload is not None:
        return error
    info = handle.error_info
    if info is not None and info[2]:
        error.__cause__ = RemoteTraceback(f'\n"""\n{info[2]}"""')
    return error


# --- functions ------------------------------------------------------------------------------------


def name_of(function):
    """`module:name` of what the worker can find by that name; None of what is to be pickled."""
    module_name = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", None)
    if not isinstance(module_name, str) or not isinstance(name, str) or "<" in name:
        return None
    if getattr(function, "__self__", None) is not None and not isinstance(function.__self__, type(sys)):
        return None  # a bound method
    if module_name == "__main__" and not _spawn.is_in_main_file(function):
        return None
    found = sys.modules.get(module_name)
    for attribute in name.split("."):
        found = getattr(found, attribute, None)
    return f"{module_name}:{name}" if found is function else None


def pack_call(name, function, args, kwargs):
    """The pieces of a call, or `(pieces, Shared)` if it has something in common with others. `name`: of
    the function, if it has one to be found by."""
    if function is None:  # which is how a call is packed whose name tells the function
        raise TypeError("'NoneType' object is not callable")
    shared, call = split_shared(name, function, args)
    try:
        pieces = _pickling.pack_call(*call, kwargs)
    except (PicklingError, AttributeError, TypeError):
        if _calls.import_cloudpickle() is None:
            raise
        try:
            return _calls.pack_by_value(function, args, kwargs)
        except Exception:
            pass
        raise
    if not _spawn.describe_main() and names_main(pieces) and _calls.import_cloudpickle():
        return _calls.pack_by_value(function, args, kwargs)
    return pieces if shared is None else (pieces, shared)


def split_shared(name, function, args):
    """What of a call it has in common with others, a Shared or None, and the rest, `(function or None,
    args)`. That is a function which goes by its value, or one that is called with each item of many."""
    if name is None:
        if is_local(function):
            return _calls.get_pickled(function), (None, args)
    elif function is _calls.call_each or function is _calls.call_each_star:
        if is_local(args[0]) and name_of(args[0]) is None:
            return _calls.get_pickled(args[0]), (function, args[1:])
    return None, (None if name else function, args)


def names_main(pieces):
    """Whether something is pickled as being in a main module that workers cannot run."""
    return any(b"__main__" in bytes(piece) for piece in pieces[:2])


def is_local(function):
    """Whether it is a function that only cloudpickle can pickle."""
    return type(function) is type(is_local)


_parent.set_hooks(name_of, pack_call, _pickling.unpack, make_failure, make_error)


# --- pools ----------------------------------------------------------------------------------------


def count_processors():
    """Of those that this process may use."""
    if hasattr(os, "process_cpu_count"):
        return os.process_cpu_count() or 1
    return len(os.sched_getaffinity(0))


def is_inline_wanted(inline=None):
    """Whether a pool shall be one without workers; nobody has said so to a class that nobody has seen."""
    if inline is None and "aiopool._pool" in sys.modules:
        inline = sys.modules["aiopool._pool"].Pool.inline
    if inline is None:
        inline = os.environ.get(INLINE_VARIABLE, "") not in ("", "0")
    return inline


def make_pool(initializer=None, finalizer=None, launcher=None, forward_log=False, setup=None,
              **settings):
    """`setup`: what workers are told besides what `_spawn` tells them."""
    if initializer is not None:
        settings["initializer"] = make_task(*initializer)
    if finalizer is not None:
        settings["finalizer"] = make_task(*finalizer)
    told = _spawn.encode_setup({**_spawn.get_setup(), **(setup or {})})
    environment = {_spawn.SETUP_VARIABLE: told}
    settings["launcher"] = (_spawn.get_argv(), environment, launcher or {})
    exit_hook()
    return _parent.Pool(settings, collector() if forward_log else None)


def make_task(function, args=(), kwargs=None, options=None, label=None):
    """`label`: what to call it when it fails, if that is not the name of the function."""
    name = name_of(function)
    if label is not None and name is not None:
        from functools import partial

        name, function = None, partial(function)  # goes with the call, which leaves the name free
    pieces = pack_call(name, function, tuple(args), kwargs or {})
    options = options or {}
    if type(pieces) is tuple:
        pieces, shared = pieces
        options = {**options, "shared_data": shared}
    return name or label or getattr(function, "__qualname__", "function"), pieces, options


# --- the thread that hears of ends ----------------------------------------------------------------


class Collector(threading.Thread):
    """Not a daemon to be cut off in the middle: the end of the program stops it."""

    def __init__(self):
        super().__init__(name="aiopool-collector", daemon=True)
        self.queue = Queue()
        self.is_stopping = False
        self.spare = None  # Collector, which tells while this one waits in a callback

    def run(self):
        while not self.is_stopping:
            self.queue.wait()
            self.deliver()

    def deliver(self):
        ended, news = self.queue.take()
        thread = threading.get_ident()
        _delivering.add(thread)
        try:
            call_safely(self.log)
            for handle in news:
                call_safely(handle.on_news)
            for handle in ended:
                call_safely(handle.on_ended)
        finally:
            _delivering.discard(thread)

    def log(self):
        records = self.queue.take_log()
        if records:
            from aiopool import _log

            _log.handle_all(records)

    def stop(self):
        self.is_stopping = True
        self.queue.wake()
        self.join()
        if self.spare is not None:
            self.spare.stop()


def call_safely(function):
    try:
        function()
    except BaseException:
        sys.excepthook(*sys.exc_info())


def is_callbacks_own(error):
    """Whether what a callback has raised goes no further: all but what may be meant for this thread,
    and that of the collector belongs to nobody."""
    return isinstance(error, Exception) or is_collector()


_lock = threading.Lock()
_collector = None
_delivering = set()  # of threads
_is_copy = False
_exit_functions = []
_has_exit_hook = False


def collector():
    global _collector
    if _is_copy:
        raise make_copy_error()
    if _collector is None:
        with _lock:
            if _collector is None:
                thread = Collector()
                thread.start()
                _collector = thread
    return _collector.queue


def other_collector():
    """That of a thread which is not this one: to wait here for what this one tells would be for ever."""
    collector()
    this = _collector
    while threading.current_thread() is this:
        if this.spare is None:
            this.spare = Collector()
            this.spare.start()
        this = this.spare
    return this.queue


def is_copy():
    """Whether this process is the child of a fork of one that has pools: nothing works here."""
    return _is_copy


def make_copy_error():
    return make_error(POOL_ERROR, _parent.POOL_FORKED,
                      "This process is a copy, made by fork(), of the one that has pools")


def when_told(handle, function):
    """Calls a function when the collector has told of all that ended before a handle, which has ended,
    and of what was logged before: by the collector, or at once if there is nothing to tell."""
    if _collector is None or is_collector():
        function()
        return
    handle._listen(lambda handle: function(), None)
    if not _collector.is_alive():  # at the very end of the program
        _collector.deliver()


def wait_until_told(handle):
    told = threading.Event()
    when_told(handle, told.set)
    while not told.wait(1):
        if not _collector.is_alive():
            _collector.deliver()


def is_collecting():
    return _collector is not None


def is_collector():
    """Whether this thread is at calling `on_ended`."""
    return threading.get_ident() in _delivering


# --- the end --------------------------------------------------------------------------------------


def exit_hook():
    global _has_exit_hook
    with _lock:
        if _has_exit_hook:
            return
        _has_exit_hook = True
    try:
        threading._register_atexit(end)
    except (AttributeError, RuntimeError):
        import atexit

        atexit.register(end)


def at_exit(function):
    _exit_functions.append(function)


def was_interrupted():
    """Whether the program ends because nobody has caught KeyboardInterrupt."""
    kind = getattr(sys, "last_type", None)
    return kind is not None and issubclass(kind, KeyboardInterrupt) and not hasattr(sys, "ps1")


def end():
    for function in _exit_functions:
        call_safely(function)
    for handle in _parent.leaving(was_interrupted()):
        handle.wait()
    if _collector is not None:
        _collector.stop()


def forget():
    global _collector, _is_copy, _lock
    _lock = threading.Lock()
    _is_copy = _parent.forget()
    if _is_copy:
        _collector = None
        _delivering.clear()
        _exit_functions.clear()


os.register_at_fork(after_in_child=forget)
