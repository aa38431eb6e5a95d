#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rows of docs/faults.md, for the faces of Python: what programs do around their pools, large results,
and in which threads their objects go."""

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

HERE = str(Path(__file__).resolve().parent)
sys.path[:1] = [HERE, str(Path(HERE).parent)]

import fault_case  # noqa: E402
import fault_tasks as tasks  # noqa: E402
from fault_case import (  # noqa: E402
    FACTOR, expect_raise, main, make_path, read, row, wait_for_file, wait_until)
from fault_faces import DROP_IN, GOBJECT, LIMIT, PACKAGE, PAIR, PLAIN, RICH, THREE  # noqa: E402

LARGE = 200 << 20
WORDS = {DROP_IN: "DROP_IN", RICH: "RICH", PLAIN: "PLAIN", GOBJECT: "GOBJECT"}


def get_memory(field):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024


def reset_peak():
    Path("/proc/self/clear_refs").write_text("5")


@row("/python/row-22-large-result", RICH, GOBJECT)
def large_result(face):
    """Twice its size at most: as it came, and as bytes have to be."""
    pool = face.make()
    face.expect_good(pool)
    reset_peak()
    before = get_memory("VmHWM")
    result = face.run(pool, tasks.give_bytes, LARGE)
    assert len(result) == LARGE
    used = get_memory("VmHWM") - before
    assert used < 2.1 * LARGE, used
    del result
    face.end(pool)


@row("/python/row-22-large-result-in-a-loop", RICH, DROP_IN)
def large_result_in_a_loop(face):
    """No step of the loop takes more than 50 milliseconds of processor time."""
    longest = 0

    async def beat():
        nonlocal longest
        while True:
            start = time.thread_time()
            await asyncio.sleep(0.001)
            longest = max(longest, time.thread_time() - start)

    def run(function, *arguments):
        if face is RICH:
            return pool.run(function, *arguments)
        return asyncio.get_running_loop().run_in_executor(pool, function, *arguments)

    async def work(kind):
        nonlocal longest
        await run(abs, 1)
        beating = asyncio.create_task(beat())
        await asyncio.sleep(0.01)
        longest = 0
        assert len(await run(tasks.give, kind, LARGE)) == LARGE
        await asyncio.sleep(0.01)
        beating.cancel()
        assert longest < 0.05 * FACTOR, (kind, longest)

    pool = face.make()
    for kind in ("memoryview", "bytes"):
        asyncio.run(work(kind))
    face.end(pool)


@row("/python/row-22-too-large-result", RICH, GOBJECT)
def too_large_result(face):
    pool = face.make(max_result_size=1 << 20)
    pid = face.get_pid(pool)
    error = face.get_error(face.submit(pool, tasks.give_bytes, 2 << 20))
    assert "2097" in str(error) and str(1 << 20) in str(error), error
    assert face.get_pid(pool) == pid
    assert len(face.run(pool, tasks.give_bytes, 1 << 19)) == 1 << 19
    face.end(pool)


# --- locks at a fork ------------------------------------------------------------------------------


@row("/python/row-50-locks-are-held-at-a-start", *THREE)
def locks_are_held_at_a_start(face):
    """By another thread, of all that a program may have; a worker is no copy and has none of them."""
    import logging

    handler = logging.StreamHandler()
    logging.getLogger().addHandler(handler)
    is_held, is_over = threading.Event(), threading.Event()

    def hold():
        with logging._lock, handler.lock:
            is_held.set()
            is_over.wait(LIMIT)

    thread = threading.Thread(target=hold)
    pool = face.make(2)
    thread.start()
    is_held.wait(LIMIT)
    pids = {face.get_result(future) for future in [face.submit(pool, tasks.log_and_get_pid)
                                                   for _ in range(4)]}
    assert os.getpid() not in pids
    is_over.set()
    thread.join()
    face.end(pool)


# --- pools in workers -----------------------------------------------------------------------------


@row("/python/row-72-pool-in-a-worker", *THREE)
def pool_in_a_worker(face):
    pool = face.make()
    assert face.run(pool, tasks.nest, WORDS[face], 2) not in (os.getpid(), face.get_pid(pool))
    face.end(pool)


@row("/python/row-72-worker-with-a-pool-is-killed", *THREE)
def worker_with_a_pool_is_killed(face):
    """Its own workers go, too."""
    path = make_path("pid")
    pool = face.make()
    future = face.submit(pool, tasks.nest_and_die, WORDS[face], path)
    pidfd = os.pidfd_open(int(read(wait_for_file(path))))
    face.expect_crash(future, "signal 9")
    fault_case.expect_gone([pidfd])
    face.expect_after_death(pool)
    face.end(pool)


# --- locks and queues of multiprocessing ----------------------------------------------------------


def make_shared(face):
    """The tracker of multiprocessing is a process that stays, and so is some memory."""
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    return context.Lock(), context.SimpleQueue(), context.Value("i", 0)


@row("/python/row-73-locks-and-queues", *PACKAGE, prepare=make_shared)
def use_locks_and_queues(face):
    import multiprocessing

    path = make_path("inside")
    for method in ("spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        values = context.Lock(), context.SimpleQueue(), context.Value("i", 0)
        pool = face.make(2, initializer=tasks.keep, initargs=values)
        for future in [face.submit(pool, tasks.use_lock, path) for _ in range(10)]:
            face.get_result(future)
        face.run(pool, tasks.put, [method])
        assert values[1].get() == [method]
        assert values[2].value == 1
        face.end(pool)
        values[1].close()


@row("/python/row-73-locks-of-a-fork-context", *PACKAGE)
def locks_of_a_fork_context(face):
    """Refused where the pool is made."""
    import multiprocessing

    lock = multiprocessing.get_context("fork").Lock()
    error = expect_raise(ValueError, face.make, initializer=tasks.keep, initargs=(lock,))
    assert "spawn" in str(error), error


@row("/python/row-73-worker-dies-with-a-lock", *PAIR, prepare=make_shared)
def die_with_a_lock(face):
    """The lock stays held, which is the program's; the pool goes on."""
    import multiprocessing

    lock = multiprocessing.get_context("spawn").Lock()
    pool = face.make(initializer=tasks.keep, initargs=(lock,))
    future = face.submit(pool, tasks.hold_lock_and_die, make_path("pid"))
    face.expect_crash(future, "signal 9")
    assert not lock.acquire(block=False)
    face.expect_after_death(pool)
    face.end(pool)


