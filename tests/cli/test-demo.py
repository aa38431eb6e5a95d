# SPDX-License-Identifier: LGPL-2.1-or-later
"""The demonstration program: its checksums are those of sha256sum, and one crash is one failure."""

import os
import shutil
import subprocess
import tempfile

from clitest import LIMIT, CliTest, main, new_environment

DEMO = os.environ["AIOPOOL_DEMO"]


class Demo(CliTest):
    def demo(self, *words):
        environment = new_environment()
        environment.pop("AIOPOOL_WORKER_DIR")  # it knows its own
        done = subprocess.run([DEMO, *words], capture_output=True, timeout=LIMIT * 3,
                              env=environment, check=False)
        self.assert_nothing_left(environment)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done.stdout.decode()

    @staticmethod
    def make_tree(folder):
        for number in range(300):
            path = os.path.join(folder, f"d{number % 7}", f"file {number}")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(b"%d\n" % number * (number ** 2))
        for name in b"new\nline", b"back\\slash", b"not utf-8 \xff", b"'quotes\"", b" ", b"empty":
            with open(os.path.join(folder.encode(), name), "wb"):
                pass
        os.symlink("empty", os.path.join(folder, "link"))
        os.symlink(".", os.path.join(folder, "loop"))
        os.mkfifo(os.path.join(folder, "fifo"))

    def compare(self, folder, list_path):
        expected = subprocess.run(["find", folder, "-type", "f", "-exec", "sha256sum", "{}", "+"],
                                  capture_output=True, check=True).stdout
        with open(list_path, "rb") as file:
            self.assertEqual(sorted(file.read().split(b"\n")), sorted(expected.split(b"\n")))

    def test_checksums_are_those_of_sha256sum(self):
        if shutil.which("sha256sum") is None:
            self.skipTest("no sha256sum")
        with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile() as file:
            self.make_tree(folder)
            self.demo("--list", file.name, "--no-speed-up", folder)
            self.compare(folder, file.name)

    def test_checksums_of_a_real_tree(self):
        tree = "/usr/share/doc"
        if shutil.which("sha256sum") is None or not os.path.isdir(tree):
            self.skipTest("no sha256sum or no /usr/share/doc")
        with tempfile.NamedTemporaryFile() as file:
            self.demo("--list", file.name, "--no-speed-up", tree)
            self.compare(tree, file.name)

    def test_one_task_crashes_and_all_others_are_done(self):
        with tempfile.TemporaryDirectory() as folder:
            self.make_tree(folder)
            text = self.demo("-j", "2", folder)
        self.assertEqual(text.count("failed: "), 1, text)
        self.assertIn("199 files, ", text)
        self.assertIn(", 1 failed", text)
        self.assertIn("speed-up: ", text)

    def test_an_empty_tree(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertIn("SHA-256 of 0 files", self.demo(folder))


if __name__ == "__main__":
    main()
