#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rows of docs/faults.md, for the faces of Python: futures, callbacks, and the end of a pool."""

import gc
import itertools
import logging
import os
import random
import sys
import threading
import time
import weakref
from pathlib import Path

HERE = str(Path(__file__).resolve().parent)
sys.path[:1] = [HERE, str(Path(HERE).parent)]

import fault_tasks as tasks  # noqa: E402
from fault_case import (  # noqa: E402
    FACTOR, expect_raise, main, make_path, read, row, wait_for_file, wait_until)
from fault_faces import (  # noqa: E402
    ALL, DROP_IN, GOBJECT, LIMIT, PACKAGE, PAIR, PLAIN, RICH, THREE)


def hold(face, pool):
    """A task that runs until the function is called, which is returned with its future."""
    path, go = make_path("pid"), make_path("go")
    Path(path).unlink(missing_ok=True)
    Path(go).unlink(missing_ok=True)
    future = face.submit(pool, tasks.meet, path, go)
    wait_for_file(path)
    return future, lambda: Path(go).touch()


@row("/python/row-57-shutdown-without-waiting", *PACKAGE)
def shutdown_without_waiting(face):
    path = make_path("marks")
    pool = face.make()
    running, release = hold(face, pool)
    waiting = [face.submit(pool, tasks.mark, path, "x") for _ in range(20)]
    face.end_later(pool)
    face.expect_closed(pool)
    release()
    for future in (running, *waiting):
        face.get_result(future)
    assert read(path) == 20 * "x"
    face.end(pool)


@row("/python/row-58-submit-cancel-shutdown", *PAIR)
def submit_cancel_shutdown(face):
    """CPython's gh-94440: what was cancelled must wake whoever dispatches, lest the end not come."""
    for _ in range(40):
        pool = face.make()
        future = face.submit(pool, pow, 2, 5)
        was_cancelled = face.cancel(future)
        face.end(pool)
        assert was_cancelled == face.is_cancelled(future)
        assert was_cancelled or face.get_result(future) == 32


@row("/python/row-58-shutdown-then-cancel", *PAIR)
def shutdown_then_cancel(face):
    pool = face.make()
    running, release = hold(face, pool)
    waiting = [face.submit(pool, pow, 2, 5) for _ in range(100)]
    face.end_later(pool)
    assert all([face.cancel(future) for future in waiting])
    release()
    face.end(pool)
    assert all([face.is_cancelled(future) for future in waiting])
    assert face.get_error(running) is None


@row("/python/row-58-many-cancels-then-shutdown", *PACKAGE)
def many_cancels_then_shutdown(face):
    pool = face.make(2)
    futures = [face.submit(pool, pow, number, 2) for number in range(1000)]
    random.shuffle(order := list(range(1000)))
    cancelled = {number for number in order[:500] if face.cancel(futures[number])}
    face.end(pool)
    for number, future in enumerate(futures):
        if number in cancelled:
            assert face.is_cancelled(future)
        else:
            assert face.get_result(future) == number ** 2


@row("/python/row-59-cancel-at-start-and-finish", *THREE)
def cancel_at_start_and_finish(face):
    """One of cancelled and done, and told once; what was cancelled before it started has not run. The
    moment moves until both come first about as often."""
    path = make_path("marks")
    pool = face.make()
    face.expect_good(pool)
    outcomes, told = [], []
    delay = 0.0002
    for number in range(300):
        future = face.submit(pool, tasks.mark_line, path, str(number))
        if number % 2 and face is not GOBJECT:
            face.add_callback(future, lambda future, number=number: told.append(number))
        end = time.perf_counter() + delay * random.uniform(0.5, 1.5)
        while time.perf_counter() < end:
            pass
        was_cancelled = face.cancel(future)
        delay *= 1.1 if was_cancelled else 0.9
        outcomes.append((was_cancelled, future))
    for number, (was_cancelled, future) in enumerate(outcomes):
        error = face.get_error(future)
        assert (error is not None) == was_cancelled == face.is_cancelled(future), (number, error)
    face.end(pool)
    ran = read(path).split()
    wanted = [str(number) for number, (was_cancelled, future) in enumerate(outcomes)
              if not was_cancelled]
    assert ran == wanted
    assert 0 < len(ran) < 300, len(ran)
    if face is not GOBJECT:
        wait_until(lambda: len(told) >= 150, "the last callback")
        assert sorted(told) == list(range(1, 300, 2))


