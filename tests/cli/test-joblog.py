# SPDX-License-Identifier: LGPL-2.1-or-later
"""The job log: its form, that it survives whatever ends the program, and going on from it."""

import os
import resource
import signal
import subprocess
import tempfile
import time

from clitest import CLI, LIMIT, TEST_PLUGIN, CliTest, main, new_environment, wait_until

HEADER = b"Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand"

# Everything that could break a line or a column, and bytes that are no text.
HOSTILE = [b"a\nb", b"a\tb", b"\n", b"\t\t\t\t\t\t\t\t\t", b"", b"\xff\xfe", b"a\rb", b"\x1b[31m",
           b"it's", b'"', b"\\n", b"1\t:\t2\t3\t4\t5\t0\t0\tx\n", "ä€😀".encode(), b"\xff\n\xfe"]


class Log(CliTest):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.log = os.path.join(self.folder, "log")

    def path(self, name):
        return os.path.join(self.folder, name)

    def run_here(self, *words, **keywords):
        return self.cli(*words, cwd=self.folder, **keywords)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def write(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content)

    def entries(self):
        """The lines of the log as columns; a line that is not whole is an error."""
        lines = self.read("log").split(b"\n")
        self.assertEqual((lines[0], lines[-1]), (HEADER, b""))
        entries = [line.split(b"\t") for line in lines[1:-1]]
        for entry in entries:
            self.assertEqual(len(entry), 9, entry)
        return entries

    def numbers(self):
        return [int(entry[0]) for entry in self.entries()]

    def ends(self):
        """Seq -> Exitval, Signal of its last line."""
        return {int(entry[0]): (int(entry[6]), int(entry[7])) for entry in self.entries()}

    def count_lines(self):
        """Whole ones, the header not counted."""
        try:
            return max(self.read("log").count(b"\n") - 1, 0)
        except FileNotFoundError:
            return 0


class Form(Log):
    def test_columns(self):
        before = time.time()
        self.run_here("run", "-j1", "--joblog=log", "sleep 0.2; printf abc; exit {}", ":::", "3")
        [[number, host, start, seconds, sent, received, value, number_of_signal, command]] = \
            self.entries()
        self.assertEqual((number, host, sent, received), (b"1", b":", b"0", b"3"))
        self.assertEqual((value, number_of_signal), (b"3", b"0"))
        self.assertTrue(before - 1 < float(start) < time.time() + 1, start)
        self.assertTrue(0.15 < float(seconds) < LIMIT, seconds)
        self.assertEqual(subprocess.run(["sh", "-c", command], check=False,
                                        capture_output=True).stdout, b"abc")

    def test_how_commands_end(self):
        self.run_here("run", "-j2", "--joblog=log", "--timeout=0.5", "{}", ":::")
        self.assertEqual(self.entries(), [])
        self.run_here("run", "-j2", "--joblog=log", "--timeout=0.5", "eval", ":::", "x")
        self.assertEqual(self.ends(), {1: (127, 0)})
        self.run_here("run", "-j2", "--joblog=log", "--timeout=1", "sh", "-c", "{}", ":::",
                      "true", "exit 7", "kill -9 $$", "kill -15 $$", "sleep 600", "kill -9 0")
        self.assertEqual(self.ends(), {1: (0, 0), 2: (7, 0), 3: (0, 9), 4: (0, 15), 5: (-1, 0),
                                       6: (-1, 0)})

    def test_how_functions_end(self):
        self.run_here("map", "--joblog=log", TEST_PLUGIN + ":fail", "a")
        self.assertEqual(self.ends(), {1: (1, 0)})
        self.run_here("map", "--joblog=log", TEST_PLUGIN + ":crash_at_30", "1", "30")
        self.assertEqual(self.ends(), {1: (0, 0), 2: (-1, 0)})

    def test_no_item_breaks_a_line(self):
        for words in ["map", "echo"], ["run", "printf %s {}"], ["run", "printf", "%s", "{}"]:
            with self.subTest(words=words):
                done = self.run_here(words[0], "-0", "--joblog=log", *words[1:],
                                     stdin=b"\0".join(HOSTILE) + b"\0")
                self.assertEqual((done.returncode, done.stderr), (0, b""))
                self.assertEqual(sorted(self.numbers()), list(range(1, len(HOSTILE) + 1)))
                self.assertEqual(len({entry[8] for entry in self.entries()}), len(HOSTILE))

    def test_commands_can_be_run_again_from_the_log(self):
        for words in ["printf %s {}"], ["printf", "%s", "{}"]:
            self.run_here("run", "-0", "--joblog=log", *words, stdin=b"\0".join(HOSTILE) + b"\0")
            for entry in self.entries():
                again = subprocess.run(["bash", "-c", entry[8]], capture_output=True, check=True)
                self.assertEqual(again.stdout, HOSTILE[int(entry[0]) - 1])

    def test_an_item_with_nul_is_logged_as_failed(self):
        for words in ["map", "echo"], ["run", "echo"]:
            done = self.run_here(words[0], "--joblog=log", words[1], stdin=b"a\nb\0c\n")
            self.assertEqual(done.returncode, 1)
            self.assertEqual({number: end != (0, 0) for number, end in self.ends().items()},
                             {1: False, 2: True})

    def test_an_old_log_is_replaced(self):
        self.write("log", b"something else that is much longer than what follows\n" * 100)
        self.run_here("run", "--joblog=log", "true", ":::", "a")
        self.assertEqual(self.numbers(), [1])

    def test_lines_are_there_as_items_end(self):
        environment = new_environment()
        for words in ["map", "echo"], ["run", "echo"], ["run", "-k", "echo"]:
            process = subprocess.Popen([CLI, words[0], "--joblog", self.log, *words[1:]],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       env=environment)
            for count in 1, 2, 3:
                process.stdin.write(b"x\n")
                process.stdin.flush()
                self.assertTrue(wait_until(lambda count=count: self.count_lines() == count))
                self.assertEqual(process.stdout.readline(), b"x\n")
            process.stdin.close()
            self.assertEqual(process.wait(LIMIT), 0)
            process.stdout.close()


