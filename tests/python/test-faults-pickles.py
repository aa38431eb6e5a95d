#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rows of docs/faults.md, for the faces of Python: what cannot be pickled or unpickled, or ends a
process in doing that. {pickle, unpickle} x {error, SystemExit, os._exit, crash} x {argument, result, exception},
as the tests of concurrent.futures and loky have it."""

import os
import sys
import threading
from pathlib import Path

HERE = str(Path(__file__).resolve().parent)
sys.path[:1] = [HERE, str(Path(HERE).parent)]

import fault_tasks as tasks  # noqa: E402
from fault_case import expect_raise, main, make_path, read, row  # noqa: E402
from fault_faces import ALL, DROP_IN, GOBJECT, LIMIT, PACKAGE, PAIR, THREE, get_text  # noqa: E402

DEADLY = "os._exit", "crash"


def try_submit(face, pool, function, *args):
    """What submit raises, or what becomes of the task."""
    try:
        future = face.submit(pool, function, *args)
    except BaseException as error:
        return error
    return face.get_error(future)


def expect_kind(error, kind, *parts):
    assert isinstance(error, kind), repr(error)
    for part in parts:
        assert part in get_text(error), f"{part!r} is not in {get_text(error)}"


def expect_life(face, pool, pid):
    """The same worker goes on."""
    assert face.get_pid(pool) == pid


def expect_deadly(face, function, *args):
    """The worker dies of it: that is as any death, with one pool for each of a drop-in."""
    path = make_path("marks")
    pool = face.make()
    dying = face.submit(pool, function, *args)
    other = face.submit(pool, tasks.mark, path, "x")
    face.expect_crash(dying, "signal 11" if args[-1] == "crash" else "exit status 9")
    if face.breaks:
        face.expect_crash(other)
    else:
        face.get_result(other)
        assert read(path) == "x"
        os.unlink(path)
    face.expect_after_death(pool)
    face.end(pool)


@row("/python/row-13-argument-cannot-be-pickled", *ALL)
def argument_cannot_be_pickled(face):
    """At once, and before there is a worker."""
    pool = face.make()
    for argument in (threading.Lock(), (i for i in range(3)), [tasks.Acts("pickle", "error")]):
        expect_kind(try_submit(face, pool, len, argument), (TypeError, ValueError))
    assert face.count_workers(pool) == 0
    face.expect_good(pool)
    face.end(pool)


@row("/python/row-13-too-deep-an-argument", *THREE)
def too_deep_an_argument(face):
    pool = face.make()
    expect_kind(try_submit(face, pool, len, tasks.give_deep()), (RecursionError, ValueError))
    face.expect_good(pool)
    face.end(pool)


@row("/python/row-14-result-cannot-be-pickled", *THREE)
def result_cannot_be_pickled(face):
    pool = face.make()
    pid = face.get_pid(pool)
    for function, part in ((tasks.give_lock, "lock"), (tasks.give_generator_in_a_list, "generator"),
                           (tasks.give_deep, "recursion")):
        error = try_submit(face, pool, function)
        if face is GOBJECT:
            quark, code = face.Aiopool.task_error_quark(), face.Aiopool.TaskError.ENCODE
            assert error.matches(quark, code), error
        else:
            expect_kind(error, (TypeError, RecursionError), "cannot be sent", part)
        expect_life(face, pool, pid)
    face.end(pool)


@row("/python/row-15-result-raises-when-it-is-unpickled", *PACKAGE)
def result_raises_when_it_is_unpickled(face):
    pool = face.make()
    pid = face.get_pid(pool)
    for deed, kind in (("error", ValueError), ("exit", SystemExit)):
        future = face.submit(pool, tasks.give_acting, "unpickle", deed)
        error = face.get_error(future)
        expect_kind(error, kind)
        assert face.get_error(future) is error  # it was unpickled once
        expect_life(face, pool, pid)
    face.end(pool)


@row("/python/row-15-result-raises-in-the-collector", *PAIR)
def result_raises_in_the_collector(face):
    """Where a callback asks for it, which others follow."""
    pool = face.make()
    told, ended = [], threading.Event()
    for deed in ("error", "exit"):
        path = make_path(deed)
        gate = face.submit(pool, tasks.meet, path, path + ".go")
        future = face.submit(pool, tasks.give_acting, "unpickle", deed)
        face.add_callback(future, face.get_result)
        face.add_callback(future, lambda future: told.append(type(face.get_error(future))))
        face.add_callback(future, lambda future: ended.set())
        Path(path + ".go").touch()
        assert ended.wait(LIMIT)
        ended.clear()
        face.get_result(gate)
    assert told == [ValueError, SystemExit], told
    face.expect_good(pool)
    face.end(pool)


@row("/python/row-16-argument-raises-when-it-is-unpickled", *PAIR)
def argument_raises_when_it_is_unpickled(face):
    """The drop-in says that the pool is broken, as concurrent.futures does."""
    for deed, text in (("error", "ValueError: on purpose"), ("exit", "SystemExit: 9")):
        pool = face.make()
        pid = face.get_pid(pool)
        future = face.submit(pool, len, tasks.Acts("unpickle", deed))
        if face is DROP_IN:
            face.expect_crash(future)
        else:
            expect_kind(face.get_error(future), ValueError, text)
            expect_life(face, pool, pid)
        face.end(pool)


@row("/python/row-16-argument-ends-the-worker", *PAIR)
def argument_ends_the_worker(face):
    for deed in DEADLY:
        expect_deadly_argument(face, deed)


def expect_deadly_argument(face, deed):
    pool = face.make()
    future = face.submit(pool, len, tasks.Acts("unpickle", deed))
    face.expect_crash(future, "signal 11" if deed == "crash" else "exit status 9")
    face.expect_after_death(pool)
    face.end(pool)


def expect_remote(face, pool, function, name, text, *args):
    import aiopool

    error = try_submit(face, pool, function, *args)
    if face is GOBJECT:
        expect_kind(error, face.GLib.Error, name, text)
        return
    expect_kind(error, aiopool.RemoteError, name, text)
    assert function.__name__ in aiopool.get_remote_traceback(error)


@row("/python/row-17-exception-with-two-arguments", *THREE)
def exception_with_two_arguments(face):
    pool = face.make()
    pid = face.get_pid(pool)
    expect_remote(face, pool, tasks.fail_with_two_arguments, "fault_tasks.TwoArguments", "one")
    expect_life(face, pool, pid)
    face.end(pool)


@row("/python/row-18-exception-cannot-be-pickled", *THREE)
def exception_cannot_be_pickled(face):
    pool = face.make()
    pid = face.get_pid(pool)
    expect_remote(face, pool, tasks.fail_without_pickle, "fault_tasks.NoPickle", "the text")
    error = try_submit(face, pool, tasks.fail_in_a_group)  # with some that can be, or none
    expect_kind(error, face.GLib.Error if face is GOBJECT else Exception, "group (3 sub-exceptions)")
    expect_life(face, pool, pid)
    face.end(pool)


@row("/python/row-18-exception-raises-when-it-is-pickled", *PAIR)
def exception_raises_when_it_is_pickled(face):
    pool = face.make()
    pid = face.get_pid(pool)
    for moment in ("pickle", "unpickle"):
        for deed in ("error", "exit"):
            expect_remote(face, pool, tasks.fail_acting, "fault_tasks.ActsAndFails", "", moment, deed)
    expect_remote(face, pool, tasks.fail_at_home, "fault_tasks.OnlyInWorkers", "the text")
    expect_life(face, pool, pid)
    face.end(pool)


@row("/python/row-18-exception-ends-the-worker", *PAIR)
def exception_ends_the_worker(face):
    for moment in ("pickle", "unpickle"):  # the worker tries whether it can be unpickled
        for deed in DEADLY:
            expect_deadly(face, tasks.fail_acting, moment, deed)


@row("/python/row-19-raises-what-is-no-exception", *THREE)
def raises_what_is_no_exception(face):
    pool = face.make()
    pid = face.get_pid(pool)
    for function in (tasks.raise_no_exception, tasks.raise_a_text):
        error = try_submit(face, pool, function)
        expect_kind(error, face.GLib.Error if face is GOBJECT else TypeError, "BaseException")
    expect_life(face, pool, pid)
    face.end(pool)


@row("/python/row-20-result-ends-the-worker", *PACKAGE)
def result_ends_the_worker(face):
    for deed in DEADLY:
        expect_deadly(face, tasks.give_acting, "pickle", deed)


@row("/python/row-20-result-raises-when-it-is-pickled", *PAIR)
def result_raises_when_it_is_pickled(face):
    pool = face.make()
    pid = face.get_pid(pool)
    for deed, text in (("error", "on purpose"), ("exit", "9")):
        error = try_submit(face, pool, tasks.give_acting, "pickle", deed)
        expect_kind(error, (TypeError, ValueError, SystemExit), "cannot be sent", text)
        expect_life(face, pool, pid)
    face.end(pool)


@row("/python/row-21-system-exit-while-a-task-is-pickled", *PAIR)
def system_exit_while_a_task_is_pickled(face):
    """In whoever submits, and nothing else has come of it."""
    pool = face.make()
    future = face.submit(pool, tasks.nap, 0.01)
    for _ in range(3):
        expect_kind(try_submit(face, pool, len, tasks.Acts("pickle", "exit")), SystemExit)
    face.get_result(future)
    face.expect_good(pool)
    face.end(pool)


@row("/python/row-21-many-bad-and-many-good", *PAIR)
def many_bad_and_many_good(face):
    pool = face.make(2)
    futures = []
    for number in range(100):
        futures.append(face.submit(pool, pow, number, 2))
        expect_kind(try_submit(face, pool, len, tasks.Acts("pickle", "error")), ValueError)
    assert [face.get_result(future) for future in futures] == [number ** 2 for number in range(100)]
    face.end(pool)


@row("/python/row-21-map-of-what-cannot-be-pickled", *PAIR)
def map_of_what_cannot_be_pickled(face):
    pool = face.make()
    items = [[1], [threading.Lock()], [2]]
    results = iter(expect_first(pool.map, face))
    expect_raise(TypeError, lambda: list(pool.map(len, items)))
    assert next(results) == 1
    face.expect_good(pool)
    face.end(pool)


def expect_first(map_method, face):
    return map_method(len, [[1], [2]])


if __name__ == "__main__":
    main()
