# SPDX-License-Identifier: LGPL-2.1-or-later
"""How the program ends when it is stopped, and the progress bar, which it has to clear away."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import tempfile
import termios
import time

from clitest import CLI, LIMIT, CliTest, find_marked, main, new_environment, wait_until


def is_full(pipe):
    """Whether whoever writes to the pipe has to wait; its pages may be part full then."""
    writer = os.open(f"/proc/self/fd/{pipe.fileno()}", os.O_WRONLY | os.O_NONBLOCK)
    try:
        return not select.select([], [writer], [], 0)[1]
    finally:
        os.close(writer)


class Stop(CliTest):
    def start(self, *words, **keywords):
        self.environment = new_environment()
        process = subprocess.Popen([CLI, *words], env=self.environment, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, **keywords)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        return process

    def assert_ends(self, process, status, seconds=5):
        started = time.monotonic()
        process.wait(LIMIT)
        self.assertEqual(process.returncode, status)
        self.assertLess(time.monotonic() - started, seconds)
        self.assert_nothing_left(self.environment)

    def wait_for_sleeps(self, n_sleeps):
        def count():
            n_found = 0
            for pid in find_marked(self.environment):
                try:
                    with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                        n_found += file.read() == "sleep\n"
                except OSError:
                    pass
            return n_found

        self.assertTrue(wait_until(lambda: count() >= n_sleeps))

    def test_signals(self):
        for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
            process = self.start("run", "-j3", "sh -c 'sleep {}; :'; :", ":::", *["600"] * 9)
            self.wait_for_sleeps(3)
            process.send_signal(number)
            self.assert_ends(process, 128 + number)
            self.assertEqual(process.stderr.read(), b"")

    def test_a_command_that_ignores_signals(self):
        process = self.start("run", "-j2", "trap '' INT TERM HUP; sleep {}; sleep {}", ":::",
                             "600", "601")
        self.wait_for_sleeps(2)
        process.send_signal(signal.SIGINT)
        self.assert_ends(process, 130)

    def test_while_a_function_runs(self):
        process = self.start("map", "-j2", "sleep", "0", "600", "601")
        self.assertEqual(process.stdout.readline(), b"0\n")
        process.send_signal(signal.SIGINT)
        self.assert_ends(process, 130)

    def test_while_it_waits_for_input(self):
        process = self.start("map", "echo", stdin=subprocess.PIPE)
        process.stdin.write(b"a\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), b"a\n")
        process.send_signal(signal.SIGINT)
        self.assert_ends(process, 130)
        process.stdin.close()

    def test_while_nobody_reads_its_output(self):
        process = self.start("run", "head -c 1000000 /dev/zero #{}", ":::", *"abcdefgh")
        self.assertTrue(wait_until(lambda: is_full(process.stdout)))
        process.send_signal(signal.SIGINT)
        self.assert_ends(process, 130)

    def test_killed(self):
        process = self.start("run", "-j2", "sh -c 'sleep {}; :'; :", ":::", "600", "601")
        self.wait_for_sleeps(2)
        process.kill()
        self.assert_ends(process, -9)

    def test_killed_while_a_worker_is_stopped(self):
        process = self.start("run", "-j1", "kill -STOP $PPID; sleep {}", ":::", "600")
        self.wait_for_sleeps(1)
        process.kill()
        self.assert_ends(process, -9)

    def test_a_command_may_leave_nothing_in_its_group(self):
        process = self.start("run", "-j2", "sleep 600 & trap '' TERM; sleep 601 & : {}", ":::",
                             *"abcd")
        self.assert_ends(process, 0)

    def test_lines_come_out_while_input_is_open(self):
        process = self.start("run", "echo", stdin=subprocess.PIPE)
        for word in b"a", b"b", b"c":
            process.stdin.write(word + b"\n")
            process.stdin.flush()
            self.assertEqual(process.stdout.readline(), word + b"\n")
        process.stdin.close()
        self.assert_ends(process, 0)


class Pipes(CliTest):
    def shell(self, script):
        environment = new_environment()
        done = subprocess.run(["bash", "-c", script, "bash", CLI], capture_output=True,
                              timeout=LIMIT, env=environment, check=False)
        self.assert_nothing_left(environment)
        return done

    def test_endless_input(self):
        for command in "run -j2 'echo {}'", "map -j2 echo", "map -j2 --json -u echo":
            done = self.shell(f'yes it | "$1" {command} | head -n 100; echo "${{PIPESTATUS[1]}}"')
            lines = done.stdout.splitlines()
            self.assertEqual((len(lines), lines[-1], done.stderr), (101, b"141", b""))

    def test_a_reader_that_goes_is_noticed_without_a_write(self):
        done = self.shell('yes | "$1" run -j1 "true {}" | true; echo "${PIPESTATUS[1]}"')
        self.assertEqual((done.stdout, done.stderr), (b"141\n", b""))

    def test_endless_input_takes_little_memory(self):
        environment = new_environment()
        environment["ASAN_OPTIONS"] = environment.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=16"
        source = subprocess.Popen(["yes", "x" * 1000], stdout=subprocess.PIPE)
        self.addCleanup(source.wait)
        self.addCleanup(source.kill)
        process = subprocess.Popen([CLI, "map", "-j2", "echo"], env=environment,
                                   stdin=source.stdout, stdout=subprocess.PIPE)
        self.addCleanup(process.kill)
        source.stdout.close()
        self.assertTrue(wait_until(lambda: is_full(process.stdout)))
        process.stdout.read(50000000)
        with open(f"/proc/{process.pid}/status", encoding="utf-8") as file:
            peak_kib = int(re.search(r"VmHWM:\s*(\d+)", file.read()).group(1))
        process.stdout.close()
        process.wait(LIMIT)
        self.assertLess(peak_kib, 200000)
        self.assertEqual(process.returncode, 141)
        self.assert_nothing_left(environment)

    def test_an_item_without_end(self):
        done = self.shell('tr "\\0" x </dev/zero | "$1" map echo; echo "$?"')
        self.assertEqual(done.stdout, b"125\n")
        self.assertEqual(done.stderr.count(b"\n"), 1)


class Bar(CliTest):
    def run_on_terminal(self, *words, width=80, stop=None, with_stdout=False):
        """What the terminal gets on standard error, and on standard output if that is wanted."""
        environment = new_environment()
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        with tempfile.TemporaryFile() as out:
            process = subprocess.Popen([CLI, *words], env=environment, stderr=theirs,
                                       stdout=theirs if with_stdout else out)
            os.close(theirs)
            text = b""
            while True:
                try:
                    piece = os.read(ours, 65536)
                except OSError:
                    break
                if not piece:
                    break
                text += piece
                if stop is not None and b"/" in text:
                    process.send_signal(stop)
                    stop = None
            os.close(ours)
            process.wait(LIMIT)
        self.assert_nothing_left(environment)
        return process.returncode, text

    def test_on_a_terminal(self):
        status, text = self.run_on_terminal("map", "--bar", "-j2", "sleep", *["0.2"] * 10)
        self.assertEqual(status, 0)
        self.assertIn(b"/10", text)
        self.assertIn(b" left", text)
        self.assertTrue(text.endswith(b"\r\x1b[K"), text[-40:])

    def test_at_most_ten_times_a_second(self):
        started = time.monotonic()
        _, text = self.run_on_terminal("map", "--bar", "-j2", "sleep", *["0.002"] * 500)
        seconds = time.monotonic() - started
        self.assertLessEqual(text.count(b"/500"), seconds * 10 + 2)

    def test_stays_beside_lines(self):
        status, text = self.run_on_terminal("map", "--bar", "-j1", "sleep", *["0.002"] * 300,
                                            with_stdout=True)
        self.assertEqual((status, text.count(b"0.002\r\n")), (0, 300))
        self.assertGreaterEqual(text.count(b"/300"), 3)
        bar = rb"\r\x1b\[K(\[[-#]+\]  \d+/300 [^\r\n]*)?"
        self.assertEqual(re.sub(bar, b"", text), b"0.002\r\n" * 300)

    def test_leaves_an_open_line_alone(self):
        status, text = self.run_on_terminal("run", "--bar", "-j1", "printf {}; sleep 0.3", ":::",
                                            *"abc", with_stdout=True)
        self.assertEqual(status, 0)
        self.assertTrue(text.endswith(b"abc"), text)

    def test_tells_failures_and_retries(self):
        with tempfile.TemporaryDirectory() as folder:
            log = folder + "/log"
            line = f'[ {{}} = a ] && exit 1; until [ "$(wc -l <{log})" = 2 ]; do sleep 0.05; ' \
                   "done; sleep 0.3"
            status, text = self.run_on_terminal("run", "--bar", "-j2", "--retries=3", "--joblog",
                                                log, line, ":::", "a", "b")
        self.assertEqual(status, 1)
        self.assertRegex(text, rb"1/2  50%[^\r]*  1 failed  2 retried\r")

    def test_leaves_out_what_is_resumed(self):
        with tempfile.TemporaryDirectory() as folder:
            words = ["--joblog", folder + "/log", "-j1", "sleep"]
            self.lines("map", *words, "0", "0")
            status, text = self.run_on_terminal("map", "--bar", "--resume", *words, "0", "0",
                                                *["0.3"] * 3)
        self.assertEqual(status, 0)
        self.assertIn(b"1/3  33%", text)

    def test_respects_the_width(self):
        _, text = self.run_on_terminal("map", "--bar", "-j1", "sleep", "0.3", "0.3", width=30)
        for line in re.split(rb"\r\x1b\[K", text):
            self.assertLess(len(line), 30, line)

    def test_only_if_wanted(self):
        status, text = self.run_on_terminal("map", "-j1", "sleep", "0.3")
        self.assertEqual((status, text), (0, b""))

    def test_only_on_a_terminal(self):
        self.assertEqual(self.lines("map", "--bar", "sleep", "0.3"), [b"0.3"])

    def test_is_cleared_when_stopped(self):
        status, text = self.run_on_terminal("map", "--bar", "-j1", "sleep", "600", "600",
                                            stop=signal.SIGINT)
        self.assertEqual(status, 130)
        self.assertTrue(text.endswith(b"\r\x1b[K"), text[-40:])

    def test_makes_room_for_errors(self):
        status, text = self.run_on_terminal("run", "--bar", "-j1", "sleep 0.3; exit {}", ":::",
                                            "0", "3", "0")
        self.assertEqual(status, 1)
        self.assertIn(b"\r\x1b[Kaiopool: item '3': exit status 3\r\n", text)


if __name__ == "__main__":
    main()
