# SPDX-License-Identifier: LGPL-2.1-or-later
"""Payloads as GLib.Bytes, for parents. Without the extension each call copies once more."""

try:
    from aiopool._gobject import join, view
except ImportError:
    from gi.repository import GLib

    def join(pieces):
        """One GLib.Bytes of all bytes-like objects of a list."""
        return GLib.Bytes.new(b"".join(pieces))

    def view(payload):
        """A read-only memoryview of a GLib.Bytes."""
        return memoryview(payload.get_data() or b"")
