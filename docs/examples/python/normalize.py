# SPDX-License-Identifier: LGPL-2.1-or-later

import sys

import gi
import numpy

gi.require_version("Aiopool", "1")
from gi.repository import Aiopool


def normalize(call, arguments):
    (numbers,) = Aiopool.unpack(arguments, arrays=True)
    numbers = numpy.frombuffer(numbers)
    return numbers / numbers.sum()


if Aiopool.Service.is_worker():
    service = Aiopool.Service.new()
    service.add("normalize", normalize)
    service.run()
else:
    launcher = Aiopool.Launcher.new_for_argv([sys.executable, __file__])
    with Aiopool.Pool(2, launcher=launcher) as pool:
        future = pool.submit("normalize", numpy.ones(1_000_000))
        future.wait(-1)
        shares = numpy.frombuffer(Aiopool.unpack(future.get_result(), arrays=True))
        print(len(shares), round(shares.sum(), 6))
