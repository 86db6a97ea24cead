# SPDX-License-Identifier: Apache-2.0
# L8: reflinks of two files in opposite directions, in a loop, while pins of both come and go.
# Usage: direct_reflinks.py MOUNT ROUNDS
import os
import random
import sys
import time

from direct import *

MOUNT, ROUNDS = sys.argv[1], int(sys.argv[2])
BLOCKS = 16


def path(name):
    return f"{MOUNT}/{name}"


def reflink(source, destination):
    from_, to = DirectFile(path(source)), DirectFile(path(destination))
    for i in range(ROUNDS):
        offset = i % 4 * BLOCK
        to.reflink_from(from_, offset, 8 * BLOCK, offset)


def pins(seed):
    chance = random.Random(seed)
    files = [DirectFile(path(name)) for name in "ab"]
    while True:
        chance.shuffle(files)
        held = [(file, file.pin(chance.randrange(8) * BLOCK, 4 * BLOCK)) for file in files]
        time.sleep(chance.random() / 200)
        for file, pin in held:
            file.unpin(pin)
        time.sleep(chance.random() / 500)


for name in "ab":
    with open(path(name), "wb") as file:
        file.write(name.encode() * BLOCK * BLOCKS)
pinners = [in_child(lambda seed=seed: pins(seed)) for seed in (1, 2)]
linkers = [in_child(lambda: reflink("a", "b")), in_child(lambda: reflink("b", "a"))]
check("L8: both directions come to an end", [join(pid) for pid in linkers] == [0, 0])
for pid in pinners:
    check("the pinner still runs", os.waitpid(pid, os.WNOHANG)[0] == 0)
    os.kill(pid, 9)
    join(pid)
for name in "ab":
    data = open(path(name), "rb").read()
    check(f"{name} has blocks of a and b only", len(data) == BLOCK * BLOCKS and all(
        data[i:i + BLOCK] in (b"a" * BLOCK, b"b" * BLOCK) for i in range(0, len(data), BLOCK)))
