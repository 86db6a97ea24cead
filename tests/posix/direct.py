# SPDX-License-Identifier: Apache-2.0
# The ioctls of direct clients (client/include/holdfast/ioctl.h) for tests, in Python: a second
# process that leases, maps and pins.
import fcntl
import json
import mmap
import os
import select
import stat
import struct
import subprocess
import sys
import time
import traceback

BLOCK = 4096
HOLE, UNWRITTEN, WRITTEN, SHARED = range(4)
LEASE_WRITE, LEASE_EXCLUSIVE, PIN_LONG_TERM, PIN_WRITE = 1, 2, 1, 2
RECALL, VOID, FAILURE, REMOVE, LOST = range(1, 6)
QUERY_INFO, QUERY_BUSY, QUERY_PAGES = 1, 2, 3
FAIL_CLEAR = 2


def _ioc(direction, number, size):
    return direction << 30 | size << 16 | 0xDA << 8 | number


_W, _RW = 1, 3
LEASE = struct.Struct("IIQQQII")
PIN = struct.Struct("IIQQQ")
RANGE = struct.Struct("IIQQ")
EXTENT = struct.Struct("QQQII")
LAYOUT = struct.Struct("IIQQQQII")
LAYOUT_SIZE = LAYOUT.size + 64 * EXTENT.size
EVENT = struct.Struct("IIQQQQQ")
EVENTS = struct.Struct("IIII")
EVENTS_SIZE = EVENTS.size + 32 * EVENT.size
QUERY = struct.Struct("IIQQQII")
QUERY_SIZE = QUERY.size + 8192
SHARE = struct.Struct("II16s")
REFLINK = struct.Struct("II16sQQQ")
IOC_COLLAPSE = _ioc(_W, 1, RANGE.size)
IOC_INSERT = _ioc(_W, 2, RANGE.size)
IOC_UNSHARE = _ioc(_W, 3, RANGE.size)
IOC_SHARE = _ioc(_RW, 4, SHARE.size)
IOC_REFLINK = _ioc(_W, 5, REFLINK.size)
IOC_LAYOUT = _ioc(_RW, 6, LAYOUT_SIZE)
IOC_LEASE = _ioc(_RW, 7, LEASE.size)
IOC_RETURN = _ioc(_W, 8, LEASE.size)
IOC_PIN = _ioc(_RW, 9, PIN.size)
IOC_UNPIN = _ioc(_W, 10, PIN.size)
IOC_EVENTS = _ioc(_RW, 11, EVENTS_SIZE)
IOC_QUERY = _ioc(_RW, 12, QUERY_SIZE)
IOC_FAIL = _ioc(_W, 13, RANGE.size)  # its argument is laid out as that of a range


class DirectFile:
    """An open file of a mount."""

    def __init__(self, path, flags=os.O_RDWR):
        self.fd = os.open(path, flags | os.O_CLOEXEC, 0o644)

    def close(self):
        os.close(self.fd)

    def _call(self, request, argument):
        buffer = bytearray(argument)
        fcntl.ioctl(self.fd, request, buffer)
        return buffer

    def lease(self, offset, length, flags=0):
        out = self._call(IOC_LEASE, LEASE.pack(LEASE.size, flags, offset, length, 0, 0, 0))
        return LEASE.unpack(out)[4]

    def give_back(self, lease, offset=0, length=0):
        self._call(IOC_RETURN, LEASE.pack(LEASE.size, 0, offset, length, lease, 0, 0))

    def layout(self, offset, length, lease=0):
        """(file offset, region offset, length, state) of each piece."""
        argument = LAYOUT.pack(LAYOUT.size + 64 * EXTENT.size, 0, offset, length, lease, 0, 0, 0)
        out = self._call(IOC_LAYOUT, argument.ljust(LAYOUT_SIZE, b"\0"))
        count = LAYOUT.unpack_from(out)[6]
        return [EXTENT.unpack_from(out, LAYOUT.size + i * EXTENT.size)[:4] for i in range(count)]

    def pin(self, offset, length, flags=0):
        return PIN.unpack(self._call(IOC_PIN, PIN.pack(PIN.size, flags, offset, length, 0)))[4]

    def unpin(self, pin):
        self._call(IOC_UNPIN, PIN.pack(PIN.size, 0, 0, 0, pin))

    def events(self):
        """(type, lease, inode, offset, length, deadline_ms) of each queued event."""
        out = self._call(IOC_EVENTS, EVENTS.pack(EVENTS_SIZE, 0, 0, 0).ljust(EVENTS_SIZE, b"\0"))
        count = EVENTS.unpack_from(out)[2]
        found = [EVENT.unpack_from(out, EVENTS.size + i * EVENT.size) for i in range(count)]
        return [(event[0],) + event[2:] for event in found]

    def poll(self, timeout_ms):
        """What poll(2) tells besides that a file can be read and written."""
        poller = select.poll()
        poller.register(self.fd, select.POLLPRI)
        ready = poller.poll(timeout_ms)
        return ready[0][1] & (select.POLLPRI | select.POLLERR) if ready else 0

    def query(self, what):
        text, cursor = b"", 0
        while True:
            argument = QUERY.pack(QUERY_SIZE, what, 0, 0, cursor, 0, 0).ljust(QUERY_SIZE, b"\0")
            out = self._call(IOC_QUERY, argument)
            _, _, _, _, cursor, count, _ = QUERY.unpack_from(out)
            text += out[QUERY.size:QUERY.size + count]
            if cursor == 0:
                return json.loads(text)

    def reflink_from(self, source, offset=0, length=0, destination=0):
        token = SHARE.unpack(source._call(IOC_SHARE, SHARE.pack(SHARE.size, 0, b"")))[2]
        self._call(IOC_REFLINK,
                   REFLINK.pack(REFLINK.size, 0, token, offset, length, destination))

    def change_range(self, request, offset, length, flags=0):
        self._call(request, RANGE.pack(RANGE.size, flags, offset, length))


def error_of(action, *args, **options):
    """The errno that it fails with, 0 if it does not."""
    try:
        action(*args, **options)
    except OSError as error:
        return error.errno
    return 0


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"FAILED: waited {seconds} s for what did not come")
        time.sleep(0.01)


def check(text, value):
    if not value:
        raise SystemExit(f"FAILED: {text}")
    print(f"ok: {text}", flush=True)


def busy(mount):
    """What waits and who holds, of the whole mount."""
    file = DirectFile(mount, os.O_RDONLY)
    try:
        return file.query(QUERY_BUSY)
    finally:
        file.close()


def start(*arguments, **options):
    """A child process; its output comes with ours."""
    return subprocess.Popen(arguments, **options)


def in_child(action):
    """Runs `action()` in a forked process; returns its pid. It ends with status 0 or 1."""
    sys.stdout.flush()
    pid = os.fork()
    if pid != 0:
        return pid
    status = 1
    try:
        action()
        status = 0
    except SystemExit as exit_:
        print(exit_.code, file=sys.stderr, flush=True)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def join(pid):
    """The exit status of a child."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def map_region(path, offset, length):
    """The bytes of the region themselves. A device can be mapped in units of its alignment only."""
    unit = mmap.PAGESIZE
    if stat.S_ISCHR(os.stat(path).st_mode):
        with open(f"/sys/bus/dax/devices/{os.path.basename(path)}/align") as file:
            unit = int(file.read())
    start = offset // unit * unit
    end = -(-(offset + length) // unit) * unit
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        return memoryview(mmap.mmap(fd, end - start, offset=start))[offset - start:][:length]
    finally:
        os.close(fd)
