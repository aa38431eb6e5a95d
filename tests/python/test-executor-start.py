#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that are started in all the ways that there are, and what their workers have of that."""

import os
import sys
import textwrap
import venv
import zipapp
from pathlib import Path

sys.path[:1] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

import aiopool  # noqa: E402
from executor_case import Case  # noqa: E402
from taptest import main  # noqa: E402

PACKAGE = str(Path(aiopool.__file__).resolve().parents[1])

PROGRAM = """
import sys
import aiopool

def f(number):
    return number + 1

class C:
    pass

def run():
    with aiopool.ProcessPoolExecutor(1) as executor:
        try:
            print(executor.submit(f, 1).result(), type(executor.submit(C).result()) is C)
        except Exception as error:
            print(type(error).__name__, error)

if __name__ == "__main__":
    run()
"""

FLAGS = f"""
import sys
sys.path.insert(0, {PACKAGE!r})
import aiopool

def tell():
    return tuple(sys.flags)[3:], sys.warnoptions, sys._xoptions, sys.prefix, sys.executable

if __name__ == "__main__":
    with aiopool.ProcessPoolExecutor(1) as executor:
        here, there = tell(), executor.submit(tell).result()
        print("same" if here == there else (here, there))
"""

# No program has to have it.
WITHOUT_CLOUDPICKLE = "raise ImportError('there is none')\n"


class Starts(Case):
    def setUp(self):
        self.folder = self.make_folder()

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def run_here(self, *arguments, **options):
        return self.run_python(*arguments, cwd=self.folder, **options).stdout

    def forbid_cloudpickle(self):
        path = self.write("none/cloudpickle.py", WITHOUT_CLOUDPICKLE).parent
        return {**os.environ, "PYTHONPATH": f"{path}:{os.environ.get('PYTHONPATH', '')}"}

    def check_found(self, *arguments, **options):
        """Functions of the main module are found, without cloudpickle if `env` forbids it."""
        self.assertEqual(self.run_here(*arguments, **options), "2 True\n")

    def check_sent(self, *arguments, why, **options):
        """They are only with cloudpickle, and it is said why."""
        said = self.run_here(*arguments, env=self.forbid_cloudpickle(), **options)
        self.assertIn("PicklingError workers cannot find the function 'f'", said)
        self.assertIn(why, said)
        self.assertIn("cloudpickle", said)
        try:
            import cloudpickle  # noqa: F401
        except ImportError:
            return
        self.check_found(*arguments, **options)

    def test_a_file(self):
        self.check_found(self.write("program.py", PROGRAM), env=self.forbid_cloudpickle())

    def test_a_module(self):
        self.write("package/__init__.py", "")
        self.write("package/program.py", PROGRAM)
        self.check_found("-m", "package.program", env=self.forbid_cloudpickle())

    def test_a_package(self):
        self.write("package/__init__.py", "")
        self.write("package/__main__.py", PROGRAM)
        self.check_sent("-m", "package", why="__main__ of a package")

    def test_a_folder_and_an_archive(self):
        self.write("app/__main__.py", PROGRAM)
        zipapp.create_archive(self.folder / "app", self.folder / "app.pyz")
        for name in ("app", "app.pyz"):
            self.check_sent(name, why="archive")

    def test_modules_of_an_archive(self):
        self.write("app/__main__.py", "import program\nprogram.run()\n")
        self.write("app/program.py", PROGRAM)
        zipapp.create_archive(self.folder / "app", self.folder / "app.pyz")
        self.check_found("app.pyz", env=self.forbid_cloudpickle())

    def test_a_command_and_standard_input(self):
        self.check_sent("-c", PROGRAM, why="has no file")
        self.check_sent("-", input=PROGRAM, why="has no file")

    def test_what_is_typed_after_a_file(self):
        """As in python -i; the console of the standard library stands for all of them."""
        try:
            import cloudpickle  # noqa: F401
        except ImportError:
            self.skipTest("needs cloudpickle")
        path = self.write("program.py", """
            import code
            import aiopool

            def f(number):
                return number + 1

            if __name__ == "__main__":
                console = code.InteractiveConsole(globals())
                for line in ('''e = aiopool.ProcessPoolExecutor(1)''',
                             '''print(e.submit(f, 1).result())''',
                             '''def f(number): return number + 2\\n''',
                             '''print(e.submit(f, 1).result())''',
                             '''def f(number): return g(number)\\n''',
                             '''def g(number): return number + 3\\n''',
                             '''print(e.submit(f, 1).result())''',
                             '''def g(number): return number + 4\\n''',
                             '''print(e.submit(f, 1).result())'''):
                    console.push(line)
            """)
        self.assertEqual(self.run_here(path), "2\n3\n4\n5\n")

    def test_functions_of_a_doctest(self):
        self.write("program.py", """
            '''
            >>> import aiopool
            >>> def g(number): return number + 1
            >>> with aiopool.ProcessPoolExecutor(1) as e:
            ...     e.submit(f, 1).result(), e.submit(g, 1).exception() is None
            (2, True)
            '''

            def f(number):
                return number + 1
            """)
        try:
            import cloudpickle  # noqa: F401
        except ImportError:
            self.skipTest("needs cloudpickle")
        self.assertEqual(self.run_here("-m", "doctest", "program.py"), "")

    def test_options_of_the_interpreter(self):
        path = self.write("program.py", FLAGS)
        for options in ((), ("-I",), ("-OO", "-W", "error"), ("-X", "dev", "-B", "-s", "-P"),
                        ("-W", "ignore::UserWarning", "-W", "default", "-X", "utf8", "-S", "-E"),
                        ("-X", "int_max_str_digits=0", "-X", "frozen_modules=off", "-bb")):
            with self.subTest(options):
                self.assertEqual(self.run_here(*options, path), "same\n")

    def test_an_environment_of_its_own(self):
        venv.create(self.folder / "venv", system_site_packages=True, with_pip=False)
        path = self.write("program.py", FLAGS)
        self.assertEqual(self.run_here(path, python=self.folder / "venv/bin/python"), "same\n")

    def test_a_program_that_is_no_interpreter(self):
        path = self.write("program.py", f"""
            import sys
            import aiopool

            if __name__ == "__main__":
                name, sys.frozen = sys.executable, True
                try:
                    aiopool.ProcessPoolExecutor(1)
                except RuntimeError as error:
                    print("set_executable" in str(error))
                sys.executable = "{self.folder}/nothing"
                import multiprocessing.spawn
                multiprocessing.set_executable(name)
                print(aiopool.ProcessPoolExecutor(1).submit(pow, 2, 3).result())
            """)
        self.assertEqual(self.run_here(path), "True\n8\n")

    def test_a_program_without_a_guard_gets_an_error(self):
        path = self.write("unguarded.py", """
            import aiopool
            def f(): pass
            e = aiopool.ProcessPoolExecutor(1)
            e.submit(f).result()
            """)
        done = self.run_python(path, status=1)
        self.assertIn('if __name__ == "__main__"', done.stderr)


if __name__ == "__main__":
    main()
