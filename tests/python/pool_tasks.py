# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the rich pool run in its workers."""

import asyncio
import contextvars
import functools
import logging
import os
import signal
import threading
import time

import aiopool


def add(a, b=0, *, c=0):
    return a + b + c


def keywords(*args, **kwargs):
    return args, kwargs


def sleep(seconds, value=None):
    time.sleep(seconds)
    return value


def wait_for_file(path):
    """Or for the end of the test, which removes the directory."""
    while not os.path.exists(path) and os.path.exists(os.path.dirname(path)):
        time.sleep(0.001)
    return path


def touch(path, text=""):
    with open(path, "a") as file:
        file.write(text)
    return os.getpid()


def touch_and_wait(path, other):
    touch(path)
    return wait_for_file(other)


def touch_and_spin(path):
    touch(path)
    while True:
        pass


def get_pid(*args):
    return os.getpid()


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def exit(status):
    os._exit(status)


class TwoArguments(Exception):
    def __init__(self, first, second):
        super().__init__(first)
        self.second = second


class NotPicklable(Exception):
    def __reduce__(self):
        raise TypeError("no")


def fail(error):
    raise error


def fail_oddly(kind):
    raise TwoArguments(1, 2) if kind == "two" else NotPicklable("text")


def fail_at(number, wrong):
    if number == wrong:
        raise ValueError(number)
    return number


def fail_in_a_chain():
    try:
        try:
            raise KeyError("root")
        except KeyError as error:
            error.add_note("a note")
            raise ValueError("middle") from error
    except ValueError:
        raise RuntimeError("top")


def fail_from_none():
    try:
        raise KeyError("root")
    except KeyError:
        raise RuntimeError("top") from None


def make_chained(text, error=None):
    try:
        try:
            raise KeyError(text)
        except KeyError as cause:
            raise error or ValueError(text) from cause
    except Exception as raised:
        raised.add_note(f"note of {text}")
        return raised


def fail_as_a_group(odd):
    inner = ExceptionGroup("inner", [make_chained("second", NotPicklable("odd") if odd else None)])
    raise ExceptionGroup("outer", [make_chained("first"), inner])


def fail_with(kind, number, wrong):
    if number == wrong:
        raise kind("on purpose")
    return number


def emit_and_fail_with(kind):
    aiopool.current_task().emit(1)
    raise kind("on purpose")


def give_lambda():
    return lambda: None


is_interrupted = False


def load_with_interrupt():
    """As if somebody pressed Ctrl-C the first time."""
    global is_interrupted
    is_interrupted = not is_interrupted
    if is_interrupted:
        raise KeyboardInterrupt
    return "loaded"


class InterruptedToLoad:
    def __reduce__(self):
        return load_with_interrupt, ()


def give_interrupted():
    return InterruptedToLoad()


class BadToLoad:
    def __reduce__(self):
        return fail, (ValueError("it cannot be loaded"),)


def give_bad():
    return BadToLoad()


def choose_fate(fate):
    """What can become of an item; or the item."""
    if fate == "raise":
        raise ValueError(fate)
    if fate == "stop":
        raise StopIteration
    if fate == "exit":
        raise SystemExit(1)
    return give_lambda if fate == "lambda" else threading.Lock() if fate == "lock" else fate


class BadToRead:
    """A worker cannot unpickle it."""

    def __reduce__(self):
        return fail, (ValueError("it cannot be read"),)


def get_function(*args):
    """By what name this task was called."""
    return aiopool.current_task().function


async def double_later(number):
    await asyncio.sleep(0)
    return 2 * number


@functools.lru_cache
def double_wrapped(number):
    """Nobody sees from outside that it gives a coroutine."""
    return double_later(number)


def count(number):
    for i in range(number):
        yield i
    return "end"


def count_and_fail(number):
    yield from count(number)
    raise ValueError("after the last")


def count_for_ever(path):
    i = 0
    try:
        while True:
            yield bytes(10_000) + str(i).encode()
            i += 1
    finally:
        touch(path, str(i))


async def count_async(number):
    for i in range(number):
        await asyncio.sleep(0)
        yield i


def emit(number):
    for i in range(number):
        aiopool.current_task().emit(i)
    return number


def tell(directory):
    task = aiopool.current_task()
    task.progress(0.25, "a quarter")
    touch(os.path.join(directory, "told"))
    wait_for_file(os.path.join(directory, "go"))
    return "done"


def tell_all():
    task = aiopool.current_task()
    task.progress(0.5, "half")
    task.progress(7)
    return task.function, task.cancelled, task.time_left, task.fds


def write_and_close():
    fd = aiopool.current_task().fds[0]
    os.write(fd, b"said")
    os.close(fd)


class Counter:
    start = 10

    def __init__(self, step):
        self.step = step

    def __call__(self, number):
        return number + self.step

    def add(self, number):
        return number + self.step

    @classmethod
    def add_to_start(cls, number):
        return cls.start + number

    @staticmethod
    def add_one(number):
        return number + 1


def log(level, name="pool.tasks"):
    logging.getLogger(name).log(level, "level %d", level)


def log_all_there_is():
    logger = logging.getLogger("pool.tasks")
    extra = {"user": "me", "sizes": (1, 2), "object": STATE.append, "text": "\ud800\0" + "x" * 5000}
    logger.warning("said %s\nin %d lines", "it", 2, extra=extra)
    try:
        {}["key"]
    except KeyError:
        logger.exception("failed", stack_info=True)
    logger.warning("too much", extra={"first": "x" * 20_000, "second": 2})
    logger.warning("a circle", extra={"circle": make_circle()})
    return time.time()


def make_circle():
    circle = []
    circle.append(circle)
    return circle


def log_once_each(number):
    for i in range(number):
        logging.getLogger("pool.tasks").warning("record %d", i)


async def meet(path, number):
    """Ends when so many run at once in this worker."""
    meet.n_here = getattr(meet, "n_here", 0) + 1
    while meet.n_here < number:
        await asyncio.sleep(0.001)
    return os.getpid()


async def add_async(a, b=0):
    await asyncio.sleep(0)
    return a + b


VARIABLE = contextvars.ContextVar("VARIABLE", default=0)


async def change_async(value):
    before = VARIABLE.get()
    VARIABLE.set(value)
    await asyncio.sleep(0)
    return before, VARIABLE.get()


def set_variable(value):
    VARIABLE.set(value)


def get_variable():
    return VARIABLE.get()


async def fail_async():
    raise ValueError("in a coroutine")


STATE = []


def initialize(*args, **kwargs):
    STATE.append((args, kwargs))


def get_state():
    return STATE


def finish(path, text="finished\n"):
    touch(path, text)


def nest(number):
    with aiopool.ProcessPool(1) as pool:
        return pool.run(add, number, 1)


def contend(lock, path, number):
    for i in range(number):
        with lock:
            with open(path) as file:
                value = int(file.read())
            with open(path, "w") as file:
                file.write(str(value + 1))


LOCK = None


def keep_lock(lock):
    global LOCK
    LOCK = lock


def use_lock(path, number):
    contend(LOCK, path, number)
