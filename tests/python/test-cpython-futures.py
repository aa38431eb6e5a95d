#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tests that CPython has of ProcessPoolExecutor, with that of aiopool in its place.

They come with the interpreter, on Debian in the package libpython3.11-testsuite; without them this
program skips. What is not run is listed below, each with its reason.

Arguments: parts of the names of tests, or `--all`.
"""

import importlib
import sys
import textwrap
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:1] = [str(HERE), str(HERE.parent)]

import concurrent.futures  # noqa: E402
import concurrent.futures.process  # noqa: E402
import multiprocessing.util  # noqa: E402

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
NO_SUCH_THREAD = "has a thread of the other implementation fail, which there is none of here"
FORK_QUEUE = "hands over a queue of the context 'fork', which only a fork can: ValueError says so"

# Tests, all of a name or those of one context, and the reason of each.
NOT_RUN = {
    "test_processes_terminate": NOTHING_TO_START_FOR,
    "test_saturation": NOTHING_TO_START_FOR,
    "test_error_during_result_unpickle_in_result_handler": ITS_OWN_RESULT,
    "test_exit_during_result_unpickle_in_result_handler": ITS_OWN_RESULT,
    "test_cancel_futures": NOT_BEGUN,
    "test_python_finalization_error": NO_SUCH_THREAD,
    "ProcessPoolForkFailingInitializerTest.test_initializer": FORK_QUEUE,
}

# They sleep for seconds.
SLOW = (
    "test_duplicate_futures", "test_killed_child", "test_map_timeout", "test_no_stale_references",
    "test_zero_timeout",
)

# --- taking the place -----------------------------------------------------------------------------

PARTS = ("as_completed", "deadlock", "init", "process_pool", "shutdown", "wait")

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
    """The modules; none if there are no tests. Python 3.12 has made a package of the one."""
    try:
        import test.test_concurrent_futures as module
    except ImportError:
        return []
    modules = [module]
    if hasattr(module, "__path__"):
        modules = [importlib.import_module(f"{module.__name__}.test_{name}") for name in PARTS]
    for module in modules:
        if hasattr(module, "support"):
            module.support.verbose = False  # lest it write between what is reported here
        if hasattr(module, "assert_python_ok"):
            module.assert_python_ok = make_runner(module.assert_python_ok)
    return modules


def make_runner(run):
    def run_program(*arguments):
        prologue = PROLOGUE.format(path=[str(Path(aiopool.__file__).parent.parent)])
        return run(*arguments[:-1], prologue + textwrap.dedent(arguments[-1]))

    return run_program


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


def choose(modules, names):
    """The tests that are named, or those that are quick: the three contexts make no difference but for
    what initializers are given, and much of the rest sleeps for seconds. `--all` is all."""
    found = [value for module in modules for name, value in vars(module).items()
             if name.startswith("ProcessPool") and name.endswith("Test") and isinstance(value, type)
             and issubclass(value, unittest.TestCase) and value.__module__ == module.__name__]
    load = unittest.defaultTestLoader.loadTestsFromTestCase
    tests = [test for kind in found for test in each_test(load(kind))]
    if not names:
        tests = [test for test in tests if is_quick(test)]
    elif names != ["--all"]:
        tests = [test for test in tests if any(name in test.id() for name in names)]
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
    modules = import_tests()
    if not modules:
        print("1..0 # SKIP the tests of CPython are not installed; Debian has libpython3.11-testsuite")
        return
    # It waits for a process whose pipe belongs to futures, too, as long as somebody has them.
    multiprocessing.util._cleanup_tests = lambda: None
    aiopool.ProcessPoolExecutor(1).shutdown()  # with it the package starts the thread that it keeps
    suite = choose(modules, sys.argv[1:])
    print(f"1..{suite.countTestCases()}", flush=True)
    result = taptest.TapResult()
    suite.run(result)
    sys.exit(0 if result.wasSuccessful() else 1)


if __name__ == "__main__":
    main()
