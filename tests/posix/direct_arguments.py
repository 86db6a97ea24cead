# SPDX-License-Identifier: Apache-2.0
# What LEASE, LAYOUT, RETURN, PIN, UNPIN, EVENTS and poll answer: right arguments and wrong ones.
# Usage: direct_arguments.py MOUNT REGION, on a mount with max_leases=4,max_pins=4,
# max_pinned_blocks=16.
import errno
import fcntl
import os
import select
import sys

from direct import *

MOUNT, REGION = sys.argv[1:]
SIZE = 16 * BLOCK
PATTERN = bytes(range(1, 256)) * (SIZE // 255 + 1)


def new_file(name):
    with open(f"{MOUNT}/{name}", "wb") as file:
        file.write(PATTERN[:SIZE])
    return DirectFile(f"{MOUNT}/{name}")


def ranges():
    file = new_file("ranges")
    for verb, take in (("lease", file.lease), ("pin", file.pin)):
        for offset, length in ((0, 0), (SIZE, 1), (0, SIZE + 1), (2**64 - 1, 2), (BLOCK, 2**64 - BLOCK),
                               (2**60, 1), (0, 2**64 - 1)):
            check(f"{verb} of {offset}+{length} is EINVAL",
                  error_of(take, offset, length) == errno.EINVAL)
    check("unknown flags of a lease", error_of(file.lease, 0, BLOCK, 64) == errno.EOPNOTSUPP)
    check("unknown flags of a pin", error_of(file.pin, 0, BLOCK, 64) == errno.EOPNOTSUPP)
    check("nothing is held after all that", busy(MOUNT)["holders"] == [])
    file.close()


def sizes():
    file = new_file("sizes")
    for number, struct_ in ((7, LEASE), (8, LEASE), (9, PIN), (10, PIN)):
        size = struct_.size
        for wrong in (0, size - 8, size + 8, 2**32 - 1):
            argument = wrong.to_bytes(4, "little").ljust(size, b"\0")
            check(f"ioctl {number} that says {wrong} bytes",
                  error_of(file._call, 3 << 30 | size << 16 | 0xDA << 8 | number, argument) != 0)
        for room in (8, size - 8, size + 8, 8192):
            argument = room.to_bytes(4, "little").ljust(room, b"\0")
            check(f"ioctl {number} of {room} bytes",
                  error_of(file._call, 3 << 30 | room << 16 | 0xDA << 8 | number, argument)
                  == errno.EINVAL)
    check("an unknown number", error_of(file._call, 1 << 30 | 8 << 16 | 0xDA << 8 | 99, bytes(8))
          == errno.ENOTTY)
    reserved = LEASE.pack(LEASE.size, 0, 0, BLOCK, 0, 0, 1)
    check("reserved fields", error_of(file._call, IOC_LEASE, reserved) == errno.EINVAL)
    file.close()


def rights():
    new_file("rights").close()
    reader = DirectFile(f"{MOUNT}/rights", os.O_RDONLY)
    writer = DirectFile(f"{MOUNT}/rights", os.O_WRONLY)
    check("a write lease needs write access",
          error_of(reader.lease, 0, BLOCK, LEASE_WRITE) == errno.EBADF)
    check("a read lease needs read access", error_of(writer.lease, 0, BLOCK) == errno.EBADF)
    check("a pin needs read access", error_of(writer.pin, 0, BLOCK) == errno.EBADF)
    directory = DirectFile(MOUNT, os.O_RDONLY)
    check("a directory cannot be leased", error_of(directory.lease, 0, BLOCK) != 0)
    for file in (reader, writer, directory):
        file.close()


def leases():
    file, other = new_file("leases"), DirectFile(f"{MOUNT}/leases")
    first = file.lease(0, SIZE)
    second = other.lease(0, SIZE, LEASE_WRITE)
    check("leases mix", first != second)
    shown = file.layout(BLOCK, 2 * BLOCK, first)
    check("a layout has the file's bytes", len(shown) == 1 and shown[0][3] == WRITTEN)
    region = map_region(REGION, shown[0][1], shown[0][2])
    check("where it says", region[:] == PATTERN[BLOCK:3 * BLOCK])
    region[:5] = b"12345"
    check("a store shows in the file", os.pread(file.fd, 5, BLOCK) == b"12345")
    check("a layout of somebody else's lease", error_of(other.layout, 0, BLOCK, first) == errno.ENOENT)
    check("of no lease", error_of(file.layout, 0, BLOCK, 999) == errno.ENOENT)
    check("outside the lease", error_of(file.layout, 0, SIZE + BLOCK, first) == errno.EINVAL)
    file.give_back(first, 0, 4 * BLOCK)
    check("what was given back is not shown", error_of(file.layout, 0, BLOCK, first) == errno.EINVAL)
    check("a write recalls neither its own lease nor one that is elsewhere",
          os.pwrite(other.fd, b"x", 0) == 1 and other.poll(0) == file.poll(0) == 0)
    check("the rest is shown", len(file.layout(4 * BLOCK, BLOCK, first)) == 1)
    file.give_back(first)
    check("a lease is given back once", error_of(file.give_back, first) == errno.ENOENT)
    held = busy(MOUNT)["holders"]
    check("busy shows the other", [(h["kind"], h["pid"], h["write"]) for h in held]
          == [("lease", os.getpid(), True)])
    other.close()
    file.close()
    wait_until(lambda: busy(MOUNT)["holders"] == [])
    check("closing returns everything", True)


def limits():
    file = new_file("limits")
    for i in range(4):
        file.lease(i * BLOCK, BLOCK)
    check("more leases than allowed", error_of(file.lease, 0, BLOCK) == errno.ENOSPC)
    for i in range(4):
        file.pin(i * BLOCK, BLOCK)
    check("more pins than allowed", error_of(file.pin, 0, BLOCK) == errno.ENOSPC)
    check("the refusals changed nothing", len(busy(MOUNT)["holders"]) == 8)
    file.close()
    file = DirectFile(f"{MOUNT}/limits")
    os.truncate(f"{MOUNT}/limits", 0)
    os.pwrite(file.fd, PATTERN[:SIZE] * 2, 0)
    check("more blocks than allowed", error_of(file.pin, 0, 17 * BLOCK) == errno.ENOSPC)
    check("as many as allowed", file.pin(0, 16 * BLOCK) != 0)
    file.close()


def pins():
    file = new_file("pins")
    os.ftruncate(file.fd, 2 * SIZE)
    check("a hole cannot be pinned", error_of(file.pin, SIZE, BLOCK) == errno.ENXIO)
    check("L12: long-term without a lease",
          error_of(file.pin, 0, BLOCK, PIN_LONG_TERM) == errno.EOPNOTSUPP)
    lease = file.lease(0, 4 * BLOCK)
    check("L12: long-term with one", (pin := file.pin(0, BLOCK, PIN_LONG_TERM)) != 0)
    check("L12: but not beyond it",
          error_of(file.pin, 3 * BLOCK, 2 * BLOCK, PIN_LONG_TERM) == errno.EOPNOTSUPP)
    pages = file.query(QUERY_PAGES)["pages"]
    check("pages shows it", len(pages) == 1 and pages[0]["pins"] == 1
          and pages[0]["state"] == "owned" and pages[0]["inode"] == os.fstat(file.fd).st_ino)
    file.unpin(pin)
    check("a pin ends once", error_of(file.unpin, pin) == errno.ENOENT)
    file.give_back(lease)
    check("no events without a reason", file.events() == [] and file.poll(0) == 0)
    poller = select.poll()
    poller.register(file.fd, select.POLLIN | select.POLLOUT)
    check("a file can always be read and written",
          poller.poll(0) == [(file.fd, select.POLLIN | select.POLLOUT)])
    file.close()


def write_lease_fills():
    file = DirectFile(f"{MOUNT}/sparse", os.O_RDWR | os.O_CREAT)
    os.ftruncate(file.fd, 8 * BLOCK)
    before = os.fstat(file.fd).st_blocks
    lease = file.lease(0, 8 * BLOCK, LEASE_WRITE)
    check("a write lease meets no hole",
          {piece[3] for piece in file.layout(0, 8 * BLOCK, lease)} == {WRITTEN})
    check("and reads zero", os.pread(file.fd, 8 * BLOCK, 0) == bytes(8 * BLOCK))
    wait_until(lambda: os.stat(f"{MOUNT}/sparse").st_blocks >= before + 64)
    check("stat tells of the blocks", True)
    clone = DirectFile(f"{MOUNT}/clone", os.O_RDWR | os.O_CREAT)
    file.give_back(lease)
    clone.reflink_from(file)
    lease = clone.lease(0, 8 * BLOCK, LEASE_WRITE)
    check("nor a shared block", {piece[3] for piece in clone.layout(0, 8 * BLOCK, lease)} == {WRITTEN})
    clone.close()
    file.close()


for step in (ranges, sizes, rights, leases, limits, pins, write_lease_fills):
    print(f"-- {step.__name__}", flush=True)
    step()
