#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Python values become GVariants and come back: as GLib itself would have it, byte for byte."""

import array
import enum
import random
import sys
import unittest
from pathlib import Path

import gi

gi.require_version("Aiopool", "1")
from gi.repository import Aiopool, GLib  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from taptest import main  # noqa: E402

TABLE = [
    (None, "mv"), (True, "b"), (False, "b"), (7, "x"), (-7, "x"), (1 << 63, "t"), (2.5, "d"),
    ("text é", "s"), ("", "s"), (b"bytes\0", "ay"), (b"", "ay"), ((), "()"), ((1,), "(x)"),
    ((1, "a", None), "(xsmv)"), ([], "av"), ([1, 2], "ax"), ([1, (1 << 64) - 1], "at"),
    ([-1, 1 << 63], "av"), ([1, 2.5], "av"), ([1, True], "av"), ([True, False], "ab"),
    ([0.5], "ad"), (["a", "b"], "as"), ([[1], [2, 3]], "aax"), ([[1], []], "av"),
    ([(1, "a"), (2, "b")], "a(xs)"), ([None, 1], "av"), ({}, "a{sv}"), ({"a": 1}, "a{sv}"),
    ({1: "a", 2: None}, "a{xv}"), ({"a": {"b": []}}, "a{sv}"), ([{"a": 1}, {}], "aa{sv}"),
    ([b"a", b"bc"], "aay"), ({True: 1}, "a{bv}"), ({0.5: 1}, "a{dv}"),
]


def draw(dice, depth=0):
    """A value that may be anything."""
    def some(limit=5):
        return range(dice.randrange(limit))

    def inner():
        return draw(dice, depth + 1)

    def same():
        value = inner()
        return [value for _ in some()]

    kinds = [lambda: None, lambda: dice.random() < 0.5, lambda: dice.randrange(-1 << 63, 1 << 64),
             dice.random, lambda: "é" * dice.randrange(6), lambda: bytes(dice.choice([3, 300])),
             lambda: dice.randrange(100)]
    if depth < 4:
        kinds += [lambda: tuple(inner() for _ in some()), lambda: [inner() for _ in some()],
                  lambda: {str(i) * 40: inner() for i in some(4)}, same]
    return dice.choice(kinds)()


