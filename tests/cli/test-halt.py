# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trying again, stopping early, starting slowly, and only saying what would be done."""

import json
import os
import signal
import subprocess
import tempfile
import time

from clitest import CLI, LIMIT, TEST_PLUGIN, CliTest, main, new_environment, wait_until

# Fails until it has been run so often as its item says; what it prints tells how often that was.
UNTIL = 'echo >>tries{#}; n=$(wc -l <tries{#}); echo "{} $n"; [ "$n" -ge {} ]'


class Items(CliTest):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def run_here(self, *words, **keywords):
        return self.cli(*words, cwd=self.folder, **keywords)

    def logged(self, name="log"):
        """Seq -> Exitval, Signal."""
        with open(os.path.join(self.folder, name), "rb") as file:
            rows = [line.split(b"\t") for line in file.read().splitlines()[1:]]
        numbers = [int(row[0]) for row in rows]
        self.assertEqual(len(set(numbers)), len(numbers))
        return {int(row[0]): (int(row[6]), int(row[7])) for row in rows}

    def files(self):
        return sorted(name for name in os.listdir(self.folder) if name != "log")


class Retries(Items):
    def test_a_failed_command_is_tried_again(self):
        done = self.run_here("run", "-k", "-j2", "--retries=3", "--joblog=log", UNTIL, ":::",
                             "1", "3", "2", "4")
        self.assertEqual((done.returncode, done.stdout), (1, b"1 1\n3 3\n2 2\n4 3\n"))
        self.assertEqual(done.stderr, b"aiopool: item '4' (3 tries): exit status 1\n")
        self.assertEqual(self.logged(), {1: (0, 0), 2: (0, 0), 3: (0, 0), 4: (1, 0)})

    def test_zero_is_no_limit(self):
        done = self.run_here("run", "--retries=0", UNTIL, ":::", "7")
        self.assertEqual((done.returncode, done.stdout), (0, b"7 7\n"))

    def test_once_is_enough_otherwise(self):
        for option in [], ["--retries=1"]:
            done = self.run_here("run", *option, "echo x >>tries; exit 1", ":::", "a")
            self.assertEqual((done.returncode, done.stderr), (1, b"aiopool: item 'a': exit status"
                                                                 b" 1\n"))
        with open(os.path.join(self.folder, "tries"), "rb") as file:
            self.assertEqual(file.read(), b"x\nx\n")

    def test_a_timeout_is_a_failure(self):
        done = self.run_here("run", "--retries=2", "--timeout=0.3", "--joblog=log",
                             "echo x >>tries; sleep {}", ":::", "600")
        self.assertEqual((done.returncode, self.logged()), (1, {1: (-1, 0)}))
        self.assertIn(b"(2 tries)", done.stderr)
        with open(os.path.join(self.folder, "tries"), "rb") as file:
            self.assertEqual(file.read(), b"x\nx\n")

    def test_a_signal_and_a_dead_worker_are_failures(self):
        for target, name in ("$$", "own"), ("0", "group"):
            done = self.run_here("run", "-j1", "--retries=2",
                                 f"[ -e {{}}{name} ] || {{ : >{{}}{name}; kill -9 {target}; }}; "
                                 "echo {}", ":::", *"abc")
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            self.assertEqual(sorted(done.stdout.split()), [b"a", b"b", b"c"])

    def test_a_failed_function_is_tried_again(self):
        done = self.run_here("map", "--json", "--retries=4", TEST_PLUGIN + ":fail", "a")
        self.assertEqual((done.returncode, json.loads(done.stdout)["tries"]), (1, 4))
        self.assertEqual(self.run_here("map", "--retries=2", "echo", "a").stdout, b"a\n")

    def test_a_crash_counts_as_one_try(self):
        done = self.run_here("map", "-j1", "--json", "--retries=3", TEST_PLUGIN + ":crash_at_30",
                             "29", "30", "31")
        objects = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual((done.returncode, [found.get("tries") for found in objects]),
                         (1, [None, 3, None]))

    def test_what_can_never_work_is_not_tried_again(self):
        self.assertIn("nonsense", self.complaint(2, "map", "--retries=0", "nonsense", "a"))
        done = self.run_here("map", "--retries=0", "echo", stdin=b"b\0b\n")
        self.assertEqual((done.returncode, done.stderr.count(b"\n")), (1, 1))

    def test_order_is_kept(self):
        done = self.run_here("run", "-k", "-j3", "--retries=0", UNTIL, ":::", *"5142")
        self.assertEqual(done.stdout, b"5 5\n1 1\n4 4\n2 2\n")

    def test_many_failures_take_their_turn(self):
        done = self.run_here("run", "-j2", "--retries=2", "--joblog=log", "exit 3 #{}",
                             stdin=b"\n".join(b"%d" % i for i in range(150)))
        self.assertEqual((done.returncode, done.stderr.count(b"(2 tries)")), (101, 150))
        self.assertEqual(self.logged(), {i: (3, 0) for i in range(1, 151)})

    def test_not_after_ctrl_c(self):
        environment = new_environment()
        process = subprocess.Popen([CLI, "run", "-j1", "--retries=5", "echo x >>tries; sleep {}",
                                    ":::", "600"], cwd=self.folder, env=environment)
        self.assertTrue(wait_until(lambda: self.read_tries() == b"x\n"))
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(LIMIT), 130)
        self.assert_nothing_left(environment)
        self.assertEqual(self.read_tries(), b"x\n")

    def read_tries(self):
        """None before the first one."""
        if self.files() != ["tries"]:
            return None
        with open(os.path.join(self.folder, "tries"), "rb") as file:
            return file.read()


