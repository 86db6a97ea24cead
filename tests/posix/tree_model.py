# SPDX-License-Identifier: Apache-2.0
# A directory tree in memory, random operations on it, and what a daemon that dies in the middle of
# one may leave: the state before, the state after, and of operations that are not atomic a mixture.
import copy
import errno
import os
import random
import stat
import zlib

import direct
import steps

BLOCK = 4096
NAMES = [f"{folder}{kind}{i}" for folder in ("", "d0/", "d1/") for kind in "fl" for i in range(3)]
FOLDERS = ["d0", "d1"]
AT_FDCWD, AT_SYMLINK_FOLLOW = -100, 0x400
MOST = 200_000  # bytes of a file
MOST_KEPT = 16  # files without a name that stay open: their space is in use


class File:
    """A regular file; names that are links of one file lead to one object."""

    def __init__(self):
        self.data = bytearray()
        self.xattrs = {}

    def put(self, at, data):
        if len(self.data) < at:
            self.data.extend(bytes(at - len(self.data)))
        self.data[at:at + len(data)] = data

    def clear(self, at, length):
        end = min(at + length, len(self.data))
        if at < end:
            self.data[at:end] = bytes(end - at)

    def resize(self, size):
        del self.data[size:]
        self.data.extend(bytes(size - len(self.data)))


def plain(tree):
    """Comparable: path -> a tuple; of links of one file each names the first of them."""
    first, out = {}, {}
    for path in sorted(tree):
        node = tree[path]
        if isinstance(node, File):
            name = first.setdefault(id(node), path)
            out[path] = ("file", name, bytes(node.data), tuple(sorted(node.xattrs.items())))
        else:
            out[path] = node
    return out


def scan(root):
    """The same of what is there."""
    first, out = {}, {}
    paths = []
    for folder, folders, files in os.walk(root):
        base = os.path.relpath(folder, root)
        paths += [os.path.normpath(os.path.join(base, name)) for name in folders + files]
    for path in sorted(paths):
        full = os.path.join(root, path)
        info = os.lstat(full)
        if stat.S_ISDIR(info.st_mode):
            out[path] = ("folder",)
        elif stat.S_ISLNK(info.st_mode):
            out[path] = ("link", os.readlink(full))
        else:
            name = first.setdefault(info.st_ino, path)
            xattrs = tuple(sorted((x, os.getxattr(full, x)) for x in os.listxattr(full)))
            out[path] = ("file", name, steps.read_file(full), xattrs)
            if len(out[path][2]) != info.st_size:
                raise SystemExit(f"FAILED: {path} has {info.st_size} bytes, read {len(out[path][2])}")
    for path, node in out.items():
        names = sum(1 for other in out.values() if other[:2] == node[:2])
        links = os.lstat(os.path.join(root, path)).st_nlink
        if node[0] == "file" and links != names:
            raise SystemExit(f"FAILED: {path} has {names} names, but says {links}")
    return out


def is_mixture(found, before, after):
    """Names and attributes of either; each byte of a file that of either."""
    if not found.keys() == before.keys() == after.keys():
        return False
    for path, node in found.items():
        if node in (before[path], after[path]):
            continue
        if node[0] != "file" or node[1] != before[path][1] or node[3] != before[path][3]:
            return False
        data, old, new = node[2], before[path][2], after[path][2]
        if not min(len(old), len(new)) <= len(data) <= max(len(old), len(new)):
            return False
        for i, byte in enumerate(data):
            if byte not in (old[i] if i < len(old) else 0, new[i] if i < len(new) else 0):
                return False
    return True


def differences(found, wanted):
    """One line for each path that differs."""
    def text(node):
        if node is None or node[0] != "file":
            return str(node)
        xattrs = ", ".join(f"{name}={zlib.crc32(value):x}" for name, value in node[3])
        return f"file of {len(node[2])} bytes, sum {zlib.crc32(node[2]):x}, as {node[1]}, xattrs {xattrs or 'none'}"
    lines = []
    for path in sorted(found.keys() | wanted.keys()):
        ours, theirs = found.get(path), wanted.get(path)
        if ours != theirs:
            lines.append(f"    {path}: found {text(ours)}, wanted {text(theirs)}")
            if ours and theirs and ours[0] == theirs[0] == "file" and ours[2] != theirs[2]:
                differ = [i for i, (a, b) in enumerate(zip(ours[2], theirs[2])) if a != b]
                if differ:
                    lines.append(f"      {len(differ)} bytes differ, from {differ[0]} to {differ[-1]}")
    return "\n".join(lines)


class Opened:
    """An open file, closed in any case."""

    def __init__(self, path, flags=os.O_RDWR, mode=0o644):
        self.fd = os.open(path, flags | os.O_CLOEXEC, mode)

    def __enter__(self):
        return self.fd

    def __exit__(self, *_):
        try:
            os.close(self.fd)
        except OSError:
            pass  # a dead mount


class Operation:
    """One system call, and the few that it needs, that changes one thing."""

    def __init__(self, text, perform, apply, mixes=False):
        self.text, self.perform, self.apply, self.mixes = text, perform, apply, mixes


