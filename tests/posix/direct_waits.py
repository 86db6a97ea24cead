# SPDX-License-Identifier: Apache-2.0
# Two processes and a file: who waits for whom, and what ends it. Each step runs on a mount with the
# options that direct_waits_test.sh gives it.
# Usage: direct_waits.py STEP MOUNT REGION
import errno
import fcntl
import os
import resource
import select
import signal
import sys
import threading
import time

from direct import *

STEP, MOUNT, REGION = sys.argv[1:]
PATH = f"{MOUNT}/file"
PATTERN = bytes(range(1, 256)) * 300


def new_file(blocks, name="file"):
    with open(f"{MOUNT}/{name}", "wb") as file:
        file.write(PATTERN[:blocks * BLOCK])
    return DirectFile(f"{MOUNT}/{name}")


def waits(child, operation="setattr"):
    """`child` is parked."""
    wait_until(lambda: any(w["operation"] == operation for w in busy(MOUNT)["waiters"]))
    return child.poll() is None


def truncate(size, path=PATH):
    return start("truncate", "--size", str(size), path)


def page_by_page():
    """L4: whoever holds something may take the rest while somebody waits."""
    for take in ("pin", "lease"):
        file = new_file(8)
        first = file.pin(0, BLOCK)
        child = truncate(0)
        check("L4: the truncate waits", waits(child))
        pins = [file.pin(i * BLOCK, BLOCK) for i in range(1, 8)]
        check("L4: the client could pin the rest, page by page", len(pins) == 7)
        if take == "lease":
            check("L4: and lease it", file.lease(0, 8 * BLOCK) != 0)
        check("L4: the truncate still waits", child.poll() is None)
        for pin in [first] + pins[1:]:
            file.unpin(pin)
        time.sleep(0.2)
        check("L4: one pin is enough to wait for", child.poll() is None)
        check("nothing has changed", os.pread(file.fd, 8 * BLOCK, 0) == PATTERN[:8 * BLOCK])
        file.unpin(pins[0])
        if take == "lease":
            wait_until(lambda: file.events())
            file.close()
        check("L4: then it is done", child.wait(20) == 0 and os.path.getsize(PATH) == 0)


class Interrupted(Exception):
    pass


def interrupted():
    """L5: EINTR, and the file as it was."""

    def stop(*_):
        raise Interrupted

    changes = {
        "truncate": lambda fd: os.ftruncate(fd, BLOCK),
        "grow": lambda fd: os.ftruncate(fd, 7 * BLOCK + 100),
        "punch": lambda fd: libc_fallocate(fd, 3, 0, 8 * BLOCK),
        "zero": lambda fd: libc_fallocate(fd, 16, 0, 8 * BLOCK),
        "collapse": lambda fd: fcntl.ioctl(fd, IOC_COLLAPSE, RANGE.pack(RANGE.size, 0, 0, BLOCK)),
        "insert": lambda fd: fcntl.ioctl(fd, IOC_INSERT, RANGE.pack(RANGE.size, 0, 0, BLOCK)),
        "O_TRUNC": lambda fd: os.open(PATH, os.O_WRONLY | os.O_TRUNC),
    }
    for name, change in changes.items():
        file = new_file(8)
        pin = file.pin(0, 8 * BLOCK)
        before = (os.fstat(file.fd).st_size, file.layout(0, 8 * BLOCK))

        def child():
            signal.signal(signal.SIGUSR1, stop)
            fd = os.open(PATH, os.O_RDWR)
            try:
                change(fd)
            except Interrupted:
                return
            raise SystemExit(f"FAILED: {name} was not interrupted")

        pid = in_child(child)
        wait_until(lambda: busy(MOUNT)["waiters"])
        os.kill(pid, signal.SIGUSR1)
        check(f"L5: {name} ends with EINTR", join(pid) == 0)
        check("L5: size and extents are as they were",
              before == (os.fstat(file.fd).st_size, file.layout(0, 8 * BLOCK)))
        check("L5: so are the bytes", os.pread(file.fd, 9 * BLOCK, 0) == PATTERN[:8 * BLOCK])
        check("nobody waits any more", busy(MOUNT)["waiters"] == [])
        file.unpin(pin)
        file.close()


def libc_fallocate(fd, mode, offset, length):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long]
    while libc.fallocate(fd, mode, offset, length) != 0:
        if ctypes.get_errno() != errno.EINTR:
            raise OSError(ctypes.get_errno(), "fallocate")


