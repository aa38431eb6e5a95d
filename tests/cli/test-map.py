# SPDX-License-Identifier: LGPL-2.1-or-later
"""aiopool map, aiopool info and what stands in front of them."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest

from clitest import CLI, EMPTY_PLUGIN, TEST_PLUGIN, CliTest, main, new_environment

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir)

HOSTILE = [b"", b" ", b"a b", b"'", b'"', b"`id`", b"$(id)", b"; touch x", b"-n", b"--help", b":::",
           b"{}", b"\\", b"*", b"~", b"%s", b"\t", "ä€😀".encode(), b"\xff\xfe", b"a\xc3", b"\x1b[31m"]


class Map(CliTest):
    def test_prints_in_the_order_of_the_items(self):
        items = [str(i).encode() for i in range(500)]
        self.assertEqual(self.lines("map", "-j4", "echo", *items), items)

    def test_a_slow_first_item_holds_the_others_back(self):
        self.assertEqual(self.lines("map", "-j2", "sleep", "0.3", "0", "0.1"),
                         [b"0.3", b"0", b"0.1"])

    def test_unordered_prints_what_ends_first(self):
        self.assertEqual(self.lines("map", "-j2", "--unordered", "sleep", "1", "0"),
                         [b"0", b"1"])

    def test_items_are_bytes(self):
        self.assertEqual(self.lines("map", "echo", *HOSTILE), HOSTILE)

    def test_an_item_may_hold_newlines(self):
        done = self.cli("map", "echo", "a\nb", "c")
        self.assertEqual(done.stdout, b"a\nb\nc\n")

    def test_reads_lines(self):
        self.assertEqual(self.lines("map", "echo", stdin=b"a b\n\n\xff\nlast"),
                         [b"a b", b"", b"\xff", b"last"])

    def test_reads_up_to_nul(self):
        done = self.cli("map", "-0", "echo", stdin=b"a\nb\0c\0")
        self.assertEqual((done.returncode, done.stdout), (0, b"a\nb\nc\n"))

    def test_no_items_is_no_work(self):
        self.assertEqual(self.lines("map", "echo"), [])

    def test_many_lines_and_long_ones(self):
        lines = [b"%d" % i for i in range(20000)] + [b"x" * 300000] * 3
        self.assertEqual(self.lines("map", "echo", stdin=b"\n".join(lines)), lines)

    def test_a_line_with_nul_fails_alone(self):
        done = self.cli("map", "echo", stdin=b"a\nb\0b\nc\n")
        self.assertEqual((done.returncode, done.stdout), (1, b"a\nc\n"))
        self.assertIn(b"NUL", done.stderr)

    def test_prints_other_values_as_text(self):
        self.assertEqual(self.lines("map", TEST_PLUGIN + ":zoo", "x"),
                         [b"(true, 0x07, -5000000000, 1.5, 'x', b'\\377', {'k': <1>}, nothing)"])

    def test_prints_byte_strings_as_text(self):
        self.assertEqual(self.lines("map", "command", "echo hi; printf 'a\\000b' >&2; exit 3"),
                         [b"(3, 0, b'hi\\n', [0x61, 0x00, 0x62])"])

    def test_checksums(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "a file\nwith 'quotes'").encode() + b"\xff"
            with open(path, "wb") as file:
                file.write(b"x" * 1000000)
            for name in "sha256", "sha1", "md5":
                digest = getattr(hashlib, name)(b"x" * 1000000).hexdigest()
                self.assertEqual(self.lines("map", name, path),
                                 [f"('{digest}', 1000000)".encode()])

    def test_checksums_of_what_is_no_file(self):
        with tempfile.TemporaryDirectory() as folder:
            fifo = os.path.join(folder, "fifo")
            os.mkfifo(fifo)
            done = self.cli("map", "sha256", folder, fifo, folder + "/none", "/dev/zero")
        lines = done.stderr.decode().splitlines()
        self.assertEqual((done.returncode, done.stdout, len(lines)), (1, b"", 4))
        for line, words in zip(lines, ["is a directory", "not a regular file", "No such file",
                                       "not a regular file"]):
            self.assertIn(words, line)

    def test_one_failure_is_status_1_and_one_line(self):
        done = self.cli("map", TEST_PLUGIN + ":fail", "a\nb")
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertEqual(done.stderr.count(b"\n"), 1)
        self.assertIn(b"no luck with a; b", done.stderr)

    def test_a_crash_fails_its_own_item_only(self):
        items = [b"%d" % i for i in range(60)]
        done = self.cli("map", "-j2", TEST_PLUGIN + ":crash_at_30", *items)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout.split(), items[:30] + items[31:])
        self.assertIn(b"item '30'", done.stderr)

    def test_timeout(self):
        started = time.monotonic()
        done = self.cli("map", "-j2", "--timeout", "0.3", "sleep", "0", "1000")
        self.assertEqual((done.returncode, done.stdout), (1, b"0\n"))
        self.assertIn(b"item '1000'", done.stderr)
        self.assertLess(time.monotonic() - started, 60)

    def test_a_plugin_by_a_relative_path_and_by_name(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(TEST_PLUGIN, os.path.join(folder, "here.so"))
            self.assertEqual(self.lines("map", "here.so:same", "x", cwd=folder), [b"x"])
            self.assertEqual(self.lines("map", "./here.so:same", "x", cwd=folder), [b"x"])
            environment = new_environment(AIOPOOL_PLUGIN_DIR=folder)
            self.assertEqual(self.lines("map", "here:same", "x", environment=environment), [b"x"])


class Json(CliTest):
    def objects(self, *words, status=0, **keywords):
        return [json.loads(line) for line in self.lines(*words, status=status, **keywords)]

    def test_every_item_comes_back(self):
        objects = self.objects("map", "--json", "echo", *HOSTILE)
        self.assertEqual(len(objects), len(HOSTILE))
        for item, found in zip(HOSTILE, objects):
            if "item_bytes" in found:
                self.assertEqual(base64.b64decode(found["item_bytes"]), item)
                self.assertEqual(base64.b64decode(found["result"][0]["base64"]), item)
                self.assertIn("\ufffd", found["item"])
            else:
                self.assertEqual(found["item"], item.decode())
                self.assertEqual(found["result"], [item.decode()])
            self.assertGreaterEqual(found["seconds"], 0)

    def test_control_characters(self):
        item = "".join(map(chr, range(1, 160))) + "\u2028"
        [found] = self.objects("map", "--json", "echo", item.encode())
        self.assertEqual(found["item"], item)

    def test_values(self):
        [found] = self.objects("map", "--json", TEST_PLUGIN + ":zoo", "x")
        self.assertEqual(found["result"], [True, 7, -5000000000, 1.5, "x", {"base64": "/w=="},
                                           {"k": 1}, None])

    def test_a_failed_item_has_its_object_and_no_other_line(self):
        [found] = self.objects("map", "--json", TEST_PLUGIN + ":fail", "it", status=1)
        self.assertEqual(found["item"], "it")
        self.assertIn("no luck with it", found["error"])
        self.assertEqual(found["domain"], "g-io-error-quark")
        self.assertNotIn("result", found)

    def test_seconds_are_how_long_it_ran(self):
        [found] = self.objects("map", "--json", "sleep", "0.25")
        self.assertGreater(found["seconds"], 0.2)
        self.assertLess(found["seconds"], 20)


@unittest.skipUnless("AIOPOOL_PYTHON_DIR" in os.environ, "this build has no Python package")
class Python(CliTest):
    def test_a_function_of_a_module_is_called(self):
        self.assertEqual(self.lines("map", "base64:b64encode", b"\xff", b"\xfe\xff"),
                         [b"/w==", b"/v8="])
        self.assertEqual(self.lines("map", "json:loads", "[1, 2]", "null", '"text"'),
                         [b"[1, 2]", b"nothing", b"text"])

    def test_results_are_json_where_that_is_wanted(self):
        found = [json.loads(line) for line in self.lines("map", "--json", "json:loads",
                                                         '{"a": [1, null, "b"]}', "7")]
        self.assertEqual([line["result"] for line in found], [{"a": [1, None, "b"]}, 7])

    def test_an_exception_fails_the_item(self):
        done = self.cli("map", "builtins:int", "1", "x", "3")
        self.assertEqual((done.returncode, done.stdout), (1, b"1\n3\n"))
        self.assertIn(b"ValueError", done.stderr)

    def test_what_is_not_there_is_said_once(self):
        for name, part in (("no_such:f", "no_such"), ("json:no_such", "no_such")):
            self.assertIn(part, self.complaint(2, "map", name, *"abcdefgh"))


class Wrong(CliTest):
    def test_usage(self):
        for words in [[], ["nothing"], ["map"], ["map", ""], ["map", ":x", "a"], ["map", "x:", "a"],
                      ["map", "-j0", "echo", "a"], ["map", "-j-1", "echo", "a"],
                      ["map", "-j1025", "echo", "a"], ["map", "-j99999999", "echo", "a"],
                      ["map", "-jx", "echo", "a"],
                      ["map", "--timeout", "-1", "echo", "a"], ["map", "--nonsense", "echo", "a"],
                      ["map", "--timeout", "nan", "echo", "a"], ["info", "extra"]]:
            with self.subTest(words=words):
                self.complaint(2, *words)

    def test_an_unknown_function_is_said_once(self):
        self.assertIn("nonsense", self.complaint(2, "map", "nonsense", *"abcdefgh"))

    def test_a_plugin_that_is_not_there(self):
        self.assertIn("/nowhere/x.so", self.complaint(2, "map", "/nowhere/x.so:f", "a"))

    def test_a_plugin_that_is_no_library(self):
        with tempfile.NamedTemporaryFile(suffix=".so") as file:
            file.write(b"this is not ELF\n")
            file.flush()
            self.assertIn(file.name, self.complaint(2, "map", file.name + ":f", "a"))

    def test_a_library_that_is_no_plugin(self):
        self.assertIn("aiopool_plugin_register", self.complaint(2, "map", EMPTY_PLUGIN + ":f", "a"))

    def test_no_stock_plugin(self):
        environment = new_environment(AIOPOOL_PLUGIN_DIR="/nowhere")
        self.assertIn("/nowhere", self.complaint(2, "map", "echo", "a", environment=environment))

    def test_no_worker_program(self):
        environment = new_environment(AIOPOOL_WORKER_DIR="/nowhere")
        self.assertIn("/nowhere", self.complaint(125, "map", "echo", "a", environment=environment))

    def test_few_descriptors_are_few_workers(self):
        script = 'ulimit -n {}; "$1" map -j20 sleep 0.1 0.1 0.1 0.1'
        done = self.run_shell(script.format(64))
        self.assertEqual((done.returncode, done.stdout), (0, b"0.1\n" * 4), done.stderr)
        done = self.run_shell(script.format(16))
        self.assertEqual(done.returncode, 125, done.stderr)
        self.assertRegex(done.stderr, rb"^aiopool: .*Too many open files\n$")

    def test_standard_input_that_cannot_be_read(self):
        script = '"$1" map echo </'
        done = self.run_shell(script)
        self.assertEqual(done.returncode, 125, done.stderr)
        self.assertIn(b"directory", done.stderr)

    def test_standard_output_that_is_full(self):
        for words in "map echo a", "info", "--help", "map --help":
            done = self.run_shell(f'"$1" {words} >/dev/full')
            self.assertEqual(done.returncode, 125, done.stderr)
            self.assertRegex(done.stderr, rb"^aiopool: cannot write: .*\n$")

    def test_standard_descriptors_that_are_closed(self):
        done = self.run_shell('"$1" map echo a >&-')
        self.assertEqual((done.returncode, done.stderr),
                         (125, b"aiopool: cannot write: Bad file descriptor\n"))
        done = self.run_shell('"$1" map echo <&-')
        self.assertEqual(done.returncode, 125, done.stderr)
        self.assertRegex(done.stderr, rb"^aiopool: .*Bad file descriptor\n$")
        done = self.run_shell('"$1" map echo a <&- 2>&-')
        self.assertEqual((done.returncode, done.stdout), (0, b"a\n"))

    def run_shell(self, script):
        environment = new_environment()
        done = subprocess.run(["sh", "-c", script, "sh", CLI], capture_output=True, timeout=100,
                              env=environment, check=False)
        self.assert_nothing_left(environment)
        return done


class Info(CliTest):
    def test_json(self):
        [line] = self.lines("info", "--json")
        found = json.loads(line)
        self.assertGreaterEqual(found["processors"], 1)
        self.assertTrue(found["features"]["stock-plugin"])
        self.assertTrue(found["features"]["stock-worker"])
        self.assertIsInstance(found["features"]["sandbox"], bool)

    def test_text_and_version(self):
        [version] = self.lines("--version")
        self.assertRegex(version, rb"^aiopool \d+\.\d+\.\d+$")
        self.assertIn(version.split()[1], b"\n".join(self.lines("info")))

    def test_help(self):
        for words in [["--help"], ["map", "--help"], ["run", "--help"], ["info", "--help"]]:
            self.assertIn(b"Usage:", b"\n".join(self.lines(*words)))

    @unittest.skipIf(shutil.which("man") is None, "no man")
    def test_the_manual_page_is_well_formed(self):
        done = subprocess.run(["man", "--warnings", "-l", os.path.join(ROOT, "docs/man/aiopool.1")],
                              capture_output=True, check=True, env=new_environment(MANWIDTH="80"))
        self.assertEqual(done.stderr, b"")
        self.assertIn(b"NAME", done.stdout)


@unittest.skipIf(shutil.which("bash") is None, "no bash")
class Completion(CliTest):
    def complete(self, *words):
        """What bash offers for the last of the words."""
        script = '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _aiopool; ' \
                 'printf "%s\\n" "${COMPREPLY[@]}"'
        path = os.path.join(ROOT, "aiopool/cli/aiopool.bash")
        done = subprocess.run(["bash", "-c", script, "bash", path, "aiopool", *words],
                              capture_output=True, check=True, cwd=os.path.join(ROOT, "tests"))
        self.assertEqual(done.stderr, b"")
        return set(done.stdout.decode().split("\n")) - {""}

    def test_commands_and_options(self):
        self.assertEqual(self.complete("m"), {"map"})
        self.assertEqual(self.complete("map", "--j"), {"--jobs", "--joblog", "--json"})
        self.assertEqual(self.complete("run", "--k"), {"--keep-order"})
        self.assertEqual(self.complete("info", ""), set())

    def test_functions_commands_and_items(self):
        for words in [[], ["-j", "4"], ["-j4"], ["--jobs", "4"], ["--jobs", "=", "4", "--bar"]]:
            self.assertEqual(self.complete("map", *words, "sh"), {"sha256", "sha1"}, words)
        self.assertIn("gzip", self.complete("run", "-k", "gz"))
        self.assertEqual(self.complete("map", "sha256", "cl"), {"cli"})
        self.assertEqual(self.complete("run", "gzip", ":::", "cl"), {"cli"})
        self.assertIn(":::", self.complete("run", "gzip", ""))

    def test_values_of_options(self):
        self.assertEqual(self.complete("run", "--halt", "now,f"), {"now,fail=1", "now,fail=10%"})
        self.assertEqual(self.complete("run", "--halt", "=", "now,s"), {"now,success=1"})
        for start in ["--halt"], ["--halt", "="]:
            self.assertEqual(self.complete("run", *start, "now,fail", "="), {"1", "10%"})
            self.assertEqual(self.complete("run", *start, "now,fail", "=", "10"), {"10%"})
        self.assertEqual(self.complete("map", "--joblog", "cl"), {"cli"})
        self.assertEqual(self.complete("map", "--resume-"), {"--resume-failed"})
        for words in [["--halt", "now,fail", "=", "1"], ["--halt", "=", "now,fail", "=", "1"],
                      ["--halt", "never"], ["--joblog", "=", "x", "--retries", "3"]]:
            self.assertEqual(self.complete("map", *words, "sh"), {"sha256", "sha1"}, words)


if __name__ == "__main__":
    main()