class ValuesTest(unittest.TestCase):
    def assert_as_glib(self, variant):
        """GLib reads what was packed, and packs the same bytes."""
        self.assertTrue(variant.is_normal_form())
        again = GLib.Variant.parse(variant.get_type(), variant.print_(True), None, None)
        self.assertTrue(variant.equal(again))
        self.assertEqual(variant.get_data_as_bytes().get_data(),
                         again.get_data_as_bytes().get_data())

    def test_each_kind_of_value_has_its_type(self):
        for value, type_string in TABLE:
            with self.subTest(value=value):
                variant = Aiopool.pack(value)
                self.assertEqual(variant.get_type_string(), type_string)
                self.assert_as_glib(variant)
                unpacked = Aiopool.unpack(variant)
                self.assertEqual(unpacked, value)
                self.assertIs(type(unpacked), type(value))

    def test_any_value_comes_back(self):
        dice = random.Random(5)
        for _ in range(250):
            value = draw(dice)
            variant = Aiopool.pack(value)
            self.assert_as_glib(variant)
            self.assertEqual(Aiopool.unpack(variant), value)

    def test_sizes_at_which_offsets_grow_come_back(self):
        for size in (*range(246, 260), *range(65526, 65540)):
            for value in ((b"a" * size, "b"), ["a" * size, "b"], {"k" * size: 1}):
                variant = Aiopool.pack(value)
                self.assert_as_glib(variant)
                self.assertEqual(Aiopool.unpack(variant), value)

    def test_types_that_are_not_python_s_are_unpacked(self):
        for text, value in (("@mi 5", 5), ("@mi nothing", None), ("@mms just nothing", None),
                            ("byte 0x07", 7), ("@an [-1, 2]", [-1, 2]), ("@ag ['s']", ["s"]),
                            ("objectpath '/a'", "/a"), ("handle 3", 3), ("<<'a'>>", "a"),
                            ("@(yxy) (1, 2, 3)", (1, 2, 3)), ("{1, 'a'}", (1, "a")),
                            ("@a(yx) [(1, 2)]", [(1, 2)]), ("@ams ['a', nothing]", ["a", None]),
                            ("@a{ii} {1: 2}", {1: 2}), ("@(ssy) ('a', 'b', 1)", ("a", "b", 1))):
            with self.subTest(text=text):
                self.assertEqual(Aiopool.unpack(GLib.Variant.parse(None, text, None, None)), value)

    def test_buffers_are_arrays_of_their_elements(self):
        for code, type_string in (("B", "ay"), ("h", "an"), ("H", "aq"), ("i", "ai"), ("I", "au"),
                                  ("q", "ax"), ("Q", "at"), ("l", "ax"), ("d", "ad")):
            numbers = array.array(code, range(50))
            variant = Aiopool.pack(numbers)
            self.assertEqual(variant.get_type_string(), type_string)
            self.assert_as_glib(variant)
            self.assertEqual(list(Aiopool.unpack(variant)), list(numbers))
        self.assertEqual(Aiopool.unpack(Aiopool.pack(bytearray(b"abc"))), b"abc")
        self.assertEqual(Aiopool.unpack(Aiopool.pack(memoryview(b"abcdef")[::2])), b"ace")

    def test_arrays_come_as_arrays_if_asked(self):
        value = Aiopool.unpack(Aiopool.pack(([1, 2], array.array("d", [0.5]), "s")), arrays=True)
        self.assertEqual(value, (array.array("q", [1, 2]), array.array("d", [0.5]), "s"))

    def test_large_buffers_in_a_tuple_come_back(self):
        value = (b"a" * 100_000, 5, bytearray(b"b" * 100_000), {"k": [1]})
        self.assertEqual(Aiopool.unpack(Aiopool.pack(value)), value)

    def test_numpy_arrays_are_buffers(self):
        try:
            import numpy
        except ImportError:
            self.skipTest("there is no numpy")
        numbers = numpy.arange(100_000, dtype="int64")
        variant = Aiopool.pack((numbers, numbers[::2]))
        self.assertEqual(variant.get_type_string(), "(axax)")
        back, half = Aiopool.unpack(variant, arrays=True)
        self.assertTrue(numpy.array_equal(numpy.frombuffer(back, dtype="int64"), numbers))
        self.assertTrue(numpy.array_equal(numpy.frombuffer(half, dtype="int64"), numbers[::2]))
        self.assertEqual(Aiopool.pack((numpy.int32(5), numpy.float64(0.5))).unpack(), (5, 0.5))
        for refused in (numpy.zeros((2, 2)), numpy.zeros(2, dtype="float32"),
                        numpy.zeros(2, dtype=">i8")):
            with self.assertRaises(TypeError):
                Aiopool.pack(refused)

    def test_subclasses_are_packed_as_what_they_are(self):
        class Colour(enum.IntEnum):
            RED = 3

        class Name(str):
            pass

        class Number:
            def __index__(self):
                return 4

        self.assertEqual(Aiopool.pack((Colour.RED, Name("a"), Number())).unpack(), (3, "a", 4))
        self.assertEqual(Aiopool.pack(Aiopool.CancelMode.FORCE).get_type_string(), "x")

    def test_variants_keep_their_type(self):
        value = (GLib.Variant("u", 5), [GLib.Variant("y", 1)], GLib.Variant("(sv)", (
            "a", GLib.Variant("n", -1))), {"k": GLib.Variant("v", GLib.Variant("i", 2))},
            GLib.Bytes.new(b"ab"))
        variant = Aiopool.pack(value)
        self.assertEqual(variant.get_type_string(), "(uay(sv)a{sv}ay)")
        self.assert_as_glib(variant)
        self.assertEqual(Aiopool.unpack(variant), (5, b"\1", ("a", -1), {"k": 2}, b"ab"))
        kept = GLib.Variant("i", 1)
        self.assertIs(Aiopool.pack(kept), kept)

    def test_what_has_no_variant_is_refused(self):
        loop = []
        loop.append(loop)
        deep = []
        for _ in range(100):
            deep = [deep]
        for value, error in ((1 << 64, OverflowError), (-(1 << 63) - 1, OverflowError),
                             ("a\0b", ValueError), ("\ud800", ValueError), (object(), TypeError),
                             ({1, 2}, TypeError), (1j, TypeError), ({None: 1}, TypeError),
                             ({1: 1, "a": 1}, TypeError), ((object(),), TypeError),
                             (array.array("f", [1]), TypeError), (loop, ValueError),
                             (deep, ValueError)):
            with self.subTest(value=type(value)), self.assertRaises(error):
                Aiopool.pack(value)

    def test_bytes_that_are_no_variant_are_unpacked_all_the_same(self):
        dice = random.Random(7)
        types = ["(sas)", "as", "av", "a{sv}", "v", "(svmsay)", "aas", "a(ys)", "(xbs)", "ab", "ms"]
        for _ in range(250):
            data = bytes(dice.choice([0, 0, 1, 2, 97, 115, 118, 255])
                         for _ in range(dice.randrange(30)))
            kind = GLib.VariantType.new(dice.choice(types))
            variant = GLib.Variant.new_from_bytes(kind, GLib.Bytes.new(data), False)
            self.assertEqual(repr(Aiopool.unpack(variant)),
                             repr(Aiopool.unpack(variant.get_normal_form())))


if __name__ == "__main__":
    main()
