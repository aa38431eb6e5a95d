#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rows of docs/faults.md, for the faces of Python: workers that die, and starts that fail."""

import os
import random
import signal
import sys
import threading
from pathlib import Path

HERE = str(Path(__file__).resolve().parent)
sys.path[:1] = [HERE, str(Path(HERE).parent)]

import fault_tasks as tasks  # noqa: E402
from fault_case import (  # noqa: E402
    FACTOR, expect_raise, main, make_path, read, row, stop, wait_until)
from fault_count import is_alive  # noqa: E402
from fault_faces import ALL, DROP_IN, GOBJECT, PAIR, RICH, THREE  # noqa: E402


def expect_death(face, function, *args, parts=()):
    """The task before it and those that wait behind it are unhurt, or the pool is broken; nothing runs
    twice."""
    path = make_path("marks")
    pool = face.make()
    face.run(pool, tasks.mark, path, "a")
    dying = face.submit(pool, function, *args)
    waiting = [face.submit(pool, tasks.mark, path, "b") for _ in range(5)]
    face.expect_crash(dying, *parts)
    for future in waiting:
        if face.breaks:
            face.expect_crash(future)
        else:
            face.get_result(future)
    face.expect_after_death(pool)
    face.end(pool)
    assert read(path) == ("a" if face.breaks else "abbbbb"), read(path)


@row("/python/row-01-killed", *ALL)
def killed(face):
    path = make_path("killed")
    expect_death(face, tasks.mark_and_kill, path, parts=("signal 9", "memory"))
    assert read(path) == "x"


@row("/python/row-01-every-signal", RICH, GOBJECT)
def every_signal(face):
    pool = face.make(restart_budget=0)
    for number in (signal.SIGABRT, signal.SIGBUS, signal.SIGTERM, signal.SIGQUIT, signal.SIGXCPU):
        face.expect_crash(face.submit(pool, tasks.kill, int(number)), f"signal {int(number)}")
    face.end(pool)


@row("/python/row-02-segfault", *THREE)
def segfault(face):
    expect_death(face, tasks.crash_c, parts=("signal 11", "in crash_c"))


@row("/python/row-03-exits", *THREE)
def exits(face):
    for status in (0, 7):
        expect_death(face, tasks.end, status, parts=(f"exit status {status}",))
        os.unlink(make_path("marks"))


def expect_kept(face, kind, function, *args):
    pool = face.make()
    pid = face.get_pid(pool)
    error = face.get_error(face.submit(pool, function, *args))
    if face.name == "gobject":
        assert error.message.startswith(kind.__name__), error
    else:
        assert type(error) is kind, repr(error)
    assert face.get_pid(pool) == pid
    face.end(pool)


@row("/python/row-04-system-exit", *THREE)
def system_exit(face):
    expect_kept(face, SystemExit, tasks.leave, 3)
    expect_kept(face, SystemExit, tasks.leave_by_exit, "a text")


@row("/python/row-05-keyboard-interrupt", *THREE)
def keyboard_interrupt(face):
    expect_kept(face, KeyboardInterrupt, tasks.interrupt)


@row("/python/row-06-idle-worker-is-killed", *ALL)
def idle_worker_is_killed(face):
    pool = face.make()
    for number in range(3):
        pid = face.get_pid(pool)
        os.kill(pid, signal.SIGKILL)
        if number > 0:  # the first time with the task racing the news of the death
            wait_until(lambda: not is_alive(pid), "the end of the worker")
        if face.breaks:
            break
        assert face.get_pid(pool) != pid
    if face.breaks:
        wait_until(lambda: pool._broken, "the break")
    face.expect_after_death(pool)
    face.end(pool)


@row("/python/row-06-idle-worker-is-killed-with-a-task", DROP_IN)
def idle_worker_is_killed_with_a_task(face):
    """A task either breaks with the pool, or has its result: it is never left without an answer."""
    for _ in range(5):
        pool = face.make()
        os.kill(face.get_pid(pool), signal.SIGKILL)
        try:
            future = face.submit(pool, pow, 2, 5)
        except Exception:
            pass
        else:
            face.expect_crash(future)
        face.expect_broken(pool)
        face.end(pool)


@row("/python/row-07-dies-while-an-argument-is-written", *THREE)
def dies_while_an_argument_is_written(face):
    """Some of them wait in the socket, some as shared memory, and some have not been written."""
    pool = face.make()
    pid = face.get_pid(pool)
    stop(pid)
    values = [bytes(60_000), bytes(4 << 20)] * 8
    if face.name == "gobject":
        values = values[:2]
    futures = [face.submit(pool, tasks.get_size, value) for value in values]
    os.kill(pid, signal.SIGKILL)
    for future, value in zip(futures, values):
        if face.breaks:
            face.expect_crash(future)
        else:
            assert face.get_result(future) == len(value)  # none had started
    face.expect_after_death(pool)
    face.end(pool)


