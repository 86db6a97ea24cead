#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# A fixed list of POSIX steps in one directory, each with its result in one line: run on two
# filesystems, the output must be the same. Inode numbers, times and block counts are left out.
import ctypes
import errno
import fcntl
import os
import socket
import stat
import subprocess
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16
NOBODY = 65534


def show(value):
    if isinstance(value, os.stat_result):
        return (f"{stat.filemode(value.st_mode)} nlink={value.st_nlink} uid={value.st_uid} "
                f"gid={value.st_gid} size={value.st_size if stat.S_ISREG(value.st_mode) else '-'}")
    if isinstance(value, bytes) and len(value) > 40:
        return f"{len(value)} bytes, sum {sum(value)}"
    return repr(value)


def step(name, action, *args, **options):
    try:
        result = show(action(*args, **options))
    except OSError as error:
        result = errno.errorcode.get(error.errno, str(error.errno))
    print(f"{name}: {result}")


def libc(function, *args):
    if LIBC[function](*args) != 0:
        raise OSError(ctypes.get_errno(), function)


def renameat2(old, new, flags):
    libc("renameat2", -100, os.fsencode(old), -100, os.fsencode(new), flags)


def fallocate(fd, mode, offset, length):
    libc("fallocate", fd, mode, ctypes.c_long(offset), ctypes.c_long(length))


def write_file(path, data, flags=os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode=0o644):
    fd = os.open(path, flags, mode)
    try:
        return os.write(fd, data)
    finally:
        os.close(fd)


def read_file(path):
    with open(path, "rb") as file:
        return file.read()


def as_nobody(action, *args):
    """Runs an action as an ordinary user, in a process of its own; hands its errno on."""
    pid = os.fork()
    if pid == 0:
        code = 0
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            action(*args)
        except OSError as error:
            code = error.errno
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code:
        raise OSError(code, "as nobody")


