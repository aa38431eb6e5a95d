# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes Python values of GVariants.

GLib gives the bytes of the variant once, and they are taken apart here. For each type there is a
decoder, which is made once: a function of the bytes, a start and an end. Bytes that another process
sent may be anything; GLib brings them into normal form first, in which every offset is right.
"""

import struct
from array import array
from functools import lru_cache

from gi.repository import GLib

from ._aiopool_pack import FIXED_CODES

# Bytes of the type of a variant in a variant; GLib has no limit, but there is no use in more.
MAX_TYPE = 4096

STRUCTS = {"n": "h", "q": "H", "i": "i", "u": "I", "h": "i", "x": "q", "t": "Q", "d": "d"}

OFFSETS = ((0xffff, 2, "H"), (0xffffffff, 4, "I"), (1 << 64, 8, "Q"))


class Decoder:
    """How to decode values of one type. A size of 0 means that it differs."""

    __slots__ = ("decode", "alignment", "size")

    def __init__(self, decode, alignment, size):
        self.decode = decode
        self.alignment = alignment
        self.size = size


def read_offsets(data, start, end, count=None):
    """The offsets at the end of a container, as they stand there, and where they begin."""
    length = end - start
    if length <= 0xff:
        begin = start + data[end - 1] if count is None else end - count
        return data[begin:end], begin
    size, code = next((size, code) for limit, size, code in OFFSETS if length <= limit)
    if count is None:  # of an array: the last one says where the elements end
        (begin,) = struct.unpack_from("=" + code, data, end - size)
        begin += start
        count = (end - begin) // size
    else:
        begin = end - count * size
    return struct.unpack_from(f"={count}{code}", data, begin), begin


def make_number(char):
    number = struct.Struct("=" + STRUCTS[char])
    unpack_from = number.unpack_from
    return Decoder(lambda data, start, end: unpack_from(data, start)[0], number.size, number.size)


def decode_str(data, start, end):
    return str(data[start:end - 1], "utf-8")


def decode_variant(data, start, end, arrays):
    """The type stands behind the value, after a NUL byte."""
    if data[end - 2] == 0 and end - start > 1:
        leaf = LEAVES_BY_BYTE[data[end - 1]]
        if leaf is not None:
            return leaf.decode(data, start, end - 2)
    tail = bytes(data[max(start, end - 64):end])
    if b"\0" not in tail:
        tail = bytes(data[max(start, end - MAX_TYPE):end])
    type_string = tail[tail.rindex(b"\0") + 1:]
    decoder = get_decoder(type_string.decode("ascii"), arrays)
    return decoder.decode(data, start, end - len(type_string) - 1)


LEAVES = {char: make_number(char) for char in STRUCTS}
LEAVES["y"] = Decoder(lambda data, start, end: data[start], 1, 1)
LEAVES["b"] = Decoder(lambda data, start, end: data[start] != 0, 1, 1)
LEAVES["s"] = LEAVES["o"] = LEAVES["g"] = Decoder(decode_str, 1, 0)
LEAVES_BY_BYTE = [LEAVES.get(chr(i)) for i in range(256)]
VARIANTS = [Decoder(lambda data, start, end, arrays=arrays:
                    decode_variant(data, start, end, arrays), 8, 0) for arrays in (False, True)]


def make_maybe(element):
    def decode(data, start, end):
        if start == end:
            return None
        return element.decode(data, start, end if element.size else end - 1)

    return Decoder(decode, element.alignment, 0)


def make_numbers(code, size, arrays):
    def decode(data, start, end):
        numbers = array(code)
        numbers.frombytes(data[start:end])
        return numbers if arrays else numbers.tolist()

    return Decoder(decode, size, 0)


def make_fixed_array(element):
    item, size = element.decode, element.size

    def decode(data, start, end):
        return [item(data, i, i + size) for i in range(start, end, size)]

    return Decoder(decode, element.alignment, 0)


def make_array(element):
    item, mask = element.decode, element.alignment - 1

    def decode(data, start, end):
        if start == end:
            return []
        offsets, _ = read_offsets(data, start, end)
        items = []
        position = 0
        for offset in offsets:
            position = position + mask & ~mask
            items.append(item(data, start + position, start + offset))
            position = offset
        return items

    return Decoder(decode, element.alignment, 0)


def make_dict(entry):
    pairs = (make_fixed_array if entry.size else make_array)(entry)
    return Decoder(lambda data, start, end: dict(pairs.decode(data, start, end)),
                   entry.alignment, 0)


def get_fixed_size(fields, alignment):
    size = 0
    for field in fields:
        if not field.size:
            return 0
        size += -size % field.alignment + field.size
    return size + -size % alignment


def make_tuple(fields):
    if not fields:
        return Decoder(lambda data, start, end: (), 1, 1)
    alignment = max(field.alignment for field in fields)
    fixed_size = get_fixed_size(fields, alignment)
    n_offsets = sum(not field.size for field in fields[:-1])
    steps = [(field.decode, field.alignment - 1, field.size) for field in fields]
    last = len(steps) - 1

    def decode(data, start, end):
        offsets, limit = read_offsets(data, start, end, n_offsets) if n_offsets else ((), end)
        n = n_offsets
        items = []
        position = 0
        for i, (item, mask, size) in enumerate(steps):
            position = position + mask & ~mask
            if size:
                stop = position + size
            elif i == last:
                stop = limit - start
            else:
                n -= 1
                stop = offsets[n]
            items.append(item(data, start + position, start + stop))
            position = stop
        return tuple(items)

    return Decoder(decode, alignment, fixed_size)


def parse_fields(type_string, position, closing, arrays):
    fields = []
    while type_string[position] != closing:
        field, position = parse(type_string, position, arrays)
        fields.append(field)
    return make_tuple(fields), position + 1


def parse_array(type_string, position, arrays):
    char = type_string[position]
    if char == "{":
        entry, position = parse_fields(type_string, position + 1, "}", arrays)
        return make_dict(entry), position
    if char == "y":
        return Decoder(lambda data, start, end: bytes(data[start:end]), 1, 0), position + 1
    if char in FIXED_CODES:
        return make_numbers(*FIXED_CODES[char], arrays), position + 1
    element, position = parse(type_string, position, arrays)
    return (make_fixed_array if element.size else make_array)(element), position


def parse(type_string, position, arrays):
    """The decoder of the type that begins at a position, and where that type ends."""
    char = type_string[position]
    position += 1
    if char in LEAVES:
        return LEAVES[char], position
    if char == "v":
        return VARIANTS[arrays], position
    if char == "a":
        return parse_array(type_string, position, arrays)
    if char == "m":
        element, position = parse(type_string, position, arrays)
        return make_maybe(element), position
    if char == "(":
        return parse_fields(type_string, position, ")", arrays)
    if char == "{":
        return parse_fields(type_string, position, "}", arrays)
    raise TypeError(f"no GVariant has the type {type_string}")


@lru_cache(maxsize=512)
def get_decoder(type_string, arrays):
    return parse(type_string, 0, arrays)[0]


Variant = GLib.Variant
get_type_string = Variant.get_type_string
SIMPLE = {"x": Variant.get_int64, "s": Variant.get_string, "b": Variant.get_boolean,
          "d": Variant.get_double, "i": Variant.get_int32, "u": Variant.get_uint32,
          "t": Variant.get_uint64, "()": lambda variant: ()}


def unpack(variant, *, arrays=False):
    """unpack(variant, *, arrays=False) -> value

    Makes a Python value of a GVariant. With arrays, an array of numbers becomes an array.array
    rather than a list."""
    type_string = get_type_string(variant)
    simple = SIMPLE.get(type_string)
    if simple is not None:
        return simple(variant)
    if type_string == "ay":  # always in normal form, which GLib would look for byte by byte
        return variant.get_data_as_bytes().get_data() or b""
    if not variant.is_normal_form():
        variant = variant.get_normal_form()
    data = variant.get_data_as_bytes().get_data() or b""
    return get_decoder(type_string, bool(arrays)).decode(memoryview(data), 0, len(data))
