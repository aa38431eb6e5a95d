# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the unit tests of a program and reports them as TAP."""

import sys
import unittest


class TapResult(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.n_reported = 0
        self.tests_with_bad_parts = set()

    def report(self, test, word, comment=""):
        self.n_reported += 1
        name = test.id().removeprefix("__main__.")
        print(f"{word} {self.n_reported} - {name}{comment}", flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.report(test, "ok")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.report(test, "ok", f" # SKIP {reason}")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.report(test, "not ok")
        self.explain(self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self.report(test, "not ok")
        self.explain(self.errors[-1][1])

    def addSubTest(self, test, subtest, err):
        """Each part that fails is explained; the test fails once."""
        super().addSubTest(test, subtest, err)
        if err is None:
            return
        is_failure = issubclass(err[0], test.failureException)
        self.explain((self.failures if is_failure else self.errors)[-1][1])
        self.tests_with_bad_parts.add(test)

    def stopTest(self, test):
        super().stopTest(test)
        if test in self.tests_with_bad_parts:
            self.report(test, "not ok")

    @staticmethod
    def explain(text):
        for line in text.splitlines():
            print(f"# {line}", flush=True)


def main(names=None):
    """As unittest.main(): all tests of the calling module, or those named."""
    module = sys.modules["__main__"]
    loader = unittest.defaultTestLoader
    if names is None:
        names = sys.argv[1:]
    if names:
        suite = loader.loadTestsFromNames(names, module)
    else:
        suite = loader.loadTestsFromModule(module)
    print(f"1..{suite.countTestCases()}", flush=True)
    result = TapResult()
    suite.run(result)
    sys.exit(0 if result.wasSuccessful() else 1)
