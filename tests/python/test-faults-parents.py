#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rows of docs/faults.md, for the faces of Python: the end of the parent, and interrupts. Its workers
are gone in less than a second, whatever they do, with the interpreter's lock or without."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = str(Path(__file__).resolve().parent)
sys.path[:1] = [HERE, str(Path(HERE).parent)]

import fault_case  # noqa: E402
import fault_count  # noqa: E402
import fault_tasks as tasks  # noqa: E402
from fault_case import (  # noqa: E402
    FACTOR, expect_gone, fork, main, make_path, read, row, stop, wait_for_file, wait_until)
from fault_faces import ALL, DROP_IN, GOBJECT, LIMIT, PACKAGE, RICH, THREE  # noqa: E402

N_WORKERS = 2
DEEDS = "idle", "sleep", "spin", "call", "match", "loop", "deaf"


def occupy(face, deed, paths):
    """Workers are at it when their paths are there. Returns what has to live."""
    pool = face.make(len(paths))
    if deed == "idle":
        go = paths[0] + ".go"
        futures = [face.submit(pool, tasks.meet, path, go) for path in paths]
        for path in paths:
            wait_for_file(path)
        Path(go).touch()
        for future in futures:
            face.get_result(future)
    elif deed == "loop":
        futures = [face.submit(pool, tasks.be_busy_in_a_loop, path) for path in paths]
    elif deed == "deaf":
        futures = [face.submit(pool, tasks.be_deaf, path) for path in paths]
    else:
        futures = [face.submit(pool, tasks.be_busy, deed, path) for path in paths]
    return pool, futures


def be_parent(tell, face, deed, paths, has_copy):
    alive = occupy(face, deed, paths)
    for path in paths:
        wait_for_file(path)
    copy = os.fork() if has_copy else -1
    if copy != 0:
        tell(copy)
    while alive:
        signal.pause()


def open_workers(paths):
    return [os.pidfd_open(int(read(wait_for_file(path)))) for path in paths]


def kill_parent(face, deed, *, has_copy=False, shall_stop=False):
    folder = make_path(f"{deed}-{face.name}")
    os.mkdir(folder)
    paths = [os.path.join(folder, str(number)) for number in range(N_WORKERS)]
    pid, told = fork(be_parent, face, deed, paths, has_copy)
    copy = next(told)
    if deed == "deaf":
        paths += [wait_for_file(path + ".child") for path in paths]
    pidfds = open_workers(paths)
    if shall_stop:
        for path in paths:
            stop(int(read(path)))
    os.kill(pid, signal.SIGKILL)
    expect_gone(pidfds)
    if has_copy:
        assert fault_count.is_alive(copy)
        os.kill(copy, signal.SIGKILL)
    os.waitpid(pid, 0)


@row("/python/row-31-sigkill-with-idle-workers", *THREE, is_bare=True)
def sigkill_with_idle_workers(face):
    kill_parent(face, "idle")


@row("/python/row-32-sigkill-with-sleeping-workers", *THREE, is_bare=True)
def sigkill_with_sleeping_workers(face):
    kill_parent(face, "sleep")


@row("/python/row-33-sigkill-with-busy-workers", *THREE, is_bare=True)
def sigkill_with_busy_workers(face):
    kill_parent(face, "spin")


@row("/python/row-33-sigkill-with-workers-that-hold-the-lock", DROP_IN, GOBJECT, is_bare=True)
def sigkill_with_workers_that_hold_the_lock(face):
    for deed in ("call", "match", "loop", "deaf") if face is DROP_IN else ("call",):
        kill_parent(face, deed)


@row("/python/row-34-sigkill-with-a-living-copy", DROP_IN, GOBJECT, is_bare=True)
def sigkill_with_a_living_copy(face):
    for deed in ("idle", "spin", "call") if face is DROP_IN else ("spin",):
        kill_parent(face, deed, has_copy=True)


@row("/python/row-35-sigkill-with-stopped-workers", DROP_IN, GOBJECT, is_bare=True)
def sigkill_with_stopped_workers(face):
    for deed in ("idle", "spin"):
        kill_parent(face, deed, shall_stop=True)


def be_parent_of_one(tell, face, hang):
    os.environ["AIOPOOL_TEST_HANG"] = hang
    pool = face.make()
    future = face.submit(pool, pow, 2, 5)
    while future is not None:
        signal.pause()


@row("/python/row-36-sigkill-before-the-worker-serves", *THREE, is_bare=True)
def sigkill_before_the_worker_serves(face):
    """Python itself starts, and nothing of the library runs yet."""
    path = make_path("pid")
    pid, told = fork(be_parent_of_one, face, path)
    pidfds = open_workers([path])
    os.kill(pid, signal.SIGKILL)
    expect_gone(pidfds)
    os.waitpid(pid, 0)


def be_parent_that_starts(tell, face, path):
    from aiopool import _core  # noqa: F401 - what takes longest comes before

    tell(0)
    alive = occupy(face, "spin", [path, path])
    while alive:
        signal.pause()


@row("/python/row-36-sigkill-during-the-start", DROP_IN, is_bare=True)
def sigkill_during_the_start(face):
    """At any moment, from before the process to its first task."""
    fault_count.become_subreaper()
    for number in range(15):
        pid, told = fork(be_parent_that_starts, face, make_path(str(number)))
        next(told)
        time.sleep(random.uniform(0, 0.08) * FACTOR)
        os.kill(pid, signal.SIGKILL)
        assert fault_case.reap_all(fault_case.GONE * FACTOR), f"a worker is left in round {number}"


# --- interrupts -----------------------------------------------------------------------------------


