# SPDX-License-Identifier: LGPL-2.1-or-later
"""For workers of the tests of faults: has them print their stacks when the harness wants that, and one
that is to hang in its start do so, before anything of the library runs in it."""

import faulthandler
import os
import signal

faulthandler.register(signal.SIGURG, all_threads=True)

path = os.environ.get("AIOPOOL_TEST_HANG")
if path is not None:
    with open(path + ".new", "w") as file:
        file.write(str(os.getpid()))
    os.rename(path + ".new", path)
    while True:
        signal.pause()
