#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""That the harness of the rows sees what goes wrong: these do it on purpose."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

HERE = str(Path(__file__).resolve().parent)
sys.path[:1] = [HERE, str(Path(HERE).parent)]

import fault_case  # noqa: E402
import fault_tasks as tasks  # noqa: E402
from fault_case import FACTOR, main, make_path, row, wait_for_file  # noqa: E402
from fault_faces import RICH  # noqa: E402

kept = []


@row("/python/harness/passes", RICH)
def passes(face):
    pool = face.make()
    face.expect_good(pool)
    face.end(pool)


@row("/python/harness/fails", fails_with=["AssertionError: on purpose", "exit status 1"])
def fails():
    assert False, "on purpose"


@row("/python/harness/dies", fails_with=["signal 9"])
def dies():
    os.kill(os.getpid(), signal.SIGKILL)


@row("/python/harness/crashes", fails_with=["in crash_c", "signal 11"])
def crashes():
    tasks.crash_c()


@row("/python/harness/takes-too-long", RICH, seconds=1,
     fails_with=["takes more than", "in takes_too_long", "in hold_interpreter", "in wait_in_a_thread"])
def takes_too_long(face):
    """The stacks are those of all threads, and of the worker, which has the interpreter's lock."""
    def wait_in_a_thread():
        time.sleep(1000)

    threading.Thread(target=wait_in_a_thread, daemon=True).start()
    pool = face.make()
    face.run(pool, tasks.hold_interpreter, make_path("path"))


@row("/python/harness/leaves-a-process", fails_with=["left behind"])
def leaves_a_process():
    """Which is no child of it: the guard finds it nevertheless."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(1000)
        os._exit(0)
    os.wait()


def expect_in_time(function):
    """A leak is waited for as long as one that goes by itself: that would take too long here."""
    def run():
        fault_case.PATIENCE = 0.2
        function()

    return run


@row("/python/harness/leaks-a-child", fails_with=["'children': 1"])
@expect_in_time
def leaks_a_child():
    if os.fork() == 0:
        time.sleep(1000)


@row("/python/harness/leaks-a-zombie", fails_with=["'zombies': 1"])
@expect_in_time
def leaks_a_zombie():
    if os.fork() == 0:
        os._exit(0)


@row("/python/harness/leaks-a-descriptor", fails_with=["was:", "'/dev/zero'"])
@expect_in_time
def leaks_a_descriptor():
    kept.append(open("/dev/zero"))


@row("/python/harness/leaks-a-thread", fails_with=["'threads': 2"])
@expect_in_time
def leaks_a_thread():
    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()


@row("/python/harness/leaks-shared-memory", fails_with=["'memfds': 2"])
@expect_in_time
def leaks_shared_memory():
    import mmap

    fd = os.memfd_create("leaked")
    os.truncate(fd, 4096)
    kept.append(mmap.mmap(fd, 4096))  # which has a descriptor of its own
    os.close(fd)


@row("/python/harness/leaks-a-worker", RICH, fails_with=["exit status 1"])
def leaks_a_worker(face):
    """A worker that is still there when the row ends, of a pool that nobody ends."""
    fault_case.PATIENCE = 0.2
    pool = face.make()
    kept.append(pool)
    face.expect_good(pool)


@row("/python/harness/expects-processes-to-go", is_bare=True, fails_with=["is still there"])
def expects_processes_to_go():
    pid = os.fork()
    if pid == 0:
        Path(make_path("here")).touch()
        time.sleep(1000)
    wait_for_file(make_path("here"))
    fault_case.expect_gone([os.pidfd_open(pid)], 0.05 / FACTOR)


if __name__ == "__main__":
    main()
