# SPDX-License-Identifier: LGPL-2.1-or-later
"""aiopool run: commands, what stands for the item, and that no item becomes a command."""

import os
import signal
import tempfile
import time

from clitest import CliTest, main

# Each would make the file "hit" if a shell read it as code, in one place or another.
INJECTIONS = [b"; touch hit", b"& touch hit &", b"| touch hit", b"$(touch hit)", b"`touch hit`",
              b"\n touch hit \n", b"'; touch hit; '", b'"; touch hit; "', b"'$(touch hit)'",
              b'"$(touch hit)"', b'"`touch hit`"', b"\\", b"\\'; touch hit #", b'\\"; touch hit #',
              b"${IFS}", b">hit", b"<(touch hit)", b") ; touch hit ; (", b"} ; touch hit ; {",
              b"a b  c", b"*", b"~", b"!!", b"#x", b"\xff'\xfe", b"-n", b"", b"'", b'"', b"$x",
              b"a\tb", b"x=$(touch hit)", b"'\"'\"'; touch hit #", b"EOF\ntouch hit\nEOF"]

# Lines in which the item has to appear as it is.
EXACT_LINES = ["printf '<%s>' {}", "printf '<%s>' \"{}\"", "printf '<%s>' '{}'",
               "printf '<%s>' \"$(printf %s. {})\" | sed 's/[.]>$/>/'",
               "printf '<%s>' \"$(printf '%s.' '{}')\" | sed 's/[.]>$/>/'",
               "x={}; printf '<%s>' \"$x\"", "x=\"{}\"; printf '<%s>' \"$x\"",
               "printf '<%s>' ''{}''", "(printf '<%s>' {})", "f () { printf '<%s>' {}; }; f other",
               "printf '<%s>'", "set -- other; printf '<%s>' {}",
               "printf '<%s>' {} # it's {} \"\n:"]

# Lines in which it is enough that nothing runs.
OTHER_LINES = ["cat <<EOF\n{}\nEOF\n", "cat <<'EOF'\n{}\nEOF\n", "echo `echo {}`",
               "echo \"`echo {}`\"", "echo \"`echo '{}'`\"", "echo ${x:-{}}", "echo \"${x:-'{}'}\"",
               "case {} in a) echo \"{}\";; *) echo '{}';; esac", "echo $'it\\'s {}'",
               "echo \"it's {}\" it\\'s {}", "echo \\\"{}\\\"", "echo {}{}{.}{/}{//}{/.}{#}",
               "echo \"$(case x in x) echo {};; esac)\"", "# it's\necho {}"]


class Places(CliTest):
    def one(self, line, item):
        done = self.cli("run", line, ":::", item)
        self.assertEqual((done.returncode, done.stderr), (0, b""), line)
        return done.stdout

    def test_all_kinds(self):
        for words in ["printf '%s|%s|%s|%s|%s|%s' {} {.} {/} {//} {/.} {#}"], \
                ["printf", "%s|%s|%s|%s|%s|%s", "{}", "{.}", "{/}", "{//}", "{/.}", "{#}"]:
            done = self.cli("run", "-j1", *words, ":::", "a.b/c d.tar.gz")
            self.assertEqual(done.stdout, b"a.b/c d.tar.gz|a.b/c d.tar|c d.tar.gz|a.b|c d.tar|1")

    def test_names_without_parts(self):
        line = "printf '%s|%s|%s|%s' {.} {/} {//} {/.}"
        self.assertEqual(self.one(line, ".hidden"), b".hidden|.hidden|.|.hidden")
        self.assertEqual(self.one(line, "a.d/file"), b"a.d/file|file|a.d|file")

    def test_the_shell_keeps_its_own(self):
        self.assertEqual(self.one("set -- a b c; echo ${#} {}", "x"), b"3 x\n")

    def test_numbers_count_from_one(self):
        self.assertEqual(self.lines("run", "-k", "echo {#}", ":::", *"abc"), [b"1", b"2", b"3"])

    def test_without_a_place_the_item_comes_last(self):
        self.assertEqual(self.one("echo a ", "b  c"), b"a b  c\n")
        self.assertEqual(self.one("echo a\n", "b"), b"a b\n")
        self.assertEqual(self.cli("run", "echo", "a", ":::", "b  c").stdout, b"a b  c\n")

    def test_several_words_are_no_shell_line(self):
        for item in INJECTIONS:
            done = self.cli("run", "printf", "<%s|%s>", "$(id);`id`", "-{}-", ":::", item)
            self.assertEqual(done.stdout, b"<$(id);`id`|-" + item + b"->")

    def test_items_from_lines_and_up_to_nul(self):
        self.assertEqual(self.lines("run", "-k", "echo", stdin=b"a b\nc"), [b"a b", b"c"])
        self.assertEqual(self.lines("run", "-k0", "echo", stdin=b"a\nb\0c"), [b"a", b"b", b"c"])


