#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Checks that includes never point up the layers, and that each library stays behind its own layer.
# ctest: timeout=60 parallel
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^">]+)[">]', re.MULTILINE)

# What a folder may include of the others.
MAY_INCLUDE = {
    "daxcore": {"daxcore"},
    "fsmeta": {"daxcore", "fsmeta"},
    "daemon": {"daxcore", "fsmeta", "daemon", "client"},
    "tools": {"daxcore", "fsmeta", "tools", "client"},
    "client": {"client"},
}
# The only folder whose sources may include a library.
ONLY_IN = {
    re.compile(r"^fuse|^cuse"): "daemon",
    re.compile(r"^libpmem"): "daxcore",
}
NO_LOGGING = {"daxcore", "client"}


def complaints(layer, included):
    first = included.split("/")[0]
    if first in MAY_INCLUDE and "/" in included and first not in MAY_INCLUDE[layer]:
        yield f"{layer} must not include {first}"
    for pattern, owner in ONLY_IN.items():
        if pattern.search(included) and layer != owner:
            yield f"only {owner} includes it"
    if first == "spdlog" and layer in NO_LOGGING:
        yield f"{layer} does not log"


def main():
    checked = 0
    found = []
    for layer in MAY_INCLUDE:
        for path in sorted((ROOT / layer).rglob("*")):
            if path.suffix not in (".cc", ".h", ".c"):
                continue
            checked += 1
            for included in INCLUDE.findall(path.read_text()):
                for complaint in complaints(layer, included):
                    found.append(f"{path.relative_to(ROOT)}: {included}: {complaint}")
    print("\n".join(found) or f"{checked} files, includes all point down")
    return 1 if found or checked == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
