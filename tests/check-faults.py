#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks that each row of the fault matrix in docs/faults.md names tests that exist, and that each
test of a row is named there. Prints TAP, one point per rule; a broken rule lists what breaks it.
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

ROW = re.compile(r"^\| (\d+) \| [^|]+ \| ([^|]+) \| ([^|]+) \|$", re.M)
NAME = re.compile(r"`(/faults/row-(\d+)-[a-z0-9-]*)`")
CASE = re.compile(r'"(/faults/row-(\d+)-[a-z0-9-]+)"')
LAST_ROW = 85
ELSEWHERE = "comes with the languages"


class Matrix:
    def __init__(self, root):
        text = (root / "docs/faults.md").read_text(encoding="utf-8")
        self.rows = {int(number): (promise, NAME.findall(tests))
                     for number, promise, tests in ROW.findall(text)}
        self.cases = {}
        for path in sorted((root / "tests").rglob("test-*.c")):
            for name, number in CASE.findall(path.read_text(encoding="utf-8")):
                self.cases[name] = int(number)

    def has_case(self, name):
        return name in self.cases


def every_row_is_there(matrix):
    for number in range(1, LAST_ROW + 1):
        if number not in matrix.rows:
            yield f"row {number} is missing"


def every_row_names_a_test(matrix):
    for number, (promise, names) in matrix.rows.items():
        if not names and promise != ELSEWHERE:
            yield f"row {number} names no test"


def tests_that_are_named_exist(matrix):
    for number, (_, names) in matrix.rows.items():
        for name, own in names:
            if int(own) != number:
                yield f"row {number} names {name}"
            elif not matrix.has_case(name):
                yield f"row {number}: there is no test {name}"


def tests_that_exist_are_named(matrix):
    for case, number in matrix.cases.items():
        names = [name for name, _ in matrix.rows.get(number, ("", []))[1]]
        if not any(case == name or name.endswith("-") and case.startswith(name)
                   for name in names):
            yield f"{case} is not in row {number}"


RULES = [every_row_is_there, every_row_names_a_test, tests_that_are_named_exist,
         tests_that_exist_are_named]


def check(root):
    matrix = Matrix(root)
    n_broken = 0

    print(f"1..{len(RULES)}")
    for number, rule in enumerate(RULES, 1):
        found = list(rule(matrix))
        n_broken += bool(found)
        print(f"{'not ok' if found else 'ok'} {number} - {rule.__name__.replace('_', ' ')}")
        for text in found:
            print(f"# {text}")
    return n_broken == 0


def broken_rules(page, source):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "docs").mkdir()
        (root / "tests").mkdir()
        (root / "docs/faults.md").write_text(page, encoding="utf-8")
        (root / "tests/test-some.c").write_text(source, encoding="utf-8")
        matrix = Matrix(root)
        return [rule.__name__ for rule in RULES if list(rule(matrix))]


def self_test():
    """Each rule fails when it is broken, and none does otherwise."""
    lines = [f"| {n} | fault | promise | `/faults/row-{n:02}-x` |" for n in range(1, LAST_ROW + 1)]
    cases = [f'"/faults/row-{n:02}-x"' for n in range(1, LAST_ROW + 1)]
    page, source = "\n".join(lines), "\n".join(cases)
    trials = [
        ("a good matrix", page, source, []),
        ("a row is missing", "\n".join(lines[:-1]), "\n".join(cases[:-1]), ["every_row_is_there"]),
        ("a row without a test", page.replace("`/faults/row-05-x`", "-"),
         source.replace(cases[4], ""), ["every_row_names_a_test"]),
        ("a test that is not there", page, source.replace(cases[4], ""),
         ["tests_that_are_named_exist"]),
        ("a test of another row", page.replace("row-05-x", "row-06-x"),
         source.replace(cases[4], ""), ["tests_that_are_named_exist"]),
        ("a test that is not named", page, source + '"/faults/row-05-y"',
         ["tests_that_exist_are_named"]),
        ("a row of a language", page.replace("promise | `/faults/row-05-x`", f"{ELSEWHERE} | -"),
         source.replace(cases[4], ""), []),
    ]
    ok = True

    print(f"1..{len(trials)}")
    for number, (name, text, code, expected) in enumerate(trials, 1):
        found = broken_rules(text, code)
        ok = ok and found == expected
        print(f"{'ok' if found == expected else 'not ok'} {number} - {name}")
        if found != expected:
            print(f"# found {found}")
    return ok


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()

    ok = self_test() if options.self_test else check(Path(__file__).parent.parent)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