@row("/python/row-59-forced-cancel-at-start-and-finish", RICH)
def forced_cancel_at_start_and_finish(face):
    """It may have run, and then its worker is replaced."""
    pool = face.make(restart_budget=0)
    n_cancelled = 0
    for number in range(40):
        future = face.submit(pool, tasks.nap, 0.0005)
        time.sleep(random.uniform(0, 0.002))
        was_cancelled = future.cancel()
        n_cancelled += was_cancelled
        assert (face.get_error(future) is not None) == was_cancelled == future.is_cancelled
    face.expect_good(pool)
    face.end(pool)


@row("/python/row-59-cancel-races-with-waits", DROP_IN, PLAIN)
def cancel_races_with_waits(face):
    """wait() and as_completed() of concurrent.futures, meanwhile."""
    import concurrent.futures

    pool = face.make(2)
    for number in range(20):
        futures = [face.submit(pool, pow, 2, 5) for _ in range(20)]
        seen = []
        waiter = threading.Thread(
            target=lambda: seen.extend(concurrent.futures.as_completed(futures, LIMIT)))
        waiter.start()
        for future in random.sample(futures, 10):
            future.cancel()
        done, not_done = concurrent.futures.wait(futures, LIMIT)
        waiter.join(LIMIT)
        assert len(done) == 20 and len(seen) == len(set(seen)) == 20, (len(done), len(seen))
    face.end(pool)


@row("/python/row-59-finish-races-with-waits", DROP_IN, PLAIN)
def finish_races_with_waits(face):
    """Who has the condition of a future sees one state, however often wait() looks at it."""
    pool = face.make()
    running, release = hold(face, pool)
    with running._condition:
        assert running._state == "RUNNING"
        release()
        assert running.wait(LIMIT)
        assert running._state == "RUNNING"
    wait_until(lambda: running._state == "FINISHED", "the word of the end")
    assert face.get_error(running) is None
    face.end(pool)


# --- callbacks ------------------------------------------------------------------------------------


def wait_for(face, event):
    """Callbacks of GObjects come where their main context is iterated."""
    if face is GOBJECT:
        wait_until(lambda: face.GLib.MainContext.default().iteration(False) or event.is_set())
        while not event.is_set():
            face.GLib.MainContext.default().iteration(True)
    assert event.wait(LIMIT)


@row("/python/row-60-submit-in-a-callback", *ALL)
def submit_in_a_callback(face):
    pool = face.make()
    results, ended = [], threading.Event()

    def on_done(future):
        results.append(face.get_result(future))
        if len(results) == 20:
            ended.set()
        else:
            face.add_callback(face.submit(pool, abs, -len(results)), on_done)

    face.add_callback(face.submit(pool, abs, 0), on_done)
    wait_for(face, ended)
    assert results == list(range(20))
    face.end(pool)


@row("/python/row-61-wait-in-a-callback", *ALL)
def wait_in_a_callback(face):
    """For a task that is submitted there, and for one that is told of after this one."""
    pool = face.make(2)
    results, ended = [], threading.Event()
    running, release = hold(face, pool)

    def on_done(future):
        release()
        face.get_result(running)
        results.append(face.run(pool, abs, -5))
        ended.set()

    face.add_callback(face.submit(pool, abs, -1), on_done)
    wait_for(face, ended)
    assert results == [5]
    face.end(pool)


def wait_in_a_callback_by_concurrent_futures(face):
    """In the thread that tells of ends: another one, which stays, tells what that one waits for."""
    import concurrent.futures

    pool = face.make()
    ended = threading.Event()
    seen, told = [], []

    def release_when_awaited(future, release):
        wait_until(lambda: future._own_waiters, "the wait")
        release()

    def on_done(future):
        running, release = hold(face, pool)
        futures = [running, face.submit(pool, abs, -6)]
        futures[0].add_done_callback(told.append)
        thread = threading.Thread(target=release_when_awaited, args=(running, release))
        thread.start()
        seen.append(len(concurrent.futures.wait(futures, LIMIT).done))
        thread.join()
        ended.set()

    face.add_callback(face.submit(pool, abs, -1), on_done)
    wait_for(face, ended)
    face.end(pool)
    assert (seen, len(told)) == ([2], 1), (seen, told)


row("/python/row-61-wait-in-a-callback-by-concurrent-futures", DROP_IN, PLAIN,
    prepare=wait_in_a_callback_by_concurrent_futures)(wait_in_a_callback_by_concurrent_futures)


@row("/python/row-62-shutdown-in-a-callback", *ALL)
def shutdown_in_a_callback(face):
    pool = face.make()
    ended = threading.Event()

    def on_done(future):
        face.end(pool)
        ended.set()

    face.add_callback(face.submit(pool, abs, -1), on_done)
    others = [face.submit(pool, pow, 2, 5) for _ in range(10)]
    wait_for(face, ended)
    assert all(face.get_result(future) == 32 for future in others)
    face.expect_closed(pool)


