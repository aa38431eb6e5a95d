# SPDX-License-Identifier: LGPL-2.1-or-later
"""For workers of the tests of faults: has them print their stacks when the harness wants that."""

import faulthandler
import signal

faulthandler.register(signal.SIGURG, all_threads=True)
