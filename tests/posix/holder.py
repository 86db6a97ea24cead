#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Pins a range of a file until it is killed, and writes down what it is told meanwhile: one JSON object a
# line. Made of the ioctls of client/include/holdfast/ioctl.h alone.
#
#   holder.py FILE OFFSET LENGTH LOG     # LOG exists as soon as the pin is held
import ctypes
import fcntl
import json
import os
import select
import signal
import struct
import sys

PIN = struct.Struct("=IIQQQ")
EVENTS_HEAD = struct.Struct("=IIII")
EVENT = struct.Struct("=IIQQQQQ")
EVENTS_MAX = 32
TYPES = {1: "recall", 2: "void", 3: "failure", 4: "remove", 5: "lost"}


def number(direction, index, size):
    """_IOC of the header: 1 = write, 2 = read."""
    return direction << 30 | size << 16 | 0xDA << 8 | index


def events(fd):
    size = EVENTS_HEAD.size + EVENTS_MAX * EVENT.size
    answer = bytearray(EVENTS_HEAD.pack(size, 0, 0, 0)) + bytearray(EVENTS_MAX * EVENT.size)
    fcntl.ioctl(fd, number(3, 11, size), answer)
    count = EVENTS_HEAD.unpack_from(answer)[2]
    for i in range(count):
        kind, _, lease, inode, offset, length, _ = EVENT.unpack_from(answer, EVENTS_HEAD.size + i * EVENT.size)
        yield {"type": TYPES[kind], "lease": lease, "inode": inode, "offset": offset, "length": length}


def main():
    path, offset, length, log = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # ends with the test that started it
    fd = os.open(path, os.O_RDWR)
    fcntl.ioctl(fd, number(3, 9, PIN.size), bytearray(PIN.pack(PIN.size, 0, offset, length, 0)))
    poll = select.poll()
    poll.register(fd, select.POLLPRI)
    with open(log, "w") as told:
        while True:
            for _, ready in poll.poll():
                if ready & select.POLLNVAL:
                    return
            try:
                for event in events(fd):
                    print(json.dumps(event), file=told, flush=True)
            except OSError:
                # The daemon is gone; what is pinned stays pinned as long as this process lives.
                poll.unregister(fd)


if __name__ == "__main__":
    main()
