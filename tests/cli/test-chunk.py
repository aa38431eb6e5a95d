# SPDX-License-Identifier: LGPL-2.1-or-later
"""Items that go to workers several at a time: nothing else is to change by that."""

import contextlib
import json
import os
import signal
import subprocess
import tempfile

from clitest import CLI, LIMIT, TEST_PLUGIN, CliTest, main, new_environment

CRASH = TEST_PLUGIN + ":crash_at_30"
SIZES = ["--chunk=auto"], ["--chunk=7"], ["--chunk=65536"]


def numbers(first, last):
    return b"".join(b"%d\n" % number for number in range(first, last + 1))


class Chunk(CliTest):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def run_here(self, *words, **keywords):
        return self.cli(*words, cwd=self.folder, **keywords)

    def logged(self, name="log"):
        """Seq -> Exitval; each once."""
        with open(os.path.join(self.folder, name), "rb") as file:
            rows = [line.split(b"\t") for line in file.read().splitlines()[1:]]
        found = {int(row[0]): int(row[6]) for row in rows}
        self.assertEqual(len(found), len(rows))
        return found


class Same(Chunk):
    def test_results_and_their_order(self):
        items = numbers(1, 5000)
        for size in *SIZES, ["--chunk=1"]:
            done = self.cli("map", "-j3", *size, "echo", stdin=items)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, items, b""))
            done = self.cli("map", "-j3", "-u", *size, "echo", stdin=items)
            self.assertEqual(sorted(done.stdout.split(), key=int), items.split())

    def test_no_items(self):
        for size in SIZES:
            done = self.cli("map", *size, "echo")
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))

    def test_strings_between_bytes(self):
        items = b"\n".join([b"a", b"\xff", b"\xfe\xff", "ä".encode(), b"", b"b" * 100000, b"\xff"])
        for size in SIZES:
            done = self.cli("map", *size, "echo", stdin=items)
            self.assertEqual((done.returncode, done.stdout), (0, items + b"\n"))

    def test_each_has_its_own_error(self):
        done = self.cli("map", "-j2", "--json", "--chunk=10", TEST_PLUGIN + ":fail",
                        stdin=numbers(1, 50))
        objects = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual((done.returncode, [found["error"] for found in objects]),
                         (1, [f"no luck with {number}" for number in range(1, 51)]))

    def test_an_item_that_cannot_be_sent(self):
        done = self.cli("map", "--chunk=10", "echo", stdin=b"a\nb\0b\nc\n")
        self.assertEqual((done.returncode, done.stdout, done.stderr.count(b"\n")),
                         (1, b"a\nc\n", 1))

    def test_lines_come_out_while_input_is_open(self):
        for size in SIZES:
            environment = new_environment()
            process = subprocess.Popen([CLI, "map", *size, "echo"], env=environment,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for word in b"a\n", b"b\n", b"c\n":
                process.stdin.write(word)
                process.stdin.flush()
                self.assertEqual(process.stdout.readline(), word)
            process.stdin.close()
            self.assertEqual(process.wait(LIMIT), 0)
            process.stdout.close()
            self.assert_nothing_left(environment)

    def test_commands_too(self):
        done = self.cli("run", "-k", "-j2", "--chunk=4", "echo {}; exit {}", ":::", *"0103200")
        self.assertEqual((done.returncode, done.stdout), (3, b"0\n1\n0\n3\n2\n0\n0\n"))

    def test_a_time_limit_is_for_each_item(self):
        done = self.run_here("run", "-k", "-j1", "--chunk=5", "--timeout=0.5", "--joblog=log",
                             "sleep {}; echo {}", ":::", "0", "600", "0.3", "0.3", "601", "0.01")
        self.assertEqual((done.returncode, done.stdout), (2, b"0\n0.3\n0.3\n0.01\n"))
        self.assertEqual(self.logged(), {1: 0, 2: -1, 3: 0, 4: 0, 5: -1, 6: 0})

    def test_a_dry_run(self):
        self.assertEqual(self.lines("map", "--chunk=auto", "--dry-run", "echo", "a"), [b"echo a"])

    def test_wrong_usage(self):
        for value in "0", "65537", "-1", "x", "", "7x":
            self.assertIn("--chunk", self.complaint(2, "map", "--chunk=" + value, "echo", "a"))
        self.assertIn("--delay", self.complaint(2, "map", "--chunk=2", "--delay=1", "echo", "a"))
        self.assertIn("nonsense", self.complaint(2, "map", "--chunk=2", "nonsense", *"abc"))
        self.assertEqual(self.lines("map", "--chunk=1", "--delay=0.01", "echo", "a"), [b"a"])


class Crash(Chunk):
    def test_one_item_crashes_and_none_is_lost(self):
        done = self.run_here("map", "-j1", "--json", "--chunk=20", "--joblog=log", CRASH,
                             stdin=numbers(1, 60))
        objects = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual((done.returncode, [found["item"] for found in objects]),
                         (1, [str(number) for number in range(1, 61)]))
        self.assertIn("killed by signal", objects[29]["error"])
        for number, found in enumerate(objects, 1):
            if "error" not in found:
                self.assertEqual(found["result"], str(number))
            elif number != 30:  # begun before it, in its chunk
                self.assertIn("may have run", found["error"])
                self.assertIn(number, range(1, 30))
        self.assertEqual(self.logged(), {number: -1 if "error" in found else 0
                                         for number, found in enumerate(objects, 1)})

    def test_what_may_have_run_is_tried_again_by_itself(self):
        done = self.run_here("map", "-j2", "--json", "--chunk=20", "--retries=2", "--joblog=log",
                             CRASH, stdin=numbers(1, 60))
        objects = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([number for number, found in enumerate(objects, 1) if "error" in found],
                         [30])
        self.assertEqual(objects[29]["tries"], 2)
        self.assertEqual(self.logged(), {number: -1 if number == 30 else 0
                                         for number in range(1, 61)})

    def test_resuming_runs_what_failed(self):
        self.run_here("map", "-j1", "--chunk=20", "--joblog=log", CRASH, stdin=numbers(1, 60))
        failed = [number for number, value in self.logged().items() if value != 0]
        done = self.run_here("map", "--chunk=1", "--joblog=log", "--resume-failed", CRASH,
                             stdin=numbers(1, 60))
        self.assertEqual(done.stdout.split(), [b"%d" % number for number in failed
                                               if number != 30])

    def test_a_worker_that_is_killed_takes_one_command_with_it(self):
        done = self.run_here("run", "-k", "-j2", "--chunk=5", "--joblog=log",
                             "[ {} != 7 ] || kill -9 0; sleep 0.01; echo {}",
                             stdin=numbers(1, 20))
        self.assertEqual((done.returncode, done.stdout),
                         (1, b"".join(numbers(i, i) for i in range(1, 21) if i != 7)))
        self.assertEqual({number for number, value in self.logged().items() if value != 0}, {7})


class Stop(Chunk):
    def test_soon_takes_back_what_has_not_begun(self):
        for order in [], ["-k"]:
            done = self.run_here("run", "-j1", "--chunk=5", "--halt=soon,fail=1", "--joblog=log",
                                 *order, ": >{}; sleep 0.01; [ {} != 3 ]", stdin=numbers(1, 20))
            self.assertEqual(done.returncode, 1)
            logged = self.logged()
            self.assertEqual(({1, 2, 3} - set(logged), logged[3]), (set(), 1))
            self.assertLess(len(logged), 6)  # what ran when the third had failed was let run
            self.assertEqual({name for name in os.listdir(self.folder) if name != "log"},
                             {str(number) for number in logged})
            for name in os.listdir(self.folder):
                os.unlink(os.path.join(self.folder, name))

    def test_now_ends_what_runs(self):
        done = self.run_here("run", "-j2", "--chunk=3", "--halt=now,fail=1", "--joblog=log",
                             "if [ {} = a ]; then : >a; sleep 600; elif [ {} = d ]; then "
                             "until [ -e a ]; do sleep 0.01; done; exit 1; fi; : >{}",
                             ":::", *"abcdefghi")
        self.assertEqual(done.returncode, 1)
        logged = self.logged()
        self.assertEqual([number for number, value in logged.items() if value != 0], [4])
        self.assertNotIn(1, logged)

    def test_resuming_after_a_halt_runs_the_rest_once(self):
        command = "sleep 0.01; echo {} >>ran"
        self.run_here("run", "-j2", "--chunk=5", "--halt=soon,done=4", "--joblog=log", command,
                      stdin=numbers(1, 30))
        self.assertLess(len(self.logged()), 30)
        self.run_here("run", "-j2", "--chunk=auto", "--resume", "--joblog=log", command,
                      stdin=numbers(1, 30))
        self.assertEqual(set(self.logged()), set(range(1, 31)))
        with open(os.path.join(self.folder, "ran"), "rb") as file:
            self.assertEqual(sorted(file.read().split(), key=int), numbers(1, 30).split())

    def test_ctrl_c(self):
        environment = new_environment()
        process = subprocess.Popen([CLI, "map", "-j2", "--chunk=3", "sleep", "0", *["600"] * 20],
                                   env=environment, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        self.assertEqual(process.stdout.readline(), b"0\n")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.communicate(timeout=LIMIT), (b"", b""))
        self.assertEqual(process.returncode, 130)
        self.assert_nothing_left(environment)

    def test_a_reader_that_has_seen_enough(self):
        environment = new_environment()
        process = subprocess.Popen([CLI, "map", "--chunk=100", "echo"], env=environment,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        process.stdout.close()
        with contextlib.suppress(BrokenPipeError):  # it may have ended already
            process.stdin.write(numbers(1, 1000))
            process.stdin.flush()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        self.assertEqual((process.wait(LIMIT), process.stderr.read()), (141, b""))
        process.stderr.close()
        self.assert_nothing_left(environment)


if __name__ == "__main__":
    main()