@row("/python/row-08-dies-while-a-result-is-written", RICH, GOBJECT)
def dies_while_a_result_is_written(face):
    """Or before, or after: the moment moves until both are about as frequent."""
    pool = face.make(restart_budget=0)
    delay = 0.005
    n_good = n_dead = 0
    while (n_good < 3 or n_dead < 3) and n_good + n_dead < 60:
        size = (8 << 20, 100_000)[(n_good + n_dead) % 2]
        future = face.submit(pool, tasks.give_until_killed, delay, size)
        if face.get_error(future) is None:
            assert len(face.get_result(future)) == size
            n_good += 1
            delay /= 2
        else:
            face.expect_crash(future, "signal 14")
            n_dead += 1
            delay *= 2
        del future
    assert n_good > 0 and n_dead > 0, (n_good, n_dead)
    face.end(pool)


def kill_at_random(pool_pids, is_over, rate):
    """Workers that have run a task lately, so many times in a second."""
    while not is_over.wait(random.uniform(0.5, 1.5) / rate):
        try:
            os.kill(pool_pids[-1], signal.SIGKILL)
        except (IndexError, ProcessLookupError):
            pass


@row("/python/row-09-random-kills", *THREE)
def random_kills(face):
    """Each task is answered once, and none runs twice."""
    n_tasks = 200 if face is RICH else 100
    paths = [make_path(str(i)) for i in range(n_tasks)]
    pool = face.make(2, restart_budget=0) if not face.breaks else face.make(2)
    pids, is_over = [], threading.Event()
    pids.append(face.get_pid(pool))
    killer = threading.Thread(target=kill_at_random, args=(pids, is_over, 20))
    killer.start()
    n_good = n_dead = 0
    futures = submit_as_long_as_possible(face, pool, paths)
    for future in futures:
        if (error := face.get_error(future)) is None:
            pids.append(face.get_result(future))
            n_good += 1
        else:
            face.expect_crash(future)
            n_dead += 1
    is_over.set()
    killer.join()
    assert n_good + n_dead == len(futures) and n_dead > 0, (n_good, n_dead)
    assert all(read(path) in ("", "x") for path in paths)
    assert sum(read(path) == "x" for path in paths) >= n_good
    if not face.breaks:
        assert len(futures) == n_tasks
        face.expect_good(pool)
    face.end(pool)


def submit_as_long_as_possible(face, pool, paths):
    futures = []
    for path in paths:
        try:
            futures.append(face.submit(pool, tasks.mark_slowly, path))
        except Exception as error:
            assert face.breaks, error
            break
    return futures


def expect_bad_start(face, *parts, is_final=True, **settings):
    """All that waits is told, and so is who comes later.

    is_final: whether the first start that fails is the last one, as of an initializer that is at fault
    """
    pool = face.make(2, **settings)
    futures = submit_as_long_as_possible(face, pool, [make_path(str(i)) for i in range(5)])
    assert futures
    for future in futures:
        face.expect_bad_start(future, *parts)
    if is_final or face.breaks:
        error = expect_raise(Exception, face.submit, pool, pow, 2, 5)
        assert "after shutdown" not in str(error), error
    face.end(pool)


@row("/python/row-10-initializer-raises", *ALL)
def initializer_raises(face):
    expect_bad_start(face, "no start", initializer=tasks.fail, initargs=("no start",))


@row("/python/row-11-initializer-ends-the-process", *THREE)
def initializer_ends_the_process(face):
    expect_bad_start(face, initializer=tasks.end, initargs=(7,))


@row("/python/row-11-initializer-is-killed", *THREE)
def initializer_is_killed(face):
    """By a signal: that may be anybody's, and is tried again as often as the budget says."""
    path = make_path("starts")
    pool = face.make(initializer=tasks.mark_and_kill, initargs=(path,), restart_budget=3)
    face.expect_bad_start(face.submit(pool, pow, 2, 5), "signal 9")
    face.end(pool)
    assert read(path) == "x" if face.breaks else read(path) in ("xxx", "xxxx"), read(path)


@row("/python/row-11-initializer-raises-system-exit", *THREE)
def initializer_raises_system_exit(face):
    expect_bad_start(face, "SystemExit", initializer=tasks.leave, initargs=(3,))


@row("/python/row-12-initializer-hangs", *THREE)
def initializer_hangs(face):
    path = make_path("pids")
    expect_bad_start(face, initializer=tasks.hang, initargs=(path,), start_timeout=0.4 * FACTOR,
                     restart_budget=2, is_final=False)  # it may be over before the initializer begins
    for pid in read(path).split():
        wait_until(lambda: not is_alive(pid), "the end of the worker")


@row("/python/row-12-shutdown-while-an-initializer-hangs", *PAIR)
def shutdown_while_an_initializer_hangs(face):
    """Nobody waits for a worker that has no task."""
    path = make_path("pids")
    pool = face.make(initializer=tasks.hang, initargs=(path,))
    pool._core.spawn_workers(1)
    pid = wait_until(lambda: read(path).strip(), "the start of the worker")
    face.end(pool)
    wait_until(lambda: not is_alive(pid), "the end of the worker")


if __name__ == "__main__":
    main()