class Refused(Log):
    def test_a_log_that_cannot_be_written(self):
        for path in "/dev/full", "/", "nowhere/log", "":
            with self.subTest(path=path):
                self.complaint(125, "run", "--joblog", path, "touch hit; :", ":::", "a",
                               cwd=self.folder)
                self.complaint(125, "map", "--joblog", path, "command", "touch hit",
                               cwd=self.folder)
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_disk_that_becomes_full(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (200000, 200000))

        items = [b"%d" % i + b"x" * 60000 for i in range(8)]
        words = ["run", "-j1", "--joblog=log", "echo {#} >>ran; : {}"]
        done = subprocess.run([CLI, *words], input=b"\n".join(items), cwd=self.folder,
                              env=new_environment(), capture_output=True, timeout=LIMIT,
                              check=False, preexec_fn=limit, restore_signals=False)
        self.assertEqual(done.returncode, 125)
        self.assertRegex(done.stderr, rb"\Aaiopool: cannot write 'log': [^\n]*\n\Z")
        self.assertFalse(self.read("log").endswith(b"\n"))

        done = self.run_here(words[0], "--resume", *words[1:], stdin=b"\n".join(items))
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(sorted(self.numbers()), list(range(1, 9)))

    def test_wrong_usage_leaves_the_log_alone(self):
        self.write("log", b"precious\n")
        self.complaint(125, "run", "--joblog=log", "echo a;", ":::", "a", cwd=self.folder)
        self.complaint(2, "map", "--joblog=log", "/nowhere.so:f", "a", cwd=self.folder)
        self.assertEqual(self.read("log"), b"precious\n")

    def test_resume_needs_a_log(self):
        for option in "--resume", "--resume-failed":
            self.assertIn("--joblog", self.complaint(2, "map", option, "echo", "a"))

    def test_resume_leaves_alone_what_is_no_log(self):
        good = HEADER + b"\n1\t:\t1.000\t     0.000\t0\t0\t0\t0\techo a\n"
        for content in b"precious\n", b"precious", b"Seq\n", HEADER + b"\tx\n", b"\0\n", \
                good + b"torn\n" + good, good + b"2\t:\t1\t1\t0\t0\tx\t0\techo b\n", \
                good + b"0\t:\t1\t1\t0\t0\t0\t0\techo b\n", good + b"\n":
            with self.subTest(content=content):
                self.write("log", content)
                self.complaint(125, "run", "--joblog=log", "--resume", "touch hit; :", ":::", "a",
                               cwd=self.folder)
                self.assertEqual(self.read("log"), content)
        self.complaint(125, "run", "--joblog=/dev/zero", "--resume", "echo", ":::", "a")
        self.assertEqual(os.listdir(self.folder), ["log"])

    def test_a_log_in_use(self):
        environment = new_environment()
        process = subprocess.Popen([CLI, "run", "--joblog", self.log, "sleep", ":::", "600"],
                                   env=environment)
        self.assertTrue(wait_until(lambda: os.path.exists(self.log) and self.read("log")))
        for option in [], ["--resume"]:
            self.assertIn("in use", self.complaint(125, "run", "--joblog", self.log, *option,
                                                   "echo", ":::", "a"))
        process.terminate()
        process.wait(LIMIT)
        self.assertEqual(self.entries(), [])


