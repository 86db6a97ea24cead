# SPDX-License-Identifier: Apache-2.0
# An endless history of file operations that follows from a seed: each can be done to a folder and to
# a model of that folder in memory, so that after a power cut the folder can be compared with it.
import ctypes
import errno
import os
import random

LIBC = ctypes.CDLL(None, use_errno=True)
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16
LARGEST = 256 << 10
FILES, FOLDERS = 24, 4


def fallocate(fd, mode, offset, length):
    if LIBC.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)) != 0:
        raise OSError(ctypes.get_errno(), "fallocate")


def filler(number, length):
    return random.Random(number).randbytes(length)


class Model:
    """Names with what they hold: bytes for files, None for folders. Every file has one name."""

    def __init__(self):
        self.names = {}

    def files(self):
        return sorted(name for name, value in self.names.items() if value is not None)

    def folders(self):
        return sorted(name for name, value in self.names.items() if value is None)

    def is_empty(self, folder):
        return not any(name.startswith(folder + "/") for name in self.names)


class Operation:
    """One system call's worth of change; `torn` ones may be found half done, byte by byte."""

    def __init__(self, kind, name, **details):
        self.kind, self.name, self.details = kind, name, details
        self.torn = kind in ("write", "append")

    def __str__(self):
        return " ".join([self.kind, self.name] + [f"{k}={v}" for k, v in self.details.items()])

    def change(self, model):
        getattr(self, "model_" + self.kind)(model.names, **self.details)

    def do(self, root):
        getattr(self, "do_" + self.kind)(os.path.join(root, self.name), root, **self.details)

    # Files ---------------------------------------------------------------------------------------
    def model_create(self, names):
        names[self.name] = b""

    def do_create(self, path, root):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))

    def model_write(self, names, offset, length, number):
        old = names[self.name].ljust(offset, b"\0")
        names[self.name] = old[:offset] + filler(number, length) + old[offset + length:]

    def do_write(self, path, root, offset, length, number):
        self.with_file(path, lambda fd: os.pwrite(fd, filler(number, length), offset))

    model_append, do_append = model_write, do_write

    def model_truncate(self, names, size):
        names[self.name] = names[self.name][:size].ljust(size, b"\0")

    def do_truncate(self, path, root, size):
        os.truncate(path, size)

    def model_zero(self, names, mode, offset, length):
        old = names[self.name]
        end = min(offset + length, len(old))
        names[self.name] = old[:offset] + b"\0" * max(0, end - offset) + old[max(end, offset):]

    def do_zero(self, path, root, mode, offset, length):
        self.with_file(path, lambda fd: fallocate(fd, mode | KEEP_SIZE, offset, length))

    def model_copy(self, names, source, length):
        names[self.name] = names[source][:length] + names[self.name][length:]

    def do_copy(self, path, root, source, length):
        def copy(fd):
            with open(os.path.join(root, source), "rb") as file:
                if length and os.copy_file_range(file.fileno(), fd, length, 0, 0) != length:
                    raise OSError(errno.EIO, "short copy")
        self.with_file(path, copy)

    def model_unlink(self, names):
        del names[self.name]

    def do_unlink(self, path, root):
        os.unlink(path)

    @staticmethod
    def with_file(path, action):
        fd = os.open(path, os.O_RDWR)
        try:
            action(fd)
        finally:
            os.close(fd)

    # Names ---------------------------------------------------------------------------------------
    def model_mkdir(self, names):
        names[self.name] = None

    def do_mkdir(self, path, root):
        os.mkdir(path)

    def model_rmdir(self, names):
        del names[self.name]

    def do_rmdir(self, path, root):
        os.rmdir(path)

    def model_rename(self, names, target):
        names[target] = names.pop(self.name)

    def do_rename(self, path, root, target):
        os.rename(path, os.path.join(root, target))


class History:
    """The operations that follow from a seed, each chosen by what is there when its turn comes."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.model = Model()
        self.count = 0

    def next(self):
        """The next operation; the caller does it and then calls `apply`."""
        self.count += 1
        model, chance = self.model, self.random.random()
        files = model.files()
        if chance < 0.03:
            return self.change_folders()
        if not files or (chance < 0.15 and len(files) < FILES):
            return Operation("create", self.new_name())
        return self.change_file(self.random.choice(files))

    def apply(self, operation):
        operation.change(self.model)

    def new_name(self):
        folder = self.random.choice([""] + self.model.folders())
        return os.path.join(folder, f"file{self.count}")

    def change_folders(self):
        folders = self.model.folders()
        empty = [folder for folder in folders if self.model.is_empty(folder)]
        if empty and (len(folders) >= FOLDERS or self.random.random() < 0.3):
            return Operation("rmdir", self.random.choice(empty))
        if len(folders) < FOLDERS:
            return Operation("mkdir", f"folder{self.count}")
        return Operation("create", self.new_name())

    def change_file(self, name):
        size = len(self.model.names[name])
        kind = self.random.choices(["write", "append", "truncate", "zero", "copy", "unlink", "rename"],
                                   [30, 20, 8, 10, 12, 7, 10])[0]
        return getattr(self, "make_" + kind)(name, size)

    def span(self, largest):
        offset = self.random.randrange(largest)
        length = self.random.choice([1, 8, 511, 4096, 5000, 20000, 65536])
        if self.random.random() < 0.5:
            offset &= ~4095
        return offset, min(length, LARGEST - offset)

    def make_write(self, name, size):
        offset, length = self.span(LARGEST)
        return Operation("write", name, offset=offset, length=length, number=self.count)

    def make_append(self, name, size):
        length = min(self.random.choice([100, 4096, 10000]), LARGEST - size)
        return Operation("append", name, offset=size, length=length, number=self.count)

    def make_truncate(self, name, size):
        return Operation("truncate", name, size=self.random.randrange(LARGEST))

    def make_zero(self, name, size):
        offset, length = self.span(LARGEST)
        return Operation("zero", name, mode=self.random.choice([PUNCH_HOLE, ZERO_RANGE]),
                         offset=offset, length=length)

    def make_copy(self, name, size):
        source = self.random.choice(self.model.files())
        if source == name:
            return self.make_append(name, size)
        length = len(self.model.names[source])
        return Operation("copy", name, source=source, length=length)

    def make_unlink(self, name, size):
        return Operation("unlink", name)

    def make_rename(self, name, size):
        if self.random.random() < 0.4:
            return Operation("rename", name, target=self.random.choice(self.model.files()))
        return Operation("rename", name, target=self.new_name())
