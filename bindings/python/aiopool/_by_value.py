# SPDX-License-Identifier: LGPL-2.1-or-later
"""Functions that workers get by their value, from cloudpickle: is what was made of one still right?

That depends on its code, on its defaults, on what is in its closure, and on the globals that it names;
a print of all that tells. Of what may change within, as a list, there is no print: a function that
has such a thing is pickled each time, and sent again if that is another pickle than the last one.
"""

import sys
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from weakref import WeakKeyDictionary, ref

from aiopool import _parent

ATOMS = frozenset((type(None), type(Ellipsis), bool, int, str, bytes))
MAX_DEPTH = 20

_names = WeakKeyDictionary()  # from code to the names of globals in it


class Changing(Exception):
    """There can be no print."""


class Pickles:
    """Of functions. `dump` makes one, in pieces."""

    def __init__(self, dump):
        self.dump = dump
        self.known = WeakKeyDictionary()  # from a function to its print and its pickle, a Shared

    def get(self, function):
        seen = take_print(function) if not has_registered() else None
        known = self.known.get(function)
        if known is not None and seen is not None and known[0] == seen:
            return known[1]
        pieces = self.dump(function)
        if known is not None and known[1].equals(pieces):
            shared = known[1]
        else:
            shared = _parent.Shared(pieces)
        self.known[function] = seen, shared
        return shared

    def find_all(self):
        found = {}
        for reference in self.known.keyrefs():  # a list: other threads may add to what it is made of
            function = reference()
            if function in self.known:
                found[self.known[function][1].key] = function
        return found


def has_registered():
    """Whether there are modules of which cloudpickle was told to send the functions by value."""
    get = getattr(sys.modules.get("cloudpickle"), "list_registry_pickle_by_value", set)
    return bool(get())


def take_print(function):
    """A tuple that is equal to another one as long as a pickle would be, or None."""
    found = []
    try:
        add_function(function, found, {})
    except Changing:
        return None
    return tuple(found)


def add_function(function, found, seen):
    found.append(ref(function))
    if id(function) in seen:
        return
    seen[id(function)] = function
    if len(seen) > MAX_DEPTH:
        raise Changing
    code = function.__code__
    found.append(code)
    for value in function.__name__, function.__qualname__, function.__module__, function.__doc__:
        add(value, found, seen)
    add(function.__defaults__, found, seen)
    add(tuple((function.__kwdefaults__ or {}).items()), found, seen)
    add(function.__dict__ or None, found, seen)
    for cell in function.__closure__ or ():
        try:
            add(cell.cell_contents, found, seen)
        except ValueError:  # it is empty as yet
            found.append(ref)
    scope = function.__globals__
    for name in get_names(code):
        if name in scope:
            found.append(name)
            add(scope[name], found, seen)


def add(value, found, seen):
    kind = type(value)
    if kind in ATOMS:
        found += kind, value
    elif kind is float or kind is complex:
        found += kind, repr(value)  # 0.0 is equal to -0.0
    elif kind is tuple or kind is frozenset:
        found += kind, len(value)
        for item in value:
            add(item, found, seen)
    elif kind is FunctionType and is_sent_by_value(value):
        add_function(value, found, seen)
    elif is_sent_by_name(value, kind):
        found.append(ref(value))
    else:
        raise Changing


def is_sent_by_name(value, kind):
    if kind is FunctionType:
        return True
    if kind is ModuleType:
        return sys.modules.get(value.__name__) is value
    if kind is BuiltinFunctionType:
        return value.__self__ is None or type(value.__self__) is ModuleType
    return isinstance(value, type) and not is_sent_by_value(value)


def is_sent_by_value(value):
    module = sys.modules.get(getattr(value, "__module__", None) or "")
    if module is None or module.__name__ == "__main__" or "<" in value.__qualname__:
        return True
    found = module
    for name in value.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is not value


def get_names(code):
    names = _names.get(code)
    if names is None:
        names = _names[code] = tuple(sorted(find_names(code)))
    return names


def find_names(code):
    """Attributes are among them; that does no harm."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if type(constant) is CodeType:
            names |= find_names(constant)
    return names
