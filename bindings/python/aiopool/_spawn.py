# SPDX-License-Identifier: LGPL-2.1-or-later
"""The parent's side of a worker's start: a launcher whose workers are as this program is.

They are started with this interpreter and its options; the environment, and with it the PYTHON*
variables, is inherited. What is known at run time only goes in the environment variable
AIOPOOL_PYTHON_SETUP, as the hexadecimal form of a marshalled dict (version 2):

    path       sys.path
    argv       sys.argv, or its first word if it is very long
    main_name  the name of the main module, if it was started as `python -m NAME`
    main_path  or else the path of its file; neither in an interactive interpreter, nor for
               `python -m PACKAGE`, whose `__main__` mostly has no guard (as with multiprocessing)
    log_levels of those loggers that have one of their own, if logging has been imported
    dies_of_bad_calls  whether a call that cannot be unpickled ends the worker, as it does that of
               concurrent.futures.ProcessPoolExecutor
"""

import os
import sys

CODE = "import sys; sys.path.insert(0, sys.argv[1]); from aiopool._worker import main; main()"
SETUP_VARIABLE = "AIOPOOL_PYTHON_SETUP"
MAX_SETUP = 100_000  # bytes; the system's limit for one variable is 128 KiB


def get_executable():
    """This interpreter, or what multiprocessing.set_executable() has named, where the program is none
    that takes the options of one."""
    spawn = sys.modules.get("multiprocessing.spawn")
    path = spawn.get_executable() if spawn is not None else None
    if not path or os.fsdecode(path) == sys.executable:
        path = sys.executable if not getattr(sys, "frozen", False) else None
    if not path:
        raise RuntimeError("there is no Python interpreter for workers, for this program is not started "
                           "by one: multiprocessing.set_executable() can name one")
    return os.fsdecode(path)


_known_main = None  # what describe_main() has looked at, and found

# Options of the interpreter, by what they are in sys.flags.
FLAGS = {"debug": "d", "optimize": "O", "dont_write_bytecode": "B", "no_site": "S", "verbose": "v",
         "bytes_warning": "b", "quiet": "q"}
ISOLATION = {"ignore_environment": "E", "no_user_site": "s", "safe_path": "P"}  # or all: -I


def get_options():
    """Those that this interpreter was started with, as far as they are for a worker, too."""
    flags = sys.flags
    options = ["-" + FLAGS[name] * getattr(flags, name) for name in FLAGS if getattr(flags, name) > 0]
    if flags.isolated:
        options.append("-I")
    else:
        options += ["-" + ISOLATION[name] for name in ISOLATION if getattr(flags, name)]
    options += ["-W" + text for text in sys.warnoptions]
    for name, value in sys._xoptions.items():
        options += ["-X", name if value is True else f"{name}={value}"]
    return options


def get_argv():
    directory = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return [get_executable(), *get_options(), "-c", CODE, directory]


def describe_main():
    global _known_main
    main = sys.modules.get("__main__")
    seen = main, getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if _known_main is None or any(one is not other for one, other in zip(seen, _known_main[0])):
        _known_main = seen, look_at_main(main)
    return _known_main[1]


def look_at_main(main):
    name = getattr(getattr(main, "__spec__", None), "name", None)
    if name is not None:
        return {} if name.split(".")[-1] == "__main__" else {"main_name": name}
    path = getattr(main, "__file__", None)
    if path is None or not os.path.exists(path):
        return {}
    return {"main_path": os.path.abspath(path)}


def is_in_main_file(function):
    """Whether workers find a function of the main module there: not if it was typed in, be it after
    the file was run (python -i)."""
    code = getattr(function, "__code__", None)
    return bool(describe_main()) and not (code is not None and code.co_filename.startswith("<"))


def tell_why_not_in_main():
    if describe_main():
        return "it is not in the program's file"
    if getattr(sys.modules.get("__main__"), "__spec__", None) is not None:
        return "they do not run the __main__ of a package or an archive: put it in another module"
    return "the program has no file from which workers could run it"


def get_setup():
    directory = os.getcwd()
    setup = {
        "path": [entry if entry else directory for entry in sys.path if isinstance(entry, str)],
        "argv": [str(word) for word in sys.argv],
        **describe_main(),
    }
    logging = sys.modules.get("logging")
    if logging is not None:
        setup["log_levels"] = get_levels(logging)
    return setup


def get_levels(logging):
    """From the name of a logger, "" for the root, to its level."""
    loggers = list(logging.Logger.manager.loggerDict.items())  # other threads may make some
    levels = {name: logger.level for name, logger in loggers
              if isinstance(logger, logging.Logger) and logger.level != logging.NOTSET}
    return {"": logging.getLogger().level, **levels}


def encode_setup(setup):
    from marshal import dumps

    text = dumps(setup, 2).hex()
    if len(text) > MAX_SETUP:
        levels = setup.get("log_levels", {})
        setup = {**setup, "argv": setup["argv"][:1], "log_levels": {"": levels.get("", 0)}}
        text = dumps(setup, 2).hex()
    return text


def configure(launcher):
    """Has the workers of a launcher be as this program is, and returns it."""
    launcher.setenv(SETUP_VARIABLE, encode_setup(get_setup()))
    return launcher


def make_launcher(python=None):
    """Returns an Aiopool.Launcher. `python`: another interpreter than this one."""
    from gi.repository import Aiopool

    if python is not None:
        launcher = Aiopool.Launcher.new_for_python(python)
    else:
        launcher = Aiopool.Launcher.new_for_argv(get_argv())
    return configure(launcher)
