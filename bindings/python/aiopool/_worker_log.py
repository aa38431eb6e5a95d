# SPDX-License-Identifier: LGPL-2.1-or-later
"""The worker's logging: the root logger has a handler whose records go to the pool.

A record comes out as one of GLib's, with the name of the logger as its domain and the text, traceback
included, as its message. Levels up to that of a name count as it:

    CRITICAL, ERROR  G_LOG_LEVEL_CRITICAL
    WARNING          G_LOG_LEVEL_WARNING
    INFO             G_LOG_LEVEL_INFO
    DEBUG            G_LOG_LEVEL_DEBUG

CODE_FILE, CODE_LINE and CODE_FUNC tell where it was said. From these fields `_log.py` makes the record
of Python again:

    PYTHON_LEVEL                        the number
    PYTHON_CREATED                      seconds since the epoch
    PYTHON_THREAD, PYTHON_THREAD_ID     of the thread
    PYTHON_TASK                         name of the task of asyncio, from Python 3.12
    PYTHON_PARTS                        "end start end start": where in the text the message ends, the
                                        traceback starts and ends, and the stack starts
    PYTHON_EXTRA, PYTHON_EXTRA_1 ...    other attributes of the record, in pieces of one text of JSON
"""

import sys

from aiopool import _native

LEVELS = ((40, 1 << 3), (30, 1 << 4), (20, 1 << 6))
DEBUG = 1 << 7

MAX_PIECE = 4000  # characters, all ASCII; a field holds 4096
MAX_PIECES = 3
MAX_VALUE = 500  # characters of one attribute, if all together are too long

levels_wanted = {}


def set_levels(levels):
    """Of loggers, by their names, which the parent wants to be as its own; "" is the root."""
    levels_wanted.update(levels)


def level_of(number):
    for least, level in LEVELS:
        if number >= least:
            return level
    return DEBUG


def clean(text):
    return str(text).encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def compose(formatter, record):
    """As a plain formatter does it: the text, and what PYTHON_PARTS says."""
    text = clean(record.getMessage())
    parts = [len(text)]
    if record.exc_info and not record.exc_text:
        record.exc_text = formatter.formatException(record.exc_info)
    for more in (record.exc_text, record.stack_info):
        if more and text[-1:] != "\n":
            text += "\n"
        parts.append(len(text))
        text += clean(more or "")
        parts.append(len(text))
    return text, "{} {} {} {}".format(*parts)


def tell_extra(extra):
    """Fields with pieces of JSON. What JSON does not know is its repr()."""
    from json import dumps

    text = dumps(extra, default=repr)
    if len(text) > MAX_PIECE * MAX_PIECES:
        values = {name: value if len(str(value)) < MAX_VALUE else f"{str(value)[:MAX_VALUE]}..."
                  for name, value in list(extra.items())[:16]}
        text = dumps(values, default=repr)
    for i in range(min(MAX_PIECES, -(-len(text) // MAX_PIECE))):
        name = f"PYTHON_EXTRA_{i}" if i > 0 else "PYTHON_EXTRA"
        yield name, text[i * MAX_PIECE:(i + 1) * MAX_PIECE]


def install(logging):
    """Called when `logging` has been imported."""

    usual = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
    plain = logging.Formatter()

    def tell(handler, record):
        parts = None
        if handler.formatter is None:
            text, parts = compose(plain, record)
        else:
            text = clean(handler.format(record))
        fields = [("PYTHON_LEVEL", str(record.levelno)),
                  ("CODE_FILE", clean(record.pathname)),
                  ("CODE_LINE", str(record.lineno)),
                  ("CODE_FUNC", clean(record.funcName)),
                  ("PYTHON_CREATED", repr(record.created)),
                  ("PYTHON_THREAD", clean(record.threadName)),
                  ("PYTHON_THREAD_ID", str(record.thread))]
        if parts is not None and (record.exc_text or record.stack_info):
            fields.append(("PYTHON_PARTS", parts))
        if getattr(record, "taskName", None) is not None:
            fields.append(("PYTHON_TASK", clean(record.taskName)))
        extra = {name: value for name, value in vars(record).items() if name not in usual}
        if extra:
            try:
                fields += tell_extra(extra)
            except (TypeError, ValueError) as error:  # keys that JSON cannot have, or a circle
                fields += tell_extra({"aiopool_extra_error": str(error)})
        if not _native.log(level_of(record.levelno), clean(record.name), text, tuple(fields)):
            sys.stderr.write(f"{record.levelname}:{record.name}:{text}\n")
            sys.stderr.flush()

    class PoolHandler(logging.Handler):
        def emit(self, record):
            try:
                tell(self, record)
            except Exception:
                self.handleError(record)

    handler = PoolHandler()
    root = logging.getLogger()
    root.addHandler(handler)
    for name, level in levels_wanted.items():
        logging.getLogger(name).setLevel(level)
    basic_config = logging.basicConfig

    def configure(**options):
        """As before, but that the pool's handler does not count as one that is there already: where
        records go is the parent's to say, at which level they do is the worker's."""
        if root.handlers != [handler] or options.get("force"):
            basic_config(**options)
        elif options.get("level") is not None:
            root.setLevel(options["level"])

    logging.basicConfig = configure
