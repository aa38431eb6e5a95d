# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes GVariants of Python values.

The bytes of the variant are put together here, in one go, and GLib gets them once: a call through
introspection for each element would cost more than everything else. The rules of the format are
those of the GVariant specification: each value is aligned for its type, and a container says at
its end where those of its members end that have no fixed size.
"""

import struct
import sys
from array import array

from gi.repository import GLib

# GLib refuses what is nested deeper than 128 levels. A list in a list of variants takes two.
MAX_DEPTH = 120

# Bytes of this size and more are handed over one by one, and not copied into their tuple.
LARGE = 32 * 1024

INT64_MIN, INT64_MAX, UINT64_MAX = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1

# What an element of a buffer is, by its format and size, as in the modules struct and array.
BUFFER_TYPES = {("B", 1): "y", ("c", 1): "y", ("?", 1): "b", ("h", 2): "n", ("H", 2): "q",
                ("i", 4): "i", ("I", 4): "u", ("l", 4): "i", ("L", 4): "u", ("l", 8): "x",
                ("L", 8): "t", ("q", 8): "x", ("Q", 8): "t", ("d", 8): "d"}

# Of elements of a fixed size: the code in the module array, and the size, which is the alignment.
FIXED_CODES = {"x": ("q", 8), "t": ("Q", 8), "d": ("d", 8), "i": ("i", 4), "u": ("I", 4),
               "n": ("h", 2), "q": ("H", 2)}

ORDERS = {"@", "=", "|", "<" if sys.byteorder == "little" else ">"}

pack_int64 = struct.Struct("=q").pack
pack_uint64 = struct.Struct("=Q").pack
pack_double = struct.Struct("=d").pack

PADDING = [bytes(n) for n in range(8)]

# A value that is packed: its type, its bytes, its alignment, and whether its type has a fixed size.
NOTHING = ("mv", b"", 8, False)
TRUE = ("b", b"\1", 1, True)
FALSE = ("b", b"\0", 1, True)
UNIT = ("()", b"\0", 1, True)


def pack_int(value, _depth):
    if INT64_MIN <= value <= INT64_MAX:
        return "x", pack_int64(value), 8, True
    if 0 < value <= UINT64_MAX:
        return "t", pack_uint64(value), 8, True
    raise OverflowError("an int must fit in 64 bits to be packed")


def pack_str(value, _depth):
    data = value.encode()  # a lone surrogate raises
    if b"\0" in data:
        raise ValueError("a str with a NUL character cannot be packed; bytes can")
    return "s", data + b"\0", 1, False


def join_offsets(body, ends):
    """Behind the members of a container stands where they end, in as few bytes as will do."""
    if len(body) + len(ends) < 256:
        return bytes(body) + bytes(ends)
    for size, code in ((2, "H"), (4, "I"), (8, "Q")):
        if len(body) + size * len(ends) < 1 << 8 * size:
            break
    return bytes(body) + struct.pack(f"={len(ends)}{code}", *ends)


def pack_fields(fields):
    """What a tuple and the entry of a dictionary have in common."""
    body = bytearray()
    ends = []
    last = len(fields) - 1
    alignment = 1
    is_fixed = True
    for i, (_, data, field_alignment, field_is_fixed) in enumerate(fields):
        if field_alignment > 1:
            body += PADDING[-len(body) % field_alignment]
            if field_alignment > alignment:
                alignment = field_alignment
        body += data
        if not field_is_fixed:
            is_fixed = False
            if i != last:
                ends.append(len(body))
    if is_fixed:
        body += PADDING[-len(body) % alignment]
        return bytes(body), alignment, True
    if not ends:
        return bytes(body), alignment, False
    ends.reverse()
    return join_offsets(body, ends), alignment, False


def pack_tuple(value, depth):
    if not value:
        return UNIT
    fields = [encode(item, depth + 1) for item in value]
    data, alignment, is_fixed = pack_fields(fields)
    return f"({''.join([field[0] for field in fields])})", data, alignment, is_fixed


def pack_elements(items, alignment, is_fixed):
    """@items: bytes of each element."""
    if is_fixed:
        return b"".join(items)
    body = bytearray()
    ends = []
    for data in items:
        if alignment > 1:
            body += PADDING[-len(body) % alignment]
        body += data
        ends.append(len(body))
    return join_offsets(body, ends) if ends else b""


def box(packed):
    """As a variant within a variant; one that is a variant already stays."""
    type_string, data = packed[0], packed[1]
    return data if type_string == "v" else data + b"\0" + type_string.encode()


def pack_numbers(value):
    """A list of numbers of one type, without looking at each; None if it is something else."""
    kinds = set(map(type, value))
    if len(kinds) != 1:
        return None
    kind = kinds.pop()
    if kind is int:
        low, high = min(value), max(value)
        if INT64_MIN <= low and high <= INT64_MAX:
            return "ax", array("q", value).tobytes(), 8, False
        if low >= 0 and high <= UINT64_MAX:
            return "at", array("Q", value).tobytes(), 8, False
    elif kind is float:
        return "ad", array("d", value).tobytes(), 8, False
    elif kind is bool:
        return "ab", bytes(value), 1, False
    return None


def pack_list(value, depth):
    if not value:
        return "av", b"", 8, False
    numbers = pack_numbers(value)
    if numbers is not None:
        return numbers
    items = [encode(item, depth + 2) for item in value]
    type_string, _, alignment, is_fixed = items[0]
    if any(item[0] != type_string for item in items):
        return "av", pack_elements([box(item) for item in items], 8, False), 8, False
    return ("a" + type_string, pack_elements([item[1] for item in items], alignment, is_fixed),
            alignment, False)


def pack_key(key):
    for kind in (bool, int, float, str):
        if isinstance(key, kind):
            return encode(key, 0)
    raise TypeError(f"the key of a dict must be a str, an int, a float or a bool to be packed, "
                    f"not {type(key).__name__}")


def pack_str_entry(entry):
    """As pack_fields(), for what there is most of."""
    key = entry[0][1]
    return (join_offsets(key + PADDING[-len(key) % 8] + entry[1][1], (len(key),)),)


def pack_dict(value, depth):
    if not value:
        return "a{sv}", b"", 8, False
    entries = []
    key_types = set()
    for key, item in value.items():
        packed = pack_key(key)
        key_types.add(packed[0])
        entries.append((packed, ("v", box(encode(item, depth + 3)), 8, False)))
    if len(key_types) != 1:
        raise TypeError("the keys of a dict must be of one type to be packed")
    key_type = key_types.pop()
    pack_entry = pack_str_entry if key_type == "s" else pack_fields
    data = pack_elements([pack_entry(entry)[0] for entry in entries], 8, False)
    return "a{%sv}" % key_type, data, 8, False


def pack_buffer(value, _depth):
    view = value if isinstance(value, memoryview) else memoryview(value)
    code = view.format
    if len(code) > 1 and code[0] in ORDERS:
        code = code[1:]
    element = BUFFER_TYPES.get((code, view.itemsize))
    if element is None:
        raise TypeError(f"a buffer with elements of format {view.format!r} cannot be packed; "
                        f"its bytes can")
    if view.ndim != 1:
        raise TypeError(f"a buffer with {view.ndim} dimensions cannot be packed; one with a "
                        f"single dimension can")
    return "a" + element, view.tobytes(), view.itemsize, False


def pack_bytes(value, _depth):
    return "ay", value, 1, False


def pack_variant(value, _depth):
    type_string = value.get_type_string()
    return (type_string, value.get_data_as_bytes().get_data() or b"", *get_layout(type_string))


def get_layout(type_string):
    """The alignment of a type, and whether it has a fixed size."""
    alignments = {"y": 1, "b": 1, "s": 1, "o": 1, "g": 1, "n": 2, "q": 2, "i": 4, "u": 4, "h": 4}
    alignment = max((alignments.get(char, 8) for char in type_string if char not in "(){}am"),
                    default=1)
    return alignment, not any(char in "amsogv" for char in type_string)


ENCODERS = {
    type(None): lambda _value, _depth: NOTHING,
    bool: lambda value, _depth: TRUE if value else FALSE,
    int: pack_int,
    float: lambda value, _depth: ("d", pack_double(value), 8, True),
    str: pack_str,
    bytes: pack_bytes,
    bytearray: pack_bytes,
    memoryview: pack_buffer,
    tuple: pack_tuple,
    list: pack_list,
    dict: pack_dict,
    GLib.Variant: pack_variant,
    GLib.Bytes: lambda value, _depth: ("ay", value.get_data() or b"", 1, False),
}


def find_encoder(value):
    for kind in type(value).__mro__:
        if kind in ENCODERS:
            return ENCODERS[kind]
    try:
        if memoryview(value).ndim > 0:
            return pack_buffer
    except TypeError:
        pass
    if hasattr(value, "__index__"):  # also a number of NumPy
        return lambda value, depth: pack_int(value.__index__(), depth)
    raise TypeError(f"{type(value).__name__} cannot be packed into a GVariant")


def encode(value, depth):
    if depth > MAX_DEPTH:
        raise ValueError("the value is nested too deeply to be packed")
    return (ENCODERS.get(type(value)) or find_encoder(value))(value, depth)


variant_types = {}


def get_variant_type(type_string):
    """Few types are used again and again; they are not to pile up all the same."""
    found = variant_types.get(type_string)
    if found is None:
        if len(variant_types) >= 256:
            variant_types.clear()
        found = variant_types[type_string] = GLib.VariantType.new(type_string)
    return found


new_from_bytes = GLib.Variant.new_from_bytes
new_bytes = GLib.Bytes.new


def new_variant(packed):
    type_string, data = packed[0], packed[1]
    # A bytearray or a view would be copied byte by byte.
    data = new_bytes(data if type(data) is bytes else bytes(data))
    return new_from_bytes(get_variant_type(type_string), data, True)


# What never is a large buffer.
SMALL_TYPES = {type(None), bool, int, float, str, tuple, list, dict, GLib.Bytes}


def is_large(value):
    if isinstance(value, GLib.Variant):
        return True
    try:
        return memoryview(value).nbytes >= LARGE
    except TypeError:
        return False


def pack(value):
    """pack(value) -> GLib.Variant

    Makes a GVariant of a Python value. A GLib.Variant is returned as it is."""
    if isinstance(value, GLib.Variant):
        return value
    if (type(value) is tuple and not SMALL_TYPES.issuperset(map(type, value))
            and any(map(is_large, value))):
        return GLib.Variant.new_tuple(*map(pack, value))
    return new_variant(encode(value, 0))


def pack_keywords(keywords):
    """As a{sv}, of which each value may be anything that can be packed."""
    return new_variant(encode(keywords, 0))
