# SPDX-License-Identifier: Apache-2.0
# new_end.py MOUNT command|ioctl: a reflink makes a file longer that others have open; the kernel knows
# where it ends now without being asked for its attributes.
import ctypes
import mmap
import os
import subprocess
import sys

from direct import *

KEPT, ADDED = b"k" * 9000, os.urandom(200_000)


def write(name, data):
    with open(name, "wb") as file:
        file.write(data)


def reflink(way):
    if way == "command":
        subprocess.run(["holdfast", "reflink", "source", "grown"], check=True)
        return
    source, target = DirectFile("source"), DirectFile("grown")
    target.reflink_from(source, 0, 0, 0)
    target.close()
    source.close()


def append(fd):
    os.write(fd, b"more")
    with open("grown", "rb") as file:
        assert file.read() == ADDED + b"more", "an append went elsewhere than to the end"


def copy(fd):
    to = os.open("copied", os.O_WRONLY)
    assert os.copy_file_range(fd, to, 180_000, 452, 0) == 180_000
    os.close(to)
    with open("copied", "rb") as file:
        assert file.read() == ADDED[452:180_452]


def map_end(fd):
    # Python's own mmap asks for the size first.
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.POINTER(ctypes.c_ubyte)
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    memory = libc.mmap(None, len(ADDED), mmap.PROT_READ, mmap.MAP_SHARED, fd, 0)
    if os.fork() == 0:  # SIGBUS would end it
        os._exit(memory[len(ADDED) - 1] != ADDED[-1])
    assert os.wait()[1] == 0, "the last page cannot be read through a mapping"


os.chdir(sys.argv[1])
for use in append, copy, map_end:
    write("source", ADDED)
    write("grown", KEPT)
    write("copied", b"")
    fd = os.open("grown", os.O_RDWR | os.O_APPEND)
    reflink(sys.argv[2])
    use(fd)
    os.close(fd)
