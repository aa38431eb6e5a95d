# SPDX-License-Identifier: LGPL-2.1-or-later
"""What introspection alone does not give Python; see docs/python.md.

Loaded by itself with "from gi.repository import Aiopool". Functions take and return Python values,
what takes long can be awaited, and what raises is told of. The methods as they are in C stay: those
that are called get_ or set_ are untouched, and a call with a callback is the one of C.
"""

import functools
import traceback
from asyncio import CancelledError, _get_running_loop, get_running_loop

from gi.module import get_introspection_module
from gi.overrides import override
from gi.repository import Gio, GLib

from ._aiopool_pack import pack, pack_keywords
from ._aiopool_results import (IO_ERROR, TimedOutError, as_glib_error, is_full, make_value, read,
                               translate)
from ._aiopool_unpack import unpack

Aiopool = get_introspection_module("Aiopool")

from . import _aiopool_await as waiting  # noqa: E402
from . import _aiopool_block as blocking  # noqa: E402
from ._aiopool_batch import Batch, Source, map_items  # noqa: E402
from ._aiopool_sets import FutureSet, as_seconds, link  # noqa: E402

__all__ = ["pack", "unpack", "Batch", "FutureSet", "Source"]

# Tasks ------------------------------------------------------------------------------------------


def name_function(function):
    """A function of Python by the name that a Python worker finds it under."""
    if isinstance(function, str):
        return function
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", "<lambda>")
    if not callable(function) or module is None:
        raise TypeError(f"a task is the name of a function or a function, "
                        f"not {type(function).__name__}")
    if "<" in name:
        raise ValueError(f"a worker cannot import {name} of {module}: "
                         f"a function must be at the top of its module, or of a class there")
    return f"{module}:{name}"


@override
class SharedData(Aiopool.SharedData):
    def __init__(self, data=None, **options):
        """Of anything with bytes, as an array."""
        if data is not None:
            if not isinstance(data, GLib.Bytes):
                data = GLib.Bytes.new(data if type(data) is bytes else memoryview(data).tobytes())
            options["bytes"] = data
        super().__init__(**options)


__all__.append("SharedData")

new_task = Aiopool.Task.new


@override
class Task(Aiopool.Task):
    def __init__(self, function=None, *arguments, **options):
        if function is None:
            super().__init__(**options)
            return
        if arguments and "arguments" in options:
            raise TypeError("arguments are given in one way or the other")
        options.setdefault("arguments", pack(arguments))
        keywords = options.get("keywords")
        if isinstance(keywords, dict):
            options["keywords"] = pack_keywords(keywords)
        super().__init__(function=name_function(function), **options)


__all__.append("Task")


def make_task(function, arguments, keywords):
    task = new_task(name_function(function), pack(arguments) if arguments else None)
    if keywords:
        task.set_keywords(pack_keywords(keywords))
    return task


def apply_options(task, options):
    for name, value in options.items():
        setattr(task.props, name, value)
    return task


# Futures ----------------------------------------------------------------------------------------


collect = Aiopool.Future.collect
chain = Aiopool.Future.chain


@override
class Future(Aiopool.Future):
    def wait(self, timeout=None):
        """Waits until the task has ended, at most timeout seconds; whether it has."""
        return blocking.in_slices(super().wait, as_seconds(timeout))

    def result(self, timeout=None):
        """Waits for the result, at most timeout seconds, and returns it as a Python value."""
        if not self.is_done() and not self.wait(timeout):
            raise TimedOutError("The task has not ended in time", IO_ERROR,
                                int(Gio.IOErrorEnum.TIMED_OUT))
        return read(self)

    def collect(self, timeout=None, cancellable=None):
        """As result(), for a wait that can be cancelled."""
        if cancellable is None:
            return self.result(timeout)
        try:
            return unpack(blocking.in_slices(
                lambda seconds: collect(self, seconds, cancellable), as_seconds(timeout)))
        except GLib.Error as error:
            if self.is_done():
                return read(self)
            raise translate(error) from None

    def collect_async(self, cancellable=None, callback=None, *user_data):
        if callback is not None:
            return super().collect_async(cancellable, callback, *user_data)
        return waiting.await_call(super().collect_async, Future.collect_finish,
                                  cancellable=cancellable)

    def collect_finish(self, result):
        try:
            return unpack(super().collect_finish(result))
        except GLib.Error as error:
            if self.is_done():
                return read(self)
            raise translate(error) from None

    def exception(self, timeout=None):
        """Waits for the end, and returns what result() would raise, or None."""
        try:
            self.result(timeout)
        except GLib.Error as error:
            if not self.is_done():
                raise
            return error
        return None

    def cancel(self, mode=Aiopool.CancelMode.FORCE):
        return super().cancel(mode)

    def add_done_callback(self, callback, *user_data):
        return waiting.call_in_loop(super().add_done_callback, waiting.keep_context(callback),
                                    *user_data)

    def map(self, flags, function=None, *user_data):
        """A future of what function(self) returns, which is any value. Called for a result only,
        unless flags, which may be left out, say otherwise."""
        return link(chain, self, flags, function, user_data, False)

    def chain(self, flags, function=None, *user_data):
        """As map(), but function(self) may return a future to go on with."""
        return link(chain, self, flags, function, user_data, True)

    def as_asyncio(self, *, cancel_on_await_cancel=False):
        """A future of the running event loop that ends as this one does."""
        loop = get_running_loop()
        waiter, _ = waiting.get_bridge(loop).add(loop, self, read)
        if cancel_on_await_cancel:
            cancel_with(self, waiter)
        return waiter

    def __await__(self):
        return waiting.wait_for(self, read)