# --- programs without a guard ---------------------------------------------------------------------

UNGUARDED = """
import sys
sys.path.insert(0, {here!r})
import fault_faces
face = fault_faces.{face}
def work(): pass
with open({path!r}, "a") as file:
    file.write("x")
pool = face.make(2)
print(repr(face.get_error(face.submit(pool, work))), flush=True)
face.end(pool)
"""


@row("/python/row-74-no-main-guard", *THREE)
def no_main_guard(face):
    """A clear error, and no worker but those of the program."""
    path, program = make_path("starts"), make_path("program.py")
    Path(program).write_text(UNGUARDED.format(here=HERE, face=WORDS[face], path=path))
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=LIMIT,
                          check=False)
    assert '__name__ == "__main__"' in done.stdout or "__main__" in done.stdout, done
    assert len(read(path)) <= 3, read(path)


# --- where objects go -----------------------------------------------------------------------------


def has_gone(wanted):
    gc.collect()  # again and again: a cycle may have been in use by another thread
    return {what for what, name, is_known in tasks.gone} >= set(wanted)


def expect_known_here(*wanted):
    """When the thread that tells of ends has let go of what it told of."""
    wait_until(lambda: has_gone(wanted), f"that all of {wanted} goes")
    expect_known(tasks.take_gone(), wanted)


def expect_known(gone, wanted):
    """All in threads that Python has made, and none of the library's."""
    assert {what for what, name, is_known in gone} >= set(wanted), gone
    for what, name, is_known in gone:
        assert is_known and name not in ("aiopool", "gmain"), (what, name)


def use_telling_objects(face, pool):
    tells = tasks.Tells()
    futures = [face.submit(pool, tells, tasks.Tells()), face.submit(pool, tells.method),
               face.submit(pool, partial(tells, tasks.Tells("keyword"))),
               face.submit(pool, tasks.raise_telling),
               face.submit(pool, len, memoryview(tasks.TellingBytes(300_000))),
               face.submit(pool, tasks.crash_c, tasks.Tells())]
    for future in futures[:4]:
        face.add_callback(future, lambda future, kept=tasks.Tells("closure"): None)
    waiting = [face.submit(pool, tasks.nap, 0.001) for _ in range(5)]
    waiting += [face.submit(pool, tells, tasks.Tells("cancelled")) for _ in range(5)]
    for future in waiting[5:]:
        face.cancel(future)
    for future in futures:
        face.get_error(future)
    return futures


