# SPDX-License-Identifier: Apache-2.0
# What the figures were measured on.
import os
import pathlib
import platform
import re
import subprocess


def first_line(*command):
    try:
        output = subprocess.run(command, capture_output=True, text=True).stdout
        return output.splitlines()[0].strip()
    except (OSError, IndexError):
        return "unknown"


def describe(programs, daemon):
    """Facts by name, in the order they are printed."""
    cpu = re.search(r"^model name\s*:\s*(.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    memory = re.search(r"^MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text(), re.M)
    uring = pathlib.Path("/sys/module/fuse/parameters/enable_uring")
    root = pathlib.Path(__file__).resolve().parents[3]
    libfuse = first_line("sh", "-c", f"ldd {programs}/holdfastd | grep -o '/[^ ]*libfuse3[^ ]*'")
    return {
        "cpu": cpu.group(1) if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory.group(1)) / (1 << 20)) if memory else None,
        "kernel": platform.release(),
        "fuse_over_io_uring": uring.read_text().strip() if uring.exists() else "not in this kernel",
        "libfuse": os.path.basename(os.path.realpath(libfuse)),
        "fio": first_line("fio", "--version"),
        "holdfast": first_line("git", "-C", str(root), "describe", "--always", "--dirty"),
        "holdfast_options": daemon or "defaults",
    }


def one_line(facts):
    return "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in facts.items())


def uring_enabled():
    uring = pathlib.Path("/sys/module/fuse/parameters/enable_uring")
    return uring.exists() and uring.read_text().strip() == "Y"
