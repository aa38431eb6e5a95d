# SPDX-License-Identifier: LGPL-2.1-or-later
"""What workers log comes out of the `logging` of this process, as if it had been logged here."""

import logging


def handle_all(records):
    for name, message, fields, pid, function in records:
        logger = logging.getLogger(name)
        record = make_record(name, message, fields, pid, function)
        if logger.isEnabledFor(record.levelno):
            logger.handle(record)


def make_record(name, message, fields, pid, function):
    record = logging.makeLogRecord({
        "name": name,
        "msg": message,
        "levelno": int(fields["PYTHON_LEVEL"]),
        "pathname": fields.get("CODE_FILE", ""),
        "lineno": int(fields.get("CODE_LINE") or 0),
        "funcName": fields.get("CODE_FUNC"),
        "threadName": fields.get("PYTHON_THREAD"),
        "process": pid,
        "processName": f"aiopool-{pid}",
        "aiopool_function": function,
    })
    record.levelname = logging.getLevelName(record.levelno)
    record.filename = record.pathname.rpartition("/")[2]
    record.module = record.filename.removesuffix(".py")
    return record