class Resume(Log):
    def test_what_is_done_is_skipped(self):
        for words in ["map", "echo"], ["run", "-k", "echo"]:
            self.run_here(words[0], "--joblog=log", *words[1:], stdin=b"a\nb\n")
            done = self.run_here(words[0], "--joblog=log", "--resume", *words[1:],
                                 stdin=b"a\nb\nc\nd")
            self.assertEqual((done.returncode, done.stdout), (0, b"c\nd\n"))
            self.assertEqual(sorted(self.numbers()), [1, 2, 3, 4])
            again = self.run_here(words[0], "--joblog=log", "--resume", *words[1:],
                                  stdin=b"a\nb\nc\nd")
            self.assertEqual((again.returncode, again.stdout), (0, b""))
            os.unlink(self.log)

    def test_without_a_log_everything_runs(self):
        self.assertEqual(self.lines("map", "--joblog", self.log, "--resume", "echo", "a"), [b"a"])
        self.assertEqual(self.numbers(), [1])

    def test_failed_items_only_if_wanted(self):
        words = ["run", "-j1", "--joblog=log"]
        command = ["echo {}; [ -e good{} ]", ":::", *"abc"]
        self.write("goodb", b"")
        self.assertEqual(self.run_here(*words, *command).returncode, 2)
        self.assertEqual(self.run_here(*words, "--resume", *command).stdout, b"")
        self.write("gooda", b"")
        done = self.run_here(*words, "--resume-failed", *command)
        self.assertEqual((done.returncode, done.stdout), (1, b"a\nc\n"))
        self.write("goodc", b"")
        done = self.run_here(*words, "--resume-failed", *command)
        self.assertEqual((done.returncode, done.stdout), (0, b"c\n"))
        self.assertEqual(self.run_here(*words, "--resume-failed", *command).stdout, b"")
        self.assertEqual(self.numbers(), [1, 2, 3, 1, 3, 3])

    def test_another_item_in_the_log_is_an_error(self):
        for option in "--resume", "--resume-failed":
            for words, status in (["map", "echo"], 2), (["run", "echo"], 125), \
                    (["run", "echo", "{}"], 125):
                self.run_here(words[0], "-j1", "--joblog=log", *words[1:], stdin=b"a\nb\n")
                line = self.complaint(status, words[0], "-j1", "--joblog=log", option, *words[1:],
                                      stdin=b"a\nX\nc\n", cwd=self.folder)
                self.assertIn("item 2", line)
                self.assertEqual(sorted(self.numbers()), [1, 2])

    def test_another_command_is_an_error(self):
        self.run_here("run", "--joblog=log", "echo", ":::", "a")
        line = self.complaint(125, "run", "--joblog=log", "--resume", "touch hit; :", ":::", "a",
                              cwd=self.folder)
        self.assertIn("touch hit", line)
        self.assertEqual(os.listdir(self.folder), ["log"])

    def test_hostile_items_are_known_again(self):
        for words in ["map", "echo"], ["run", "printf %s {}"], ["run", "printf", "%s", "{}"]:
            stdin = b"\0".join(HOSTILE) + b"\0"
            self.run_here(words[0], "-0", "--joblog=log", *words[1:], stdin=stdin)
            done = self.run_here(words[0], "-0", "--joblog=log", "--resume", *words[1:],
                                 stdin=stdin)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))

    def test_a_torn_last_line_is_cut_and_its_item_runs_again(self):
        self.run_here("run", "-j1", "--joblog=log", "echo", ":::", *"abc")
        whole = self.read("log")
        start = whole.rindex(b"\n", 0, -1) + 1
        for length in range(len(whole)):
            if length not in (0, 1, len(HEADER), start, len(whole) - 1) and length % 37:
                continue
            self.write("log", whole[:length])
            n_whole = max(whole[:length].count(b"\n") - 1, 0)
            done = self.run_here("run", "-j1", "--joblog=log", "--resume", "echo", ":::", *"abc")
            self.assertEqual((done.returncode, done.stdout),
                             (0, b"".join([b"a\n", b"b\n", b"c\n"][n_whole:])))
            self.assertEqual(self.numbers(), [1, 2, 3])

    def test_a_log_by_another_program(self):
        self.write("log", HEADER + b"\n2\thost\t1\t0.1\t0\t0\t0\t0\techo b\tc\n"
                                   b"1\t:\t1\t0.1\t0\t0\t3\t0\techo a\n"
                                   b"1\t:\t1\t0.1\t0\t0\t0\t0\techo a\n")
        words = ["run", "-j1", "--joblog", self.log, "--resume-failed", "echo", "{}", ":::"]
        self.assertEqual(self.lines(*words, "a"), [])
        self.assertIn("'echo b\\x09c'", self.complaint(125, *words, "a", "b"))