class Records(logging.Handler):
    def __init__(self):
        super().__init__()
        self.records = []
        logging.getLogger().addHandler(self)

    def emit(self, record):
        self.records.append(record)


@row("/python/row-63-a-callback-fails", *PACKAGE)
def a_callback_fails(face):
    """Also in ways that end programs; the thread that calls it is nobody's."""
    log = Records()
    pool = face.make()
    for error in (ValueError, SystemExit, KeyboardInterrupt, GeneratorExit):
        called, ended = [], threading.Event()
        running, release = hold(face, pool)
        os.unlink(make_path("pid"))

        def fail(future):
            raise error("on purpose")

        for callback in (fail, called.append, fail, lambda future: ended.set()):
            face.add_callback(running, callback)
        release()
        wait_for(face, ended)
        assert called == [running]
        assert [record.exc_info[0] for record in log.records] == [error, error], log.records
        log.records.clear()
        os.unlink(make_path("go"))
    face.expect_good(pool)
    face.end(pool)


@row("/python/row-63-a-callback-fails-at-once", *PAIR)
def a_callback_fails_at_once(face):
    """In the thread that adds it when the task has ended: an interrupt there is meant for it."""
    log = Records()
    pool = face.make()
    future = face.submit(pool, pow, 2, 5)
    face.get_result(future)

    def fail(kind):
        raise kind("on purpose")

    face.add_callback(future, lambda future: fail(ValueError))
    assert [record.exc_info[0] for record in log.records] == [ValueError]
    expect_raise(KeyboardInterrupt, face.add_callback, future, lambda future: fail(KeyboardInterrupt))
    face.end(pool)


@row("/python/row-63-a-callback-fails-in-a-loop", prepare=RICH.warm_up)
def a_callback_fails_in_a_loop():
    """What ends the loop loses none of the others: they come when it runs again."""
    import asyncio

    import aiopool

    def leave(future):
        called.append("leave")
        raise SystemExit(3)

    async def submit_all():
        for number in range(3):
            running, release = hold(RICH, pool)
            os.unlink(make_path("pid"))
            futures.append(running)
            for callback in (leave, lambda future: called.append("after")):
                running.add_callback(callback)
            release()
            running.wait()
            os.unlink(make_path("go"))

    called, futures, n_ends = [], [], []
    loop = asyncio.new_event_loop()
    with aiopool.ProcessPool(1) as pool:
        for work in (submit_all, *(3 * [lambda: asyncio.sleep(0.05)])):
            try:
                loop.run_until_complete(work())
            except SystemExit:
                n_ends.append(1)
    loop.close()
    assert sorted(called) == 3 * ["after"] + 3 * ["leave"], called
    assert len(n_ends) == 3


# --- the last reference ---------------------------------------------------------------------------


@row("/python/row-64-last-reference", *PACKAGE)
def last_reference(face):
    """With tasks under way, which are finished."""
    path = make_path("marks")
    pool = face.make()
    dropped = weakref.ref(pool)
    running, release = hold(face, pool)
    futures = [face.submit(pool, tasks.mark, path, "x") for _ in range(10)]
    del pool
    gc.collect()
    assert dropped() is None
    release()
    for future in (running, *futures):
        face.get_result(future)
    assert read(path) == 10 * "x"


@row("/python/row-64-last-reference-of-everything", *PAIR)
def last_reference_of_everything(face):
    """Nobody has any future either: the tasks are finished nevertheless."""
    path = make_path("marks")
    pool = face.make()
    for _ in range(10):
        face.submit(pool, tasks.mark, path, "x")
    del pool
    wait_until(lambda: read(path) == 10 * "x", "the end of the tasks")


@row("/python/row-64-last-reference-of-a-gobject", GOBJECT)
def last_reference_of_a_gobject(face):
    """Its tasks are cancelled."""
    pool = face.make()
    running, release = hold(face, pool)
    waiting = [face.submit(pool, pow, 2, 5) for _ in range(10)]
    del pool
    gc.collect()
    for future in (running, *waiting):
        assert face.get_error(future) is not None
        assert face.is_cancelled(future)


@row("/python/row-64-last-reference-in-a-callback", *THREE)
def last_reference_in_a_callback(face):
    path = make_path("marks")
    ended = threading.Event()
    pools = [face.make()]
    dropped = weakref.ref(pools[0])

    def on_done(future):
        pools.clear()
        ended.set()

    first = face.submit(pools[0], abs, -1)
    futures = [] if face is GOBJECT else [face.submit(pools[0], tasks.mark, path, "x")
                                          for _ in range(10)]
    face.add_callback(first, on_done)
    wait_for(face, ended)
    gc.collect()
    assert dropped() is None
    for future in futures:
        face.get_result(future)
    assert read(path) == len(futures) * "x"


