# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pickles that travel, and what is in them. Both sides use this module.

**A value** is packed by `pack` into pieces: bytes-like objects which, one after the other, are the
payload (format `Aiopool.Format.PICKLE`). `unpack` makes the value of a payload again.

Without large buffers the payload is just a pickle, which begins with byte 0x80. With them (those of
LARGE bytes and more, which the pickle leaves out as protocol 5 allows) it is a container, all numbers
little-endian:

    offset  bytes
         0      8  MAGIC
         8      4  number of buffers, n
        12      4  flags: WRITABLE
        16      8  size of the pickle
        24   16 n  of each buffer the offset in the payload, a multiple of 64, and the size
     24+16n        the pickle; then, after zeros, the buffers

A large payload travels as shared memory. Buffers are not copied out of that: what is made of them
(an array of NumPy, a memoryview) keeps the memory until it is gone. It can be written to, for nobody
else reads there any more, unless the payload was given as something that is read-only; then, with
WRITABLE, each buffer is copied. Objects of the types bytes and bytearray own their memory, so they are
copied once in any case. A memoryview that was read-only is so again.

**A call** is the value `(function, args, kwargs)`, or `(args, kwargs)` if the name of the task is that
of the function (`module:qualified.name`). `pack_call` makes it.

A call has something in common with others if its task has shared data: they are the payload of an
object that each worker makes once. It is the function of `(args, kwargs)`, which goes by its value, and
the first argument of `(function, args, kwargs)`. Its buffers are memory of this worker's own pages.

**A plain call**, of a function that has a name with small arguments of the types None, bool, int, float,
str and bytes, is the tuple `args` as the module marshal writes it (version 2, which begins with `(`).
The result of a plain call, if it is small and of one of these types, is marshalled, too: its first
byte is one of PLAIN_STARTS. So a worker that runs plain calls only never imports pickle and what
that imports, which take longer, and more memory, than all else that it has.

**A result** is the value itself. **An emitted value**, as of a generator, comes as a GVariant `ay` of a
payload.