class Halt(Items):
    def test_soon_starts_nothing_more(self):
        for order in [], ["-k"]:
            done = self.run_here("run", "-j1", "--halt=soon,fail=2", "--joblog=log", *order,
                                 "echo {}; exit {}", ":::", *"011011")
            self.assertEqual((done.returncode, done.stdout), (2, b"0\n1\n1\n"))
            self.assertEqual(self.logged(), {1: (0, 0), 2: (1, 0), 3: (1, 0)})

    def test_soon_lets_run_what_runs(self):
        for order in [], ["-k"]:
            done = self.run_here("run", "-j2", "--halt=soon,fail=1", "--joblog=log", *order,
                                 'if [ {} = a ]; then until [ "$(wc -l <log)" = 2 ]; do sleep '
                                 "0.01; done; echo {}; elif [ {} = b ]; then exit 1; else "
                                 ": >{}; fi", ":::", *"abcdef")
            self.assertEqual((done.returncode, done.stdout), (1, b"a\n"))
            self.assertEqual(self.logged(), {1: (0, 0), 2: (1, 0)})
            self.assertEqual(self.files(), [])

    def test_now_ends_what_runs(self):
        for order in [], ["-k"]:
            started = time.monotonic()
            done = self.run_here("run", "-j2", "--halt=now,fail=1", "--joblog=log", *order,
                                 "if [ {} = a ]; then : >a; sleep 600; elif [ {} = b ]; then "
                                 "until [ -e a ]; do sleep 0.01; done; echo {}; exit 1; fi; : >{}",
                                 ":::", *"abcdef")
            self.assertEqual((done.returncode, done.stdout), (1, b"b\n"))
            self.assertEqual(done.stderr, b"aiopool: item 'b': exit status 1\n")
            self.assertEqual(self.logged(), {2: (1, 0)})
            self.assertLess(time.monotonic() - started, 60)
            self.assertEqual([name for name in self.files() if name not in "acd"], [])

    def test_success_is_success(self):
        for when in "soon", "now":
            done = self.run_here("run", "-j1", f"--halt={when},success=1", "--joblog=log",
                                 "echo {}; [ {} = c ]", ":::", *"abcde")
            self.assertEqual((done.returncode, done.stdout), (0, b"a\nb\nc\n"))
            self.assertEqual(self.logged(), {1: (1, 0), 2: (1, 0), 3: (0, 0)})

    def test_too_few_successes(self):
        done = self.run_here("run", "--halt=now,success=3", "exit {}", ":::", *"0110")
        self.assertEqual(done.returncode, 2)

    def test_done(self):
        self.assertEqual(self.run_here("run", "-j1", "--halt=soon,done=3", "echo {}; exit {}",
                                       ":::", *"010000").stdout, b"0\n1\n0\n")

    def test_percentages_are_of_all_items(self):
        for value, count in ("fail=20%", 2), ("fail=21%", 3), ("done=100%", 10), ("fail=1%", 1):
            words = ["run", "-j1", "--halt", "soon," + value, "--joblog=log", "exit 1 #{}"]
            items = [b"%d" % i for i in range(10)]
            done = self.run_here(*words, ":::", *items)
            self.assertEqual((done.returncode, len(self.logged())), (count, count))
            done = self.run_here(*words, stdin=b"\n".join(items))
            self.assertEqual((done.returncode, len(self.logged())), (count, count))

    def test_percentages_of_long_input(self):
        items = [b"%d" % i for i in range(1, 30001)]
        done = self.run_here("map", "-j1", "--halt=soon,done=10%", "echo",
                             stdin=b"\n".join(items))
        n_done = len(done.stdout.split())
        self.assertEqual(done.stdout.split(), items[:n_done])
        self.assertEqual(n_done, 3000)
        self.assertEqual(done.returncode, 0)

    def test_short_forms(self):
        for value, n_run in ("never", 4), ("0", 4), ("1", 2), ("2", 2), ("-1", 1), ("-2", 1), \
                ("50%", 3):
            done = self.run_here("run", "-j1", "--halt", value, "echo {}; exit {}", ":::", *"0111")
            self.assertEqual(len(done.stdout.split()), n_run, value)

    def test_map_halts_too(self):
        for when in "soon", "now":
            done = self.run_here("map", "-j1", f"--halt={when},fail=1", "--joblog=log",
                                 TEST_PLUGIN + ":fail", *"abcdefgh")
            self.assertEqual((done.returncode, done.stderr.count(b"\n")), (1, 1))
            self.assertEqual(self.logged(), {1: (1, 0)})

    def test_retries_come_before(self):
        done = self.run_here("run", "-k", "-j1", "--halt=now,fail=1", "--retries=3", UNTIL, ":::",
                             *"2143")
        self.assertEqual((done.returncode, done.stdout), (1, b"2 2\n1 1\n4 3\n"))

    def test_no_retries_after(self):
        done = self.run_here("run", "-j2", "--halt=soon,done=1", "--retries=50", "--joblog=log",
                             "[ {} = b ] && exit; echo x >>tries; sleep 0.05; exit 1", ":::", "a",
                             "b", "c")
        self.assertLessEqual(done.returncode, 1)
        self.assertNotIn(3, self.logged())

    def test_what_was_halted_can_be_resumed(self):
        words = ["run", "-j2", "--joblog=log", "[ {} -lt 5 ] || [ -e go ]"]
        items = b"\n".join(b"%d" % i for i in range(10))
        for when in "soon", "now":
            done = self.run_here(*words[:3], f"--halt={when},fail=1", *words[3:], stdin=items)
            self.assertIn(done.returncode, (1, 2))
            with open(os.path.join(self.folder, "go"), "wb"):
                pass
            done = self.run_here(*words[:3], "--halt=now,fail=1", "--resume-failed", *words[3:],
                                 stdin=items)
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            os.unlink(os.path.join(self.folder, "go"))

    def test_usage(self):
        for value in "", "x", "soon", "soon,", "soon,fail", "soon,fail=", "soon,fail=0", \
                "soon,fail=-1", "soon,fail=101%", "later,fail=1", "now,lost=1", "3", "0%", "%", \
                "now,fail=1,done=1", "now,fail=1.5":
            with self.subTest(value=value):
                self.complaint(125, "run", "--halt", value, "echo", ":::", "a")
        for words in ["--retries=-1"], ["--retries=x"], ["--retries="], ["--delay=0"], \
                ["--delay=x"], ["--retries"]:
            with self.subTest(words=words):
                self.complaint(2, "map", *words)


