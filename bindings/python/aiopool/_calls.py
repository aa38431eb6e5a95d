# SPDX-License-Identifier: LGPL-2.1-or-later
"""What workers are asked to do besides calling a function, and how a parent asks for it."""

import sys

# --- functions that cannot be found by a name -----------------------------------------------------

_pickled = None


def import_cloudpickle():
    """The module, or None where it is not installed."""
    try:
        import cloudpickle
    except ImportError:
        return None
    return cloudpickle


def get_pickled(function):
    """A Shared of a lambda, a closure or a function of an interactive session, for all calls of it.

    It is pickled once, and each worker makes it once, until it or something that it names changes."""
    return get_pickles().get(function)


def get_pickles():
    global _pickled
    if _pickled is None:
        from aiopool._by_value import Pickles

        _pickled = Pickles(dump_function)
    return _pickled


def dump_function(function):
    from aiopool import _pickling

    cloudpickle = import_cloudpickle()
    if cloudpickle is None:
        from _pickle import PicklingError

        from aiopool import _spawn

        name = function.__qualname__
        where = (_spawn.tell_why_not_in_main() if function.__module__ == "__main__" and "<" not in name
                 else "it is not at the top of a module")
        raise PicklingError(f"workers cannot find the function {name!r}, for {where}; "
                            f"with the module cloudpickle installed it would be sent to them")
    return _pickling.pack_with(cloudpickle.dumps, function)


def pack_by_value(function, args, kwargs):
    """The pieces of a call of which something cannot be pickled but by cloudpickle."""
    from aiopool import _pickling

    data = import_cloudpickle().dumps((function, args, kwargs), 5)
    return _pickling.pack_call(call_whole, (data,), {})


def call_whole(data):
    """In the worker."""
    from _pickle import loads

    function, args, kwargs = loads(data)
    return carry(function(*args, **kwargs))


PLAIN = frozenset((type(None), bool, int, float, str, bytes, bytearray, memoryview))


class Carried:
    """A result that only cloudpickle can pickle; it comes out as itself."""

    def __init__(self, data):
        self.data = data

    def __reduce__(self):
        from _pickle import loads

        return loads, (self.data,)


def carry(result):
    if type(result) in PLAIN or import_cloudpickle() is None:
        return result
    try:
        from _pickle import dumps

        dumps(result, 5)
    except Exception:
        try:
            return Carried(import_cloudpickle().dumps(result, 5))
        except Exception:
            pass  # a generator, say
    return result


# --- chunks ---------------------------------------------------------------------------------------


class Outcomes:
    """What came of the items of a chunk of which some have failed. `failures`: from the index to the
    dump of the exception; results are None there."""

    def __init__(self, results, failures):
        self.results = results
        self.failures = failures

    def __len__(self):
        return len(self.results)

    def load_failure(self, index):
        from aiopool import _core, _pickling

        return _core.link_traceback(*_pickling.load_exception(self.failures[index]))

    def each(self):
        for index, result in enumerate(self.results):
            if index in self.failures:
                raise self.load_failure(index)
            yield result


def call_each(function, items):
    """Calls a function with each of a list of items. Gives a list of the results, or Outcomes."""
    return run_all(map(function, items), len(items))


def call_each_star(function, items):
    from itertools import starmap

    return run_all(starmap(function, items), len(items))


def split(function, args, kwargs):
    """The calls for which one of the functions here stands: one, or those of a chunk."""
    if function is call_whole:
        return split(*load(*args))
    if function is not call_each and function is not call_each_star:
        return [(function, args, kwargs)]
    target, items = args
    return [(target, tuple(item) if function is call_each_star else (item,), {}) for item in items]


def find_functions():
    """The functions that were pickled, and are not gone, by the key of what is shared of each."""
    return _pickled.find_all() if _pickled is not None else {}


def find_function(shared, functions):
    """One of find_functions(), or, if it is gone, one that is made of its pickle."""
    from aiopool import _pickling

    return functions.get(shared.key) or _pickling.unpack(shared.view)


def load(data):
    from _pickle import loads

    return loads(data)


def run_all(calls, number):
    """An error is that of its item: those after it are called nevertheless."""
    results = []
    failures = {}
    while len(results) < number:
        try:
            results.extend(calls)
            if len(results) < number:
                raise RuntimeError("the function raised StopIteration")
        except BaseException as exception:
            failures[len(results)] = dump_failure(exception)
            results.append(None)
    return pack_all(results, failures)


def pack_all(results, failures):
    """The same, pickled. If something cannot be, that is the error of its item, too."""
    from aiopool import _pickling, _worker

    if is_inline():
        return Outcomes(results, failures) if failures else results
    try:
        return _pickling.Packed(_pickling.pack(Outcomes(results, failures) if failures else results))
    except Exception:
        pass
    later = (_worker.generator, _worker.coroutine, _worker.async_generator)
    if any(type(result) in later for result in results):
        return finish_all(results, failures)
    return pack_each(results, failures)


def is_inline():
    if "aiopool._inline" not in sys.modules:
        return False
    from aiopool import _inline

    return _inline.current_task() is not None


def pack_each(results, failures):
    from aiopool import _pickling, _worker

    for index, result in enumerate(results):
        try:
            results[index] = carry(result)
            _worker.encode(_pickling.pack, results[index])
        except BaseException as exception:
            failures[index] = dump_failure(exception)
            results[index] = None
    return _pickling.Packed(_pickling.pack(Outcomes(results, failures)))


async def finish_all(results, failures):
    """Of coroutine and generator functions, one after the other: a chunk is one task."""
    for index, result in enumerate(results):
        try:
            results[index] = await finish(result)
        except BaseException as exception:
            failures[index] = dump_failure(exception)
            results[index] = None
    return pack_each(results, failures)


async def finish(result):
    """What would come of it as a task of its own."""
    from aiopool import _worker

    kind = type(result)
    if kind is _worker.coroutine:
        return await result
    if kind is _worker.async_generator:
        async for item in result:
            pass
        return None
    if kind is _worker.generator:
        try:
            while True:
                next(result)
        except StopIteration as end:
            return end.value
    return result


def dump_failure(exception):
    from aiopool import _pickling, _worker_errors

    exception.__traceback__ = exception.__traceback__ and exception.__traceback__.tb_next
    data = _pickling.dump_exception(_worker_errors.Chain(exception))
    exception.__traceback__ = None
    return data
