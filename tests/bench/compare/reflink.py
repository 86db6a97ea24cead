# SPDX-License-Identifier: Apache-2.0
# Reflink of a whole, fully written file, at two sizes: the cost must follow extents, not bytes.
import os
import statistics

from filesystems import run
from rows import Row

MEBIBYTE = 1 << 20
SIZES = (("64 MiB", 64 * MEBIBYTE), ("1 GiB", 1024 * MEBIBYTE))
CLONES = 200


def write_file(path, size):
    block = os.urandom(MEBIBYTE)
    with open(path, "wb", buffering=0) as file:
        for _ in range(size // MEBIBYTE):
            file.write(block)
        os.fsync(file.fileno())


def clone_microseconds(filesystem, programs, path):
    """The median of many clones; each counts for its own, the first few only warm up."""
    lines = run(programs / "reflink_ops", filesystem.reflink, path, CLONES).split()
    return statistics.median(int(line) for line in lines[CLONES // 10:]) / 1000


def measure(filesystems, programs, rounds, progress):
    rows = []
    for shown, size in SIZES:
        expected = "< 150 us, as 64 MiB" if shown == "1 GiB" else ""
        row = Row(f"reflink of {shown}", "us", more_is_better=False, expected=expected)
        for filesystem in filesystems:
            write_file(filesystem.directory / "original", size)
        for turn in range(rounds):
            progress(f"reflink of {shown}, round {turn + 1} of {rounds}")
            for filesystem in filesystems:
                row.add(filesystem.name, clone_microseconds(
                    filesystem, programs, filesystem.directory / "original"))
        rows.append(row)
    return rows
