#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks that the programs which the pages show are the examples that are compiled and run.

A block of code in one of the languages below must be a file under docs/examples, without its first
lines about the licence, or a run of lines of one. Prints TAP, one point per page.
"""

import re
import sys
from pathlib import Path

LANGUAGES = {"c": ".c", "python": ".py", "js": ".js", "vala": ".vala"}

# Shows how lines are written, not what they do.
EXEMPT = {"docs/style.md"}

BLOCK = re.compile(r"^```([a-z]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def read_examples(root):
    """{suffix: [text between newlines]}"""
    examples = {}
    for path in sorted((root / "docs" / "examples").rglob("*")):
        if path.suffix in LANGUAGES.values():
            text = path.read_text(encoding="utf-8")
            examples.setdefault(path.suffix, []).append(f"\n{text}")
    return examples


def unknown_blocks(page, examples):
    """The first lines of the blocks of a page that are in no example."""
    for language, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        suffix = LANGUAGES.get(language)
        if suffix and not any(f"\n{block}" in text for text in examples.get(suffix, [])):
            yield language, block.split("\n")[0]


def main():
    root = Path(sys.argv[1])
    examples = read_examples(root)
    pages = [page for page in [root / "README.md", *sorted((root / "docs").glob("*.md"))]
             if page.relative_to(root).as_posix() not in EXEMPT]
    n_broken = 0

    print(f"1..{len(pages)}")
    for number, page in enumerate(pages, 1):
        unknown = list(unknown_blocks(page, examples))
        for language, line in unknown:
            print(f"# in no {language} example: {line}")
        n_broken += bool(unknown)
        print(f"{'not ok' if unknown else 'ok'} {number} - {page.relative_to(root)}")
    sys.exit(1 if n_broken else 0)


if __name__ == "__main__":
    main()
