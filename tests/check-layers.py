#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks that includes between the rooms of the library go one way only, and the form of C files.

Prints TAP, one point per rule; a broken rule lists file:line. The rooms and what each may include
are told in docs/architecture.md.
"""

import argparse
import os
import re
import sys
import tempfile
from pathlib import Path

# What a room may include besides itself.
BELOW = {
    "api": {"sched", "workers", "base"},
    "sched": {"workers", "base"},
    "workers": {"wire", "base"},
    "runtime": {"wire", "base"},
    "sync": {"wire", "base"},
    "wire": {"base"},
    "base": set(),
}

# Stands on the public API alone.
OUTSIDE = {"cli"}

UMBRELLA = "aiopool/aiopool.h"
GENERATED = {"config.h"}
SPDX = "SPDX-License-Identifier: LGPL-2.1-or-later"
MAX_COLUMNS = 100

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


class Tree:
    """The C files of a source tree, read once."""

    def __init__(self, root):
        self.files = {}
        for folder, folders, names in os.walk(root):
            folders[:] = sorted(f for f in folders if f[0] not in "._" and f != "subprojects")
            for name in sorted(names):
                if name.endswith((".c", ".h", ".c.in", ".h.in")):
                    path = Path(folder, name)
                    text = path.read_text(encoding="utf-8", errors="replace")
                    self.files[path.relative_to(root).as_posix()] = text.split("\n")

    def lines(self):
        for path, lines in self.files.items():
            for number, line in enumerate(lines, 1):
                yield path, number, line

    def includes(self):
        """(path, number, room, quote, target) of each include of a file in a room."""
        for path, number, line in self.lines():
            match = INCLUDE.match(line)
            parts = path.split("/")
            if match and parts[0] == "aiopool" and len(parts) > 2:
                yield path, number, parts[1], match[1], match[2]


def room_of(target):
    parts = target.split("/")
    return parts[1] if parts[0] == "aiopool" and len(parts) == 3 else None


def includes_go_down(tree):
    for path, number, room, quote, target in tree.includes():
        if room in OUTSIDE or target == UMBRELLA:
            continue
        if room not in BELOW:
            yield path, number, f"there is no room {room}"
        elif room_of(target) is None:
            if target.startswith("aiopool/"):
                yield path, number, f"{target} is in no room"
        elif room_of(target) not in BELOW[room] | {room}:
            yield path, number, f"{room} may not include {target}"


def include_lines_name_the_room(tree):
    for path, number, room, quote, target in tree.includes():
        if room in BELOW and quote == '"' and target not in GENERATED | {UMBRELLA}:
            if room_of(target) is None:
                yield path, number, f'"{target}" does not name its room'
        elif room in BELOW and room_of(target) is not None:
            yield path, number, f"<{target}> is of this library: use quotes"


def the_program_uses_the_public_header(tree):
    for path, number, room, quote, target in tree.includes():
        if room not in OUTSIDE or (quote, target) in (("<", UMBRELLA), ('"', "config.h")):
            continue
        if (quote == '"' or target.startswith("aiopool")) and room_of(target) != room:
            yield path, number, f"{room} may include <{UMBRELLA}>, not {target}"


def the_library_does_not_use_the_umbrella(tree):
    for path, number, room, quote, target in tree.includes():
        if room not in OUTSIDE and target in (UMBRELLA, "aiopool.h"):
            yield path, number, "include what you use, not the umbrella header"


def files_start_with_their_licence(tree):
    for path, lines in tree.files.items():
        if SPDX not in lines[0]:
            yield path, 1, f"the first line does not say {SPDX}"


def lines_have_no_tabs(tree):
    for path, number, line in tree.lines():
        if "\t" in line:
            yield path, number, "a tab"


def lines_fit(tree):
    for path, number, line in tree.lines():
        if len(line) > MAX_COLUMNS:
            yield path, number, f"{len(line)} columns, the limit is {MAX_COLUMNS}"


RULES = [
    includes_go_down,
    include_lines_name_the_room,
    the_program_uses_the_public_header,
    the_library_does_not_use_the_umbrella,
    files_start_with_their_licence,
    lines_have_no_tabs,
    lines_fit,
]


def name_of(rule):
    return rule.__name__.replace("_", " ")


def check(root):
    tree = Tree(root)
    n_broken = 0

    print(f"1..{len(RULES) + 1}")
    print(f"{'ok' if tree.files else 'not ok'} 1 - there are files to check ({len(tree.files)})")
    n_broken += not tree.files
    for number, rule in enumerate(RULES, 2):
        found = list(rule(tree))
        n_broken += bool(found)
        print(f"{'not ok' if found else 'ok'} {number} - {name_of(rule)}")
        for path, line, text in found:
            print(f"# {path}:{line}: {text}")
    return 1 if n_broken else 0


GOOD_TREE = {
    "aiopool/aiopool.h": '#include "aiopool/api/aiopool-a.h"\n',
    "aiopool/api/aiopool-a.c": '#include "config.h"\n\n#include "aiopool/api/aiopool-a.h"\n'
                               '#include "aiopool/sched/aiopool-s-private.h"\n'
                               "#include <gio/gio.h>\n",
    "aiopool/workers/aiopool-w.c": '#include "aiopool/wire/aiopool-f-private.h"\n',
    "aiopool/base/aiopool-b.h": "#include <glib.h>\n",
    "aiopool/cli/main.c": "#include <aiopool/aiopool.h>\n#include <stdio.h>\n"
                          '#include "aiopool/cli/aiopool-cli-private.h"\n',
    "tests/test-a.c": "#include <aiopool/aiopool.h>\n",
    "_build/gcc/generated.c": "\tnot looked at\n",
}

# Each adds one file to the good tree and breaks one rule there, in the line that is named.
BAD_FILES = [
    (includes_go_down, "aiopool/base/x.c", 2, '#include "aiopool/wire/f.h"\n'),
    (includes_go_down, "aiopool/wire/x.c", 3, '\n# include "aiopool/workers/w.h"\n'),
    (includes_go_down, "aiopool/workers/x.h", 2, '#include "aiopool/api/a.h"\n'),
    (includes_go_down, "aiopool/workers/x.c", 2, '#include "aiopool/runtime/r.h"\n'),
    (includes_go_down, "aiopool/runtime/x.c", 2, '#include "aiopool/workers/w.h"\n'),
    (includes_go_down, "aiopool/sched/x.c", 2, '#include "aiopool/wire/f.h"\n'),
    (includes_go_down, "aiopool/sched/x.c", 2, '#include "aiopool/api/a.h"\n'),
    (includes_go_down, "aiopool/api/x.c", 2, '#include "aiopool/wire/f.h"\n'),
    (includes_go_down, "aiopool/sync/x.c", 2, '#include "aiopool/api/a.h"\n'),
    (includes_go_down, "aiopool/util/x.c", 2, "#include <glib.h>\n"),
    (include_lines_name_the_room, "aiopool/api/x.c", 2, '#include "aiopool-a.h"\n'),
    (include_lines_name_the_room, "aiopool/api/x.c", 2, "#include <aiopool/api/aiopool-a.h>\n"),
    (the_program_uses_the_public_header, "aiopool/cli/x.c", 2, '#include "aiopool/base/b.h"\n'),
    (the_program_uses_the_public_header, "aiopool/cli/x.c", 2, '#include "aiopool/aiopool.h"\n'),
    (the_program_uses_the_public_header, "aiopool/cli/x.c", 2, '#include "../base/b.h"\n'),
    (the_library_does_not_use_the_umbrella, "aiopool/api/x.c", 2, "#include <aiopool/aiopool.h>\n"),
    (the_library_does_not_use_the_umbrella, "aiopool/wire/x.h", 2,
     '#include "aiopool/aiopool.h"\n'),
    (files_start_with_their_licence, "tests/x.c", 1, None),
    (lines_have_no_tabs, "bindings/python/x.c", 3, "{\n\treturn;\n}\n"),
    (lines_fit, "aiopool/base/x.h.in", 2, "x" * (MAX_COLUMNS + 1) + "\n"),
]


def write_tree(root, files):
    for path, text in files.items():
        path = Path(root, path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("int x;\n" if text is None else f"/* {SPDX} */\n{text}")


def self_test():
    """Every rule holds in a good tree and is seen to be broken in a bad one. Reports in TAP."""
    n_bad = 0

    print(f"1..{len(BAD_FILES) + 1}")
    with tempfile.TemporaryDirectory() as root:
        write_tree(root, GOOD_TREE)
        found = [place for rule in RULES for place in rule(Tree(root))]
        n_bad += bool(found)
        print(f"{'not ok' if found else 'ok'} 1 - a good tree passes {found or ''}")

    for number, (broken, path, line, text) in enumerate(BAD_FILES, 2):
        with tempfile.TemporaryDirectory() as root:
            write_tree(root, {**GOOD_TREE, path: text})
            tree = Tree(root)
            found = {(rule, *place[:2]) for rule in RULES for place in rule(tree)}
        good = found == {(broken, path, line)}
        n_bad += not good
        shown = (text or "no licence").strip().replace("#", "")[:40].split("\n")[0]
        print(f"{'ok' if good else 'not ok'} {number} - {name_of(broken)}: {path}: {shown}")
        if not good:
            print(f"# found {[(name_of(rule), *rest) for rule, *rest in found]}")
    return 1 if n_bad else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent,
                        help="the source tree (default: the one that this program is in)")
    parser.add_argument("--self-test", action="store_true", help="test this program")
    options = parser.parse_args()

    return self_test() if options.self_test else check(options.root)


if __name__ == "__main__":
    sys.exit(main())
