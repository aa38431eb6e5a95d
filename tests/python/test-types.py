#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Type checkers know what comes of calls: mypy has a look at typed_uses.py."""

import ast
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:1] = [str(HERE), str(HERE.parent)]

import aiopool  # noqa: E402
from taptest import main  # noqa: E402

PACKAGE = Path(aiopool.__file__).resolve().parent


class Types(unittest.TestCase):
    @unittest.skipIf(shutil.which("mypy") is None, "mypy is not installed")
    def test_uses(self):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                ["mypy", "--strict", "--no-incremental", "--config-file=", HERE / "typed_uses.py"],
                capture_output=True, text=True, cwd=folder, check=False,
                env={**os.environ, "MYPYPATH": str(PACKAGE.parent)})
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)

    def test_the_stubs_have_every_name_and_no_other(self):
        tree = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
        names = {node.name for node in tree.body
                 if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))}
        names |= {node.target.id for node in tree.body if isinstance(node, ast.AnnAssign)}
        self.assertEqual({name for name in names if not name.startswith("_")}, set(aiopool.__all__))


if __name__ == "__main__":
    main()