**An exception** comes as the payload of an error info: `load_exception` makes it again, with its
causes and contexts, and puts a RemoteError in the place of each that cannot be made again.
"""

import sys
from _pickle import PickleBuffer, Pickler, dumps, loads
from marshal import loads as load_plain

MAGIC = b"aiopool\x01"
PLAIN_STARTS = (b"(", b"N", b"T", b"F", b"i", b"l", b"g", b"t", b"u", b"s")
WRITABLE = 1
ALIGNMENT = 64
EXTENSIONS = ("aiopool._parent", "aiopool._native", "aiopool._gobject")  # of which one is there
LARGE = 64 * 1024  # bytes; smaller buffers stay in the pickle
HEADER_SIZE = 24
MAX_EXCEPTION_SIZE = 256 * 1024

if __name__ != "__main__" and "__mp_main__" not in sys.modules and "__main__" in sys.modules:
    # What a worker has made of a class of the main module says so.
    sys.modules["__mp_main__"] = sys.modules["__main__"]


# --- packing --------------------------------------------------------------------------------------


class Large:
    """In the place of a large bytes, bytearray or memoryview, which pickle would copy or refuse."""

    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value

    def __reduce_ex__(self, protocol):
        return reduce_memory(self.value)


def reduce_memory(value):
    if type(value) is bytes:
        return restore_bytes, (PickleBuffer(value),)
    if type(value) is bytearray:
        return bytearray, (PickleBuffer(value),)
    is_readonly = value.readonly
    if not value.c_contiguous:
        value = memoryview(bytearray(value.tobytes())).cast(value.format, value.shape)
    return restore_memoryview, (PickleBuffer(value), value.format, value.shape, is_readonly)


def restore_bytes(buffer):
    for name in EXTENSIONS:
        if name in sys.modules:
            return sys.modules[name].copy(buffer)
    return bytes(buffer)


def restore_memoryview(buffer, format, shape, is_readonly):
    view = memoryview(buffer)
    if view.format != format or view.shape != shape:
        view = view.cast("B").cast(format, shape)
    return view.toreadonly() if is_readonly else view


def replace(value):
    kind = type(value)
    if kind is memoryview or ((kind is bytes or kind is bytearray) and len(value) >= LARGE):
        return Large(value)
    return value


class MemoryviewPickler(Pickler):
    """For a memoryview somewhere deep in a value."""

    def reducer_override(self, value):
        return reduce_memory(value) if type(value) is memoryview else NotImplemented


def dump(value, keep):
    try:
        return dumps(value, 5, buffer_callback=keep)
    except TypeError as error:
        if "memoryview" not in str(error):
            raise
    from io import BytesIO

    file = BytesIO()
    MemoryviewPickler(file, 5, buffer_callback=keep).dump(value)
    return file.getbuffer()


class Packed:
    """A value that is packed already."""

    __slots__ = ("pieces",)

    def __init__(self, pieces):
        self.pieces = pieces


def pack(value, writable=False):
    """Returns the pieces of the payload of a value."""
    if type(value) is Packed:
        return value.pieces
    return pack_replaced(replace(value), writable)


def pack_call(function, args, kwargs, writable=False):
    """Returns the pieces of a call. `function`: None if the name of the task says which it is."""
    args = tuple([replace(value) for value in args])
    if kwargs:
        kwargs = {key: replace(value) for key, value in kwargs.items()}
    return pack_replaced((args, kwargs) if function is None else (function, args, kwargs), writable)


def pack_with(dump, value):
    """The same, by the `dumps` of another pickle."""
    buffers = []
    stream = dump(value, 5, buffer_callback=make_keep(buffers))
    return [stream] if not buffers else contain(stream, buffers, 0)


def make_keep(buffers):
    """A function for `buffer_callback`, which appends what is to be left out."""

    def keep(buffer):
        memory = buffer.raw()
        if memory.nbytes < LARGE:
            return True
        buffers.append(memory)
        return False

    return keep


def pack_replaced(value, writable):
    buffers = []
    stream = dump(value, make_keep(buffers))
    return [stream] if not buffers else contain(stream, buffers, WRITABLE if writable else 0)


def contain(stream, buffers, flags):
    size = len(stream)
    place = HEADER_SIZE + 16 * len(buffers) + size
    header = [MAGIC, len(buffers).to_bytes(4, "little"), flags.to_bytes(4, "little"),
              size.to_bytes(8, "little")]
    pieces = [None, stream]
    for buffer in buffers:
        gap = -place % ALIGNMENT
        place += gap
        header += [place.to_bytes(8, "little"), buffer.nbytes.to_bytes(8, "little")]
        pieces += [bytes(gap), buffer]
        place += buffer.nbytes
    pieces[0] = b"".join(header)
    return pieces


# --- unpacking ------------------------------------------------------------------------------------


def unpack(payload):
    """Returns the value of a payload, which is anything with bytes."""
    view = memoryview(payload)
    if view[:8] != MAGIC:
        return load_plain(view) if bytes(view[:1]) in PLAIN_STARTS else loads(view)
    number = [int.from_bytes(view[at:at + 4], "little") for at in (8, 12)]
    end = HEADER_SIZE + 16 * number[0]
    size = read_size(view, 16)
    if end + size > len(view):
        raise ValueError("the payload ends before its pickle")
    buffers = [slice_of(view, at) for at in range(HEADER_SIZE, end, 16)]
    if number[1] & WRITABLE and view.readonly:
        buffers = [bytearray(buffer) for buffer in buffers]
    return loads(view[end:end + size], buffers=buffers)


def unpack_call(payload):
    """Returns (function or None, args, kwargs)."""
    value = unpack(payload)
    if memoryview(payload)[:1] == b"(":
        return None, value, {}
    return value if len(value) == 3 else (None, *value)


def read_size(view, at):
    return int.from_bytes(view[at:at + 8], "little")


def slice_of(view, at):
    start, size = read_size(view, at), read_size(view, at + 8)
    if start + size > len(view):
        raise ValueError("the payload ends before its buffers")
    return view[start:start + size]


# --- exceptions -----------------------------------------------------------------------------------


class RemoteError(Exception):
    """An exception of a worker that cannot be made again here.

    `type_name` is the name of its type, `message` its text, and `traceback` where it happened.
    """

    def __init__(self, type_name, message, traceback=None):
        super().__init__(f"{type_name}: {message}" if message else type_name)
        self.type_name = type_name
        self.message = message
        self.traceback = traceback

    def __reduce__(self):
        return RemoteError, (self.type_name, self.message, self.traceback)


def dump_one(exception):
    """None if the exception cannot be pickled, or not be unpickled again."""
    try:
        data = dumps(exception, 5)
        if len(data) > MAX_EXCEPTION_SIZE:
            return None
        if type(exception).__module__ != "builtins" and type(loads(data)) is not type(exception):
            return None
        return data
    except BaseException:
        return None


def dump_exception(chain):
    """`chain`: of `_worker_errors`. Returns bytes: a pickled list with a tuple (pickle or None, type
    name, message, traceback, notes, index of the cause or None, of the context or None, whether the
    context is suppressed, of a group its message and the indices, or None, of what is in it) for each
    exception, the task's own one first."""
    index = {id(exception): i for i, exception in enumerate(chain.exceptions)}
    nodes = [(dump_one(exception), *chain.texts[id(exception)],
              index.get(id(exception.__cause__)), index.get(id(exception.__context__)),
              exception.__suppress_context__, describe_group(exception, index))
             for exception in chain.exceptions]
    data = dumps(nodes, 5)
    if len(data) > MAX_EXCEPTION_SIZE:
        data = dumps([(None, *node[1:3], node[3][-4096:], node[4][:4], *node[5:])
                      for node in nodes[:8]], 5)
    return data if len(data) <= MAX_EXCEPTION_SIZE else None


