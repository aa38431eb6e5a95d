#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Counts the results of several test runs and prints them, the total as the last line.

Reads the testlog.json files that Meson writes, one JSON object per line. A test that speaks TAP
counts once per `ok` or `not ok` line, any other test once. What did not end as it should (a crash,
a timeout, a broken plan) counts as at least one failure, and so does a log without a test.
"""

import argparse
import json
import re
import sys
import tempfile
from collections import namedtuple
from pathlib import Path

GOOD = {"OK", "EXPECTEDFAIL"}
SKIPPED = {"SKIP"}

PLAN = re.compile(r"^1\.\.\d+", re.MULTILINE)
POINT = re.compile(r"^(not )?ok\b[^#\n]*(?:#\s*(SKIP|TODO)\b)?", re.MULTILINE | re.IGNORECASE)


class Count(namedtuple("Count", "passed failed skipped")):
    def __add__(self, other):
        return Count(*(a + b for a, b in zip(self, other)))

    def __str__(self):
        text = f"{self.passed} passed, {self.failed} failed"
        return f"{text}, {self.skipped} skipped" if self.skipped else text


NOTHING = Count(0, 0, 0)
PASS = Count(1, 0, 0)
FAIL = Count(0, 1, 0)
SKIP = Count(0, 0, 1)


def count_points(stdout):
    """The lines of a TAP output, each counted; a TODO is allowed to fail."""
    total = NOTHING
    for is_not, directive in POINT.findall(stdout):
        directive = directive.upper()
        if directive == "SKIP" or (directive == "TODO" and is_not):
            total += SKIP
        else:
            total += FAIL if is_not else PASS
    return total


def count_test(test):
    result = test.get("result")
    stdout = test.get("stdout") or ""

    if result == "EXPECTEDFAIL":
        return PASS
    total = count_points(stdout) if PLAN.search(stdout) else NOTHING
    if result in SKIPPED:
        return total if total != NOTHING else SKIP
    if result not in GOOD:
        return total if total.failed else total + FAIL
    return total if total != NOTHING else PASS


def count_log(path):
    """What a log holds, and a line about everything in it that failed."""
    total = NOTHING
    complaints = []

    try:
        lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
    except OSError as error:
        return FAIL, [f"{path}: {error.strerror}"]
    if not lines:
        return FAIL, [f"{path}: no test was run"]

    for line in lines:
        try:
            test = json.loads(line)
            name, result = test["name"], test["result"]
        except (ValueError, KeyError, TypeError):
            total += FAIL
            complaints.append(f"{path}: a line is no test result (the run was cut short?)")
            continue
        count = count_test(test)
        total += count
        if count.failed:
            complaints.append(f"{path}: {name}: {result} ({count})")
    return total, complaints


def count_all(logs, broken):
    total = NOTHING
    for log in logs:
        count, complaints = count_log(log)
        for complaint in complaints:
            print(complaint)
        print(f"{log}: {count}")
        total += count
    for name in broken:
        print(name)
        total += FAIL
    if not logs and not broken:
        print("no test was run")
        total += FAIL
    print(total)
    return 1 if total.failed else 0


def self_test():
    """Counts made-up logs, and reports in TAP."""
    tap = "TAP version 13\n# random seed\n1..3\nok 1 /a/ok\n"
    claims = [
        ("exit status 0 is one passed", [("OK", "")], (1, 0, 0)),
        ("another exit status is one failed", [("FAIL", "")], (0, 1, 0)),
        ("a skipped test is apart", [("SKIP", "")], (0, 0, 1)),
        ("a timeout is one failed", [("TIMEOUT", "")], (0, 1, 0)),
        ("an interrupted test is one failed", [("INTERRUPT", "")], (0, 1, 0)),
        ("an expected failure is one passed", [("EXPECTEDFAIL", "1..1\nnot ok 1\n")], (1, 0, 0)),
        ("an unexpected pass is one failed", [("UNEXPECTEDPASS", "")], (0, 1, 0)),
        ("TAP lines count one by one", [("OK", tap + "ok 2\nok 3\n")], (3, 0, 0)),
        ("a TAP failure counts once", [("FAIL", tap + "not ok 2 - b\nok 3\n")], (2, 1, 0)),
        ("a TAP skip is apart", [("OK", tap + "ok 2 # SKIP no x\nok 3 /b # skip\n")], (1, 0, 2)),
        ("a TODO may fail", [("OK", tap + "not ok 2 # TODO later\nok 3\n")], (2, 0, 1)),
        ("a crash after two TAP lines adds one", [("ERROR", tap + "ok 2\n")], (2, 1, 0)),
        ("a timeout after a TAP failure adds none", [("TIMEOUT", tap + "not ok 2\n")], (1, 1, 0)),
        ("a plan of nothing is skipped", [("SKIP", "1..0 # SKIP none\n")], (0, 0, 1)),
        ("indented and other lines do not count", [("OK", tap + "    ok 9\nokay\n")], (1, 0, 0)),
        ("ok without a plan is not TAP", [("OK", "ok then\nok\n")], (1, 0, 0)),
        ("tests add up", [("OK", ""), ("FAIL", ""), ("OK", tap)], (2, 1, 0)),
        ("an empty log is one failed", [], (0, 1, 0)),
        ("a cut line is one failed", [("OK", ""), None], (1, 1, 0)),
        ("a missing log is one failed", None, (0, 1, 0)),
    ]
    n_bad = 0

    print(f"1..{len(claims)}")
    with tempfile.TemporaryDirectory() as folder:
        for number, (claim, tests, expected) in enumerate(claims, 1):
            log = Path(folder, f"{number}.json")
            if tests is not None:
                log.write_text("".join('{"name": "cut\n' if test is None else json.dumps(
                    {"name": "t", "result": test[0], "stdout": test[1]}) + "\n"
                    for test in tests))
            count, _ = count_log(log)
            good = count == Count(*expected)
            n_bad += not good
            print(f"{'ok' if good else 'not ok'} {number} - {claim}")
            if not good:
                print(f"# expected {Count(*expected)}, got {count}")
    return 1 if n_bad else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("logs", nargs="*", type=Path, metavar="TESTLOG",
                        help="a testlog.json, or a build directory that holds one")
    parser.add_argument("--broken", action="append", default=[], metavar="TEXT",
                        help="something that could not be built or run: one failure")
    parser.add_argument("--self-test", action="store_true", help="test this program")
    options = parser.parse_args()

    if options.self_test:
        return self_test()
    logs = [log / "meson-logs" / "testlog.json" if log.is_dir() else log for log in options.logs]
    return count_all(logs, options.broken)


if __name__ == "__main__":
    sys.exit(main())
