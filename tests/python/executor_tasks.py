# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the executors have their workers do, besides worker_tasks."""

import os
import sys
import time

state = None


def square(number):
    return number * number


def fail_on_odd(number):
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number


def stop_on_odd(number):
    if number % 2:
        raise StopIteration
    return number


def touch_and_wait(begun, ended):
    """Makes a file and waits for another one."""
    open(begun, "w").close()
    while not os.path.exists(ended):
        time.sleep(0.001)
    return os.getpid()


def append(path, text):
    with open(path, "a", encoding="ascii") as file:
        file.write(text)


def get_address(buffer):
    """Of the memory that a bytes-like object is a view of, and its size."""
    return type(buffer).__name__, len(buffer), bytes(buffer[:4])


def keyword_only(*, key):
    return key


def was_imported(name):
    return name in sys.modules


class Doubler:
    def __init__(self, factor=2):
        self.factor = factor

    def __call__(self, number):
        return number * self.factor

    def method(self, number):
        return number * self.factor

    @staticmethod
    def static(number):
        return number + 1

    @classmethod
    def make(cls, factor):
        return cls(factor).factor


def set_state(value):
    global state
    state = value


def get_state():
    return state


def set_state_or_fail(value):
    raise RuntimeError(f"no {value}")


def use_lock(path):
    """With the multiprocessing lock that the initializer got: nobody else is inside."""
    with state:
        with open(path, "x", encoding="ascii"):
            time.sleep(0.005)
        os.unlink(path)
    return True


def put_in_queue(value):
    state.put(value)


def get_from_proxy(proxy):
    return proxy.get()
