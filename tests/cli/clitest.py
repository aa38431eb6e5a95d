# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the program share: running it, finding what it left, reporting as TAP."""

import os
import signal
import subprocess
import sys
import time
import unittest
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from taptest import main  # noqa: E402,F401

CLI = os.environ["AIOPOOL_CLI"]
TEST_PLUGIN = os.environ["AIOPOOL_TEST_PLUGIN"]
EMPTY_PLUGIN = os.environ["AIOPOOL_EMPTY_PLUGIN"]

# Long enough for a busy machine and for valgrind; a test that hangs ends here.
LIMIT = 120

# A test run in the background, or by nohup, ignores some, and so would all that a test starts.
for _number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)

# In the environment of everything that a test starts, so that it can be found again.
MARK_NAME = "CLI_TEST_MARK"


def new_environment(**extra):
    environment = dict(os.environ, LC_ALL="C.UTF-8", **extra)
    environment[MARK_NAME] = uuid.uuid4().hex
    environment.pop("COLUMNS", None)
    return environment


def find_marked(environment):
    """The processes that carry the mark and are not zombies."""
    wanted = f"{MARK_NAME}={environment[MARK_NAME]}".encode()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                if wanted in file.read().split(b"\0"):
                    found.append(int(name))
        except OSError:
            pass
    return found


def wait_until(condition, seconds=LIMIT):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


class CliTest(unittest.TestCase):
    def cli(self, *words, stdin=b"", environment=None, cwd=None):
        """Runs the program to its end; whatever comes of it, no process may be left."""
        environment = environment or new_environment()
        done = subprocess.run([CLI, *words], input=stdin, capture_output=True, timeout=LIMIT,
                              env=environment, cwd=cwd, check=False)
        self.assert_nothing_left(environment)
        return done

    def lines(self, *words, status=0, **keywords):
        done = self.cli(*words, **keywords)
        self.assertEqual((done.returncode, done.stderr), (status, b""))
        return done.stdout.split(b"\n")[:-1]

    def complaint(self, status, *words, **keywords):
        """The one line on standard error of a program that ends with that status."""
        done = self.cli(*words, **keywords)
        self.assertEqual(done.returncode, status, done.stderr)
        lines = done.stderr.decode().splitlines()
        self.assertEqual(len(lines), 1, lines)
        self.assertTrue(lines[0].startswith("aiopool: "), lines)
        return lines[0]

    def assert_nothing_left(self, environment):
        if not wait_until(lambda: not find_marked(environment), 20):
            left = []
            for pid in find_marked(environment):
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    left.append((pid, file.read()))
            self.fail(f"left behind: {left}")