class Tree:
    """A tree below `root` that nobody else changes. With `cow` each write must be whole."""

    def __init__(self, root, seed, cow=False):
        self.root, self.random, self.cow = root, random.Random(seed), cow
        self.model = {}
        self.kept = []  # descriptors of files without a name

    def at(self, name):
        return os.path.join(self.root, name)

    def restored(self, model):
        """The model as a scan found it."""
        files, out = {}, {}
        for path, node in model.items():
            if node[0] == "file":
                file = files.setdefault(node[1], File())
                file.data, file.xattrs = bytearray(node[2]), dict(node[3])
                out[path] = file
            else:
                out[path] = node
        self.model = out

    def has_folder(self, name):
        return "/" not in name or name.split("/")[0] in self.model

    def free_name(self):
        names = [n for n in NAMES if n not in self.model and self.has_folder(n)]
        return self.random.choice(names) if names else None

    def any_file(self):
        names = [n for n, node in self.model.items() if isinstance(node, File)]
        return self.random.choice(names) if names else None

    def place(self, file, most=MOST):
        at = self.random.randrange(min(len(file.data) + 5000, most))
        if self.random.random() < 0.3:
            at -= at % BLOCK
        return at, self.random.choice((13, 3000, BLOCK, 20_000, 70_000))

    def next(self):
        """An operation that can be done now."""
        makers = [self.create, self.create, self.write, self.write, self.write, self.truncate, self.allocate,
                  self.punch, self.zero, self.collapse, self.insert, self.reflink, self.copy, self.unlink, self.unlink,
                  self.unlink_open, self.link, self.rename, self.rename, self.exchange, self.folder,
                  self.symlink, self.xattr, self.temporary]
        while True:
            operation = self.random.choice(makers)()
            if operation is not None:
                return operation

    def create(self):
        name = self.free_name()
        if name is None:
            return None

        def perform():
            with Opened(self.at(name), os.O_RDWR | os.O_CREAT | os.O_EXCL):
                pass
        return Operation(f"create {name}", perform, lambda model: model.update({name: File()}))

    def change(self, text, perform, apply, mixes=False):
        """An operation on an open file."""
        name = self.any_file()
        if name is None:
            return None
        file = self.model[name]
        at, length = self.place(file)

        def run():
            with Opened(self.at(name)) as fd:
                perform(fd, at, length)
        return Operation(f"{text} {name} at {at}, {length} bytes", run,
                         lambda model: apply(model[name], at, length), mixes)

    def write(self):
        data = self.random.randbytes(70_000)
        return self.change("write", lambda fd, at, n: os.pwrite(fd, data[:n], at),
                           lambda file, at, n: file.put(at, data[:n]), mixes=not self.cow)

    def truncate(self):
        return self.change("truncate", lambda fd, at, n: os.ftruncate(fd, at),
                           lambda file, at, n: file.resize(at))

    def allocate(self):
        return self.change("allocate", lambda fd, at, n: steps.fallocate(fd, 0, at, n),
                           lambda file, at, n: file.resize(max(at + n, len(file.data))))

    def punch(self):
        mode = steps.PUNCH_HOLE | steps.KEEP_SIZE
        return self.change("punch", lambda fd, at, n: steps.fallocate(fd, mode, at, n),
                           lambda file, at, n: file.clear(at, n))

    def zero(self):
        mode = steps.ZERO_RANGE | steps.KEEP_SIZE
        return self.change("zero", lambda fd, at, n: steps.fallocate(fd, mode, at, n),
                           lambda file, at, n: file.clear(at, n))

    def shift(self, text, request, apply):
        """Collapse or insert of whole blocks inside a file."""
        name = self.any_file()
        blocks = len(self.model[name].data) // BLOCK if name else 0
        if blocks < 3:
            return None
        at = self.random.randrange(blocks - 2) * BLOCK
        length = BLOCK * self.random.randrange(1, 3)

        def perform():
            file = direct.DirectFile(self.at(name))
            try:
                file.change_range(request, at, length)
            finally:
                direct.error_of(file.close)
        return Operation(f"{text} {name} at {at}, {length} bytes", perform,
                         lambda model: apply(model[name].data, at, length))

    def collapse(self):
        def apply(data, at, length):
            del data[at:at + length]
        return self.shift("collapse", direct.IOC_COLLAPSE, apply)

    def insert(self):
        def apply(data, at, length):
            data[at:at] = bytes(length)
        name = self.any_file()
        if name and len(self.model[name].data) > MOST:
            return None
        return self.shift("insert", direct.IOC_INSERT, apply)

    def reflink(self):
        source, target = self.any_file(), self.any_file()
        if source is None or self.model[source] is self.model[target]:
            return None

        def perform():
            files = [direct.DirectFile(self.at(source))]
            try:
                files.append(direct.DirectFile(self.at(target)))
                files[1].reflink_from(files[0])
            finally:
                for file in files:
                    direct.error_of(file.close)

        def apply(model):
            data = model[source].data
            # Its last block replaces all of the block there.
            model[target].put(0, data)
        if len(self.model[source].data) % BLOCK and len(self.model[target].data) > len(self.model[source].data):
            return None
        return Operation(f"reflink {source} {target}", perform, apply)

    def copy(self):
        source, target = self.any_file(), self.any_file()
        if source is None or self.model[source] is self.model[target]:
            return None
        at, length = self.place(self.model[source])
        length = min(length, max(0, len(self.model[source].data) - at))

        def perform():
            with Opened(self.at(source)) as from_fd, Opened(self.at(target)) as to_fd:
                done = 0
                while done < length:
                    part = os.copy_file_range(from_fd, to_fd, length - done, at + done, at + done)
                    if part == 0:
                        raise OSError(errno.ENODATA, f"{source} ends early")
                    done += part
        return Operation(f"copy {source} {target} at {at}, {length} bytes", perform,
                         lambda model: model[target].put(at, bytes(model[source].data[at:at + length]))
                         if length else None, mixes=True)

    def unlink(self):
        names = [n for n, node in self.model.items() if node != ("folder",)]
        if not names:
            return None
        name = self.random.choice(names)
        return Operation(f"unlink {name}", lambda: os.unlink(self.at(name)), lambda model: model.pop(name))

    def unlink_open(self):
        name = self.any_file()
        if name is None:
            return None

        def perform():
            self.kept.append(os.open(self.at(name), os.O_RDWR))
            if len(self.kept) > MOST_KEPT:
                direct.error_of(os.close, self.kept.pop(0))
            os.unlink(self.at(name))
        return Operation(f"unlink {name} while open", perform, lambda model: model.pop(name))

    def link(self):
        source, target = self.any_file(), self.free_name()
        if source is None or target is None:
            return None
        return Operation(f"link {source} {target}", lambda: os.link(self.at(source), self.at(target)),
                         lambda model: model.update({target: model[source]}))

    def rename(self):
        names = [n for n, node in self.model.items() if node != ("folder",)]
        target = self.random.choice((self.free_name(), self.any_file()))
        if not names or target is None:
            return None
        source = self.random.choice(names)
        if source == target or self.model[source] is self.model.get(target):
            return None
        return Operation(f"rename {source} {target}", lambda: os.rename(self.at(source), self.at(target)),
                         lambda model: model.update({target: model.pop(source)}))

    def exchange(self):
        names = [n for n, node in self.model.items() if node != ("folder",)]
        if len(names) < 2:
            return None
        a, b = self.random.sample(names, 2)
        return Operation(f"exchange {a} {b}",
                         lambda: steps.renameat2(self.at(a), self.at(b), steps.RENAME_EXCHANGE),
                         lambda model: model.update({a: model[b], b: model[a]}))

    def folder(self):
        name = self.random.choice(FOLDERS)
        if name not in self.model:
            return Operation(f"mkdir {name}", lambda: os.mkdir(self.at(name)),
                             lambda model: model.update({name: ("folder",)}))
        if any(n.startswith(name + "/") for n in self.model):
            return None
        return Operation(f"rmdir {name}", lambda: os.rmdir(self.at(name)), lambda model: model.pop(name))

    def symlink(self):
        name, target = self.free_name(), "t" * self.random.choice((5, 900))
        if name is None:
            return None
        return Operation(f"symlink {name}", lambda: os.symlink(target, self.at(name)),
                         lambda model: model.update({name: ("link", target)}))

    def xattr(self):
        name, key = self.any_file(), f"user.{self.random.randrange(3)}"
        if name is None:
            return None
        if key in self.model[name].xattrs and self.random.random() < 0.4:
            return Operation(f"remove {key} of {name}", lambda: os.removexattr(self.at(name), key),
                             lambda model: model[name].xattrs.pop(key))
        value = self.random.randbytes(self.random.choice((10, 1000, 6000)))
        return Operation(f"set {key} of {name}", lambda: os.setxattr(self.at(name), key, value),
                         lambda model: model[name].xattrs.update({key: value}))

    def temporary(self):
        name, data = self.free_name(), self.random.randbytes(9000)
        if name is None:
            return None

        def perform():
            with Opened(self.root, os.O_TMPFILE | os.O_RDWR) as fd:
                os.pwrite(fd, data, 0)
                steps.libc("linkat", AT_FDCWD, os.fsencode(f"/proc/self/fd/{fd}"), AT_FDCWD,
                           os.fsencode(self.at(name)), AT_SYMLINK_FOLLOW)

        def apply(model):
            model[name] = File()
            model[name].put(0, data)
        return Operation(f"name {name} for a temporary file", perform, apply)

    def after(self, operation):
        """The model once the operation is done."""
        model = copy.deepcopy(self.model)
        operation.apply(model)
        return model

    def let_go(self):
        """Closes the files without a name, of a dead mount too."""
        for fd in self.kept:
            direct.error_of(os.close, fd)
        self.kept = []


# What a call on a mount answers whose daemon has died, or that is not there any more.
DEAD = (errno.ENOTCONN, errno.ECONNABORTED, errno.ECANCELED, errno.EIO, errno.ENODEV, errno.ENOENT,
        errno.EINTR)