__all__.append("Future")


def cancel_with(future, waiter):
    def on_waiter_done(waiter):
        if waiter.cancelled():
            future.cancel(Aiopool.CancelMode.FORCE)

    waiter.add_done_callback(on_waiter_done)


@override
class Promise(Aiopool.Promise):
    def __new__(cls, task=None):
        return Aiopool.Promise.new(task)

    def __init__(self, task=None):
        pass

    def resolve(self, value):
        """Keeps the promise with a Python value. One that cannot be packed is handed over as it
        is, within this process."""
        try:
            variant = pack(value)
        except (TypeError, ValueError, OverflowError):
            return super().resolve_value(make_value(value))
        return super().resolve(variant)

    def reject(self, error):
        """Breaks the promise with a GLib.Error, or with another exception."""
        return super().reject(as_glib_error(error))


__all__.append("Promise")


# Executors --------------------------------------------------------------------------------------


submit = Aiopool.Executor.submit
run = Aiopool.Executor.run


def guard_submit(function):
    """C sees an exception of do_submit() only if it is a GLib.Error."""
    @functools.wraps(function)
    def do_submit(self, task, cancellable):
        try:
            return function(self, task, cancellable)
        except GLib.Error:
            raise
        except Exception as error:
            waiting.report()
            raise as_glib_error(error) from error

    return do_submit


def split_task(function, arguments, keywords):
    """The task and cancellable of submit(task, cancellable) or submit(function, *arguments)."""
    if isinstance(function, Task):
        if keywords.keys() - {"cancellable"} or len(arguments) > 1:
            raise TypeError("a Task has its arguments already")
        return function, arguments[0] if arguments else keywords.get("cancellable")
    return make_task(function, arguments, keywords), None


def as_task(function, options):
    """The task of a batch; of its options these are the keywords of the function."""
    if isinstance(function, Task):
        if "keywords" in options:
            raise TypeError("a Task has its keywords already")
        return function
    return make_task(function, (), options.pop("keywords", None))


def submit_task(executor, task, cancellable):
    loop = _get_running_loop()
    try:
        if loop is None:
            return submit(executor, task, cancellable)
        return waiting.get_bridge(loop).call(submit, executor, task, cancellable)
    except GLib.Error as error:
        raise translate(error) from None


def run_task(executor, task, cancellable):
    try:
        future = submit(executor, task, cancellable)
    except GLib.Error as error:
        if not is_full(error):
            raise translate(error) from None
    else:
        return collect_value(future)
    try:  # waits for room
        return unpack(blocking.call(run, Aiopool.Executor.run_async, Aiopool.Executor.run_finish,
                                    executor, task, cancellable=cancellable))
    except GLib.Error as error:
        raise translate(error) from None


def collect_value(future):
    """As a foreign executor may need this thread's context, collect() may say WOULD_BLOCK."""
    try:
        return unpack(blocking.in_slices(lambda seconds: collect(future, seconds, None), -1))
    except GLib.Error as error:
        if future.is_done():
            return read(future)
        raise translate(error) from None


def submit_when_there_is_room(executor, task, cancellable):
    return waiting.await_call(Aiopool.Executor.submit_async, Aiopool.Executor.submit_finish,
                              executor, task, cancellable=cancellable, abandon=cancel_abandoned)


def cancel_abandoned(finish, executor, result):
    """Of a task that was submitted although nobody waits for that any more."""
    try:
        finish(executor, result).cancel()
    except GLib.Error:
        pass


async def run_when_there_is_room(executor, task, cancellable, cancels):
    future = await submit_when_there_is_room(executor, task, cancellable)
    return await future.as_asyncio(cancel_on_await_cancel=cancels)


