#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# kill_rounds.py REGION MOUNT LOG ROUNDS MODE TRANSPORT [SEED]
# Kills the daemon at random moments under random operations, again and again, and sometimes ends it
# with SIGTERM: after each mount every completed operation is there, the interrupted one is whole or
# absent, and fsck finds nothing. With MODE cow that goes for writes too; with inplace they may be half
# done.
import ctypes
import os
import random
import signal
import subprocess
import sys
import threading
import time

import tree_model

LIBC = ctypes.CDLL(None, use_errno=True)
DETACH = 2
WORKERS = 3
WAYS = {3: "kill while it ends", 5: "end", 7: "kill while it mounts"}  # of each ten rounds


def fail(text):
    raise SystemExit(f"FAILED: {text}")


class Worker:
    """Changes a tree of its own until the daemon dies, and writes what it did outside of the mount."""

    def __init__(self, root, log, seed, cow):
        self.tree = tree_model.Tree(root, seed, cow)
        self.log = log
        self.broken = None     # the operation that was under way
        self.completed = 0
        self.wrong = None

    def say(self, text):
        self.log.write(f"{self.tree.root}: {text}\n")

    def work(self, killed):
        """One after the other; `killed` is set before the daemon is."""
        while True:
            operation = self.tree.next()
            self.say(f"begin {operation.text}")
            try:
                operation.perform()
            except OSError as error:
                self.broken = operation
                if not killed.is_set() or error.errno not in tree_model.DEAD:
                    self.wrong = f"{operation.text}: {error}"
                return
            operation.apply(self.tree.model)
            self.completed += 1
            self.say("done")

    def verify(self):
        """After a mount: is everything there that was promised?"""
        tree, broken = self.tree, self.broken
        tree.let_go()
        self.broken = None
        found, before = tree_model.scan(tree.root), tree_model.plain(tree.model)
        if found == before:
            return
        if broken is None:
            fail(f"{tree.root} changed while nothing was done:\n{tree_model.differences(found, before)}")
        after = tree_model.plain(tree.after(broken))
        if found != after and not (broken.mixes and tree_model.is_mixture(found, before, after)):
            fail(f"{tree.root} after an interrupted '{broken.text}'\n"
                 f"  against the state before:\n{tree_model.differences(found, before)}\n"
                 f"  against the state after:\n{tree_model.differences(found, after)}")
        tree.restored(found)


class Mount:
    """A daemon in the foreground, whose child we are not: ours to kill."""

    def __init__(self, region, path, log, options):
        self.region, self.path, self.log, self.options = region, path, log, options
        self.parent_device = os.stat(os.path.dirname(path)).st_dev
        self.daemon = None

    def start(self):
        self.daemon = subprocess.Popen(["holdfastd", "--foreground", self.region, self.path, "-o", self.options],
                                       stderr=self.log)

    def wait(self):
        while os.stat(self.path).st_dev == self.parent_device:
            if self.daemon.poll() is not None:
                fail(f"holdfastd ended with {self.daemon.returncode}")
            time.sleep(0.001)

    def end(self, signal_number):
        self.daemon.send_signal(signal_number)

    def take_away(self):
        """The daemon is gone, and so is its mount."""
        self.daemon.wait()
        while LIBC.umount2(os.fsencode(self.path), DETACH) == 0:
            pass


def check_region(region):
    done = subprocess.run(["fsck.holdfast", "-n", region], capture_output=True, text=True)
    if done.returncode != 0:
        fail(f"fsck.holdfast ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def one_round(mount, workers, chance, way):
    """From one dead daemon to the next. `way`: what happens to it."""
    mount.start()
    if way == "kill while it mounts":
        time.sleep(chance.uniform(0, 0.03))
        mount.end(signal.SIGKILL)
        return
    mount.wait()
    for worker in workers:
        worker.verify()
    killed = threading.Event()
    threads = [threading.Thread(target=worker.work, args=(killed,)) for worker in workers]
    for thread in threads:
        thread.start()
    time.sleep(chance.uniform(0, 0.1))
    killed.set()
    if way != "kill":
        mount.end(signal.SIGTERM)
    if way == "kill while it ends":
        time.sleep(chance.uniform(0, 0.02))
    if way != "end":
        mount.end(signal.SIGKILL)
    elif mount.daemon.wait() != 0:
        fail(f"SIGTERM under load ended holdfastd with {mount.daemon.returncode}")
    for thread in threads:
        thread.join()
    for worker in workers:
        if worker.wrong:
            fail(f"{worker.wrong}, while the daemon lived")


def final_round(mount, workers):
    """Everything can be removed, and all of its space is free again."""
    mount.start()
    mount.wait()
    for worker in workers:
        worker.verify()
        subprocess.run(["rm", "-r", worker.tree.root], check=True)
    os.sync()
    mount.end(signal.SIGTERM)
    if mount.daemon.wait() != 0:
        fail(f"SIGTERM ended holdfastd with {mount.daemon.returncode}")


def main():
    region, path, log_path, rounds, mode, transport = *sys.argv[1:4], int(sys.argv[4]), *sys.argv[5:7]
    seed = int(sys.argv[7]) if len(sys.argv) > 7 else random.randrange(1 << 32)
    print(f"data={mode}, seed {seed}", flush=True)
    chance = random.Random(seed)
    sys.setswitchinterval(0.0005)
    with open(log_path, "a", buffering=1) as log:
        mount = Mount(region, path, log, f"data={mode},transport={transport}")
        mount.start()
        mount.wait()
        workers = []
        for number in range(WORKERS):
            root = os.path.join(path, f"worker{number}")
            os.mkdir(root)
            workers.append(Worker(root, log, chance.random(), mode == "cow"))
        try:
            mount.end(signal.SIGKILL)
            mount.take_away()
            for number in range(rounds):
                way = WAYS.get(number % 10, "kill")
                log.write(f"round {number}: {way}\n")
                one_round(mount, workers, chance, way)
                mount.take_away()
                check_region(region)
            final_round(mount, workers)
            mount.take_away()
            check_region(region)
        finally:
            for worker in workers:
                worker.tree.let_go()
            mount.end(signal.SIGKILL)
            mount.take_away()
    print(f"{rounds} rounds, {sum(worker.completed for worker in workers)} operations completed")


if __name__ == "__main__":
    main()
