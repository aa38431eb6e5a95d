# SPDX-License-Identifier: LGPL-2.1-or-later
"""A program of rows of the fault matrix, docs/faults.md, for the faces of the Python package.

A row with a face is a case, which has two processes of its own. The *guard* is a fork of the program,
made while that has one thread and has not looked at the package; the *row* is a fork of the guard. The
guard is the sub-reaper: what the row leaves behind becomes its child, and is a failure. It has a time
limit, at whose end the stacks of all threads of all processes are printed and everything is killed.
In the row, descriptors, threads, children, zombies and shared memory are counted before and after.
Several cases run at once, AIOPOOL_TEST_JOBS of them or as many as there are processors.

    python3 test-faults-deaths.py                         all cases
    python3 test-faults-deaths.py row-01                  those with that in their names
    AIOPOOL_TEST_FACTOR=4 python3 test-faults-deaths.py   everything may take four times as long
"""

import faulthandler
import gc
import importlib
import itertools
import os
import random
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

import fault_count

HERE = str(Path(__file__).resolve().parent)
SECONDS = 20  # a row may take so long on a machine of ordinary speed
GONE = 1  # seconds that a worker may outlive its parent
PATIENCE = 10  # seconds for what comes about by itself
FACTOR = float(os.environ.get("AIOPOOL_TEST_FACTOR") or 1)
JOBS = int(os.environ.get("AIOPOOL_TEST_JOBS") or 0) or len(os.sched_getaffinity(0))
EXIT_SKIPPED = 77
STACK_SIGNAL = signal.SIGURG  # ignored by who does not handle it

rows = []
directory = None  # of the case that runs here


class Case:
    def __init__(self, path, function, face, seconds, is_bare, prepare, fails_with):
        self.path = f"{path}/{face.name}" if face is not None else path
        self.function = function
        self.face = face
        self.seconds = seconds * FACTOR
        self.is_bare = is_bare
        self.prepare = prepare
        self.fails_with = fails_with

    def call(self, function):
        if self.face is None:
            function()
        else:
            function(self.face)


def row(path, *faces, seconds=SECONDS, is_bare=False, prepare=None, fails_with=None):
    """Has a function be a case for each of the faces, which it is given; without any, one case.

    is_bare: nothing of the package is used before the row begins, and nothing is counted in it, so
        that it may fork; what it leaves behind is counted nevertheless
    prepare: called as the row is, before anything is counted
    fails_with: for tests of this module: the row must fail and say all of these texts
    """
    def decorate(function):
        rows.extend([Case(path, function, face, seconds, is_bare, prepare, fails_with)
                     for face in faces or (None,)])
        return function

    return decorate


# --- in a row -------------------------------------------------------------------------------------


class Skipped(Exception):
    """For what this machine, or this user, cannot do."""


def make_path(name):
    return os.path.join(directory, name)


def wait_until(check, what="it"):
    end = time.monotonic() + PATIENCE * FACTOR
    while not (value := check()):
        assert time.monotonic() < end, f"{what} does not come about"
        time.sleep(0.0005)
    return value


def wait_for_file(path):
    wait_until(lambda: os.path.exists(path), path)
    return path


def read(path):
    try:
        return Path(path).read_text(encoding="ascii")
    except FileNotFoundError:
        return ""


def stop(pid):
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: fault_count.get_state(pid) in "Tt", "the stop")


def expect_raise(kind, function, *arguments, **keywords):
    try:
        function(*arguments, **keywords)
    except kind as error:
        return error
    raise AssertionError(f"{function} has not raised {kind}")


def expect_as_before(before):
    """Descriptors of a worker are closed after its process has gone: nobody tells of that."""
    end = time.monotonic() + PATIENCE * FACTOR
    for number in itertools.count():
        if number % 50 == 0:  # what a thread still had at first may be garbage later
            gc.collect()
        now = fault_count.count()
        if all(now[key] <= number for key, number in before.items()):
            return
        if time.monotonic() > end:
            raise AssertionError(f"was: {before}; now: {now}\n{fault_count.describe()}")
        time.sleep(0.002)


def settle():
    """Until nothing goes any more, for where it is not known what is to stay."""
    gc.collect()
    last = None
    while (now := fault_count.count()) != last:
        last = now
        time.sleep(0.02 * FACTOR)