def start_task(executor, task, cancellable, cancels):
    """Returns a future of asyncio."""
    loop = get_running_loop()
    bridge = waiting.get_bridge(loop)
    try:
        waiter, future = bridge.submit(loop, executor, task, cancellable, read)
    except GLib.Error as error:
        if is_full(error):
            return loop.create_task(run_when_there_is_room(executor, task, cancellable, cancels))
        waiter = loop.create_future()
        waiting.settle(waiter, raise_error, translate(error))
        return waiter
    if cancels:
        cancel_with(future, waiter)
    return waiter


def raise_error(error):
    raise error


def choose_flags(kind):
    if kind is not None and issubclass(kind, (KeyboardInterrupt, CancelledError)):
        return Aiopool.ShutdownFlags.CANCEL_PENDING | Aiopool.ShutdownFlags.TERMINATE
    return Aiopool.ShutdownFlags.DRAIN


def is_bare(arguments):
    """Whether these are a cancellable, a callback and its data."""
    return len(arguments) > 1 and callable(arguments[1])


@override
class Executor(Aiopool.Executor):
    def __init_subclass__(cls, **keywords):
        super().__init_subclass__(**keywords)
        if "do_submit" in cls.__dict__:
            cls.do_submit = guard_submit(cls.__dict__["do_submit"])

    def submit(self, function, *arguments, **keywords):
        """Submits a Task, or a function with its arguments, and returns a Future."""
        return submit_task(self, *split_task(function, arguments, keywords))

    def submit_async(self, function, *arguments, **keywords):
        """As submit(), but waits for room while the executor is full. To be awaited."""
        if is_bare(arguments):
            return super().submit_async(function, *arguments)
        return submit_when_there_is_room(self, *split_task(function, arguments, keywords))

    def submit_after(self, function, after, flags=Aiopool.ChainFlags.NONE, **keywords):
        """Submits a Task, or a function, when another future has ended with a result, which is
        what it is called with."""
        task = function if isinstance(function, Task) else make_task(function, (), keywords)
        if task is function and keywords:
            raise TypeError("a Task has its keywords already")
        return waiting.call_in_loop(super().submit_after, task, after, flags)

    def map(self, function, *iterables, **options):
        """Applies a Task, or a function, to each item, and returns a Batch with its results. Of
        several iterables, each call takes one item of each. Options are those of the batch."""
        return map_items(self, as_task(function, options), iterables, options)

    def starmap(self, function, items, **options):
        """As map(), of items that are tuples of arguments."""
        return map_items(self, as_task(function, options), (items,), options, unpack=True)

    def run(self, function, *arguments, **keywords):
        """Runs a Task, or a function with its arguments, and returns its result. Blocks."""
        return run_task(self, *split_task(function, arguments, keywords))

    def run_async(self, function, *arguments, **keywords):
        """Runs a Task, or a function with its arguments. To be awaited for the result."""
        if is_bare(arguments):
            return super().run_async(function, *arguments)
        return start_task(self, *split_task(function, arguments, keywords), False)

    def run_finish(self, result):
        try:
            return unpack(super().run_finish(result))
        except GLib.Error as error:
            raise translate(error) from None

    def options(self, **options):
        """submit(), run() and run_async() with options: those of a Task, a cancellable, and
        cancel_on_await_cancel."""
        return Options(self, options)

    def shutdown(self, flags=Aiopool.ShutdownFlags.DRAIN, cancellable=None):
        return blocking.call(Aiopool.Executor.shutdown, Aiopool.Executor.shutdown_async,
                             Aiopool.Executor.shutdown_finish, self, flags, cancellable=cancellable)

    def shutdown_async(self, flags=Aiopool.ShutdownFlags.DRAIN, cancellable=None, callback=None,
                       *user_data):
        if callback is not None:
            return super().shutdown_async(flags, cancellable, callback, *user_data)
        return waiting.await_call(super().shutdown_async, Aiopool.Executor.shutdown_finish, flags,
                                  cancellable=cancellable)

    def join(self, cancellable=None):
        return blocking.call(Aiopool.Executor.join, Aiopool.Executor.join_async,
                             Aiopool.Executor.join_finish, self, cancellable=cancellable)

    def test(self, cancellable=None):
        return blocking.call(Aiopool.Executor.test, Aiopool.Executor.test_async,
                             Aiopool.Executor.test_finish, self, cancellable=cancellable)

    def join_async(self, cancellable=None, callback=None, *user_data):
        if callback is not None:
            return super().join_async(cancellable, callback, *user_data)
        return waiting.await_call(super().join_async, Aiopool.Executor.join_finish,
                                  cancellable=cancellable)

    def test_async(self, cancellable=None, callback=None, *user_data):
        if callback is not None:
            return super().test_async(cancellable, callback, *user_data)
        return waiting.await_call(super().test_async, Aiopool.Executor.test_finish,
                                  cancellable=cancellable)

    # The end waits for all tasks, as that of an executor of concurrent.futures does, unless the
    # program, or the task of asyncio, is to stop.
    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        self.shutdown(choose_flags(kind))

    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, error, traceback):
        await self.shutdown_async(choose_flags(kind))


