#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-window.py PROGRAM [PICTURE]: the example with a window, on a display that nobody sees.

With the name of a picture, the window is also drawn into that file.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

import gi

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from taptest import main  # noqa: E402

PROGRAM = Path(sys.argv[1])
PICTURE = sys.argv[2] if len(sys.argv) > 2 else None

# Seconds after which a window that does not come to its end fails.
LIMIT = 60


def find_what_is_missing():
    if shutil.which("Xvfb") is None:
        return "there is no Xvfb"
    try:
        gi.require_version("Gtk", "4.0")
    except ValueError as error:
        return str(error)
    return None


def start_display():
    """An X server without a screen, and its name."""
    ours, theirs = os.pipe()
    server = subprocess.Popen(["Xvfb", "-displayfd", str(theirs), "-screen", "0", "640x480x24",
                               "-nolisten", "tcp"], pass_fds=[theirs], stderr=subprocess.DEVNULL)
    os.close(theirs)
    with open(ours, encoding="ascii") as number:
        return server, f":{number.readline().strip()}"


def load_program():
    spec = importlib.util.spec_from_file_location("window", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def get_fractions(seen):
    return [item for item in seen if not isinstance(item, str)]


@unittest.skipIf(find_what_is_missing(), str(find_what_is_missing()))
class WindowTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        server, display = start_display()
        cls.addClassCleanup(server.wait)
        cls.addClassCleanup(server.terminate)
        os.environ.update(DISPLAY=display, GDK_BACKEND="x11", GSK_RENDERER="cairo",
                          GTK_A11Y="none", GSETTINGS_BACKEND="memory", NO_AT_BRIDGE="1")
        cls.program = load_program()

    def run_window(self, on_progress):
        """Clicks the button, and closes when the bar is full."""
        from gi.repository import Gio, GLib
        application = self.program.Application(flags=Gio.ApplicationFlags.NON_UNIQUE)
        seen = []

        def on_tick():
            seen.append("tick")
            return GLib.SOURCE_CONTINUE

        def on_fraction(bar, _):
            seen.append(bar.get_fraction())
            on_progress(window, bar.get_fraction())
            if bar.get_fraction() == 1:
                GLib.idle_add(application.quit)

        def on_activate(_):
            nonlocal window
            window = application.get_active_window()
            window.bar.connect("notify::fraction", on_fraction)
            window.get_frame_clock().connect("after-paint", lambda _: seen.append("frame"))
            GLib.timeout_add(1, on_tick)
            GLib.idle_add(lambda: window.button.emit("clicked"))

        window = None
        late = GLib.timeout_add_seconds(LIMIT, application.quit)
        application.connect_after("activate", on_activate)
        application.run([])
        GLib.source_remove(late)
        return window, seen

    def test_the_bar_follows_the_pool_and_the_window_goes_on(self):
        def on_progress(window, fraction):
            if PICTURE is not None and round(fraction * self.program.N_TASKS) == 26:
                subprocess.run(["import", "-window", "root", PICTURE], check=True)

        window, seen = self.run_window(on_progress)
        fractions = get_fractions(seen)
        n_tasks = self.program.N_TASKS
        self.assertEqual(fractions, [(i + 1) / n_tasks for i in range(n_tasks)])
        between = seen[seen.index(fractions[0]):seen.index(fractions[-1])]
        self.assertGreater(between.count("tick"), 0)
        self.assertGreater(between.count("frame"), 0)  # the window is drawn while tasks run
        self.assertEqual(window.label.get_label(), "14683 primes so far")
        self.assertEqual(window.button.get_label(), "Count")

    def test_cancelling_ends_all_that_is_left(self):
        def on_progress(window, fraction):
            if fraction == 1 / self.program.N_TASKS:
                window.button.emit("clicked")

        window, seen = self.run_window(on_progress)
        self.assertEqual(get_fractions(seen)[-1], 1)
        self.assertEqual(window.futures, [])
        self.assertIn("was cancelled", window.label.get_label())


if __name__ == "__main__":
    main(sys.argv[3:])
