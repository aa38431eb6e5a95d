# SPDX-License-Identifier: LGPL-2.1-or-later

import gi

gi.require_version("Aiopool", "1")
from gi.repository import Aiopool

from aiopool import _payload, _pickling, _spawn


def submit(pool, function, *args, **kwargs):
    payload = _payload.join(_pickling.pack_call(function, args, kwargs))
    name = function.__qualname__  # for people and logs
    return pool.submit(Aiopool.Task.new_for_payload(name, payload, Aiopool.Format.PICKLE), None)


def get_result(future):
    future.wait(-1)
    error, info = future.get_error(), future.get_error_info()
    if error is None:
        payload, format = future.get_payload()
        return _pickling.unpack(_payload.view(payload))
    payload, format = info.get_payload() if info is not None else (None, None)
    if payload is None:
        raise error
    exception, traceback = _pickling.load_exception(_payload.view(payload))
    raise exception


def square(number):
    return number * number


if __name__ == "__main__":
    pool = Aiopool.Pool(max_workers=2, launcher=_spawn.make_launcher())
    print(get_result(submit(pool, square, 12)))
