#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Checks what every source file owes: the licence in its first lines, a length one can read, and the
# formatting that .clang-format decides.
# ctest: timeout=120 parallel
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAX_LINES = 600
FOLDERS = ("daxcore", "fsmeta", "daemon", "tools", "client", "tests", "cmake")
CXX = (".cc", ".h", ".c")


def sources():
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix in (*CXX, ".py", ".sh", ".cmake"):
                yield path


def file_complaints(path):
    lines = path.read_text().splitlines()
    if not any("SPDX-License-Identifier: Apache-2.0" in line for line in lines[:2]):
        yield f"{path.relative_to(ROOT)}: no SPDX-License-Identifier in its first two lines"
    if len(lines) > MAX_LINES:
        yield f"{path.relative_to(ROOT)}: {len(lines)} lines, more than {MAX_LINES}"


def format_complaints(paths):
    clang_format = shutil.which("clang-format-19")
    if not clang_format or not paths:
        return []
    done = subprocess.run([clang_format, "--dry-run", *paths], capture_output=True, text=True)
    wrong = {pathlib.Path(line.split(":")[0]).relative_to(ROOT)
             for line in done.stderr.splitlines() if "clang-format-violations" in line}
    return [f"{path}: run clang-format-19 -i on it" for path in sorted(wrong)]


def main():
    paths = list(sources())
    found = [complaint for path in paths for complaint in file_complaints(path)]
    found += format_complaints([path for path in paths if path.suffix in CXX])
    print("\n".join(found) or f"{len(paths)} files are as they should be")
    return 1 if found or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
