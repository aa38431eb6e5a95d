# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of faults have their workers do, besides worker_tasks and executor_tasks."""

import os
import signal
import sys
import threading
import time

from executor_tasks import append
from worker_tasks import crash_c, end, kill, nap  # noqa: F401


def mark_and_kill(path):
    append(path, "x")
    os.kill(os.getpid(), signal.SIGKILL)


def mark(path, text):
    append(path, text)
    return os.getpid()


def get_size(*values):
    return sum([len(value) for value in values])


def give_bytes(size):
    return bytes(size)


def leave(number):
    raise SystemExit(number)


def leave_by_exit(text):
    sys.exit(text)


def interrupt():
    raise KeyboardInterrupt


def hold_interpreter(path):
    """In a call of C that keeps the interpreter's lock."""
    import ctypes

    open(path, "w").close()
    ctypes.PyDLL(None).sleep(1000)


def sleep_for_ever(path):
    open(path, "w").close()
    time.sleep(1000)


def give_until_killed(seconds, size):
    """By an alarm, which needs no thread and no lock, while the result is made and sent, or later."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-6))
    return bytes(size)


def hang(path):
    append(path, f"{os.getpid()}\n")
    while True:
        time.sleep(1000)


def fail(text):
    raise ValueError(text)


def kill_self():
    os.kill(os.getpid(), signal.SIGKILL)


def mark_slowly(path):
    append(path, "x")
    time.sleep(0.003)
    return os.getpid()


# --- values that do something when they are pickled or unpickled ----------------------------------


def act(deed):
    if deed == "error":
        raise ValueError("on purpose")
    if deed == "exit":
        sys.exit(9)
    if deed == "os._exit":
        os._exit(9)
    crash_c()


class Acts:
    def __init__(self, moment, deed):
        self.moment = moment
        self.deed = deed

    def __reduce__(self):
        if self.moment == "pickle":
            act(self.deed)
        return act, (self.deed,)


class ActsAndFails(Acts, Exception):
    pass


def give_acting(moment, deed):
    return Acts(moment, deed)


def fail_acting(moment, deed):
    raise ActsAndFails(moment, deed)


class TwoArguments(Exception):
    def __init__(self, first, second):
        super().__init__(first)
        self.second = second


class NoPickle(Exception):
    def __init__(self, text):
        super().__init__(text, threading.Lock())


class OnlyInWorkers(Exception):
    def __reduce__(self):
        return make_in_a_worker, self.args


def make_in_a_worker(text):
    import aiopool

    if not aiopool.is_worker():
        sys.exit(9)
    return OnlyInWorkers(text)


def fail_at_home():
    raise OnlyInWorkers("the text")


def fail_with_two_arguments():
    raise TwoArguments("one", "two")


def fail_without_pickle():
    raise NoPickle("the text")


def fail_in_a_group():
    raise ExceptionGroup("group", [TwoArguments(1, 2), NoPickle("the text"), ValueError("plain")])


def raise_no_exception():
    raise None


def raise_a_text():
    raise "a text"


def give_lock():
    return threading.Lock()


def give_local():
    return lambda: None


def give_generator_in_a_list():
    return [(number for number in range(3))]


def give_deep():
    value = []
    for _ in range(100_000):
        value = [value]
    return value


# --- what workers do when their parent dies -------------------------------------------------------


def be_busy(deed, path):
    """Tells its process, and never ends."""
    tell_pid(path)
    if deed == "sleep":
        time.sleep(1000)
    if deed == "call":  # in C, with the interpreter's lock
        import ctypes

        ctypes.PyDLL(None).sleep(1000)
    if deed == "match":  # the same, and it burns
        import re

        re.match(r"(a*)*$", 64 * "a" + "b")
    while True:
        pass


async def be_busy_in_a_loop(path):
    import asyncio

    tell_pid(path)
    while True:
        await asyncio.sleep(0)


def be_deaf(path):
    """Handles whatever can be handled, and has a child of its own."""
    for number in range(1, signal.NSIG):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    if os.fork() == 0:
        tell_pid(path + ".child")
        while True:
            pass
    be_busy("spin", path)


def tell_pid(path):
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(str(os.getpid()))
    os.rename(path + ".new", path)


def meet(path, go):
    tell_pid(path)
    while not os.path.exists(go):
        time.sleep(0.0005)


def heed_interrupts():
    """As a task may want to be interrupted."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
    finally:
        signal.signal(signal.SIGINT, before)


