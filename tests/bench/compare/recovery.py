# SPDX-License-Identifier: Apache-2.0
# How long a mount takes after the daemon was killed: neither files nor size may count.
import time

from filesystems import run
from rows import Row


def mount_milliseconds(holdfast):
    begin = time.perf_counter()
    holdfast.mount()
    next(holdfast.directory.iterdir(), None)
    return (time.perf_counter() - begin) * 1000


def measure(make_holdfast, programs, rounds, progress):
    """make_holdfast(NAME, SIZE) gives an unmounted filesystem of its own."""
    rows = []
    for shown, size, files in (("empty 1 GiB", "1G", 0), ("1 GiB with 10,000 files", "1G", 10_000),
                               ("empty 6 GiB", "6G", 0), ("6 GiB with 10,000 files", "6G", 10_000)):
        holdfast = make_holdfast(shown.replace(",", ""), size)
        row = Row(f"mount after kill -9, {shown}", "ms", more_is_better=False, expected="< 100")
        holdfast.mount()
        if files:
            run(programs / "metadata_ops", "create", holdfast.directory, files)
        for turn in range(rounds):
            progress(f"mount after kill -9, {shown}, round {turn + 1} of {rounds}")
            (holdfast.directory / f"round-{turn}").write_bytes(b"x" * 5000)
            holdfast.kill()
            row.add("holdfast", mount_milliseconds(holdfast))
        holdfast.unmount()
        holdfast.region.unlink()
        rows.append(row)
    return rows