def many_waiters():
    """A thousand truncates wait on a thousand pinned files; the mount serves everything else."""
    count = 1000
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
    threading.stack_size(64 << 10)
    os.mkdir(f"{MOUNT}/many")
    files = [new_file(1, f"many/{i}") for i in range(count)]
    pins = [file.pin(0, BLOCK) for file in files]
    threads = [threading.Thread(target=os.truncate, args=(f"{MOUNT}/many/{i}", 0))
               for i in range(count)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(busy(MOUNT)["waiters"]) == count, 60)
    check("a thousand truncates wait", True)
    info = DirectFile(MOUNT, os.O_RDONLY)
    check("none holds a thread", info.query(QUERY_INFO)["counters"]["parked_now"] >= count)
    info.close()
    with open(f"{MOUNT}/other", "wb") as file:
        file.write(PATTERN)
        os.fsync(file.fileno())
    os.rename(f"{MOUNT}/other", f"{MOUNT}/renamed")
    check("others create, write, sync, rename and read",
          open(f"{MOUNT}/renamed", "rb").read() == PATTERN)
    os.truncate(f"{MOUNT}/renamed", 10)
    check("list, remove and truncate", len(os.listdir(f"{MOUNT}/many")) == count
          and os.path.getsize(f"{MOUNT}/renamed") == 10)
    os.unlink(f"{MOUNT}/renamed")
    check("and read what others wait to truncate",
          all(os.pread(file.fd, 10, 0) == PATTERN[:10] for file in files[::50]))
    for file, pin in zip(files, pins):
        file.unpin(pin)
    for thread in threads:
        thread.join(60)
    check("all of them end", not any(thread.is_alive() for thread in threads)
          and all(os.path.getsize(f"{MOUNT}/many/{i}") == 0 for i in range(count)))
    for file in files:
        file.close()


def ignored_recall():
    """L13: break_time=1, busy_policy=wait. A client that never reads its events harms nobody."""
    file = new_file(4)
    lease = file.lease(0, 4 * BLOCK)  # mapped by nobody
    began = time.monotonic()
    child = truncate(BLOCK)
    check("L13: a truncate gets its way after the break time",
          child.wait(20) == 0 and time.monotonic() - began >= 0.9)
    events = file.events()
    check("L13: recalled, then void", [event[:2] for event in events] == [(RECALL, lease), (VOID, lease)])
    check("L13: a void lease shows nothing", error_of(file.layout, 0, BLOCK, lease) == errno.ESTALE)
    file.give_back(lease)

    lease = file.lease(0, BLOCK)
    file.layout(0, BLOCK, lease)  # from here on mapped
    child = truncate(0)
    wait_until(lambda: (VOID, lease) in [event[:2] for event in file.events()])
    time.sleep(0.3)
    check("L13: what a void lease maps is busy", child.poll() is None)
    check("L13: and untouched", os.pread(file.fd, BLOCK, 0) == PATTERN[:BLOCK])
    file.give_back(lease)
    check("L13: until it is given back", child.wait(20) == 0)
    file.close()


def stores():
    """L7: what a device stores to through a pin is not shared before the pin ends."""
    file = new_file(8)
    region = map_region(REGION, 0, os.path.getsize(REGION))
    pin = file.pin(0, BLOCK, PIN_WRITE)
    place = file.layout(0, BLOCK)[0][1]
    child = start("holdfast", "reflink", PATH, f"{MOUNT}/clone")
    check("L7: the reflink waits", waits(child, "ioctl"))
    region[place:place + 6] = b"stored"
    time.sleep(0.2)
    check("L7: as long as the pin is there", child.poll() is None)
    file.unpin(pin)
    check("L7: then it is done", child.wait(20) == 0)
    check("L7: with all that was stored",
          open(f"{MOUNT}/clone", "rb").read() == b"stored" + PATTERN[6:8 * BLOCK])


def unread_events():
    """A client that never reads its events costs a bounded queue."""
    file = new_file(4)
    for _ in range(300):
        lease = file.lease(0, 4 * BLOCK)
        child = threading.Thread(target=lambda: os.truncate(PATH, 4 * BLOCK - 1))
        child.start()
        wait_until(lambda: busy(MOUNT)["waiters"])  # so it was recalled
        file.give_back(lease)
        child.join()
        os.truncate(PATH, 4 * BLOCK)
    seen = []
    while events := file.events():
        seen += events
    check("what the queue could not hold is one LOST", seen[0][0] == LOST and len(seen) == 257)
    file.close()


def killed_client():
    file = new_file(4)

    def hold():
        mine = DirectFile(PATH)
        mine.layout(0, BLOCK, mine.lease(0, 4 * BLOCK, LEASE_WRITE))
        mine.pin(0, 4 * BLOCK)
        time.sleep(600)

    pid = in_child(hold)
    wait_until(lambda: len(busy(MOUNT)["holders"]) == 2)
    child = truncate(0)
    check("the truncate waits for the client", waits(child))
    os.kill(pid, signal.SIGKILL)
    join(pid)
    check("its death returns everything", child.wait(20) == 0 and busy(MOUNT)["holders"] == [])
    file.close()