@row("/python/row-64-last-reference-in-another-thread", *THREE)
def last_reference_in_another_thread(face):
    for _ in range(3):
        box = [face.make()]
        future = face.submit(box[0], pow, 2, 5)
        if face is GOBJECT:
            face.get_result(future)
        thread = threading.Thread(target=box.clear)
        thread.start()
        thread.join()
        assert face.get_result(future) == 32


@row("/python/row-64-last-reference-in-a-cycle", *PAIR)
def last_reference_in_a_cycle(face):
    """The garbage collector of Python comes at any moment, in any thread, also within a submit."""
    gc.set_threshold(20)
    stop = threading.Event()

    def make_garbage():
        while not stop.is_set():
            cycle = []
            cycle.append(cycle)

    thread = threading.Thread(target=make_garbage)
    thread.start()
    futures = []
    for number in range(5):
        pool = face.make()
        future = face.submit(pool, abs, -number)
        cycle = [pool, future]
        cycle.append(cycle)
        futures.append(future)
        face.add_callback(future, lambda future, cycle=cycle: len(cycle))
        del pool, future, cycle
    assert [face.get_result(future) for future in futures] == list(range(5))
    stop.set()
    thread.join()
    gc.set_threshold(700, 10, 10)


@row("/python/row-66-submit-after-shutdown", *ALL)
def submit_after_shutdown(face):
    used, unused = face.make(), face.make()
    face.expect_good(used)
    for pool in (used, unused):
        face.end(pool)
        for _ in range(3):
            face.expect_closed(pool)
        assert face.count_workers(pool) == 0
        face.end(pool)


@row("/python/row-67-timeout-of-the-caller", *THREE)
def timeout_of_the_caller(face):
    """The task goes on, and can be waited for again."""
    pool = face.make()
    running, release = hold(face, pool)
    for seconds in (0, 0.01):
        wait = running.collect if face is RICH else running.result
        expect_raise(TimeoutError, wait, seconds)
    release()
    face.get_result(running)
    face.end(pool)


@row("/python/row-67-timeout-of-the-task", RICH, GOBJECT)
def timeout_of_the_task(face):
    """That one ends it, whatever it does, and its worker is replaced."""
    pool = face.make()
    pid = face.get_pid(pool)
    for deed in ("spin", "call"):
        future = pool.options(timeout=0.1 * FACTOR).submit(tasks.be_busy, deed, make_path("busy"))
        assert isinstance(face.get_error(future), TimeoutError)
    assert face.get_pid(pool) != pid
    face.end(pool)


# --- maps -----------------------------------------------------------------------------------------


class Endless:
    """Counts how many were taken."""

    def __init__(self):
        self.n_taken = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.n_taken += 1
        assert self.n_taken < 100_000, "all is taken at once"
        return self.n_taken


@row("/python/row-68-map-of-an-endless-input", DROP_IN, RICH, GOBJECT)
def map_of_an_endless_input(face):
    """By itself, or as the drop-in is told to. What Executor.map() returns is a list."""
    source = Endless()
    pool = face.make(2)
    options = {"buffersize": 10} if face is DROP_IN else {}
    results = iter(pool.map(abs, source, **options))
    assert [next(results) for _ in range(50)] == list(range(1, 51))
    assert source.n_taken < 50 + 2000, source.n_taken
    if face is DROP_IN:
        assert source.n_taken <= 50 + 10, source.n_taken
    if face is not GOBJECT:
        results.close()
    del results
    face.expect_good(pool)
    face.end(pool)


@row("/python/row-68-map-in-chunks-of-an-endless-input", DROP_IN, RICH)
def map_in_chunks_of_an_endless_input(face):
    source = Endless()
    pool = face.make(2)
    options = ({"buffersize": 4, "chunksize": 7} if face is DROP_IN
               else {"buffer_size": 4, "chunk_size": 7})
    results = pool.map(abs, source, **options)
    assert list(itertools.islice(results, 50)) == list(range(1, 51))
    assert source.n_taken <= 50 + 6 + 4 * 7, source.n_taken
    results.close()
    face.end(pool)


@row("/python/row-70-max-tasks-with-a-backlog", DROP_IN, RICH, GOBJECT)
def max_tasks_with_a_backlog(face):
    """All are done, and no worker does more than it may."""
    for number, n_tasks in (1, 4), (3, 10):
        pool = face.make(2, max_tasks=number)
        pids = [face.get_result(future) for future in [face.submit(pool, os.getpid)
                                                       for _ in range(n_tasks)]]
        assert max(map(pids.count, pids)) <= number, pids
        face.end(pool)


if __name__ == "__main__":
    main()
