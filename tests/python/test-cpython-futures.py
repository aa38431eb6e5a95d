#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tests that CPython has of ProcessPoolExecutor, with that of aiopool in its place.

They come with the interpreter, on Debian in the package libpython3.11-testsuite; without them this
program skips. What is not run is listed below, each with its reason.

Arguments: names of tests, as for unittest, or `--all`.
"""

import sys
import textwrap
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:1] = [str(HERE), str(HERE.parent)]

import concurrent.futures  # noqa: E402
import concurrent.futures.process  # noqa: E402

import aiopool  # noqa: E402
import taptest  # noqa: E402

# --- what is not run ------------------------------------------------------------------------------

NOTHING_TO_START_FOR = (
    "submits what cannot be pickled, and wants that to have started processes: here submit() finds out, "
    "and a process starts when there is work for it")
ITS_OWN_RESULT = (
    "wants a result that cannot be unpickled to break the pool: here it fails its own future, with what "
    "was raised, and the pool goes on")
NOT_BEGUN = (
    "wants calls to have begun that were submitted a moment ago: here none has before the first worker "
    "is ready, so all of them are cancelled")
FORK_QUEUE = "hands over a queue of the context 'fork', which only a fork can: ValueError says so"

# Tests, all of a name or those of one context, and the reason of each.
NOT_RUN = {
    "test_processes_terminate": NOTHING_TO_START_FOR,
    "test_saturation": NOTHING_TO_START_FOR,
    "test_error_during_result_unpickle_in_result_handler": ITS_OWN_RESULT,
    "test_exit_during_result_unpickle_in_result_handler": ITS_OWN_RESULT,
    "test_cancel_futures": NOT_BEGUN,
    "ProcessPoolForkFailingInitializerTest.test_initializer": FORK_QUEUE,
}

# They sleep for seconds.
SLOW = (
    "test_duplicate_futures", "test_killed_child", "test_map_timeout", "test_no_stale_references",
    "test_zero_timeout",
)

# --- taking the place -----------------------------------------------------------------------------

# What programs that the tests run begin with; -I has them find nothing by PYTHONPATH.
PROLOGUE = """
import sys
sys.path[:0] = {path!r}
import concurrent.futures, concurrent.futures.process, multiprocessing
import aiopool
concurrent.futures.ProcessPoolExecutor = aiopool.ProcessPoolExecutor
concurrent.futures.process.ProcessPoolExecutor = aiopool.ProcessPoolExecutor
"""


def take_the_place():
    concurrent.futures.ProcessPoolExecutor = aiopool.ProcessPoolExecutor
    concurrent.futures.process.ProcessPoolExecutor = aiopool.ProcessPoolExecutor


def import_tests():
    """The module, or None."""
    try:
        from test import test_concurrent_futures as module
    except ImportError:
        return None
    if not hasattr(module, "ProcessPoolShutdownTest"):
        return None  # a newer one is a package, whose parts are others

    def run_program(*arguments):
        prologue = PROLOGUE.format(path=[str(Path(aiopool.__file__).parent.parent)])
        return run(*arguments[:-1], prologue + textwrap.dedent(arguments[-1]))

    module.support.verbose = False  # lest it write between what is reported here
    run = module.assert_python_ok
    module.assert_python_ok = run_program
    return module


# --- choosing -------------------------------------------------------------------------------------


def each_test(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from each_test(test)
        else:
            yield test


def mark(test):
    """Has a test skip that is not run."""
    name = test.id().rpartition(".")[2]
    reason = NOT_RUN.get(name) or NOT_RUN.get(f"{type(test).__name__}.{name}")
    if reason is not None:
        setattr(test, name, unittest.skip(reason)(getattr(test, name)))


def choose(module, names):
    """The tests that are named, or those that are quick: the three contexts make no difference but for
    what initializers are given, and much of the rest sleeps for seconds. `--all` is all."""
    classes = [name for name in dir(module) if name.startswith("ProcessPool") and
               isinstance(getattr(module, name), type) and
               issubclass(getattr(module, name), unittest.TestCase)]
    loaded = unittest.defaultTestLoader.loadTestsFromNames(
        classes if names in ([], ["--all"]) else names, module)
    tests = list(each_test(loaded))
    if not names:
        tests = [test for test in tests if is_quick(test)]
    for test in tests:
        mark(test)
    return unittest.TestSuite(tests)


def is_quick(test):
    kind = type(test).__name__
    name = test.id().rpartition(".")[2]
    if "Initializer" in kind:
        return True
    return "Spawn" in kind and name not in SLOW and not kind.endswith("WaitTest")


def main():
    take_the_place()
    module = import_tests()
    if module is None:
        print("1..0 # SKIP there are no tests of CPython 3.11: libpython3.11-testsuite has them")
        return
    aiopool.ProcessPoolExecutor(1).shutdown()  # with it the package starts the thread that it keeps
    suite = choose(module, sys.argv[1:])
    print(f"1..{suite.countTestCases()}", flush=True)
    result = taptest.TapResult()
    suite.run(result)
    sys.exit(0 if result.wasSuccessful() else 1)


if __name__ == "__main__":
    main()
