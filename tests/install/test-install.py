#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-install.py SOURCE BUILD HAS_VAPI HAS_MANUAL PYTHON: the library as those find it who use it.

Installed in a prefix of its own, below another root, from the build directory, and as a subproject
of another project.
"""

import functools
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from taptest import main  # noqa: E402

SOURCE, BUILD = (Path(argument) for argument in sys.argv[1:3])
HAS_VAPI, HAS_MANUAL = (argument == "true" for argument in sys.argv[3:5])
PYTHON = sys.argv[5]  # one that has gi, or empty

HAS_PYTHON = any((BUILD / "bindings" / "python" / "aiopool").glob("_native.*so"))

SQUARE = SOURCE / "docs" / "examples" / "square"

# Only what a C program needs, as fast as it can be built.
SMALL = ["--buildtype=plain", "-Dc_args=-O0 -w"]
C_ONLY = ["introspection=disabled", "vapi=disabled", "docs=disabled", "tests=disabled"]

PROJECT = """
project('user', 'c')
aiopool = dependency('aiopool-1', fallback: 'aiopool')
square = executable('square', 'square.c', dependencies: aiopool)
test('square', square, env: ['AIOPOOL_WORKER_DIR=' + aiopool.get_variable('workerdir')])
"""


def clean_environment(**extra):
    """Without anything that shows where the library of this build is."""
    environment = dict(os.environ)
    for name in list(environment):
        if name.startswith(("AIOPOOL_", "G_", "GI_", "LD_", "MESON", "NINJA", "PKG_CONFIG",
                            "PYTHONPATH")):
            del environment[name]
    environment.pop("DESTDIR", None)
    return dict(environment, **{name: str(value) for name, value in extra.items()})


def run(*words, environment=None, cwd=None):
    done = subprocess.run([str(word) for word in words], env=environment or clean_environment(),
                          cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    if done.returncode != 0:
        raise AssertionError(f"{words} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def meson(*words):
    return run("meson", *words)


@functools.cache
def build_project():
    """A project that has the library as a subproject, built and installed in its folder."""
    folder = Path(tempfile.mkdtemp(prefix="aiopool-install-"))
    unittest.addModuleCleanup(shutil.rmtree, folder)
    (folder / "subprojects").mkdir()
    (folder / "subprojects" / "aiopool").symlink_to(SOURCE)
    (folder / "meson.build").write_text(PROJECT, encoding="utf-8")
    shutil.copy(SQUARE / "square.c", folder)
    meson("setup", folder / "build", folder, f"--prefix={folder / 'prefix'}", "--libdir=lib",
          "--force-fallback-for=aiopool", *SMALL, *(f"-Daiopool:{option}" for option in C_ONLY))
    meson("compile", "-C", folder / "build")
    meson("install", "--no-rebuild", "--quiet", "-C", folder / "build")
    return folder


class FolderTest(unittest.TestCase):
    """With a temporary folder for all tests of a class."""

    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="aiopool-install-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)

    def assert_files(self, folder, *paths):
        for path in paths:
            self.assertTrue((folder / path).is_file(), f"{path} is not in {folder}")


class PrefixTest(FolderTest):
    """Installed for C, in a prefix of its own."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.prefix = build_project() / "prefix"
        cls.environment = clean_environment(PKG_CONFIG_PATH=cls.prefix / "lib" / "pkgconfig",
                                            LD_LIBRARY_PATH=cls.prefix / "lib")

    def pkg_config(self, *words):
        return run("pkg-config", *words, "aiopool-1", environment=self.environment).split()

    def build(self, source, *arguments):
        program = self.folder / source.stem
        run("cc", source, "-o", program, *arguments, environment=self.environment)
        return program

    def test_a_program_is_built_and_starts_its_workers(self):
        program = self.build(SQUARE / "square.c", *self.pkg_config("--cflags", "--libs"))
        self.assertEqual(run(program, environment=self.environment), "144\n")

    def test_the_program_finds_worker_and_plugin(self):
        program = self.prefix / "bin" / "aiopool"
        self.assertEqual(run(program, "map", "echo", "a", "b", environment=self.environment),
                         "a\nb\n")

    @unittest.skipUnless(HAS_PYTHON, "there is no Python package")
    def test_the_program_finds_the_python_package(self):
        program = self.prefix / "bin" / "aiopool"
        self.assertEqual(run(program, "map", "json:loads", "[1]", environment=self.environment),
                         "[1]\n")

    def test_pkg_config_tells_the_directories(self):
        (workers,) = self.pkg_config("--variable=workerdir")
        (plugins,) = self.pkg_config("--variable=plugindir")
        self.assert_files(Path(workers), "aiopool-shim", "aiopool-worker")
        self.assert_files(Path(plugins), "stock.so")

    def test_public_headers_are_there_and_no_others(self):
        headers = self.prefix / "include" / "aiopool-1"
        umbrella = (headers / "aiopool" / "aiopool.h").read_text(encoding="utf-8")
        included = {line.split('"')[1] for line in umbrella.splitlines() if line[:9] == "#include "
                    and '"' in line}
        installed = {path.relative_to(headers).as_posix() for path in headers.rglob("*.h")}
        self.assertEqual(installed, included | {"aiopool/aiopool.h",
                                                "aiopool/base/aiopool-version.h",
                                                "aiopool/runtime/aiopool-worker-abi.h"})

    def test_only_the_umbrella_header_is_included(self):
        source = self.folder / "direct.c"
        source.write_text("#include <aiopool/api/aiopool-pool.h>\n", encoding="utf-8")
        with self.assertRaisesRegex(AssertionError, "Only <aiopool/aiopool.h> can be included"):
            self.build(source, "-c", *self.pkg_config("--cflags"))

    def test_the_library_is_versioned(self):
        library = self.prefix / "lib" / "libaiopool-1.so"
        self.assertEqual(os.readlink(library), "libaiopool-1.so.0")
        self.assertRegex(library.resolve().name, r"^libaiopool-1\.so\.0\.\d+\.\d+$")

    def test_the_programs_manual_and_completion_are_there(self):
        self.assert_files(self.prefix / "share", "man/man1/aiopool.1",
                          "bash-completion/completions/aiopool")


