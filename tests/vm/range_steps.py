#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# A fixed list of changes of ranges in one directory, clones among them, each with its result and
# what became of the files in one line: run on two file systems, the output is compared. What FUSE
# does not forward is asked of Holdfast by its ioctls, of others through the kernel.
#
#   range_steps.py FOLDER holdfast|kernel [GROUP...]
import fcntl
import os
import struct
import sys
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../posix"))
import direct
from steps import KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE, fallocate, step

COLLAPSE, INSERT, UNSHARE = 8, 32, 64
FICLONE, FICLONERANGE, FIDEDUPERANGE = 0x40049409, 0x4020940D, 0xC0189436
BLOCK = 4096
LENGTH = 64 * BLOCK
ON_HOLDFAST = sys.argv[2] == "holdfast"


def pattern(length, seed):
    return bytes((i * 7 + i // 251 + seed) % 256 for i in range(length))


class File(direct.DirectFile):
    """A file of either kind. What is done to it tells its size, its contents, and where holes are."""

    def __init__(self, name, contents=None):
        super().__init__(name, os.O_RDWR | os.O_CREAT)
        self.name = name
        if contents is not None:
            os.ftruncate(self.fd, 0)
            os.pwrite(self.fd, contents, 0)

    def state(self):
        size = os.fstat(self.fd).st_size
        # What is read by pread must be there for mappings as well, which DAX makes of the memory.
        contents = os.pread(self.fd, size, 0)
        hole = os.lseek(self.fd, 0, os.SEEK_HOLE) if size else 0
        return f"{size} bytes, crc {zlib.crc32(contents):08x}, first hole at {hole}"

    def do(self, name, action, *arguments):
        step(name, action, *arguments)
        print(f"  {self.name}: {self.state()}")

    def collapse(self, offset, length):
        if ON_HOLDFAST:
            self.change_range(direct.IOC_COLLAPSE, offset, length)
        else:
            fallocate(self.fd, COLLAPSE, offset, length)

    def insert(self, offset, length):
        if ON_HOLDFAST:
            self.change_range(direct.IOC_INSERT, offset, length)
        else:
            fallocate(self.fd, INSERT, offset, length)

    def unshare(self, offset, length):
        if ON_HOLDFAST:
            self.change_range(direct.IOC_UNSHARE, offset, length)
        else:
            fallocate(self.fd, UNSHARE, offset, length)

    def clone_from(self, source, offset=0, length=0, destination=0):
        if ON_HOLDFAST:
            self.reflink_from(source, offset, length, destination)
        else:
            fcntl.ioctl(self.fd, FICLONERANGE,
                        struct.pack("qQQQ", source.fd, offset, length, destination))

    def write(self, contents, offset):
        return os.pwrite(self.fd, contents, offset)

    def copy_from(self, source, offset, length, destination):
        return os.copy_file_range(source.fd, self.fd, length, offset, destination)


def clones():
    source, clone = File("source", pattern(LENGTH + 100, 1)), File("clone", b"")
    clone.do("clone a file whose size is no multiple of blocks", clone.clone_from, source)
    if os.fstat(clone.fd).st_size == 0:
        print("  copied, so that what follows has the same contents")
        clone.write(pattern(LENGTH + 100, 1), 0)
    clone.do("write to the clone", clone.write, b"c" * 5000, 4090)
    source.do("write to its source", source.write, b"s" * 5000, LENGTH - 100)
    clone.do("which leaves the clone alone", lambda: None)
    clone.do("punch the clone", fallocate, clone.fd, PUNCH_HOLE | KEEP_SIZE, 3 * BLOCK - 1, 2 * BLOCK)
    clone.do("zero a range of the clone", fallocate, clone.fd, ZERO_RANGE, 9 * BLOCK + 5, BLOCK)
    clone.do("truncate the clone inside a block", os.ftruncate, clone.fd, 20 * BLOCK + 17)
    clone.do("extend it again", os.ftruncate, clone.fd, 22 * BLOCK)
    source.do("which leaves the source alone", lambda: None)
    clone.do("unshare", clone.unshare, 0, 8 * BLOCK)
    clone.do("remove the source", os.unlink, "source")
    clone.do("unshare what nobody shares any more", clone.unshare, 0, 16 * BLOCK)


def clone_arguments():
    source, other = File("from", pattern(LENGTH, 2)), File("to", pattern(8 * BLOCK, 3))
    other.do("a range into the middle", other.clone_from, source, BLOCK, 2 * BLOCK, 4 * BLOCK)
    other.do("a range over the end", other.clone_from, source, 0, 4 * BLOCK, 6 * BLOCK)
    other.do("a range beyond the end", other.clone_from, source, 0, BLOCK, 20 * BLOCK)
    other.do("length 0 is up to the end", other.clone_from, source, LENGTH - BLOCK, 0, 0)
    other.do("from inside a block", other.clone_from, source, 5, BLOCK, 0)
    other.do("to inside a block", other.clone_from, source, 0, BLOCK, 5)
    other.do("a part of a block", other.clone_from, source, 0, 100, 0)
    other.do("beyond the source", other.clone_from, source, LENGTH, BLOCK, 0)
    other.do("over the end of the source", other.clone_from, source, LENGTH - BLOCK, 2 * BLOCK, 0)
    source.do("in one file", source.clone_from, source, 0, 2 * BLOCK, 8 * BLOCK)
    source.do("in one file, overlapping", source.clone_from, source, 0, 4 * BLOCK, 2 * BLOCK)
    source.do("in one file, onto itself", source.clone_from, source, 0, 2 * BLOCK, 0)
    source.do("over 2^63", source.clone_from, source, (1 << 63) - BLOCK, BLOCK, 0)


def through_the_kernel():
    source, other = File("k1", pattern(8 * BLOCK, 4)), File("k2", pattern(8 * BLOCK, 4))
    other.do("FICLONE", lambda: fcntl.ioctl(other.fd, FICLONE, source.fd) and None)
    dedupe = struct.pack("QQHHIqQQiI", 0, BLOCK, 1, 0, 0, other.fd, 0, 0, 0, 0)
    step("FIDEDUPERANGE tells (bytes, status)", lambda: struct.unpack_from("Qi", fcntl.ioctl(
        source.fd, FIDEDUPERANGE, dedupe), 40))
    other = File("k3", pattern(8 * BLOCK, 4))
    other.do("collapse by fallocate", fallocate, other.fd, COLLAPSE, 0, BLOCK)
    other.do("insert by fallocate", fallocate, other.fd, INSERT, 0, BLOCK)
    other = File("k4", pattern(8 * BLOCK, 6))
    other.do("copy_file_range", other.copy_from, source, 10, 10000, 300)
    other.do("copy_file_range of whole blocks", other.copy_from, source, 0, 4 * BLOCK, 16 * BLOCK)


def ranges():
    file = File("ranges", pattern(LENGTH, 5))
    file.do("punch nothing", fallocate, file.fd, PUNCH_HOLE | KEEP_SIZE, 0, 0)
    file.do("punch parts of blocks", fallocate, file.fd, PUNCH_HOLE | KEEP_SIZE, 100, 2 * BLOCK)
    file.do("punch over the end", fallocate, file.fd, PUNCH_HOLE | KEEP_SIZE, LENGTH - 10, BLOCK)
    file.do("zero over the end", fallocate, file.fd, ZERO_RANGE, LENGTH - 10, BLOCK)
    file.do("zero, size kept", fallocate, file.fd, ZERO_RANGE | KEEP_SIZE, LENGTH, 4 * BLOCK)
    file.do("allocate over the hole", fallocate, file.fd, 0, 0, LENGTH)
    file.do("cut it to whole blocks", os.ftruncate, file.fd, LENGTH)
    file.do("collapse", file.collapse, BLOCK, 2 * BLOCK)
    file.do("collapse a part of a block", file.collapse, BLOCK, 100)
    file.do("collapse from inside a block", file.collapse, 100, BLOCK)
    file.do("collapse up to the end", file.collapse, BLOCK, LENGTH)
    file.do("collapse nothing", file.collapse, BLOCK, 0)
    file.do("insert", file.insert, 4 * BLOCK, 3 * BLOCK)
    file.do("insert a part of a block", file.insert, BLOCK, 100)
    file.do("insert from inside a block", file.insert, 100, BLOCK)
    file.do("insert at the end", file.insert, os.fstat(file.fd).st_size, BLOCK)
    file.do("insert nothing", file.insert, BLOCK, 0)
    file.do("insert more than a file can have", file.insert, BLOCK, (1 << 63) - BLOCK)
    file.do("write into the inserted", file.write, b"i" * 100, 5 * BLOCK)


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    for group in sys.argv[3:] or ("clones", "clone_arguments", "through_the_kernel", "ranges"):
        print(f"== {group}")
        globals()[group]()
        sys.stdout.flush()
