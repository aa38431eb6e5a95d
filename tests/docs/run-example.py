#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""run-example.py EXPECTED PROGRAM [ARGUMENT...]: the program must print that line and no other. Several lines
are separated by "|"."""

import subprocess
import sys


def main():
    expected, *command = sys.argv[1:]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wanted = expected.replace("|", "\n") + "\n"
    is_right = (done.returncode, done.stdout, done.stderr) == (0, wanted, "")

    print("1..1")
    for line in (done.stdout + done.stderr).splitlines():
        print(f"# {line}")
    print(f"{'ok' if is_right else 'not ok'} 1 - prints {expected} (status {done.returncode})")
    sys.exit(0 if is_right else 1)


if __name__ == "__main__":
    main()
