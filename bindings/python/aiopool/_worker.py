# SPDX-License-Identifier: LGPL-2.1-or-later
"""The worker: what a process does that a pool has started with Python.

It is started as `python3 -c CODE DIRECTORY`, with the directory of this package. Whatever is not
needed by every worker is imported when it is needed; a worker that runs functions of small modules
imports nothing else of this package than this file and the extension.

The environment variable AIOPOOL_PYTHON_SETUP, of which `_spawn.py` tells, holds what a parent in
Python wants its workers to have in common with it.
"""

import os
import sys

if sys.version_info < (3, 11):
    sys.exit("aiopool: the worker needs Python 3.11 or later; this is %d.%d" % sys.version_info[:2])

from aiopool import _native  # noqa: E402

SETUP_VARIABLE = "AIOPOOL_PYTHON_SETUP"

# What a program's main module is called when a worker runs it, as with multiprocessing.
MAIN_NAME = "__mp_main__"


class UnknownFunction(LookupError):
    """There is no function of the name that the task has."""


class DecodeError(ValueError):
    """What came with the task cannot be read."""


class EncodeError(TypeError):
    """The result of the task cannot be sent."""


def current_task():
    """Returns the task that runs here, or None outside of tasks.

    In a coroutine function it is the task that the coroutine runs for.
    """
    task = _native.current()
    if task is None and "aiopool._worker_async" in sys.modules:
        from aiopool import _worker_async

        task = _worker_async.current.get()
    if task is None and "aiopool._inline" in sys.modules:
        from aiopool import _inline

        task = _inline.current_task()
    return task


# --- the program's main module --------------------------------------------------------------------


class Main:
    """Runs the parent's main module, without its guarded part, when somebody first asks for what is
    in it. Until then `__main__` is an empty module, whose `__getattr__` this is."""

    def __init__(self, name, path):
        self.name = name
        self.path = path
        self.is_running = False
        self.failure = None

    def install(self, module):
        module.__getattr__ = self.look_up
        sys.modules[MAIN_NAME] = module

    def look_up(self, attribute):
        module = sys.modules["__main__"]
        if self.is_running or (attribute.startswith("__") and attribute.endswith("__")):
            raise AttributeError(f"module {module.__name__!r} has no attribute {attribute!r}")
        if self.failure is not None:
            raise self.failure
        self.run(module)
        try:
            return vars(module)[attribute]
        except KeyError:
            raise AttributeError(f"module '__main__' has no attribute {attribute!r}") from None

    def run(self, module):
        self.is_running = True
        _native.set_starting(True)
        try:
            self.execute(module)
            if vars(module).get("__getattr__") == self.look_up:
                del module.__getattr__
        except BaseException as exception:
            self.failure = exception
            raise
        finally:
            _native.set_starting(False)
            self.is_running = False

    def execute(self, module):
        code = self.get_code_by_name(module) if self.name else self.get_code_by_path(module)
        module.__name__ = MAIN_NAME
        exec(code, vars(module))

    def get_code_by_name(self, module):
        from importlib.util import find_spec

        spec = find_spec(self.name)
        if spec is None:
            raise ImportError(f"the main module {self.name!r} cannot be found", name=self.name)
        module.__spec__ = spec
        module.__file__ = spec.origin
        module.__package__ = spec.parent
        return spec.loader.get_code(spec.name)

    def get_code_by_path(self, module):
        from io import open_code

        module.__file__ = self.path
        with open_code(self.path) as file:
            return compile(file.read(), self.path, "exec")


# --- start ----------------------------------------------------------------------------------------


dies_of_bad_calls = False


def take_setup():
    text = os.environ.pop(SETUP_VARIABLE, None)
    if not text:
        return {}
    from marshal import loads

    return loads(bytes.fromhex(text))


def set_up(setup):
    if "path" in setup:
        sys.path[:] = setup["path"]
    if "argv" in setup:
        sys.argv[:] = setup["argv"]
    main = sys.modules["__main__"]
    for name in [name for name in vars(main) if not name.startswith("__")]:
        delattr(main, name)
    if setup.get("main_name") or setup.get("main_path"):
        Main(setup.get("main_name"), setup.get("main_path")).install(main)
    global dies_of_bad_calls
    dies_of_bad_calls = setup.get("dies_of_bad_calls", False)
    if setup.get("log_levels"):
        from aiopool import _worker_log

        _worker_log.set_levels(setup["log_levels"])


def prepare():
    from _signal import SIG_DFL, SIGINT, signal

    sys.path.remove(sys.argv.pop(1))
    signal(SIGINT, SIG_DFL)  # the library's own handler, which does nothing, takes its place
    if sys.stderr is not None:
        import faulthandler

        faulthandler.enable(all_threads=False)
    os.register_at_fork(after_in_child=_native.forget)
    set_up(take_setup())
    when_imported("logging", install_log)  # whatever `site` runs may have done that