class Injection(CliTest):
    def test_items_appear_as_they_are(self):
        for line in EXACT_LINES:
            with self.subTest(line=line), tempfile.TemporaryDirectory() as folder:
                done = self.cli("run", "-k", "-j2", line, ":::", *INJECTIONS, cwd=folder)
                self.assertEqual(os.listdir(folder), [])
                self.assertEqual(done.stdout, b"".join(b"<%s>" % item for item in INJECTIONS))

    def test_nothing_runs_wherever_the_item_stands(self):
        for line in OTHER_LINES:
            with self.subTest(line=line), tempfile.TemporaryDirectory() as folder:
                self.cli("run", "-j2", line, ":::", *INJECTIONS, cwd=folder)
                self.assertEqual(os.listdir(folder), [])

    def test_an_item_cannot_follow_a_semicolon(self):
        for line in "echo a;", "echo a &", "echo a |\n":
            self.assertIn("{}", self.complaint(125, "run", line, ":::", "touch hit"))


class Output(CliTest):
    def test_order_of_the_items(self):
        self.assertEqual(self.lines("run", "-j3", "-k", "sleep {}; echo {}", ":::", "0.4", "0",
                                    "0.2"), [b"0.4", b"0", b"0.2"])

    def test_order_of_the_ends(self):
        self.assertEqual(self.lines("run", "-j2", "sleep {}; echo {}", ":::", "1", "0"),
                         [b"0", b"1"])

    def test_output_of_a_command_stays_together(self):
        lines = self.lines("run", "-j4", "echo {}; sleep 0.0{}; echo {}", ":::", *"123456789")
        self.assertEqual(lines[0::2], lines[1::2])
        self.assertEqual(sorted(lines[0::2]), sorted(b"123456789"[i:i + 1] for i in range(9)))

    def test_both_streams(self):
        done = self.cli("run", "echo o{}; echo e{} >&2", ":::", "1")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"o1\n", b"e1\n"))

    def test_much_output(self):
        done = self.cli("run", "-j2", "head -c 20000000 /dev/zero #{}", ":::", *"abc")
        self.assertEqual((done.returncode, len(done.stdout)), (0, 60000000), done.stderr[:500])

    def test_endless_output_fails_and_ends(self):
        line = self.complaint(1, "run", "cat /dev/zero #{}", ":::", "a")
        self.assertIn("more than", line)

    def test_no_input(self):
        self.assertEqual(self.lines("run", "cat; echo", ":::", "a"), [b"a"])

    def test_a_daemon_does_not_hold_the_result(self):
        started = time.monotonic()
        done = self.cli("run", "-j1", "sleep 600 & echo {}", ":::", "a")
        self.assertEqual(done.stdout, b"a\n")
        self.assertLess(time.monotonic() - started, 60)


class Status(CliTest):
    def test_counts_failures(self):
        for n_failed, status in (0, 0), (1, 1), (3, 3), (100, 100), (101, 101), (150, 101):
            items = ["1"] * n_failed + ["0"]
            self.assertEqual(self.cli("run", "exit {}", ":::", *items).returncode, status)

    def test_says_how_it_failed(self):
        self.assertIn("exit status 7", self.complaint(1, "run", "exit 7 #{}", ":::", "a"))
        self.assertIn("signal 9", self.complaint(1, "run", "kill -9 $$ #{}", ":::", "a"))
        self.assertIn("no-such-program", self.complaint(1, "run", "no-such-program", "x", ":::",
                                                        "a"))

    def test_a_command_may_kill_its_group(self):
        done = self.cli("run", "-j1", "[ {} = b ] && kill -9 0; echo {}", ":::", *"abc")
        self.assertEqual((done.returncode, sorted(done.stdout.split())), (1, [b"a", b"c"]))

    def test_usage(self):
        for words in [["run"], ["run", ":::", "a"], ["run", "", ":::", "a"],
                      ["run", "echo", ":::", "a", ":::", "b"], ["run", "-j0", "echo", ":::", "a"],
                      ["run", "--nonsense", "echo"]]:
            with self.subTest(words=words):
                self.complaint(125, *words)

    def test_no_items(self):
        self.assertEqual(self.lines("run", "echo", ":::"), [])
        self.assertEqual(self.lines("run", "echo"), [])

    def test_too_long_an_item_fails_alone(self):
        done = self.cli("run", "-k", "echo", stdin=b"a\n" + b"x" * 200000 + b"\nb\n")
        self.assertEqual((done.returncode, done.stdout), (1, b"a\nb\n"))
        self.assertEqual(done.stderr.count(b"\n"), 1)

    def test_timeout_kills_the_whole_command(self):
        started = time.monotonic()
        done = self.cli("run", "-j2", "--timeout", "0.5", "sh -c 'sleep {}; :' & wait; echo {}",
                        ":::", "0", "600")
        self.assertEqual((done.returncode, done.stdout), (1, b"0\n"))
        self.assertIn(b"item '600'", done.stderr)
        self.assertLess(time.monotonic() - started, 60)

    def test_commands_have_default_signals(self):
        mask = "grep -E '^Sig(Blk|Ign):' /proc/self/status #{}"
        for line in self.lines("run", mask, ":::", "a"):
            ignored = int(line.split()[1], 16)
            for number in signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGHUP:
                self.assertFalse(ignored & 1 << (number - 1), line)


if __name__ == "__main__":
    main()
