# SPDX-License-Identifier: LGPL-2.1-or-later
"""What workers log comes out of the `logging` of this process, as if it had been logged here.

`_worker_log.py` tells what the fields are. They come from another process, so they may be anything.
"""

import logging
import sys


def handle_all(records):
    for record in records:
        try:
            handle(record)
        except Exception:  # a filter's, say: the others are to come nevertheless
            sys.excepthook(*sys.exc_info())


def handle(told):
    logger = logging.getLogger(told[0])
    record = make_record(*told)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)


def make_record(name, message, fields, pid, function):
    message, exc_text, stack_info = split(message, fields.get("PYTHON_PARTS"))
    record = logging.makeLogRecord({
        "name": name,
        "msg": message,
        "exc_text": exc_text,
        "stack_info": stack_info,
        "levelno": read(int, fields.get("PYTHON_LEVEL"), logging.ERROR),
        "pathname": fields.get("CODE_FILE", ""),
        "lineno": read(int, fields.get("CODE_LINE"), 0),
        "funcName": fields.get("CODE_FUNC"),
        "thread": read(int, fields.get("PYTHON_THREAD_ID"), None),
        "threadName": fields.get("PYTHON_THREAD"),
        "process": pid,
        "processName": f"aiopool-{pid}",
        "taskName": fields.get("PYTHON_TASK"),
        "aiopool_function": function,
    })
    record.levelname = logging.getLevelName(record.levelno)
    record.filename = record.pathname.rpartition("/")[2]
    record.module = record.filename.removesuffix(".py")
    set_time(record, read(float, fields.get("PYTHON_CREATED"), record.created))
    if "PYTHON_EXTRA" in fields:
        for key, value in load_extra(fields).items():
            record.__dict__.setdefault(key, value)
    return record


def read(kind, text, default):
    try:
        return kind(text)
    except (TypeError, ValueError):
        return default


def split(text, parts):
    """The message, the traceback and the stack."""
    try:
        end, exc_start, exc_end, stack_start = map(int, parts.split())
    except (AttributeError, ValueError):
        return text, None, None
    return text[:end], text[exc_start:exc_end] or None, text[stack_start:] or None


def set_time(record, created):
    if not abs(created) < 1e11:
        return
    record.relativeCreated += (created - record.created) * 1000
    record.created = created
    record.msecs = created % 1 * 1000 // 1


def load_extra(fields):
    from json import loads

    text = fields["PYTHON_EXTRA"]
    i = 1
    while (more := fields.get(f"PYTHON_EXTRA_{i}")) is not None:
        text += more
        i += 1
    try:
        extra = loads(text)
    except (ValueError, RecursionError):
        extra = None
    return extra if isinstance(extra, dict) else {"aiopool_extra": text}