class StagedTest(FolderTest):
    """All of this build, installed as a package is made: below another root."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        meson("install", "--no-rebuild", "--quiet", "--destdir", cls.folder, "-C", BUILD)
        (library,) = cls.folder.rglob("libaiopool-1.so")
        (headers,) = cls.folder.rglob("aiopool-1/aiopool/aiopool.h")
        cls.libraries = library.parent
        cls.share = headers.parents[3] / "share"

    def test_the_typelib_is_found(self):
        environment = clean_environment(GI_TYPELIB_PATH=self.libraries / "girepository-1.0",
                                        LD_LIBRARY_PATH=self.libraries)
        text = run("g-ir-inspect", "Aiopool", "--version=1", "--print-shlibs",
                   environment=environment)
        self.assertIn("libaiopool-1.so.0", text)

    def test_the_gir_is_there(self):
        self.assert_files(self.share, "gir-1.0/Aiopool-1.gir")

    @unittest.skipUnless(HAS_VAPI, "there is no VAPI")
    def test_valac_finds_the_package_and_what_it_needs(self):
        vapis = self.share / "vala" / "vapi"
        self.assertEqual((vapis / "aiopool-1.deps").read_text(encoding="utf-8"), "gio-2.0\n")
        shutil.copy(SQUARE / "square.vala", self.folder)
        run("valac", "--ccode", "--vapidir", vapis, "--pkg", "aiopool-1", "square.vala",
            cwd=self.folder)
        self.assert_files(self.folder, "square.c")

    @unittest.skipUnless(PYTHON, "there is no Python with gi")
    def test_python_finds_the_override_and_the_stubs(self):
        (override,) = self.folder.rglob("gi/overrides/Aiopool.py")
        (worker,) = self.folder.rglob("aiopool-worker")
        modules = override.parents[2]
        self.assert_files(modules, "gi-stubs/repository/Aiopool.pyi")
        environment = clean_environment(AIOPOOL_WORKER_DIR=worker.parent, PYTHONPATH=modules,
                                        GI_TYPELIB_PATH=self.libraries / "girepository-1.0",
                                        LD_LIBRARY_PATH=self.libraries)
        self.assertEqual(run(PYTHON, SQUARE / "square.py", environment=environment), "144\n")

    @unittest.skipUnless(HAS_PYTHON, "there is no Python package")
    def test_the_python_package_is_compiled(self):
        (worker,) = self.folder.rglob("aiopool/_worker.py")
        self.assertTrue([*worker.parent.glob("__pycache__/_worker.*.pyc")])

    @unittest.skipUnless(HAS_MANUAL, "there is no manual")
    def test_the_manual_is_there(self):
        self.assert_files(self.share, "doc/Aiopool-1/index.html",
                          "doc/Aiopool-1/class.Pool.html")


class UninstalledTest(FolderTest):
    """Straight from the build directory, in the environment that Meson makes for it."""

    def devenv(self, *words):
        return run("meson", "devenv", "-C", BUILD, *words)

    def test_everything_is_found(self):
        self.assertEqual(self.devenv("aiopool", "map", "echo", "a"), "a\n")

    @unittest.skipUnless(HAS_PYTHON, "there is no Python package")
    def test_the_python_package_is_found(self):
        self.assertEqual(self.devenv("aiopool", "map", "json:loads", "[1]"), "[1]\n")
        self.devenv("python3", "-c", "from aiopool import CurrentTask")

    def test_a_program_is_built_and_runs(self):
        program = self.folder / "square"
        self.devenv("sh", "-ec", 'cc "$0" -o "$1" $(pkg-config --cflags --libs aiopool-1)',
                    SQUARE / "square.c", program)
        self.assertEqual(self.devenv(program), "144\n")

    def test_pkg_config_tells_the_directories(self):
        for name, file in ("workerdir", "aiopool-shim"), ("plugindir", "stock.so"):
            folder = self.devenv("pkg-config", f"--variable={name}", "aiopool-1").strip()
            self.assert_files(Path(folder), file)

    @unittest.skipUnless(HAS_VAPI, "there is no VAPI")
    def test_valac_finds_the_package_and_what_it_needs(self):
        shutil.copy(SQUARE / "square.vala", self.folder)
        self.devenv("sh", "-ec", 'valac --vapidir "$(pkg-config --variable=vapidir aiopool-1)" '
                    '--pkg aiopool-1 -o "$0" "$1"', self.folder / "square-vala",
                    self.folder / "square.vala")
        self.assertEqual(self.devenv(self.folder / "square-vala"), "144\n")

    @unittest.skipUnless(PYTHON, "there is no Python with gi")
    def test_python_finds_the_override(self):
        self.assertEqual(self.devenv(PYTHON, SQUARE / "square.py"), "144\n")

    def test_the_typelib_is_found(self):
        self.devenv("g-ir-inspect", "Aiopool", "--version=1", "--print-shlibs")


class SubprojectTest(unittest.TestCase):
    """Built by another project, which uses it uninstalled."""

    @classmethod
    def setUpClass(cls):
        cls.build = build_project() / "build"

    def test_its_test_runs(self):
        meson("test", "--no-rebuild", "-C", self.build, "square")

    def test_devenv_sets_the_worker_directory(self):
        text = run("meson", "devenv", "-C", self.build, self.build / "square")
        self.assertEqual(text, "144\n")


if __name__ == "__main__":
    main(sys.argv[6:])
