# SPDX-License-Identifier: LGPL-2.1-or-later
"""The worker's logging: the root logger has a handler whose records go to the pool.

A record comes out as one of GLib's, with the name of the logger as its domain and the text, traceback
included, as its message. Levels up to that of a name count as it:

    CRITICAL, ERROR  G_LOG_LEVEL_CRITICAL
    WARNING          G_LOG_LEVEL_WARNING
    INFO             G_LOG_LEVEL_INFO
    DEBUG            G_LOG_LEVEL_DEBUG

The field PYTHON_LEVEL has the number itself, CODE_FILE, CODE_LINE and CODE_FUNC tell where it was said.
"""

import sys

from aiopool import _native

LEVELS = ((40, 1 << 3), (30, 1 << 4), (20, 1 << 6))
DEBUG = 1 << 7

level_wanted = None


def set_level(level):
    """Of the root logger, which the parent wants to be as its own."""
    global level_wanted
    level_wanted = level


def level_of(number):
    for least, level in LEVELS:
        if number >= least:
            return level
    return DEBUG


def clean(text):
    return str(text).encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def install(logging):
    """Called when `logging` has been imported."""

    class PoolHandler(logging.Handler):
        def emit(self, record):
            try:
                text = clean(self.format(record))
                fields = (("PYTHON_LEVEL", str(record.levelno)),
                          ("CODE_FILE", clean(record.pathname)),
                          ("CODE_LINE", str(record.lineno)),
                          ("CODE_FUNC", clean(record.funcName)),
                          ("PYTHON_THREAD", clean(record.threadName)))
                if not _native.log(level_of(record.levelno), clean(record.name), text, fields):
                    sys.stderr.write(f"{record.levelname}:{record.name}:{text}\n")
                    sys.stderr.flush()
            except Exception:
                self.handleError(record)

    handler = PoolHandler()
    root = logging.getLogger()
    root.addHandler(handler)
    if level_wanted is not None:
        root.setLevel(level_wanted)
    basic_config = logging.basicConfig

    def configure(**options):
        """As before, but that the pool's handler does not count as one that is there already: where
        records go is the parent's to say, at which level they do is the worker's."""
        if root.handlers != [handler] or options.get("force"):
            basic_config(**options)
        elif options.get("level") is not None:
            root.setLevel(options["level"])

    logging.basicConfig = configure