def describe_group(exception, index):
    if not isinstance(exception, BaseExceptionGroup):
        return None
    return str(exception.message), [index.get(id(member)) for member in exception.exceptions]


def load_one(data, type_name, message, traceback):
    if data is not None:
        try:
            exception = loads(data)
            if isinstance(exception, BaseException):
                return exception
        except BaseException:
            pass
    return RemoteError(type_name, message, traceback)


def load_exception(data):
    """Returns the exception, with its causes and contexts, and the tracebacks of all of them as one
    text in the order in which Python prints them."""
    nodes = loads(data)
    exceptions = [None] * len(nodes)
    for i in range(len(nodes)):
        load_node(exceptions, nodes, i)
    for exception, node in zip(exceptions, nodes):
        notes, cause, context, is_suppressed = node[4:8]
        if notes and not getattr(exception, "__notes__", None):
            exception.__notes__ = list(notes)
        exception.__cause__ = exceptions[cause] if is_link(cause, exceptions) else None
        exception.__context__ = exceptions[context] if is_link(context, exceptions) else None
        exception.__suppress_context__ = is_suppressed
    return exceptions[0], format_chain(nodes)


def load_node(exceptions, nodes, index):
    """Those before it have been loaded. A group that cannot be unpickled is made of what is in it."""
    if exceptions[index] is not None:
        return
    exception = load_one(*nodes[index][:4])
    group = nodes[index][8]
    if group is not None and type(exception) is RemoteError:
        members = [number for number in group[1] if is_link(number, nodes) and number > index]
        for number in members:
            load_node(exceptions, nodes, number)
        if members:
            exception = make_group(group, [exceptions[number] for number in members])
    place(exceptions, nodes, index, exception)


def make_group(group, members):
    message, indices = group
    exception = BaseExceptionGroup(message, members)
    if len(members) < len(indices):
        exception.add_note(f"of {len(indices)} exceptions {len(members)} have arrived")
    return exception


def place(exceptions, nodes, index, exception):
    """What is in a group has come with it."""
    exceptions[index] = exception
    group = nodes[index][8]
    if group is None or not isinstance(exception, BaseExceptionGroup):
        return
    for number, member in zip(group[1], exception.exceptions):
        if is_link(number, nodes) and exceptions[number] is None:
            place(exceptions, nodes, number, member)


def is_link(index, exceptions):
    return index is not None and index < len(exceptions)


CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"


def format_chain(nodes):
    texts = []
    index = 0
    seen = set()
    while index is not None and index < len(nodes) and index not in seen:
        seen.add(index)
        node = nodes[index]
        texts.append(node[3])
        cause, context, is_suppressed = node[5:8]
        index = cause
        link = CAUSE
        if cause is None and not is_suppressed:
            index = context
            link = CONTEXT
        if index is not None and index < len(nodes) and index not in seen:
            texts.append(link)
    return "".join(reversed(texts))
