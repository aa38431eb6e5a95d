# SPDX-License-Identifier: LGPL-2.1-or-later
"""AIOPOOL_TRACE, and aiopool trace, which reads what it wrote."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

from clitest import CLI, TEST_PLUGIN, CliTest, find_marked, main, new_environment, wait_until

SVG = "{http://www.w3.org/2000/svg}"

# The first line of a trace; without it the program takes it for somebody else's.
OURS = {"name": "process_name", "cat": "aiopool", "ph": "M", "pid": 1, "tid": 0,
        "args": {"version": "0.1.0", "name": "test"}}


def task(start, length, name="f", pid=7, status="done", **arguments):
    return {"name": name, "cat": "task", "ph": "X", "ts": start, "dur": length, "pid": pid,
            "tid": 1, "args": {"status": status, "queue": 5, **arguments}}


class TraceTest(CliTest):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="aiopool-trace-")
        self.addCleanup(shutil.rmtree, self.dir)

    def path(self, name="trace.json"):
        return os.path.join(self.dir, name)

    def read(self, name="trace.json"):
        """The events of a trace that must be whole."""
        with open(self.path(name), encoding="utf-8") as file:
            return json.load(file)["traceEvents"]

    def write(self, content, name="trace.json"):
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        with open(self.path(name), "wb") as file:
            file.write(content)
        return self.path(name)

    def traced(self, *words, name="trace.json", **keywords):
        return self.cli(*words, environment=new_environment(AIOPOOL_TRACE=self.path(name)),
                        **keywords)

    def picture(self, path, *options):
        """The root of a picture, parsed."""
        done = self.cli("trace", path, "-o", "-", *options)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        root = ElementTree.fromstring(done.stdout)
        self.assertEqual(root.tag, SVG + "svg")
        return root

    def texts(self, root):
        return ["".join(each.itertext()) for each in root.iter(SVG + "text")]


class Written(TraceTest):
    def test_has_what_happened(self):
        self.traced("map", "-j2", "sleep", "0.01", "0.02", "x", "0")
        events = self.read()
        tasks = [each for each in events if each.get("cat") == "task"]
        self.assertEqual([each["name"] for each in tasks], ["sleep"] * 4)
        self.assertEqual(sorted(each["args"]["status"] for each in tasks),
                         ["done"] * 3 + ["failed"])
        self.assertEqual(len([each for each in events if each["ph"] == "b"
                              and each["cat"] == "queue"]), 4)
        self.assertTrue(any(each["dur"] >= 20000 for each in tasks))
        lives = {each["pid"] for each in events if each["ph"] == "B"}
        self.assertTrue({each["pid"] for each in tasks} <= lives)
        self.assertEqual(len([each for each in events if each["ph"] == "E"]), len(lives))
        self.assertTrue(any(each["ph"] == "C" for each in events))
        self.assertTrue(any(each["name"] == "failed" and each["ph"] == "i" for each in events))

    def test_spans_begin_and_end_in_order(self):
        self.traced("map", "-j2", "echo", stdin=b"x\n" * 500)
        begins = {}
        for event in self.read():
            if event["ph"] == "b":
                begins[event["id"]] = event
            elif event["ph"] == "e":
                begin = begins.pop(event["id"])
                self.assertEqual(begin["cat"], event["cat"])
                self.assertLessEqual(begin["ts"], event["ts"])
        self.assertEqual(begins, {})

    def test_tasks_of_a_worker_do_not_overlap(self):
        self.traced("map", "-j2", "echo", stdin=b"x\n" * 2000)
        last = {}
        for event in sorted((each for each in self.read() if each["ph"] == "X"),
                            key=lambda each: (each["ts"], each["ts"] + each["dur"])):
            track = (event["pid"], event["tid"])
            self.assertLessEqual(last.get(track, 0), event["ts"])
            last[track] = event["ts"] + event["dur"]

    def test_a_crash_of_a_worker_is_there(self):
        self.traced("map", "-j1", TEST_PLUGIN + ":crash_at_30", "1", "30", "2")
        events = self.read()
        self.assertIn("crashed", [each["name"] for each in events if each.get("cat") == "worker"])
        self.assertIn("crashed", [each["args"]["status"] for each in events
                                  if each.get("cat") == "task"])
        done = self.cli("trace", self.path())
        self.assertIn(b"  crashed\n", done.stdout)

    def test_is_whole_when_the_program_is_killed(self):
        environment = new_environment(AIOPOOL_TRACE=self.path())
        with subprocess.Popen([CLI, "map", "-j2", "sleep", *["0.01"] * 20, "60"],
                              env=environment, stdout=subprocess.PIPE) as process:
            def has_tasks():
                try:
                    return len([each for each in self.read() if each.get("cat") == "task"]) >= 20
                except (OSError, ValueError):  # not there yet, or being written
                    return False
            self.assertTrue(wait_until(has_tasks))
            process.send_signal(signal.SIGKILL)
            process.wait()
        self.assertTrue(wait_until(lambda: not find_marked(environment)))
        self.assertGreaterEqual(len([each for each in self.read() if each.get("cat") == "task"]),
                                20)
        self.assertEqual(self.cli("trace", self.path()).returncode, 0)

    def test_a_pipe_gets_an_array(self):
        os.mkfifo(self.path("pipe"))
        with subprocess.Popen(["cat", self.path("pipe")], stdout=subprocess.PIPE) as reader:
            self.traced("map", "echo", "a", name="pipe")
            text = reader.stdout.read()
        self.assertTrue(text.startswith(b"[\n"))
        self.assertEqual([each["name"] for each in json.loads(text + b"]")
                          if each.get("cat") == "task"], ["echo"])
        self.assertEqual(self.cli("trace", self.write(text)).returncode, 0)

    def test_workers_do_not_write_over_it(self):
        seen = self.traced("run", "echo ${AIOPOOL_TRACE-none}; true", ":::", "1")
        self.assertEqual(seen.stdout, b"none\n")
        own = self.traced("run", "echo ${AIOPOOL_TRACE-none}; true", ":::", "1", name="%p.json")
        self.assertEqual(own.stdout, self.path("%p.json").encode() + b"\n")

    def test_pools_in_workers_have_files_of_their_own(self):
        self.traced("run", CLI + " map echo {}", ":::", "a", "b", name="%p.json")
        traces = [name for name in os.listdir(self.dir)
                  if [each for each in self.read(name) if each.get("cat") == "task"]]
        self.assertEqual(len(traces), 3)

    def test_no_pool_no_file(self):
        self.traced("--version")
        self.assertFalse(os.path.exists(self.path()))

    def test_a_file_that_cannot_be_written_is_a_warning(self):
        done = self.cli("map", "echo", "a",
                        environment=new_environment(AIOPOOL_TRACE="/nonexistent/a.json"))
        self.assertEqual((done.returncode, done.stdout), (0, b"a\n"))
        self.assertIn(b"AIOPOOL_TRACE: Cannot open '/nonexistent/a.json'", done.stderr)


    def test_a_limit_on_files_ends_the_trace_alone(self):
        done = subprocess.run(
            ["sh", "-c", 'ulimit -f 4000; exec "$@"', "sh", CLI, "map", "-j1", "echo"],
            input=b"x\n" * 20000, capture_output=True, check=False, timeout=120,
            env=new_environment(AIOPOOL_TRACE=self.path()))
        self.assertEqual((done.returncode, done.stdout), (0, b"x\n" * 20000))
        self.assertIn(b"The trace ends here", done.stderr)

    def test_a_reader_that_goes_ends_the_trace_alone(self):
        os.mkfifo(self.path("pipe"))
        with subprocess.Popen(["head", "-c", "1", self.path("pipe")], stdout=subprocess.PIPE):
            done = self.traced("map", "-j1", "echo", name="pipe", stdin=b"x\n" * 2000)
        self.assertEqual((done.returncode, done.stdout), (0, b"x\n" * 2000))
        self.assertIn(b"The trace ends here", done.stderr)


class Shown(TraceTest):
    def test_a_table_of_functions_and_workers(self):
        path = self.write({"traceEvents": [
            OURS, task(10, 1000, "quick"), task(2000, 50000, "slow"),
            task(60000, 3000, "slow", pid=8, status="failed"),
            task(70000, 3000, "slow", pid=8, status="cancelled")]})
        lines = self.cli("trace", path).stdout.decode().split("\n")
        self.assertEqual(lines[0], "4 tasks, 2 workers, 73.0 ms; at most 1 tasks waited")
        self.assertEqual(lines[4].split(), ["slow", "3", "1", "1", "5", "µs", "5", "µs", "3.00",
                                            "ms", "50.0", "ms", "56.0", "ms"])
        self.assertEqual(lines[5].split()[:4], ["quick", "1", "0", "0"])
        self.assertEqual(lines[8].split()[:3], ["?", "7", "2"])

    def test_a_picture_has_bars_and_marks(self):
        path = self.write({"traceEvents": [OURS, task(0, 500000), task(500000, 500000, "g&<>\"",
                                                                      status="failed")]})
        root = self.picture(path)
        bars = [each for each in root.iter(SVG + "rect") if each.find(SVG + "title") is not None]
        self.assertEqual([each.find(SVG + "title").text.split(":")[0] for each in bars],
                         ["f", 'g&<>"'])
        self.assertEqual(len({each.get("fill") for each in bars}), 2)
        self.assertTrue(any(each.get("class") == "f" for each in root.iter(SVG + "path")))
        self.assertIn("1.0 s", self.texts(root))

    def test_a_picture_does_not_grow_with_the_tasks(self):
        sizes = []
        for n in (2000, 20000):
            path = self.write([OURS] + [task(i * (10**9 // n), 10**8 // n) for i in range(n)])
            sizes.append(len(self.cli("trace", path, "-o", "-").stdout))
        self.assertLess(sizes[1], 2 * sizes[0] + 100000)

    def test_a_task_of_no_length_is_seen(self):
        path = self.write([OURS, task(1000, 0), task(10**6, 0)])
        self.assertTrue([each for each in self.picture(path).iter(SVG + "path")
                         if each.get("fill")])

    def test_width(self):
        path = self.write([OURS, task(0, 10)])
        self.assertEqual(self.picture(path, "--width=700").get("width"), "700")
        for width in ("0", "319", "x", "-1", "99999", ""):
            self.assertIn("width", self.complaint(2, "trace", path, "--width=" + width))

    def test_a_trace_without_tasks(self):
        path = self.write([OURS])
        self.assertEqual(self.lines("trace", path),
                         ["0 tasks, 0 workers, 0 µs; at most 0 tasks waited".encode()])
        self.picture(path)

    def test_a_real_one(self):
        self.traced("map", "-j3", "echo", stdin=b"x\n" * 3000)
        self.assertIn("echo (3000)", self.texts(self.picture(self.path())))
        self.assertTrue(self.lines("trace", self.path())[0].startswith(b"3000 tasks, "))

    def test_writes_a_file(self):
        path = self.write([OURS, task(0, 10)])
        self.assertEqual(self.lines("trace", path, "--output", self.path("a.svg")), [])
        ElementTree.parse(self.path("a.svg"))
        self.assertIn("cannot write", self.complaint(125, "trace", path, "-o", "/nonexistent/a"))


class Refused(TraceTest):
    def test_wrong_usage(self):
        self.assertIn("needs a file", self.complaint(2, "trace"))
        self.assertIn("one file", self.complaint(2, "trace", "a", "b"))
        self.assertIn("--nothing", self.complaint(2, "trace", "a", "--nothing"))
        self.assertIn("needs a value", self.complaint(2, "trace", "a", "-o"))
        self.assertIn(b"Usage: aiopool trace", self.cli("trace", "--help").stdout)

    def test_no_file(self):
        self.assertIn("cannot read", self.complaint(125, "trace", self.path("none")))
        self.assertIn("cannot read", self.complaint(125, "trace", self.dir))

    def test_what_is_no_trace(self):
        for content in (b"", b" ", b"{}", b"[]", b"null", b"1", b'"a"', b"[1, 2]", b"\x00", b"{",
                        b'{"traceEvents":1}', b'{"traceEvents":[]}', b"\xff\xfe", b"[}", b"[,]",
                        b"[1,]", b'{"a"}', b'{"a":}', b"{1:2}", b"[01]", b"[1.]", b"[+1]",
                        b"[nul]", b"[NaN]", b'["\x01"]', b'["\\x"]', b'["\\u12g4"]', b"[] x",
                        b"[" * 100000, b'{"a":' * 1000, b"\xef\xbb\xbf[]"):
            self.complaint(1, "trace", self.write(content))

    def test_a_broken_one_says_where(self):
        content = json.dumps(OURS).encode()
        self.assertIn("line 3:", self.complaint(1, "trace", self.write(b"[\n" + content + b",\nx]")))

    def test_a_short_one_counts_up_to_there(self):
        whole = json.dumps([OURS, task(0, 10), task(10, 20)]).encode()
        begin = len(json.dumps([OURS]))
        for length in range(begin, len(whole), 23):
            done = self.cli("trace", self.write(whole[:length]))
            self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertTrue(self.lines("trace", self.write(whole[:-1]))[0].startswith(b"2 tasks"))

    def test_senseless_events_are_passed_over(self):
        events = [OURS, 1, None, "x", [], {}, [[]], {"cat": "task"}, {"cat": 1, "ph": []},
                  {"cat": "task", "ph": "X", "ts": "1", "dur": {}, "pid": None, "args": [1]},
                  {"cat": "worker", "ph": "B"}, {"cat": "worker", "ph": "i", "pid": -1},
                  {"cat": "worker", "ph": "B", "ts": 5, "pid": 1e300, "args": {"number": -5}},
                  {"cat": "lost", "ph": "i", "args": {"records": 1e99}}]
        for number in (-1, -1e300, 1e300, 9e15, 1e15, 0, 0.5, 2**63, 2**64):
            events += [task(number, 1), task(1, number), task(1, 1, queue=number),
                       {**task(1, 1), "pid": number, "tid": number}]
        text = json.dumps({"a": {"b": [[]]}, "traceEvents": events, "z": 1}).encode()
        text = text.replace(b"1e+300", b"1e999")
        path = self.write(text)
        self.assertEqual(self.cli("trace", path).returncode, 0)
        self.picture(path)

    def test_any_name_makes_a_picture(self):
        names = ["", " ", "<&>\"'", "\x00", "\x1b[31m", "\ud800", "\uffff\ufffe", "😀", "x" * 5000,
                 "]]>", "--", "%s%n", "a\nb", "\x85\u2028"]
        path = self.write([{**OURS, "args": {"version": "1", "name": "<&>\x00"}}] +
                          [task(i * 10, 10, name) for i, name in enumerate(names)])
        self.assertEqual(self.cli("trace", path).returncode, 0)
        self.picture(path)
        raw = json.dumps([OURS, task(0, 10, "NAME")]).encode().replace(b"NAME", b"\xff\xfe\xc3")
        self.picture(self.write(raw))

    def test_many_workers_make_a_picture(self):
        events = [OURS]
        for i in range(3000):
            events += [{"name": "worker", "cat": "worker", "ph": "B", "ts": i, "pid": i + 1,
                        "args": {"number": i, "pool": i % 3}}, task(i, 5000, "f%d" % i, pid=i + 1)]
        root = self.picture(self.write(events))
        self.assertIn("2000 workers are not shown. ", self.texts(root))

    def test_random_damage(self):
        whole = json.dumps([OURS, task(0, 10), task(10, 20)]).encode()
        for i in range(0, len(whole), 17):
            damaged = whole[:i] + bytes([(whole[i] + 13 * i + 1) % 256]) + whole[i + 1:]
            done = self.cli("trace", self.write(damaged), "-o", "-")
            self.assertIn(done.returncode, (0, 1))




if __name__ == "__main__":
    main()