class Others(Items):
    def test_delay(self):
        started = time.monotonic()
        done = self.run_here("run", "-j4", "--delay=0.15", "date +%s.%N #{}", ":::", *"abcd")
        self.assertGreaterEqual(time.monotonic() - started, 0.45)
        self.assertEqual((done.returncode, len(done.stdout.split())), (0, 4))

    def test_delay_of_retries(self):
        started = time.monotonic()
        self.run_here("run", "--delay=0.2", "--retries=3", "exit 1 #{}", ":::", "a")
        self.assertGreaterEqual(time.monotonic() - started, 0.4)

    def test_a_dry_run_runs_nothing(self):
        items = [b"a", b"b c", b"x\ny", b"\xff'", b"d/e"]
        for words in [": >hit; printf '<%s>' \"{}\" {/}"], ["printf", "<%s>", "{}", "{/}"]:
            stdin = b"\0".join(items)
            dry = self.run_here("run", "-0", "--dry-run", "--joblog=log", *words, stdin=stdin)
            self.assertEqual((dry.returncode, dry.stderr), (0, b""))
            self.assertEqual((len(dry.stdout.splitlines()), self.files()), (len(items), []))
            self.assertFalse(os.path.exists(os.path.join(self.folder, "log")))
            by_shell = subprocess.run(["bash"], input=dry.stdout, cwd=self.folder, check=True,
                                      capture_output=True)
            done = self.run_here("run", "-0", "-k", *words, stdin=stdin)
            self.assertEqual(by_shell.stdout, done.stdout)
            for name in self.files():
                os.unlink(os.path.join(self.folder, name))

    def test_a_dry_run_of_a_function(self):
        self.assertEqual(self.lines("map", "--dry-run", "sha256", "a", "b c", "x\ny"),
                         [b"sha256 a", b"sha256 'b c'", b"sha256 $'x\\ny'"])

    def test_a_dry_run_says_what_would_be_resumed(self):
        words = ["run", "-j1", "--joblog=log", "echo", "{}"]
        self.run_here(*words, stdin=b"a\n")
        log = os.path.join(self.folder, "log")
        with open(log, "ab") as file:
            file.write(b"torn")
        with open(log, "rb") as file:
            before = file.read()
        done = self.run_here("run", "--dry-run", "--resume", *words[1:], stdin=b"a\nb\n")
        self.assertEqual((done.returncode, done.stdout), (0, b"echo b\n"))
        with open(log, "rb") as file:
            self.assertEqual(file.read(), before)

    def test_endless_input_of_a_dry_run(self):
        done = subprocess.run(["bash", "-c", 'yes | "$1" run --dry-run echo {} | head -n 3; '
                               'echo "${PIPESTATUS[1]}"', "bash", CLI], capture_output=True,
                              timeout=LIMIT, env=new_environment(), check=False)
        self.assertEqual(done.stdout, b"echo y\n" * 3 + b"141\n")


if __name__ == "__main__":
    main()
