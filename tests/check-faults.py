#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks that each row of the fault matrix in docs/faults.md names tests that exist, those that concern
Python tests of Python too, and that each test of a row is named there. Prints TAP, one point per rule; a broken rule lists what breaks it.
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

ROW = re.compile(r"^\| (\d+) \| [^|]+ \| [^|]+ \| ([^|]+) \| ([^|]+) \|$", re.M)
NAME = re.compile(r"`(/(?:faults|python)/row-(\d+)-[a-z0-9-]*)`")
CASE = re.compile(r'"(/(?:faults|python)/row-(\d+)-[a-z0-9-]+)"')
LAST_ROW = 85

# What can go wrong in Python itself, or otherwise there than in C.
PYTHON_ROWS = {*range(1, 8), *range(9, 23), *range(31, 37), 38, 50, *range(57, 69), 70, 72, 73, 74}


class Matrix:
    def __init__(self, root):
        text = (root / "docs/faults.md").read_text(encoding="utf-8")
        self.rows = {int(number): (NAME.findall(tests), NAME.findall(tests_of_python))
                     for number, tests, tests_of_python in ROW.findall(text)}
        self.cases = {}
        for pattern in ("test-*.c", "test-faults-*.py"):
            for path in sorted((root / "tests").rglob(pattern)):
                for name, number in CASE.findall(path.read_text(encoding="utf-8")):
                    self.cases[name] = int(number)

    def get_names(self, number):
        """Pairs of a name and the number in it."""
        return sum(self.rows.get(number, ([], [])), [])

    def has_case(self, name):
        return name in self.cases


def every_row_is_there(matrix):
    for number in range(1, LAST_ROW + 1):
        if number not in matrix.rows:
            yield f"row {number} is missing"


def every_row_names_a_test(matrix):
    for number in matrix.rows:
        if not matrix.get_names(number):
            yield f"row {number} names no test"


def every_row_of_python_names_a_test_of_it(matrix):
    for number, (_, names_of_python) in matrix.rows.items():
        if number in PYTHON_ROWS and not names_of_python:
            yield f"row {number} names no test of Python"


def each_test_is_named_in_its_column(matrix):
    for number, (names, names_of_python) in matrix.rows.items():
        for room, entries in (("/faults/", names), ("/python/", names_of_python)):
            for name, _ in entries:
                if not name.startswith(room):
                    yield f"row {number}: {name} is in the wrong column"


def tests_that_are_named_exist(matrix):
    for number in matrix.rows:
        for name, own in matrix.get_names(number):
            if int(own) != number:
                yield f"row {number} names {name}"
            elif not matrix.has_case(name):
                yield f"row {number}: there is no test {name}"


def tests_that_exist_are_named(matrix):
    for case, number in matrix.cases.items():
        names = [name for name, _ in matrix.get_names(number)]
        if not any(case == name or name.endswith("-") and case.startswith(name)
                   for name in names):
            yield f"{case} is not in row {number}"


RULES = [every_row_is_there, every_row_names_a_test, every_row_of_python_names_a_test_of_it,
         each_test_is_named_in_its_column, tests_that_are_named_exist, tests_that_exist_are_named]


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


def broken_rules(page, source, source_of_python):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "docs").mkdir()
        (root / "tests").mkdir()
        (root / "docs/faults.md").write_text(page, encoding="utf-8")
        (root / "tests/test-some.c").write_text(source, encoding="utf-8")
        (root / "tests/test-faults-some.py").write_text(source_of_python, encoding="utf-8")
        matrix = Matrix(root)
        return [rule.__name__ for rule in RULES if list(rule(matrix))]


def self_test():
    """Each rule fails when it is broken, and none does otherwise."""
    def make_line(n):
        name = f"`/python/row-{n:02}-x`" if n in PYTHON_ROWS else "-"
        return f"| {n} | fault | promise | `/faults/row-{n:02}-x` | {name} |"

    lines = [make_line(n) for n in range(1, LAST_ROW + 1)]
    cases = [f'"/faults/row-{n:02}-x"' for n in range(1, LAST_ROW + 1)]
    page, source = "\n".join(lines), "\n".join(cases)
    python = "\n".join([f'"/python/row-{n:02}-x"' for n in sorted(PYTHON_ROWS)])
    name_in_c, name_in_python = "`/faults/row-05-x`", "`/python/row-05-x`"
    trials = [
        ("a good matrix", page, source, python, []),
        ("a row is missing", "\n".join(lines[:-1]), "\n".join(cases[:-1]), python,
         ["every_row_is_there"]),
        ("a row without a test", page.replace("`/faults/row-08-x`", "-"),
         source.replace(cases[7], ""), python, ["every_row_names_a_test"]),
        ("a row of Python alone", page.replace(name_in_c, "-"), source.replace(cases[4], ""), python,
         []),
        ("a row of Python without a test of it", page.replace(name_in_python, "-"), source,
         python.replace('"/python/row-05-x"', ""), ["every_row_of_python_names_a_test_of_it"]),
        ("a test of Python in the column of C", page.replace("`/faults/row-08-x`",
                                                             "`/python/row-08-x`"),
         source.replace(cases[7], ""), python + '"/python/row-08-x"',
         ["each_test_is_named_in_its_column"]),
        ("a test that is not there", page, source.replace(cases[4], ""), python,
         ["tests_that_are_named_exist"]),
        ("a test of Python that is not there", page, source,
         python.replace('"/python/row-05-x"', ""), ["tests_that_are_named_exist"]),
        ("a test of another row", page.replace("faults/row-05-x", "faults/row-06-x"),
         source.replace(cases[4], ""), python, ["tests_that_are_named_exist"]),
        ("a test that is not named", page, source + '"/faults/row-05-y"', python,
         ["tests_that_exist_are_named"]),
        ("a test of Python that is not named", page, source, python + '"/python/row-05-y"',
         ["tests_that_exist_are_named"]),
    ]
    ok = True

    print(f"1..{len(trials)}")
    for number, (name, text, code, code_of_python, expected) in enumerate(trials, 1):
        found = broken_rules(text, code, code_of_python)
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