def be_interrupted(tell, face, path):
    """While it waits, and while nothing runs. What was submitted is finished nevertheless."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    pool = face.make()
    pid = face.get_pid(pool)
    running = face.submit(pool, tasks.meet, path, path + ".go")
    waiting = [face.submit(pool, pow, number, 2) for number in range(10)]
    wait_for_file(path)
    for wait in (lambda: face.get_result(running), lambda: time.sleep(LIMIT)):
        tell(pid)
        try:
            wait()
        except KeyboardInterrupt:
            continue
        raise AssertionError("it was not interrupted")
    Path(path + ".go").touch()
    face.get_result(running)
    assert [face.get_result(future) for future in waiting] == [number ** 2 for number in range(10)]
    assert face.get_pid(pool) == pid
    face.end(pool)
    tell(0)


@row("/python/row-38-interrupts", *ALL, is_bare=True)
def interrupts(face):
    """Of the group, as by Ctrl-C, and of the worker."""
    pid, told = fork(be_interrupted, face, make_path("pid"))
    os.setpgid(pid, pid)
    for _ in range(2):
        worker = next(told)
        time.sleep(0.02)  # until it waits, mostly
        os.kill(worker, signal.SIGINT)
        os.killpg(pid, signal.SIGINT)
    assert next(told) == 0
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def be_interrupted_in_a_loop(tell, path):
    import asyncio

    import aiopool

    async def work():
        async with aiopool.ProcessPool(1) as pool:
            future = pool.submit(tasks.meet, path, path + ".go")
            tell(1)
            try:
                await future
            except asyncio.CancelledError:
                tell(2)
                Path(path + ".go").touch()
                raise

    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        asyncio.run(work())
    except KeyboardInterrupt:
        tell(3)


@row("/python/row-38-interrupts-in-a-loop", is_bare=True)
def interrupts_in_a_loop():
    """asyncio.run() cancels what waits, and the pool ends as its `async with` says."""
    path = make_path("pid")
    pid, told = fork(be_interrupted_in_a_loop, path)
    assert next(told) == 1
    wait_for_file(path)
    os.kill(pid, signal.SIGINT)
    assert [next(told), next(told)] == [2, 3]
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


@row("/python/row-38-a-task-that-heeds-interrupts", *THREE)
def a_task_that_heeds_interrupts(face):
    pool = face.make()
    pid = face.get_pid(pool)
    error = face.get_error(face.submit(pool, tasks.heed_interrupts))
    assert "KeyboardInterrupt" in repr(error), error
    assert face.get_pid(pool) == pid
    face.end(pool)


# --- the end of the program -----------------------------------------------------------------------

PROGRAM = """
import os, sys, threading
import fault_faces, fault_tasks as tasks
face = getattr(fault_faces, sys.argv[1])
marks, go = sys.argv[2:4]
pool = face.make(1)
futures = [face.submit(pool, tasks.meet, marks + ".pid", go)]
futures += [face.submit(pool, tasks.mark, marks, "x") for i in range(5)]
def open_gate():
    open(go, "w").close()
threading.Timer(0.02, open_gate).start()
"""
ENDS = {
    "end": ("", 0),
    "dropped": ("del pool, futures", 0),
    "exit": ("sys.exit(3)", 3),
    "error": ("raise ValueError", 1),
    "thread": ("threading.Thread(target=lambda: face.submit(pool, tasks.mark, marks, 'y')).start()", 0),
}


def run_program(face, name, text):
    marks = make_path(name)
    words = [sys.executable, "-c", PROGRAM + text, face_name(face), marks, marks + ".go"]
    done = subprocess.run(words, timeout=LIMIT, cwd=HERE, capture_output=True, text=True, check=False)
    return done, marks


def face_name(face):
    return {"drop-in": "DROP_IN", "pool": "RICH", "executor": "PLAIN", "gobject": "GOBJECT"}[face.name]


@row("/python/row-65-exit-without-shutdown", *PACKAGE, is_bare=True)
def exit_without_shutdown(face):
    """Tasks are finished, as concurrent.futures does it."""
    for name in ENDS if face is DROP_IN else ("end", "dropped"):
        text, status = ENDS[name]
        done, marks = run_program(face, name, text)
        assert done.returncode == status, (name, done)
        assert read(marks).count("x") == 5, (name, read(marks))
        assert ("Traceback" in done.stderr) == (name == "error"), (name, done.stderr)
    assert not fault_count.list_descendants(os.getpid())


@row("/python/row-65-exit-at-once", *THREE, is_bare=True)
def exit_at_once(face):
    """By _exit(), or with a pool of GObject, which nobody waits for: the workers go."""
    fault_count.become_subreaper()
    texts = ["os._exit(5)"]
    if face is GOBJECT:
        texts.append("sys.exit(5)")
    for number, text in enumerate(texts):
        done, marks = run_program(face, str(number), text)
        assert done.returncode == 5, done
        assert fault_case.reap_all(fault_case.GONE * FACTOR), "a worker is left"


@row("/python/row-65-killed-while-it-waits-for-tasks", RICH, is_bare=True)
def killed_while_it_waits_for_tasks(face):
    """At its end: one more interrupt ends that, and the workers go."""
    fault_count.become_subreaper()
    marks = make_path("marks")
    text = PROGRAM.replace("open_gate).start()", "print)") + "print('end', flush=True)"
    process = subprocess.Popen([sys.executable, "-c", text, face_name(face), marks, marks + ".go"],
                               cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout.readline() == "end\n"
    wait_for_file(marks + ".pid")
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    process.stdout.close()
    assert fault_case.reap_all(fault_case.GONE * FACTOR), "a worker is left"
    wait_until(lambda: not fault_count.is_alive(int(read(marks + ".pid"))), "the end of the worker")


if __name__ == "__main__":
    main()
