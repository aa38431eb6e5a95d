#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-stubs.py GIR BINDINGS: the stubs for type checkers know all that is public, and no more."""

import ast
import inspect
import sys
import unittest
import xml.etree.ElementTree
from pathlib import Path

import gi

gi.require_version("Aiopool", "1")
from gi.repository import Aiopool  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from taptest import main  # noqa: E402

GIR, BINDINGS = (Path(argument) for argument in sys.argv[1:3])

CORE = "{http://www.gtk.org/introspection/core/1.0}"
CONTAINERS = {CORE + kind for kind in ("class", "enumeration", "bitfield")}
CALLABLES = {CORE + kind for kind in ("method", "function", "constructor")}


def find_members(container):
    """The names of what introspection gives in a class or an enumeration."""
    for child in container:
        name = child.get("name")
        if child.get("introspectable") == "0":
            continue
        if child.tag in CALLABLES:
            yield name
        elif child.tag == CORE + "virtual-method":
            yield f"do_{name}"
        elif child.tag == CORE + "property":
            yield f"Props.{name.replace('-', '_')}"
        elif child.tag == CORE + "member":
            yield name.upper()


def find_symbols():
    """Everything public in the GIR."""
    namespace = xml.etree.ElementTree.parse(GIR).getroot().find(CORE + "namespace")
    for child in namespace:
        name = child.get("name")
        if child.tag in CONTAINERS:
            yield name
            yield from (f"{name}.{member}" for member in find_members(child))
        elif child.tag in (CORE + "function", CORE + "constant"):
            yield name


def list_stubs(body, prefix=""):
    """Everything that is declared, with its place."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield prefix + node.name, node
            yield from list_stubs(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.AnnAssign):
            yield prefix + node.target.id, node
        elif isinstance(node, ast.Assign):
            yield prefix + node.targets[0].id, node


def list_parameters(node):
    arguments = node.args
    names = [argument.arg for argument in arguments.posonlyargs + arguments.args]
    names += [f"*{arguments.vararg.arg}"] if arguments.vararg else []
    names += [argument.arg for argument in arguments.kwonlyargs]
    return names + ([f"**{arguments.kwarg.arg}"] if arguments.kwarg else [])


def list_real_parameters(function):
    marks = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return [marks.get(parameter.kind, "") + parameter.name
            for parameter in inspect.signature(function).parameters.values()]


class StubsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        text = (BINDINGS / "gi-stubs" / "repository" / "Aiopool.pyi").read_text(encoding="utf-8")
        cls.stubs = {}
        for name, node in list_stubs(ast.parse(text).body):
            cls.stubs.setdefault(name, []).append(node)

    def test_they_know_all_that_is_introspected(self):
        symbols = set(find_symbols())
        self.assertGreater(len(symbols), 200)
        self.assertEqual(symbols - self.stubs.keys(), set())

    def test_they_know_all_that_the_override_adds(self):
        added = set(sys.modules["gi.overrides.Aiopool"].__all__)
        for name in set(added):
            members = vars(getattr(Aiopool, name)) if name[0].isupper() else ()
            added |= {f"{name}.{member}" for member in members
                      if member[0] != "_" or member in ("__await__", "__enter__", "__aenter__")}
        self.assertGreater(len(added), 30)
        self.assertEqual(added - self.stubs.keys(), set())

    def test_they_know_nothing_that_is_not_there(self):
        for path in self.stubs:
            names = path.split(".")
            if path.startswith("_") or "Props" in names:
                continue
            item = Aiopool
            for name in names:
                self.assertTrue(hasattr(item, name), path)
                item = getattr(item, name)

    def test_properties_are_there(self):
        for path in self.stubs:
            if ".Props." not in path:
                continue
            owner, _, name = path.split(".")
            names = [spec.name for spec in getattr(Aiopool, owner).list_properties()]
            self.assertIn(name.replace("_", "-"), names)

    def test_methods_of_the_override_have_their_parameters(self):
        n_compared = 0
        for path, nodes in self.stubs.items():
            owner, _, name = path.partition(".")
            real = getattr(Aiopool, owner, None)
            real = getattr(real, name, None) if name else real
            if not inspect.isfunction(real) or not real.__module__.startswith("gi.overrides"):
                continue
            if isinstance(nodes[0], ast.ClassDef) or name == "__init__":
                continue
            n_compared += 1
            if len(nodes) == 1:
                self.assertEqual(list_parameters(nodes[0]), list_real_parameters(real), path)
            else:
                self.assertEqual(list_parameters(nodes[0])[1], list_real_parameters(real)[1], path)
        self.assertGreater(n_compared, 15)


if __name__ == "__main__":
    main(sys.argv[3:])