def inherited_descriptor():
    """The process that took it counts, not who else has the descriptor."""
    file = new_file(4)

    def hold():
        mine = DirectFile(PATH)
        mine.pin(0, 4 * BLOCK)

        def keep():
            if error_of(mine.pin, 0, BLOCK) != errno.EPERM:
                raise SystemExit("FAILED: a child shares the session of its parent")
            os.mkdir(f"{MOUNT}/refused")
            wait_until(lambda: os.path.exists(f"{MOUNT}/died"), 60)
            mine.pin(BLOCK, BLOCK)  # its own session now
            os.mkdir(f"{MOUNT}/taken")
            wait_until(lambda: os.path.exists(f"{MOUNT}/enough"), 60)

        in_child(keep)
        time.sleep(600)

    parent = in_child(hold)
    wait_until(lambda: os.path.exists(f"{MOUNT}/refused"))
    check("a child that inherits the descriptor is refused", True)
    child = truncate(BLOCK)
    check("the truncate waits", waits(child))
    os.kill(parent, signal.SIGKILL)
    join(parent)
    check("the parent's death returns what it took", child.wait(20) == 0)
    os.truncate(PATH, 4 * BLOCK)
    os.pwrite(file.fd, PATTERN[:4 * BLOCK], 0)
    os.mkdir(f"{MOUNT}/died")
    wait_until(lambda: os.path.exists(f"{MOUNT}/taken"))
    holders = busy(MOUNT)["holders"]
    check("then the child can take something of its own",
          len(holders) == 1 and holders[0]["pid"] != parent)
    os.mkdir(f"{MOUNT}/enough")
    wait_until(lambda: busy(MOUNT)["holders"] == [])
    file.close()


def unlinked():
    """L10: removing the last link never blocks, whatever is held."""
    file = new_file(4)
    file.pin(0, 4 * BLOCK)
    file.layout(0, BLOCK, file.lease(0, 4 * BLOCK))
    place = file.layout(0, BLOCK)[0][1]
    region = map_region(REGION, place, 4 * BLOCK)
    os.unlink(PATH)
    check("L10: unlink does not wait", not os.path.exists(PATH))
    open(f"{MOUNT}/target", "wb").write(PATTERN[:BLOCK])
    other = new_file(2, "replaced")
    other.pin(0, 2 * BLOCK)
    os.rename(f"{MOUNT}/target", f"{MOUNT}/replaced")
    check("L10: nor does a rename over it", os.path.getsize(f"{MOUNT}/replaced") == BLOCK)
    with open(f"{MOUNT}/filler", "wb") as filler:
        try:
            while True:
                filler.write(b"\xff" * (64 * BLOCK))
                filler.flush()
        except OSError as error:
            check("the rest of the space is used up", error.errno == errno.ENOSPC)
            os.ftruncate(filler.fileno(), 0)
    check("L11: the pinned blocks are as they were", region[:] == PATTERN[:4 * BLOCK])
    file.close()
    other.close()


def conflicting_leases():
    file, other = new_file(4), DirectFile(PATH)
    lease = file.lease(0, 2 * BLOCK)
    taken = []
    thread = threading.Thread(
        target=lambda: taken.append(other.lease(0, 4 * BLOCK, LEASE_EXCLUSIVE)))
    thread.start()
    check("an exclusive lease recalls the others", file.poll(5000) == select.POLLPRI)
    check("and waits for them", not taken and file.events()[0][:2] == (RECALL, lease))
    file.give_back(lease)
    thread.join(20)
    check("then it is granted", len(taken) == 1)
    other.give_back(taken[0])
    file.close()
    other.close()


def closed():
    """While a truncate waits the kernel has the file locked: FOPEN_NOFLUSH keeps close() from
    wanting that lock, else who holds what the truncate waits for could never let go of it."""
    file, other = new_file(4), DirectFile(PATH)
    file.pin(0, 4 * BLOCK)
    child = truncate(0)
    check("the truncate waits", waits(child))
    other.close()
    check("others close the file meanwhile", child.poll() is None)
    file.close()
    check("so does the holder, which returns everything", child.wait(20) == 0)
    check("and the truncate is done", os.path.getsize(PATH) == 0)


