#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Compares Holdfast with its peers on this machine, in one run. Started by tools/bench inside mount
# and process namespaces and on a scratch tmpfs of its own, so that ending it removes everything.
import argparse
import contextlib
import json
import os
import pathlib
import sys

import data_path
import machine
import metadata
import recovery
import reflink
from filesystems import BenchError, Holdfast, LoopDevice, Passthrough, Tmpfs
from rows import markdown

SECTIONS = ("fio", "metadata", "memory", "reflink", "mount")
IMAGE_SIZE = 2 << 30


def parse(arguments):
    parser = argparse.ArgumentParser(prog="bench", description="Compare Holdfast with its peers.")
    parser.add_argument("--json", action="store_true", help="print one JSON object, not a table")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each measure (3)")
    parser.add_argument("--seconds", type=float, default=3, help="of each fio run (3)")
    parser.add_argument("--only", metavar="SECTION[,SECTION]", default=",".join(SECTIONS),
                        help="of " + ", ".join(SECTIONS))
    parser.add_argument("-o", dest="options", metavar="OPT[,OPT]", default="",
                        help="mount options for Holdfast")
    parser.add_argument("--scratch", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--build", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--peers", required=True, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    chosen.sections = chosen.only.split(",")
    unknown = set(chosen.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}: there are {', '.join(SECTIONS)}")
    return chosen


def progress(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


class Bench:
    """Makes the filesystems that a section needs, runs it, and lets them go."""

    def __init__(self, chosen):
        self.chosen = chosen
        self.programs = pathlib.Path(chosen.build) / "bin"
        self.probes = pathlib.Path(chosen.build) / "tests"
        self.made = 0

    def scratch(self):
        self.made += 1
        folder = pathlib.Path(self.chosen.scratch) / str(self.made)
        folder.mkdir()
        return folder

    def holdfast(self, name="holdfast", size="2G", scratch=None):
        return Holdfast(name, scratch or self.scratch(), self.programs, self.chosen.options, size)

    def peers(self):
        scratch = self.scratch()
        peers = [self.holdfast(scratch=scratch)]
        program = pathlib.Path(self.chosen.peers) / "passthrough_hp"
        if program.exists():
            peers.append(Passthrough("passthrough_hp", scratch, program))
            if machine.uring_enabled():
                peers.append(Passthrough("passthrough_hp io_uring", scratch, program,
                                         ("-o", "io_uring")))
        else:
            progress(f"{program} is missing: tools/setup builds it where it can; no ratios without")
        return [*peers, Tmpfs("tmpfs", scratch)]

    def cloners(self):
        scratch = self.scratch()
        return [self.holdfast(scratch=scratch),
                LoopDevice("xfs", scratch, ("mkfs.xfs", "-q", "-m", "reflink=1"), IMAGE_SIZE),
                LoopDevice("btrfs", scratch, ("mkfs.btrfs", "-q"), IMAGE_SIZE)]

    def run(self, section):
        rounds = self.chosen.rounds
        if section == "mount":
            return recovery.measure(self.holdfast, self.probes, rounds, progress)
        with contextlib.ExitStack() as stack:
            def mounted(filesystems):
                return [stack.enter_context(each.mounted()) for each in filesystems]

            if section == "fio":
                return data_path.measure(mounted(self.peers()), rounds, self.chosen.seconds,
                                         progress)
            if section == "metadata":
                return metadata.measure(mounted(self.peers()), self.probes, rounds, progress)
            if section == "memory":
                return metadata.measure_memory(*mounted([self.holdfast()]), self.probes, progress)
            return reflink.measure(mounted(self.cloners()), self.probes, rounds, progress)


def main():
    chosen = parse(sys.argv[1:])
    bench = Bench(chosen)
    facts = machine.describe(bench.programs, chosen.options)
    load_before = os.getloadavg()[0]
    rows = []
    try:
        for section in chosen.sections:
            rows += bench.run(section)
    except BenchError as error:
        sys.exit(f"bench: {error}")
    facts["load"] = f"{load_before:.1f} before, {os.getloadavg()[0]:.1f} after"
    if chosen.json:
        print(json.dumps({"machine": facts, "rows": [row.as_dict() for row in rows]}, indent=2))
    else:
        print(f"{machine.one_line(facts)}\n\n{markdown(rows)}")


if __name__ == "__main__":
    main()
