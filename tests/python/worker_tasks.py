# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the Python worker run in it."""

import os
import signal
import sys
import time


def answer(*args, **keywords):
    return [list(args), keywords]


def echo(value):
    return value


def read_shared():
    from aiopool import current_task

    view = current_task().shared_data
    return None if view is None else (bytes(view[:4]), len(view), view.readonly)


def type_name(value):
    return type(value).__name__


def module_names():
    return sorted(sys.modules)


def settings():
    return [sys.path, sys.argv, list(sys.orig_argv), sys.flags.utf8_mode, sys.flags.optimize]


class Calculator:
    class Inner:
        @staticmethod
        def double(value):
            return 2 * value


def odd_value(kind):
    values = {
        "object": object(),
        "large int": 1 << 70,
        "surrogate": "\ud800",
        "nul": "a\0b",
        "mixed keys": {1: 2, "a": 3},
        "complex": 1j,
        "deep": deep(60),
        "cycle": cycle(),
    }
    return values[kind]


def deep(depth):
    return [deep(depth - 1)] if depth else []


def cycle():
    items = []
    items.append(items)
    return items


# --- failures -------------------------------------------------------------------------------------


class TwoArguments(Exception):
    def __init__(self, first, second):
        super().__init__(first)
        self.second = second


class NotPicklable(Exception):
    def __reduce__(self):
        raise TypeError("no")


class NoText(Exception):
    def __str__(self):
        raise ValueError("no text")


class Liar(Exception):
    def __reduce__(self):
        return str, ("not an exception",)


class Kept(Exception):
    def __init__(self, number, word):
        super().__init__(number, word)
        self.number = number
        self.word = word


def fail(kind):
    if kind == "kept":
        error = Kept(7, "seven")
        error.add_note("a note")
        raise error
    raise {
        "two": lambda: TwoArguments(1, 2),
        "not picklable": lambda: NotPicklable("text"),
        "no text": lambda: NoText(),
        "liar": lambda: Liar("text"),
        "huge": lambda: ValueError("x" * 5_000_000),
        "nul": lambda: ValueError("a\0b\udc80"),
        "system exit": lambda: SystemExit(3),
        "interrupt": lambda: KeyboardInterrupt(),
        "memory": lambda: MemoryError(),
        "stop": lambda: StopIteration(5),
    }[kind]()


def fail_in_a_chain():
    try:
        try:
            raise KeyError("root")
        except KeyError as error:
            raise ValueError("middle") from error
    except ValueError:
        raise RuntimeError("top")


def fail_in_a_circle():
    first, second = ValueError("first"), ValueError("second")
    first.__cause__ = second
    second.__cause__ = first
    raise first


def fail_with_glib_error():
    import gi

    gi.require_version("Gio", "2.0")
    from gi.repository import Gio

    Gio.File.new_for_path("/nonexistent/file").load_contents(None)


class BadToLoad:
    def __reduce__(self):
        return raise_value_error, ()


class ExitsOnLoad:
    def __reduce__(self):
        return sys.exit, (9,)


class CrashesOnLoad:
    def __reduce__(self):
        return os._exit, (9,)


class CrashesOnDump:
    def __reduce__(self):
        os._exit(5)


class FailsOnDump:
    def __reduce__(self):
        raise ValueError("not me")


class ExitsOnDump:
    def __reduce__(self):
        sys.exit(4)


def raise_value_error():
    raise ValueError("raised while unpickling")


def make(name):
    return globals()[name]()


def lock():
    import threading

    return threading.Lock()


def recurse():
    return recurse()


# --- ends -----------------------------------------------------------------------------------------


def end(status):
    os._exit(status)


def kill(number):
    os.kill(os.getpid(), number)
    time.sleep(60)


def nap(seconds):
    time.sleep(seconds)
    return os.getpid()


def crash_c():
    import ctypes

    ctypes.string_at(8)


def spin(path):
    open(path, "w").close()
    while True:
        pass


def spin_deaf(path):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    spin(path)


def wait_for_cancel(path):
    import aiopool

    task = aiopool.current_task()
    open(path, "w").close()
    while not task.cancelled:
        time.sleep(0.001)
    task.check()


def interrupt_self():
    os.kill(os.getpid(), signal.SIGINT)
    return "still here"


def fork(kind):
    """The status of a copy of this worker."""
    import aiopool

    pid = os.fork()
    if pid == 0:
        if kind == "exit":
            sys.exit(3)
        if kind == "emit":
            aiopool.current_task().emit(1)
        if kind == "raise":
            raise ValueError("# in the copy")
        return "not the answer"
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def fork_and_yield():
    pid = os.fork()
    if pid == 0:
        return "not the answer"
    yield os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run_multiprocessing(method):
    import multiprocessing

    context = multiprocessing.get_context(method)
    with context.Pool(1) as pool:
        return pool.apply(abs, (-5,))


def leave_thread():
    import threading

    threading.Thread(target=time.sleep, args=(60,)).start()
    return os.getpid()


def write(text):
    print(text, flush=True)
    print(text, file=sys.stderr, flush=True)


def close_outputs():
    os.close(1)
    os.close(2)
    return "done"


# --- the task -------------------------------------------------------------------------------------


def tell():
    import aiopool

    task = aiopool.current_task()
    task.progress(0.25, "a quarter")
    task.emit({"n": 1})
    task.progress(0.5)
    return [task.function, task.cancelled, task.time_left]


def log_all():
    import logging

    log = logging.getLogger("some.logger")
    log.warning("one %s", "warning")
    log.info("not heard")
    logging.basicConfig(level=logging.DEBUG)
    log.debug("heard")
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("failed")


def make_pool():
    import gi

    gi.require_version("Aiopool", "1")
    from gi.repository import Aiopool, GLib

    launcher = Aiopool.Launcher.new_for_python(None)
    pool = Aiopool.Pool(max_workers=1, launcher=launcher)
    return pool.run(Aiopool.Task.new("operator:add", GLib.Variant("(ii)", (40, 2))), None)


def count(n):
    for number in range(n):
        yield number
    return "counted"


def count_and_fail(n):
    yield from range(n)
    raise ValueError("after the last")


def count_for_ever(path):
    number = 0
    try:
        while True:
            yield "x" * 1000
            number += 1
    finally:
        with open(path, "w") as file:
            file.write(str(number))


# --- coroutines -----------------------------------------------------------------------------------

waiting = []


async def meet(n):
    """Returns when n of them are here."""
    import asyncio

    waiting.append(n)
    while len(waiting) < n:
        await asyncio.sleep(0)
    return len(waiting)


async def sleep_for_ever(path):
    import asyncio

    open(path, "w").close()
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        open(path + ".cancelled", "w").close()
        raise


async def shrug_off_cancel(path):
    import asyncio

    open(path, "w").close()
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return "kept"


async def tell_later():
    import asyncio

    import aiopool

    await asyncio.sleep(0)
    task = aiopool.current_task()
    task.progress(0.75, "later")
    return task.function


def run_a_loop():
    import asyncio

    return asyncio.run(asyncio.sleep(0.001, "ran"))


async def fail_later():
    import asyncio

    await asyncio.sleep(0)
    raise ValueError("later")


async def count_later(n):
    import asyncio

    for number in range(n):
        await asyncio.sleep(0)
        yield number


# --- buffers --------------------------------------------------------------------------------------

kept = []


def add_in_place(array, number):
    array += number
    return array


def get_address(array):
    return array.ctypes.data


def keep(value):
    kept.append(value)


def look():
    return bytes(kept[0][:10])


def emit_large(size):
    import aiopool

    aiopool.current_task().emit(b"e" * size)
