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
    log_level  of the root logger, if logging has been imported
    dies_of_bad_calls  whether a call that cannot be unpickled ends the worker, as it does that of
               concurrent.futures.ProcessPoolExecutor
"""

import os
import sys

CODE = "import sys; sys.path.insert(0, sys.argv[1]); from aiopool._worker import main; main()"
SETUP_VARIABLE = "AIOPOOL_PYTHON_SETUP"
MAX_SETUP = 100_000  # bytes; the system's limit for one variable is 128 KiB


def get_argv():
    from subprocess import _args_from_interpreter_flags

    directory = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return [sys.executable, *_args_from_interpreter_flags(), "-c", CODE, directory]


def describe_main():
    main = sys.modules.get("__main__")
    name = getattr(getattr(main, "__spec__", None), "name", None)
    if name is not None:
        return {} if name.split(".")[-1] == "__main__" else {"main_name": name}
    path = getattr(main, "__file__", None)
    if path is None or not os.path.exists(path):
        return {}
    return {"main_path": os.path.abspath(path)}


def get_setup():
    directory = os.getcwd()
    setup = {
        "path": [entry if entry else directory for entry in sys.path if isinstance(entry, str)],
        "argv": [str(word) for word in sys.argv],
        **describe_main(),
    }
    logging = sys.modules.get("logging")
    if logging is not None:
        setup["log_level"] = logging.getLogger().level
    return setup


def encode_setup(setup):
    from marshal import dumps

    text = dumps(setup, 2).hex()
    if len(text) > MAX_SETUP:
        text = dumps({**setup, "argv": setup["argv"][:1]}, 2).hex()
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
