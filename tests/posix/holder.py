#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Pins a range of a file until it is killed, and writes down what it is told meanwhile: one JSON object a
# line.
#
#   holder.py FILE OFFSET LENGTH LOG     # LOG exists as soon as the pin is held
import ctypes
import json
import signal
import sys

import direct

TYPES = {direct.RECALL: "recall", direct.VOID: "void", direct.FAILURE: "failure",
         direct.REMOVE: "remove", direct.LOST: "lost"}


def main():
    path, offset, length, log = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # ends with the test that started it
    file = direct.DirectFile(path)
    file.pin(offset, length)
    with open(log, "w") as told:
        try:
            while True:
                if not file.poll(None):
                    continue
                for kind, lease, inode, start, size, _ in file.events():
                    event = {"type": TYPES[kind], "lease": lease, "inode": inode, "offset": start, "length": size}
                    print(json.dumps(event), file=told, flush=True)
        except OSError:
            # The daemon is gone; what is pinned stays pinned as long as this process lives.
            signal.pause()


if __name__ == "__main__":
    main()
