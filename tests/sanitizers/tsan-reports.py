#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints what the thread sanitizer reported, each kind once, with names. Exit status 1 for any.

While it runs the sanitizer writes addresses only: a program that looks up names would be a child
of the tests, which look for children that were left. So a stack has lines "#0 (FILE+OFFSET)".
"""

import argparse
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

FRAME = re.compile(r"\((/[^()\n]+)\+(0x[0-9a-f]+)\)")
REPORT = re.compile(r"^WARNING: ThreadSanitizer: .*?(?=^={18}$|\Z)", re.MULTILINE | re.DOTALL)
TOP = re.compile(r"#0 (.*)")


def look_up(module, offsets):
    """The name of each offset; a line for each function that was inlined there."""
    program = os.environ.get("TSAN_SYMBOLIZER_PATH", "llvm-symbolizer")
    command = [program, f"--obj={module}", "--output-style=GNU", "-p", "-s", "-f", "-C", "-i"]
    try:
        output = subprocess.run(command, input="\n".join(offsets) + "\n", capture_output=True,
                                text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return {}
    names = re.split(r"\n(?! \(inlined by\))", output.strip("\n"))
    return dict(zip(offsets, (name for name in names if name)))


def name_frames(text):
    offsets = defaultdict(set)
    for module, offset in FRAME.findall(text):
        offsets[module].add(offset)
    names = {module: look_up(module, sorted(some)) for module, some in offsets.items()}

    def name(match):
        found = names[match[1]].get(match[2], "??")
        if found.startswith("??"):
            return f"in {Path(match[1]).name}+{match[2]}"
        return found.replace("\n", "\n      ")
    return FRAME.sub(name, text)


def print_reports(files):
    kinds = defaultdict(list)
    for path in files:
        for report in REPORT.findall(path.read_text(errors="replace")):
            report = re.sub(r"^SUMMARY: .*\n?", "", report, flags=re.MULTILINE)
            kinds[tuple(TOP.findall(report)[:2])].append(report)
    for reports in kinds.values():
        print(f"--- {len(reports)} times:\n{name_frames(reports[0])}")
    n_reports = sum(map(len, kinds.values()))
    print(f"thread sanitizer: {n_reports} reports, {len(kinds)} different")
    return 1 if n_reports else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a folder that has files report.NUMBER")
    return print_reports(sorted(parser.parse_args().folder.glob("report.*")))


if __name__ == "__main__":
    sys.exit(main())