def mark_line(path, text):
    append(path, text + "\n")
    return text


def wait_and_mark(path, go, text):
    while not os.path.exists(go):
        time.sleep(0.0005)
    append(path, text)
    return text


# --- objects that tell where they go --------------------------------------------------------------

gone = []  # names of the threads of the kernel, and whether Python knows them


def tell_thread(what):
    with open(f"/proc/self/task/{threading.get_native_id()}/comm") as file:
        name = file.read().strip()
    is_known = not isinstance(threading.current_thread(), threading._DummyThread)
    gone.append((what, name, is_known))


class Tells:
    """Also as a function, as a result, and when it is unpickled there."""

    def __init__(self, what="argument"):
        self.what = what

    def __reduce__(self):
        return Tells, (self.what,)

    def __call__(self, *args):
        return Tells("result")

    def method(self, *args):
        return [Tells("result") for _ in range(10)]

    def __del__(self):
        tell_thread(self.what)


class TellingError(Exception):
    def __del__(self):
        tell_thread("exception")


class TellingBytes(bytearray):
    def __del__(self):
        tell_thread("buffer")


def make_telling_array(size):
    from array import array

    class TellingArray(array):
        def __del__(self):
            tell_thread("array")

    return TellingArray("d", bytes(8 * size))


def raise_telling():
    raise TellingError


def emit_telling(number):
    for _ in range(number):
        yield Tells("item")


def take_gone():
    """As variants can have it."""
    taken = [list(entry) for entry in gone]
    gone.clear()
    return taken


def check_no_threads():
    """No Python code but of this thread has run, that is no other thread is known."""
    return len(sys._current_frames()), threading.active_count()


def give(kind, size):
    if kind == "memoryview":
        return memoryview(bytearray(size))
    if kind == "array":
        import numpy

        return numpy.zeros(size, dtype="u1")
    return (bytearray if kind == "bytearray" else bytes)(size)


# --- pools in workers, and locks ------------------------------------------------------------------


def nest(face_name, depth):
    """As many pools, one in the other."""
    import fault_faces

    if depth == 0:
        return os.getpid()
    face = getattr(fault_faces, face_name)
    pool = face.make()
    pid = face.run(pool, nest, face_name, depth - 1)
    face.end(pool)
    return pid


def nest_and_die(face_name, path):
    """With a pool at work, and what that has to do with."""
    import fault_faces

    pool = getattr(fault_faces, face_name).make()
    future = pool.submit(be_busy, "spin", path)
    while not os.path.exists(path):
        time.sleep(0.0005)
    os.kill(os.getpid(), signal.SIGKILL)
    return future


shared = None


def keep(*values):
    global shared
    shared = values


def use_lock(path):
    """Nobody else is inside."""
    with shared[0]:
        with open(path, "x", encoding="ascii"):
            time.sleep(0.001)
        os.unlink(path)


def put(value):
    shared[1].put(value)
    shared[2].value += 1


def hold_lock_and_die(path):
    shared[0].acquire()
    tell_pid(path)
    os.kill(os.getpid(), signal.SIGKILL)


def log_and_get_pid():
    import logging

    logging.getLogger("faults").debug("not heard")
    return os.getpid()


def make_progress(number):
    import aiopool

    for step in range(number):
        aiopool.current_task().progress(step / number)