def names():
    step("mkdir", os.mkdir, "d", 0o755)
    step("mkdir again", os.mkdir, "d")
    step("mkdir below a missing one", os.mkdir, "none/d")
    step("name of 255 bytes", write_file, "n" * 255, b"x")
    step("name of 256 bytes", write_file, "n" * 256, b"x")
    step("listing", lambda: sorted(os.listdir(".")))
    step("create exclusively", write_file, "f", b"hello", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    step("create exclusively again", write_file, "f", b"", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    step("open a directory for writing", os.open, "d", os.O_WRONLY)
    step("file as a directory", os.stat, "f/x")
    step("link", os.link, "f", "d/g")
    step("stat of linked", os.stat, "f")
    step("link a directory", os.link, "d", "e")
    step("link over", os.link, "f", "d/g")
    step("unlink", os.unlink, "d/g")
    step("unlink a directory", os.unlink, "d")
    step("rmdir a file", os.rmdir, "f")
    step("directory links", lambda: os.stat("d").st_nlink)
    step("mkdir inside", os.mkdir, "d/sub")
    step("directory links with a subdirectory", lambda: os.stat("d").st_nlink)
    step("rmdir not empty", os.rmdir, "d")
    step("rmdir inside", os.rmdir, "d/sub")
    step("dangling symlink", os.symlink, "nowhere", "s")
    step("lstat", os.lstat, "s")
    step("through it", os.stat, "s")
    step("readlink", os.readlink, "s")
    step("symlink of 4095 bytes", os.symlink, "t" * 4095, "long")
    step("readlink of it", lambda: len(os.readlink("long")))
    step("symlink of 4096 bytes", os.symlink, "t" * 4096, "longer")
    step("symlink loop", os.symlink, "loop", "loop")
    step("open the loop", os.open, "loop", os.O_RDONLY)
    step("fifo", os.mkfifo, "fifo", 0o600)
    step("device", os.mknod, "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    step("device numbers", lambda: (os.stat("null").st_rdev, read_file("null")))
    unix = socket.socket(socket.AF_UNIX)
    step("socket", unix.bind, "sock")
    step("types", lambda: sorted((e.name[:5], e.is_dir(follow_symlinks=False), e.is_symlink()) for e in os.scandir(".")))


def renames():
    os.mkdir("r")
    os.chdir("r")
    for name in "ab":
        write_file(name, name.encode())
    os.mkdir("d1")
    os.mkdir("d2")
    os.mkdir("d2/in")
    step("rename over a file", os.rename, "a", "b")
    step("what is there", read_file, "b")
    step("rename a missing one", os.rename, "a", "c")
    step("rename file over directory", os.rename, "b", "d1")
    step("rename directory over file", os.rename, "d1", "b")
    step("rename over a full directory", os.rename, "d1", "d2")
    step("rename over an empty directory", os.rename, "d2", "d1")
    step("rename into itself", os.rename, "d1", "d1/in/x")
    step("rename to itself", os.rename, "b", "b")
    write_file("a", b"a")
    step("noreplace over", renameat2, "a", "b", RENAME_NOREPLACE)
    step("noreplace", renameat2, "a", "z", RENAME_NOREPLACE)
    step("exchange", renameat2, "z", "d1", RENAME_EXCHANGE)
    step("exchanged", lambda: (os.path.isdir("z"), read_file("d1")))
    step("exchange with a missing one", renameat2, "z", "none", RENAME_EXCHANGE)
    step("both flags", renameat2, "z", "d1", RENAME_EXCHANGE | RENAME_NOREPLACE)
    step("links of one name", lambda: (os.link("b", "b2"), os.rename("b", "b2"), os.listdir("."))[2].sort())
    step("parent moved", lambda: (os.mkdir("p"), os.rename("z", "p/z"), os.stat("p/z/..").st_ino == os.stat("p").st_ino)[2])
    os.chdir("..")


def data():
    fd = os.open("data", os.O_RDWR | os.O_CREAT, 0o644)
    step("write", os.pwrite, fd, b"abc" * 3000, 0)
    step("write far out", os.pwrite, fd, b"end", 1 << 20)
    step("stat", os.fstat, fd)
    step("hole reads zero", os.pread, fd, 5, 500000)
    step("read across the end", lambda: len(os.pread(fd, 100, (1 << 20) - 3)))
    step("read past the end", os.pread, fd, 10, 1 << 21)
    step("unaligned write", os.pwrite, fd, b"X" * 5000, 4090)
    step("contents", lambda: read_file("data"))
    step("truncate", os.ftruncate, fd, 4093)
    step("extend", os.ftruncate, fd, 10000)
    step("tail reads zero", lambda: set(os.pread(fd, 5907, 4093)))
    step("truncate negative", os.truncate, "data", -1)
    step("append", write_file, "data", b"tail", os.O_WRONLY | os.O_APPEND)
    step("appended", lambda: (os.fstat(fd).st_size, os.pread(fd, 4, 10000)))
    step("open truncating", write_file, "data", b"", os.O_WRONLY | os.O_TRUNC)
    step("empty", os.fstat, fd)
    step("unlink open", os.unlink, "data")
    step("still writable", os.pwrite, fd, b"ghost", 0)
    step("still readable", lambda: (os.pread(fd, 5, 0), os.fstat(fd).st_nlink))
    os.close(fd)
    fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)
    step("tmpfile", os.write, fd, b"made")
    step("tmpfile links", lambda: os.fstat(fd).st_nlink)
    step("give it a name", lambda: libc("linkat", -100, f"/proc/self/fd/{fd}".encode(), -100, b"named", 0x400))
    step("named", read_file, "named")
    os.close(fd)


def allocation():
    fd = os.open("alloc", os.O_RDWR | os.O_CREAT, 0o644)
    os.pwrite(fd, b"D" * 40960, 0)
    step("allocate", fallocate, fd, 0, 0, 65536)
    step("size", lambda: os.fstat(fd).st_size)
    step("keep size", fallocate, fd, KEEP_SIZE, 65536, 65536)
    step("size kept", lambda: os.fstat(fd).st_size)
    step("punch without keep", fallocate, fd, PUNCH_HOLE, 0, 4096)
    step("punch", fallocate, fd, PUNCH_HOLE | KEEP_SIZE, 5000, 12000)
    step("around the hole", lambda: os.pread(fd, 65536, 0))
    step("zero length", fallocate, fd, 0, 0, 0)
    step("negative offset", fallocate, fd, 0, -1, 10)
    step("next hole", os.lseek, fd, 0, os.SEEK_HOLE)
    step("next data", os.lseek, fd, 8192, os.SEEK_DATA)
    step("data past the end", os.lseek, fd, 1 << 20, os.SEEK_DATA)
    os.close(fd)


def permissions():
    os.chmod(".", 0o777)
    write_file("mine", b"secret", mode=0o600)
    step("others cannot read", as_nobody, read_file, "mine")
    step("others cannot chmod", as_nobody, os.chmod, "mine", 0o666)
    step("others cannot chown", as_nobody, os.chown, "mine", NOBODY, NOBODY)
    step("others may create here", as_nobody, write_file, "theirs", b"x")
    step("and own it", os.stat, "theirs")
    os.mkdir("sticky")
    os.chmod("sticky", 0o1777)
    write_file("sticky/root", b"")
    step("sticky keeps others from unlinking", as_nobody, os.unlink, "sticky/root")
    step("and from renaming", as_nobody, os.rename, "sticky/root", "sticky/x")
    os.mkdir("shared")
    os.chown("shared", 0, 4242)
    os.chmod("shared", 0o2777)
    os.mkdir("shared/sub")
    write_file("shared/file", b"")
    step("setgid directories hand on their group", lambda: (os.stat("shared/sub").st_gid, os.stat("shared/file").st_gid))
    step("and the bit", os.stat, "shared/sub")
    for path, mode in (("suid", 0o4755), ("sgid", 0o2755), ("both", 0o6777)):
        write_file(path, b"#!")
        os.chown(path, NOBODY, NOBODY)
        os.chmod(path, mode)
    step("writing strips suid", as_nobody, write_file, "suid", b"x", os.O_WRONLY)
    step("suid stripped", os.stat, "suid")
    step("truncating strips sgid", as_nobody, os.truncate, "sgid", 1)
    step("sgid stripped", os.stat, "sgid")
    step("chown strips both", os.chown, "both", 0, 0)
    step("both stripped", os.stat, "both")
    write_file("kept", b"")
    os.chmod("kept", 0o4755)
    step("root's own write keeps suid", write_file, "kept", b"x", os.O_WRONLY)
    step("suid kept", os.stat, "kept")
    step("sgid of a group one is not in", lambda: (os.chown("suid", NOBODY, 4242), as_nobody(os.chmod, "suid", 0o2755), os.stat("suid"))[2])
    step("umask", lambda: (os.umask(0o077), write_file("masked", b"", mode=0o666), os.umask(0o022), os.stat("masked"))[3])


def attributes():
    write_file("x", b"x")
    step("set", os.setxattr, "x", "user.a", b"1")
    step("create over", os.setxattr, "x", "user.a", b"2", os.XATTR_CREATE)
    step("replace missing", os.setxattr, "x", "user.b", b"2", os.XATTR_REPLACE)
    step("replace", os.setxattr, "x", "user.a", b"22", os.XATTR_REPLACE)
    step("get", os.getxattr, "x", "user.a")
    step("get missing", os.getxattr, "x", "user.none")
    step("empty value", os.setxattr, "x", "user.empty", b"")
    step("get empty", os.getxattr, "x", "user.empty")
    step("list", lambda: sorted(n for n in os.listxattr("x") if n.startswith("user.")))
    step("remove", os.removexattr, "x", "user.a")
    step("remove again", os.removexattr, "x", "user.a")
    step("trusted", lambda: (os.setxattr("x", "trusted.t", b"t"), os.getxattr("x", "trusted.t"))[1])
    step("name too long", os.setxattr, "x", "user." + "n" * 251, b"")
    step("times", lambda: (os.utime("x", ns=(10**18 + 1, 2 * 10**18 + 2)), os.stat("x").st_atime_ns, os.stat("x").st_mtime_ns)[1:])
    step("times by others", as_nobody, os.utime, "x", (1, 1))
    step("chmod", lambda: (os.chmod("x", 0o640), os.stat("x"))[1])
    before = os.stat("x")
    write_file("x", b"changed")
    after = os.stat("x")
    step("write moves mtime and ctime", lambda: (after.st_mtime_ns > before.st_mtime_ns, after.st_ctime_ns >= before.st_ctime_ns))


def acls():
    def tool(*words):
        done = subprocess.run(words, capture_output=True, text=True)
        return done.returncode, done.stdout

    os.mkdir("acl")
    step("default ACL", tool, "setfacl", "-d", "-m", "u:1234:rwx,g::rx,o::-", "acl")
    write_file("acl/file", b"", mode=0o666)
    os.mkdir("acl/dir", 0o777)
    step("inherited by a file", tool, "getfacl", "-cn", "acl/file")
    step("inherited by a directory", tool, "getfacl", "-cn", "acl/dir")
    step("access ACL", tool, "setfacl", "-m", "u:65534:r,m::r", "acl/file")
    step("shows in the mode", os.stat, "acl/file")
    step("chmod changes the mask", lambda: (os.chmod("acl/file", 0o600), tool("getfacl", "-cn", "acl/file"))[1])
    step("removing it", tool, "setfacl", "-b", "acl/file")
    step("leaves the mode", os.stat, "acl/file")


def locks():
    first = os.open("lock", os.O_RDWR | os.O_CREAT, 0o600)
    second = os.open("lock", os.O_RDWR)
    step("flock", fcntl.flock, first, fcntl.LOCK_EX)
    step("flock held", fcntl.flock, second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    step("flock released", lambda: (fcntl.flock(first, fcntl.LOCK_UN), fcntl.flock(second, fcntl.LOCK_SH | fcntl.LOCK_NB))[1])
    step("posix lock", fcntl.lockf, first, fcntl.LOCK_EX, 10, 0)
    step("another process is kept out", other_process_locks, "lock")
    os.close(first)
    os.close(second)


def other_process_locks(path):
    pid = os.fork()
    if pid == 0:
        try:
            fcntl.lockf(os.open(path, os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 0)
        except OSError as error:
            os._exit(error.errno)
        os._exit(0)
    raise OSError(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), "lock")


def many():
    os.mkdir("many")
    for i in range(2000):
        write_file(f"many/file-{i}", str(i).encode())
    step("count", lambda: len(os.listdir("many")))
    for i in range(0, 2000, 2):
        os.unlink(f"many/file-{i}")
    step("left", lambda: (len(os.listdir("many")), read_file("many/file-1999")))
    with os.scandir("many") as listing:
        removed = [os.unlink(entry.path) for entry in listing]
    step("removed while listing", lambda: (len(removed), os.listdir("many")))
    step("rmdir", os.rmdir, "many")


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    os.umask(0o022)
    for group in (names, renames, data, allocation, permissions, attributes, acls, locks, many):
        print(f"== {group.__name__}")
        group()
        sys.stdout.flush()
