# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is there: descriptors, threads, processes, shared memory; and what Linux does for the tests of
faults which Python has no function for."""

import ctypes
import os
import signal
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
CLONE_NEWNS = 0x20000
MS_REC, MS_PRIVATE = 0x4000, 0x40000

libc = ctypes.CDLL(None, use_errno=True)
has_private_shm = False


def become_subreaper():
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def make_shm_private():
    """So that nothing of other programs is counted. Not possible for everybody."""
    global has_private_shm
    has_private_shm = (libc.unshare(CLONE_NEWNS) == 0
                       and libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) == 0
                       and libc.mount(b"none", b"/dev/shm", b"tmpfs", 0, None) == 0)


def list_fds():
    """From descriptors to what they are of."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            pass  # that of the directory itself
    return found


def read_stat(pid):
    """The state and the parent of a process or thread; a dot and 0 if there is none."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
        return state, int(parent)
    except (FileNotFoundError, ProcessLookupError):
        return ".", 0


def get_state(pid):
    return read_stat(pid)[0]


def is_alive(pid):
    """Zombies are not."""
    return get_state(pid) not in "ZX."


def list_children():
    """From the numbers of processes to lists of (number, state) of their children."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            state, parent = read_stat(name)
            children.setdefault(parent, []).append((int(name), state))
    return children


def list_descendants(pid):
    """Those that live."""
    children = list_children()
    found = [pid]
    for parent in found:
        found += [child for child, state in children.get(parent, ()) if state not in "ZX"]
    return found[1:]


def list_own_children():
    """(number, state); mostly there are none, which costs little to see."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return ()
    return list_children().get(os.getpid(), ())


def count():
    fds = list_fds()
    children = list_own_children()
    n_zombies = sum(state in "ZX" for pid, state in children)
    maps = Path("/proc/self/maps").read_text()
    return {
        "fds": len(fds),
        "threads": len(os.listdir("/proc/self/task")),
        "children": len(children) - n_zombies,
        "zombies": n_zombies,
        "memfds": sum("memfd:" in link for link in fds.values()) + maps.count("/memfd:"),
        "shm": len(os.listdir("/dev/shm")) if has_private_shm else 0,
    }


def describe():
    """What is open, and the threads."""
    threads = [Path(f"/proc/self/task/{name}/comm").read_text().strip()
               for name in os.listdir("/proc/self/task")]
    return f"{list_fds()}\n{threads}"


def describe_process(pid):
    """In one line."""
    parts = [f"process {pid}"]
    for name in ("comm", "cmdline", "wchan", "syscall"):
        try:
            text = Path(f"/proc/{pid}/{name}").read_text(errors="replace").replace("\0", " ")
        except OSError as error:
            text = error.strerror
        parts.append(f"{name}: {text.strip()[:200]}")
    return "; ".join([*parts, f"state: {get_state(pid)}"])


def catches(pid, number):
    """Whether the process has a handler for that signal."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return False
    mask = [int(line.split()[1], 16) for line in lines if line.startswith("SigCgt")]
    return bool(mask and mask[0] >> (number - 1) & 1)
