#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Continues a history of operations in a folder until the power is cut, and tells of each that is
# complete: "op N". Before that it proves that the folder is what the history up to the last reported
# operation made of it, or that and the next one.
#
#   workload.py FOLDER SEED REPORTED [LAST]      LAST: stop there instead of going on for ever
import os
import sys

from history import History, Model


def read_folder(root):
    model = Model()
    for folder, folders, files in os.walk(root):
        for name in folders:
            model.names[os.path.relpath(os.path.join(folder, name), root)] = None
        for name in files:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                model.names[os.path.relpath(path, root)] = file.read()
    return model


def is_torn(found, before, after):
    """Each byte is the one before or the one after; beyond the shorter one, zeros may be seen. Kernels
    without direct I/O over FUSE send a write as several, so the size may be anything between."""
    if not min(len(before), len(after)) <= len(found) <= max(len(before), len(after)):
        return False
    longest = max(len(before), len(after))
    before, after = before.ljust(longest, b"\0"), after.ljust(longest, b"\0")
    return all(byte in (before[i], after[i]) for i, byte in enumerate(found))


def difference(found, wanted):
    for name in sorted(found.names.keys() | wanted.names.keys()):
        if name not in found.names:
            return f"{name} is missing"
        if name not in wanted.names:
            return f"{name} should not be there"
        a, b = found.names[name], wanted.names[name]
        if a != b:
            if a is None or b is None:
                return f"{name} is a {'folder' if a is None else 'file'}"
            place = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
            return f"{name} has {len(a)} bytes instead of {len(b)}, they differ at {place}"
    return None


def verify(root, history, reported):
    """Replays to `reported`, compares, and returns the operation to go on with."""
    for _ in range(reported):
        history.apply(history.next())
    found = read_folder(root)
    wrong = difference(found, history.model)
    operation = history.next()
    if wrong is None:
        print(f"verified at {reported}", flush=True)
        return operation
    before = dict(history.model.names)
    history.apply(operation)
    if difference(found, history.model) is None:
        print(f"verified at {reported + 1}", flush=True)
        return history.next()
    if operation.torn and operation.name in found.names and is_torn(
            found.names[operation.name], before[operation.name],
            history.model.names[operation.name]):
        found.names[operation.name] = history.model.names[operation.name]
        if difference(found, history.model) is None:
            print(f"verified at {reported}, with a part of the next write", flush=True)
            operation.do(root)
            return history.next()
    print(f"LOST: after operation {reported}: {wrong}; next was {history.count}: {operation}",
          flush=True)
    sys.exit(1)


def main():
    root, seed, reported = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    last = int(sys.argv[4]) if len(sys.argv) > 4 else sys.maxsize
    history = History(seed)
    operation = verify(root, history, reported)
    while history.count <= last:
        operation.do(root)
        history.apply(operation)
        print(f"op {history.count}", flush=True)
        operation = history.next()


if __name__ == "__main__":
    main()