def writes():
    """L1: a write recalls the leases of others, not the writer's own, and pins do not stop it."""
    file, other = new_file(4), DirectFile(PATH)
    lease = file.lease(0, 4 * BLOCK, LEASE_WRITE)
    pin = file.pin(0, BLOCK)
    check("L1: the holder writes", os.pwrite(file.fd, b"mine", 0) == 4 and file.poll(0) == 0)
    written = []
    thread = threading.Thread(target=lambda: written.append(os.pwrite(other.fd, b"others", BLOCK)))
    thread.start()
    check("L1: another's write recalls the lease", file.poll(5000) == select.POLLPRI)
    check("L1: and waits for it", not written)
    file.give_back(lease)
    thread.join(20)
    check("L1: then it is done", written == [6] and os.pread(other.fd, 6, BLOCK) == b"others")
    check("L1: a write in place does not wait for pins", os.pwrite(other.fd, b"x", 0) == 1)
    file.unpin(pin)
    file.close()
    other.close()


def quarantined():
    """L14: busy_policy=quarantine, busy_timeout=1."""
    file = new_file(4)
    pin = file.pin(0, 4 * BLOCK)
    place = file.layout(0, BLOCK)[0][1]
    region = map_region(REGION, place, 4 * BLOCK)
    began = time.monotonic()
    os.truncate(PATH, 0)
    check("L14: the truncate gets its way after busy_timeout", time.monotonic() - began >= 0.9)
    check("L14: the blocks are in quarantine", busy(MOUNT)["quarantined_bytes"] == 4 * BLOCK)
    filler = os.open(f"{MOUNT}/filler", os.O_RDWR | os.O_CREAT)
    try:
        while True:
            os.write(filler, b"\xff" * (16 * BLOCK))
    except OSError as error:
        check("the rest of the space is used up", error.errno == errno.ENOSPC)
    region[:4] = b"DMA!"
    check("L11: nobody else got the blocks", region[4:] == PATTERN[4:4 * BLOCK])
    os.lseek(filler, 0, os.SEEK_SET)
    while chunk := os.read(filler, 1 << 20):
        if chunk.count(0xff) != len(chunk):
            raise SystemExit("FAILED: L11: a store to a quarantined block shows in a file")
    file.unpin(pin)
    check("L14: with the last reference they are free", busy(MOUNT)["quarantined_bytes"] == 0)
    os.close(filler)
    os.unlink(f"{MOUNT}/filler")
    file.close()


def failing():
    """L14: busy_policy=fail."""
    file = new_file(4)
    pin = file.pin(BLOCK, BLOCK)
    check("L14: EBUSY", error_of(os.truncate, PATH, 0) == errno.EBUSY)
    check("L14: nothing changed", os.pread(file.fd, 5 * BLOCK, 0) == PATTERN[:4 * BLOCK])
    os.truncate(PATH, 2 * BLOCK)
    check("L14: what is not busy can go", os.path.getsize(PATH) == 2 * BLOCK)
    file.unpin(pin)
    os.truncate(PATH, 0)
    file.close()


def daemon_dies():
    """The daemon is killed while a client maps and stores; the client lives and keeps its bytes. It
    goes on storing until there is a file `enough` on the next mount."""
    file = new_file(4)
    lease = file.lease(0, 4 * BLOCK, LEASE_WRITE)
    place = file.layout(0, 4 * BLOCK, lease)[0][1]
    region = map_region(REGION, place, 4 * BLOCK)
    region[:6] = b"before"
    info = DirectFile(MOUNT, os.O_RDONLY)
    daemon = info.query(QUERY_INFO)["pid"]
    info.close()
    os.kill(daemon, signal.SIGKILL)
    wait_until(lambda: error_of(file.events) == errno.ENOTCONN)
    region[:6] = b"after!"
    check("a mapping outlives the daemon", region[:6] == b"after!")
    check("what it was told through is gone", error_of(file.give_back, lease) == errno.ENOTCONN)
    file.close()
    wait_until(lambda: os.path.exists(f"{MOUNT}/enough"), 60)


def former_client():
    """L11 over a crash: what the client of an earlier daemon maps is busy until that client ends."""
    holders = busy(MOUNT)["holders"]
    check("L11: the new daemon knows of the client", [h["kind"] for h in holders] == ["former"])
    check("L11: what it stored after the crash is in the file",
          open(PATH, "rb").read(6) == b"after!")
    child = truncate(0)
    check("L11: a truncate waits for it", waits(child))
    time.sleep(0.3)
    check("L11: and changes nothing", child.poll() is None and os.path.getsize(PATH) == 4 * BLOCK)
    os.mkdir(f"{MOUNT}/enough")
    check("L11: until the client has ended", child.wait(20) == 0)
    check("L11: then nothing is held", busy(MOUNT)["holders"] == [])


globals()[STEP]()