@row("/python/row-64-where-objects-go", *PACKAGE)
def where_objects_go(face):
    """__del__ of arguments, results, exceptions, callables and callbacks, however it is that they are
    dropped, and callbacks themselves: never on a thread of the library."""
    called = []
    for way in ("end", "drop", "terminate"):
        pool = face.make(initializer=tasks.keep, initargs=(tasks.Tells("initializer"),))
        futures = use_telling_objects(face, pool)
        face.add_callback(futures[0], lambda future: (tasks.tell_thread("callback"), called.append(way)))
        wait_until(lambda: called[-1:] == [way], "the callback")
        if way == "end":
            face.end(pool)
        elif way == "terminate" and face is RICH:
            pool.shutdown(terminate=True)
        del pool, futures
        expect_known_here("argument", "result", "exception", "closure", "callback", "keyword",
                          "cancelled", "buffer", "initializer")


@row("/python/row-64-where-items-of-a-stream-go", RICH)
def where_items_of_a_stream_go(face):
    told = []

    def on_progress(future, kept=tasks.Tells("closure")):
        tasks.tell_thread("progress")
        told.append(1)

    pool = face.make()
    for item in pool.stream(tasks.emit_telling, 10):
        pass
    stream = pool.stream(tasks.emit_telling, 10_000)
    next(stream)
    del stream, item
    pool.options(on_progress=on_progress).run(tasks.make_progress, 5)
    wait_until(lambda: told, "the progress")
    results = pool.map(tasks.Tells("function"), [tasks.Tells("item") for _ in range(50)])
    next(results)
    del results, on_progress
    face.end(pool)
    expect_known_here("item", "result", "function", "progress")


@row("/python/row-64-where-objects-go-in-a-loop", RICH)
def where_objects_go_in_a_loop(face):
    """All of it in the thread of the loop."""
    pool = face.make()

    async def work():
        tells = tasks.Tells()
        results = await asyncio.gather(*[pool.run(tells, tasks.Tells()) for _ in range(20)])
        future = pool.submit(tells)
        future.add_callback(lambda future: tasks.tell_thread("callback"))
        await future
        await asyncio.sleep(0)
        return len(results)

    assert asyncio.run(work()) == 20
    expect_known_here("argument", "result", "callback")
    face.end(pool)


def iterate_until(face, check):
    def step():
        while face.GLib.MainContext.default().iteration(False):
            pass
        return check()

    wait_until(step, "what the main context shall hear of")


@row("/python/row-64-where-objects-of-a-gobject-go", GOBJECT)
def where_objects_of_a_gobject_go(face):
    """Closures, memory that arguments are made of, and what workers give."""
    main = threading.get_ident()
    threads = []
    pool = face.make()
    futures = [pool.submit(tasks.get_size, tasks.TellingBytes(300_000)),
               pool.submit(len, tasks.make_telling_array(30_000)), pool.submit(tasks.nap, 0.001)]
    for future in futures:
        future.add_done_callback(lambda future, kept=tasks.Tells("closure"): (
            threads.append(threading.get_ident()), tasks.tell_thread("callback")))
    del future
    iterate_until(face, lambda: len(threads) == 3)
    assert threads == 3 * [main]
    for size in (10, 5_000, 100_000):  # what a worker makes its results of
        assert len(face.run(pool, tasks.make_telling_array, size)) == size
        face.run(pool, tasks.nap, 0.002)
    expect_known(face.run(pool, tasks.take_gone), ("array",))
    unheard = [pool.submit(tasks.nap, 0.001) for _ in range(20)]
    for future in unheard:
        future.add_done_callback(lambda future, kept=tasks.Tells("closure"): None)
    del pool, futures, unheard, future
    iterate_until(face, lambda: sum(entry[0] == "closure" for entry in tasks.gone) >= 23)
    expect_known_here("buffer", "array", "closure", "callback")


if __name__ == "__main__":
    main()