class Killed(Log):
    def start(self, *words, items=b""):
        self.environment = new_environment()
        with tempfile.TemporaryFile() as stdin:
            stdin.write(items)
            stdin.seek(0)
            with open(self.path("out"), "ab") as out:
                return subprocess.Popen([CLI, *words], stdin=stdin, stdout=out, cwd=self.folder,
                                        env=self.environment)

    def end(self, process, number, status):
        process.send_signal(number)
        self.assertEqual(process.wait(LIMIT), status)
        self.assert_nothing_left(self.environment)

    def test_resume_after_a_kill_runs_each_command_once(self):
        items = [b"%d" % i for i in range(1, 301)]
        for option in [], ["-k"]:
            words = ["run", "-j3", "--joblog=log", *option, "echo {} >>ran; echo {}"]
            process = self.start(*words, items=b"\n".join(items))
            self.assertTrue(wait_until(lambda: self.count_lines() >= 60))
            self.end(process, signal.SIGKILL, -signal.SIGKILL)
            self.assertLess(self.count_lines(), 300)
            n_torn = not self.read("log").endswith(b"\n")

            done = self.run_here("run", "--resume", *words[1:], stdin=b"\n".join(items))
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            self.assertEqual(sorted(self.numbers()), list(range(1, 301)))
            ran = self.read("ran").split()
            self.assertEqual(set(ran), set(items))
            # No more than two for each worker, and two, are submitted before one is in the log.
            self.assertLessEqual(len(ran) - len(items), 8 + n_torn)
            for name in "ran", "log", "out":
                os.unlink(self.path(name))

    def test_resume_after_a_kill_prints_each_result_once(self):
        items = [b"%d" % i for i in range(1, 3001)]
        for option in [], ["-u"]:
            words = ["map", "-j2", "--joblog=log", *option, "echo"]
            process = self.start(*words, items=b"\n".join(items))
            self.assertTrue(wait_until(lambda: self.count_lines() >= 100))
            self.end(process, signal.SIGKILL, -signal.SIGKILL)

            done = self.run_here("map", "--resume", *words[1:], stdin=b"\n".join(items))
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            self.assertEqual(sorted(self.numbers()), list(range(1, 3001)))
            printed = self.read("out").split() + done.stdout.split()
            self.assertEqual(set(printed), set(items))
            self.assertLessEqual(len(printed) - len(items), 1)
            for name in "log", "out":
                os.unlink(self.path(name))

    def test_what_ctrl_c_interrupts_is_not_in_the_log(self):
        command = "echo {} >>ran; [ {} = a ] || [ -e go ] || sleep 600"
        for option in [], ["--retries=5"]:
            process = self.start("run", "-j2", "--joblog=log", *option, command, ":::", *"abcd")
            self.assertTrue(wait_until(lambda: self.count_lines() == 1 and
                                       len(self.read("ran").split()) == 3))
            self.end(process, signal.SIGINT, 130)
            self.assertEqual(self.numbers(), [1])
            ran = set(self.read("ran").split())
            self.assertEqual(len(ran), 3)
            self.assertLess({b"a"}, ran)
            self.write("go", b"")
            done = self.run_here("run", "--joblog=log", "--resume", *option, command, ":::",
                                 *"abcd")
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            again = [b"b", b"c", b"d"]
            self.assertEqual(sorted(self.read("ran").split()), sorted([*ran, *again]))
            for name in "go", "ran", "log":
                os.unlink(self.path(name))

    def test_a_reader_that_goes_leaves_what_was_not_printed_out_of_the_log(self):
        done = subprocess.run(["bash", "-c", 'seq 100000 | "$1" map -j2 --joblog="$2" echo | '
                               'head -n 50 | wc -l; echo "${PIPESTATUS[1]}"', "bash", CLI,
                               self.log], capture_output=True, timeout=LIMIT,
                              env=new_environment(), check=False)
        self.assertEqual(done.stdout.split(), [b"50", b"141"])
        self.assertLess(self.count_lines(), 100000)
        self.assertEqual(self.numbers(), list(range(1, self.count_lines() + 1)))


if __name__ == "__main__":
    main()