def install_log(module):
    """Has the records of `logging` go to the pool."""
    from aiopool import _worker_log

    _worker_log.install(module)


def when_imported(name, function):
    """To import a module in vain would take longer than all the rest of the start."""
    if name in sys.modules:
        function(sys.modules[name])
    else:
        sys.meta_path.insert(0, Finder(name, function))


class Finder:
    """Has a function called with a module once that is imported."""

    def __init__(self, name, function):
        self.name = name
        self.function = function

    def find_spec(self, name, path=None, target=None):
        if name != self.name:
            return None
        sys.meta_path.remove(self)
        from importlib.util import find_spec

        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_tell(module):
                execute(module)
                self.function(module)

            spec.loader.exec_module = execute_and_tell
        return spec


# --- handlers, called by the extension ------------------------------------------------------------


def find(name):
    """The function `module:qualified.name`."""
    module_name, colon, path = name.partition(":")
    if not colon or not module_name or not path:
        raise UnknownFunction(f"{name!r} does not name a function: that is 'module:function'")
    found = find_module(module_name, name)
    for attribute in path.split("."):
        try:
            found = getattr(found, attribute)
        except AttributeError:
            raise UnknownFunction(
                f"there is no function {name!r}: {module_name!r} has no {path!r}") from None
    if not callable(found):
        raise UnknownFunction(f"{name!r} is no function: it cannot be called")
    return found


def find_module(module_name, name):
    module = sys.modules.get(module_name)
    if module is not None:
        return module
    try:
        __import__(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise
        raise UnknownFunction(
            f"there is no function {name!r}: there is no module {error.name!r}") from None
    return sys.modules[module_name]


FORMAT_RAW, FORMAT_JSON, FORMAT_PICKLE = 1, 2, 3  # as in AiopoolFormat


def run_payload(task):
    format, payload = task._payload()
    if format == FORMAT_JSON:
        from json import dumps, loads

        result = find(task.function)(loads(bytes(payload)))
        task._return_payload(FORMAT_JSON, [encode(dumps, result).encode()])
    else:
        result = find(task.function)(payload)
        is_raw = isinstance(result, (bytes, bytearray, memoryview))
        if is_raw:
            task._return_payload(FORMAT_RAW, [result])
        else:
            task._return_value(result)


def encode(function, result):
    try:
        return function(result)
    except BaseException as error:
        raise EncodeError(
            f"the result, of type {type(result).__qualname__!r}, cannot be sent: {error}"
        ) from error


def decode_error(cause):
    if dies_of_bad_calls:
        sys.excepthook(type(cause), cause, cause.__traceback__)
        finish(1)
    error = DecodeError(f"the arguments cannot be unpickled: {type(cause).__qualname__}: {cause}")
    error.__cause__ = cause
    return error


def carry(result):
    from aiopool import _calls

    return _calls.carry(result)


def unpack_payload(view):
    from aiopool import _pickling

    return _pickling.unpack(view)


def answer_pickle(task, result):
    from aiopool import _pickling

    task._return_payload(FORMAT_PICKLE, encode(_pickling.pack, result))


def answer(task, result):
    if task._payload_format() == FORMAT_PICKLE:
        answer_pickle(task, result)
    else:
        task._return_value(result)


def pack_pieces(value):
    from aiopool import _pickling

    return encode(_pickling.pack, value)


def go_on(task, result):
    if type(result) is not generator:
        from aiopool import _worker_async

        _worker_async.start(task, result)
        return
    try:
        while True:
            task.emit(next(result))
    except StopIteration as end:
        answer(task, end.value)
    finally:
        result.close()


def fail(task, exception):
    from aiopool import _worker_errors

    _worker_errors.fail(task, exception)


def run_loop(fd):
    from aiopool import _worker_async

    _worker_async.run(fd)


def wake():
    from aiopool import _worker_async

    _worker_async.wake()


generator = type((lambda: (yield))())


async def _async_generator():
    yield


def _type_of_coroutine():
    async def function():
        pass

    coroutine_object = function()
    coroutine_object.close()
    return type(coroutine_object)


coroutine = _type_of_coroutine()
async_generator = type(_async_generator())


# --- the end --------------------------------------------------------------------------------------


def finish(status):
    """Threads that a task has left are not waited for."""
    try:
        if "atexit" in sys.modules:
            sys.modules["atexit"]._run_exitfuncs()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:
                pass
        os._exit(status)


def main():
    if not _native.is_worker():
        sys.exit("aiopool: this module is run by pools only")
    status = 1
    try:
        try:
            prepare()
        except BaseException as error:
            _native.refuse(f"the Python worker cannot start: {type(error).__qualname__}: {error}")
            raise
        _native.serve(sys.modules[__name__])
        status = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        finish(status)
