#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks that every link inside the generated manual leads somewhere. Prints TAP."""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# A link that gi-docgen did not understand stays as it was written.
UNRESOLVED = re.compile(r"\[(?:alias|callback|class|const|ctor|enum|error|flags|func|id|iface|"
                        r"method|property|signal|struct|type|vfunc)@[^\]]*\]")


class Page(HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.anchors = {""}
        self.links = []
        text = path.read_text(encoding="utf-8")
        self.unresolved = UNRESOLVED.findall(text)
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            elif name in ("href", "src") and value:
                self.links.append(value)


def broken_links(folder, pages):
    for name, page in sorted(pages.items()):
        for text in page.unresolved:
            yield name, text
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = unquote(parts.path) or name
            if not (folder / target).exists():
                yield name, link
            elif target in pages and unquote(parts.fragment) not in pages[target].anchors:
                yield name, link


def main():
    folder = Path(sys.argv[1])
    pages = {path.name: Page(path) for path in folder.glob("*.html")}
    broken = list(broken_links(folder, pages))

    print("1..2")
    print(f"{'ok' if len(pages) > 100 else 'not ok'} 1 - there is a manual ({len(pages)} pages)")
    for name, link in broken:
        print(f"# {name}: {link}")
    print(f"{'not ok' if broken else 'ok'} 2 - every link leads somewhere")
    sys.exit(0 if len(pages) > 100 and not broken else 1)


if __name__ == "__main__":
    main()
