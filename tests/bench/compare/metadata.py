# SPDX-License-Identifier: Apache-2.0
# Creates, stats, renames and unlinks of 10,000 files, and the daemon's memory with them looked up.
import pathlib

from filesystems import run
from rows import Row

FILES = 10_000
# what is shown, what metadata_ops is told, whether the kernel must have forgotten the names first
OPERATIONS = (
    ("create", "create", False),
    ("stat, known to the kernel", "stat", False),
    ("stat, looked up again", "stat", True),
    ("rename", "rename", False),
    ("unlink", "unlink", False),
)


def forget_names():
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("2\n")


def measure(filesystems, programs, rounds, progress):
    rows = [Row(f"{FILES:,} x {shown}", "us each", more_is_better=False,
                expected=">= 1.0x passthrough_hp") for shown, _, _ in OPERATIONS]
    for turn in range(rounds):
        for filesystem in filesystems:
            progress(f"metadata on {filesystem.name}, round {turn + 1} of {rounds}")
            directory = filesystem.directory / "metadata"
            directory.mkdir()
            for row, (_, operation, cold) in zip(rows, OPERATIONS):
                if cold:
                    forget_names()
                taken = int(run(programs / "metadata_ops", operation, directory, FILES))
                row.add(filesystem.name, taken / FILES / 1000)
            directory.rmdir()
    return rows


def resident_beyond_region(holdfast):
    """Bytes resident in the daemon, less what is mapped of the region itself."""
    total, counted = 0, True
    for line in pathlib.Path(f"/proc/{holdfast.pid()}/smaps").read_text().splitlines():
        words = line.split()
        if "-" in words[0] and not words[0].endswith(":"):
            counted = str(holdfast.region) not in line
        elif words[0] == "Rss:" and counted:
            total += int(words[1]) * 1024
    return total


def measure_memory(holdfast, programs, progress):
    progress("the daemon's memory")
    rows = []
    for shown, count in (("just mounted", 0), (f"{FILES:,} files looked up", FILES)):
        if count:
            run(programs / "metadata_ops", "create", holdfast.directory, count)
            run(programs / "metadata_ops", "stat", holdfast.directory, count)
        row = Row(f"daemon memory, {shown}", "MiB", more_is_better=False, expected="< 64")
        row.add(holdfast.name, resident_beyond_region(holdfast) / (1 << 20))
        rows.append(row)
    for operation in ("rename", "unlink"):
        run(programs / "metadata_ops", operation, holdfast.directory, FILES)
    return rows