__all__.append("Executor")


class Options:
    """An executor, with options for each of its tasks."""

    def __init__(self, executor, options):
        self._executor = executor
        self._options = dict(options)
        self._cancellable = self._options.pop("cancellable", None)
        self._cancels = self._options.pop("cancel_on_await_cancel", False)

    def _make(self, function, arguments, keywords):
        if isinstance(function, Task):
            raise TypeError("a Task has its options already")
        return apply_options(make_task(function, arguments, keywords), self._options)

    def submit(self, function, *arguments, **keywords):
        return submit_task(self._executor, self._make(function, arguments, keywords),
                           self._cancellable)

    def _make_for_map(self, function, options):
        if isinstance(function, Task):
            raise TypeError("a Task has its options already")
        if self._cancellable is not None or self._cancels:
            raise TypeError("a batch is cancelled by its cancel()")
        return apply_options(as_task(function, options), self._options)

    def map(self, function, *iterables, **options):
        return map_items(self._executor, self._make_for_map(function, options), iterables, options)

    def starmap(self, function, items, **options):
        return map_items(self._executor, self._make_for_map(function, options), (items,), options,
                         unpack=True)

    def run(self, function, *arguments, **keywords):
        return run_task(self._executor, self._make(function, arguments, keywords),
                        self._cancellable)

    def run_async(self, function, *arguments, **keywords):
        return start_task(self._executor, self._make(function, arguments, keywords),
                          self._cancellable, self._cancels)


@override
class Pool(Aiopool.Pool):
    def __init__(self, max_workers=None, **options):
        if max_workers is not None:
            options["max_workers"] = max_workers
        for hook in ("initializer", "finalizer"):
            function = options.get(hook)
            if function is not None and not isinstance(function, Task):
                options[hook] = Task(function)
        super().__init__(**options)


__all__.append("Pool")


# Workers ----------------------------------------------------------------------------------------


def describe(error, depth=0):
    """An exception as an error info, with what caused it."""
    info = Aiopool.ErrorInfo.new(type(error).__qualname__, str(error))
    info.set_traceback("".join(traceback.format_exception(type(error), error,
                                                          error.__traceback__, chain=False)))
    notes = getattr(error, "__notes__", None)
    if notes:
        info.set_notes([str(note) for note in notes])
    if depth < 10 and error.__cause__ is not None:
        info.set_cause(describe(error.__cause__, depth + 1))
    if depth < 10 and error.__context__ is not None and not error.__suppress_context__:
        info.set_context(describe(error.__context__, depth + 1))
    return info


def guard_function(function):
    """A function of a service: returns any value that can be packed, and raises anything."""
    @functools.wraps(function)
    def call_function(call, arguments, *user_data):
        try:
            result = function(call, arguments, *user_data)
            return result if isinstance(result, GLib.Variant) else pack(result)
        except GLib.Error:
            raise
        except Exception as error:
            call.set_error_info(describe(error))
            raise as_glib_error(error) from error

    return call_function


def guard_async_function(function):
    """A function of a service that answers later: what it raises is the answer."""
    @functools.wraps(function)
    def call_function(call, arguments, *user_data):
        try:
            function(call, arguments, *user_data)
        except Exception as error:
            call.return_error(error)

    return call_function


@override
class Service(Aiopool.Service):
    def add_async(self, name, function, *user_data):
        """Adds function(call, arguments), which has the call answered later."""
        super().add_async(name, guard_async_function(function), *user_data)

    def add(self, name, function, *user_data):
        """Adds function(call, arguments), which returns any value that can be packed."""
        super().add(name, guard_function(function), *user_data)

    def function(self, function=None, *, name=None):
        """Adds function(*arguments, **keywords), as a decorator: @service.function."""
        if function is None:
            return functools.partial(self.function, name=name)

        def call_function(call, arguments):
            keywords = call.get_keywords()
            arguments = unpack(arguments)
            if not isinstance(arguments, tuple):
                arguments = (arguments,)
            return function(*arguments, **(unpack(keywords) if keywords is not None else {}))

        self.add(name or function.__name__, call_function)
        return function


__all__.append("Service")


@override
class Call(Aiopool.Call):
    def emit(self, value):
        """Sends a partial result: any value that can be packed."""
        return super().emit(pack(value))

    def return_value(self, value):
        """Answers with any value that can be packed."""
        super().return_value(pack(value))

    def return_error(self, error):
        """Answers with a GLib.Error, or with another exception."""
        if not isinstance(error, GLib.Error):
            self.set_error_info(describe(error))
        super().return_error(as_glib_error(error))


__all__.append("Call")
