# SPDX-License-Identifier: Apache-2.0
# fio on every filesystem: 4 KiB random and 1 MiB sequential, reads and writes, one and two jobs.
import itertools
import json

from filesystems import run
from rows import Row

MEBIBYTE = 1 << 20
FILE_SIZE = "256M"
# rw, block size, unit, expected
PATTERNS = (
    ("randread", "4k", "kIOPS", ">= 1.0x passthrough_hp"),
    ("randwrite", "4k", "kIOPS", ">= 1.0x passthrough_hp"),
    ("read", "1M", "MiB/s", ">= 2.0x passthrough_hp"),
    ("write", "1M", "MiB/s", ">= 1.0x passthrough_hp"),
)
JOBS = (1, 2)


def fio(directory, pattern, block, jobs, *more):
    """The one result of all jobs together. No O_DIRECT: each filesystem keeps to its own way."""
    output = run("fio", "--name=bench", f"--directory={directory}",
                 "--filename_format=data.$jobnum", f"--rw={pattern}", f"--bs={block}",
                 f"--numjobs={jobs}", f"--size={FILE_SIZE}",
                 "--ioengine=psync", "--fallocate=none", "--thread", "--norandommap",
                 "--group_reporting", "--output-format=json", *more)
    result = json.loads(output[output.index("{"):])["jobs"][0]
    return result["write" if "write" in pattern else "read"]


def measure(filesystems, rounds, seconds, progress):
    """They take turns, so that what slows the machine down slows them all down."""
    for filesystem in filesystems:
        fio(filesystem.directory, "write", "1M", max(JOBS), "--end_fsync=1")
    rows = {}
    for turn, (pattern, block, unit, expected), jobs in itertools.product(
            range(rounds), PATTERNS, JOBS):
        name = f"fio {block} {pattern}, {jobs} job{'s' if jobs > 1 else ''}"
        row = rows.setdefault(name, Row(name, unit, more_is_better=True, expected=expected))
        progress(f"{name}, round {turn + 1} of {rounds}")
        for filesystem in filesystems:
            result = fio(filesystem.directory, pattern, block, jobs, "--time_based",
                         f"--runtime={seconds}", "--ramp_time=0.3")
            row.add(filesystem.name, result["iops"] / 1000 if unit == "kIOPS"
                    else result["bw_bytes"] / MEBIBYTE)
    for filesystem in filesystems:
        for job in range(max(JOBS)):
            (filesystem.directory / f"data.{job}").unlink()
    return list(rows.values())