def fork(program, *arguments):
    """A child, which calls `program(tell, *arguments)` and then waits to be killed, and an iterator
    over what it tells, which are numbers. It keeps nothing of this process but the standard files."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(ours)
            program(lambda number: os.write(theirs, f"{number}\n".encode()), *arguments)
            while True:
                signal.pause()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(theirs)
    return pid, map(int, os.fdopen(ours))


def expect_gone(pidfds, seconds=GONE):
    """Processes end within that time, together. The descriptors are closed."""
    end = time.monotonic() + seconds * FACTOR
    for number, fd in enumerate(pidfds):
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        left = max(0, end - time.monotonic())
        assert poll.poll(left * 1000), f"process {number} of {len(pidfds)} is still there"
        os.close(fd)


# --- a row and its guard --------------------------------------------------------------------------


def be_row(case):
    """In a process of its own. Ends as programs do."""
    fault_count.die_with_parent()
    faulthandler.enable()
    faulthandler.register(STACK_SIGNAL, all_threads=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    random.seed(case.path)
    try:
        before = None
        if not case.is_bare:
            if case.face is not None:
                case.face.warm_up()
            expect_as_before({"children": 0, "zombies": 0, "memfds": 0})
            if case.prepare is not None:
                case.call(case.prepare)
                settle()
            before = fault_count.count()
        case.call(case.function)
        if before is not None:
            expect_as_before(before)
    except Skipped as why:
        Path(make_path("why")).write_text(str(why), encoding="utf-8")
        sys.exit(EXIT_SKIPPED)


def be_guard(case):
    """Returns in the row only; the guard exits with 0, EXIT_SKIPPED, or 1 after it has told why."""
    fault_count.become_subreaper()
    os.setsid()
    fault_count.make_shm_private()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        return
    status = 1
    try:
        status = watch(case, pid)
    except BaseException:
        traceback.print_exc()
    finally:
        kill_all()
        sys.stderr.flush()
        os._exit(status)


def watch(case, pid):
    if not wait_end(pid, case.seconds):
        print(f"it takes more than {case.seconds} seconds", file=sys.stderr, flush=True)
        dump_stacks()
        return 1
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code not in (0, EXIT_SKIPPED):
        what = f"signal {-code}" if code < 0 else f"exit status {code}"
        print(f"the row ended by {what}", file=sys.stderr, flush=True)
    left = [fault_count.describe_process(pid) for pid in fault_count.list_descendants(os.getpid())
            ] if not reap_all(2 * FACTOR) else []
    if left:
        print("left behind:", *left, sep="\n    ", file=sys.stderr, flush=True)
    return 1 if left else code if code in (0, EXIT_SKIPPED) else 1


def wait_end(pid, seconds):
    fd = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    events = poll.poll(seconds * 1000)
    os.close(fd)
    return bool(events)


def reap_all(seconds):
    """Until all that the row has left has ended; whether it has."""
    end = time.monotonic() + seconds
    while True:
        try:
            pid = os.waitpid(-1, os.WNOHANG)[0]
        except ChildProcessError:
            return True
        if pid == 0:
            if time.monotonic() > end:
                return False
            time.sleep(0.001)


def kill_all():
    while not reap_all(0.05):
        for pid in fault_count.list_descendants(os.getpid()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def dump_stacks():
    """Of the row and all that it has started. Python prints its own, workers too: see `stacks/`."""
    for pid in fault_count.list_descendants(os.getpid()):
        print(fault_count.describe_process(pid), file=sys.stderr, flush=True)
        if fault_count.catches(pid, STACK_SIGNAL):
            os.kill(pid, STACK_SIGNAL)
            time.sleep(0.2)


# --- the program ----------------------------------------------------------------------------------


class Supervisor:
    def __init__(self, cases):
        self.waiting = list(reversed(cases))
        self.running = {}  # pidfd -> (pid, case, directory, time)
        self.poll = select.poll()
        self.n_told = 0
        self.n_failed = 0

    def run(self):
        """Returns the case that this process is to be, or None when all have ended."""
        while self.waiting or self.running:
            while self.waiting and len(self.running) < JOBS:
                case = self.waiting.pop()
                if self.start(case):
                    return case
            for fd, event in self.poll.poll():
                self.finish(fd)

    def start(self, case):
        """Whether this process has become the row."""
        global directory
        folder = tempfile.mkdtemp(prefix="aiopool-fault-")
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            directory = folder
            self.leave()
            with open(make_path("output"), "ab") as output:
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
            be_guard(case)
            return True
        fd = os.pidfd_open(pid)
        self.poll.register(fd, select.POLLIN)
        self.running[fd] = pid, case, folder, time.monotonic()
        return False

    def leave(self):
        for fd in self.running:
            os.close(fd)

    def finish(self, fd):
        pid, case, folder, start = self.running.pop(fd)
        self.poll.unregister(fd)
        os.close(fd)
        code, usage = os.wait4(pid, 0)[1:]
        times = time.monotonic() - start, usage.ru_utime + usage.ru_stime
        self.tell(case, os.waitstatus_to_exitcode(code), folder, times)
        shutil.rmtree(folder, ignore_errors=True)

    def tell(self, case, status, folder, times):
        output = Path(folder, "output").read_text(errors="replace")
        is_good = status in (0, EXIT_SKIPPED)
        if case.fails_with is not None:
            is_good = status == 1 and all(text in output for text in case.fails_with)
        self.n_told += 1
        self.n_failed += not is_good
        why = " # SKIP " + read(os.path.join(folder, "why")) if status == EXIT_SKIPPED else ""
        print(f"{'ok' if is_good else 'not ok'} {self.n_told} - {case.path}{why}")
        for line in [] if is_good else output.splitlines():
            print("#", line)
        print("# %.2f seconds, and %.2f of a processor" % times, flush=True)


def import_what_rows_need():
    """That costs less once: what is not the package's, starts no thread, and is not looked at by it."""
    for name in ("asyncio", "concurrent.futures", "inspect", "logging", "subprocess"):
        importlib.import_module(name)
    if any(case.face is not None and case.face.is_gobject for case in rows):
        for name in ("gi.repository.GLib", "gi.repository.Gio"):
            importlib.import_module(name)


def use_own_site():
    """Has workers print their stacks as the row does."""
    paths = [os.path.join(HERE, "stacks"), os.environ.get("PYTHONPATH")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))


def main():
    names = sys.argv[1:]
    cases = [case for case in rows if not names or any(name in case.path for name in names)]
    import_what_rows_need()
    use_own_site()
    print(f"1..{len(cases)}", flush=True)
    supervisor = Supervisor(cases)
    case = supervisor.run()
    if case is not None:
        be_row(case)
        sys.exit(0)
    sys.exit(1 if supervisor.n_failed else 0)
