# SPDX-License-Identifier: LGPL-2.1-or-later

import sys

import gi

gi.require_version("Aiopool", "1")
from gi.repository import Aiopool


def count_primes(first, end):
    return sum(all(n % d for d in range(2, int(n ** 0.5) + 1)) for n in range(max(first, 2), end))


if Aiopool.Service.is_worker():
    service = Aiopool.Service.new()
    service.function(count_primes)
    service.run()
    sys.exit()

gi.require_version("Gtk", "4.0")
from gi.repository import GLib, Gtk

N_TASKS = 40
N_NUMBERS = 4000


class Window(Gtk.ApplicationWindow):
    def __init__(self, application):
        super().__init__(application=application, title="Primes", default_width=360)
        launcher = Aiopool.Launcher.new_for_argv([sys.executable, __file__])
        self.pool = Aiopool.Pool(launcher=launcher)
        self.futures = []
        self.label = Gtk.Label(label="How many primes are there?", xalign=0)
        self.bar = Gtk.ProgressBar(show_text=True)
        self.spinner = Gtk.Spinner(spinning=True)
        self.button = Gtk.Button(label="Count")
        self.button.connect("clicked", self.on_clicked)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=12, margin_top=18,
                      margin_bottom=18, margin_start=18, margin_end=18)
        for child in (self.label, self.bar, self.spinner, self.button):
            box.append(child)
        self.set_child(box)

    def on_clicked(self, button):
        if self.futures:
            for future in self.futures:
                future.cancel()
            return
        self.n_done = self.n_primes = 0
        button.set_label("Cancel")
        for i in range(N_TASKS):
            future = self.pool.submit("count_primes", i * N_NUMBERS, (i + 1) * N_NUMBERS)
            future.add_done_callback(self.on_done)
            self.futures.append(future)

    def on_done(self, future):
        self.n_done += 1
        self.bar.set_fraction(self.n_done / N_TASKS)
        try:
            self.n_primes += future.result()
        except GLib.Error as error:
            self.label.set_label(error.message)
        else:
            self.label.set_label(f"{self.n_primes} primes so far")
        if self.n_done == N_TASKS:
            self.button.set_label("Count")
            self.futures = []


class Application(Gtk.Application):
    def do_activate(self):
        Window(self).present()


if __name__ == "__main__":
    sys.exit(Application(application_id="org.example.Primes").run(sys.argv))
