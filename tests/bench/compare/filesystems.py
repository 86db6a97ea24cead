# SPDX-License-Identifier: Apache-2.0
# The filesystems that are compared: each can be mounted at a directory, and mounted again.
import contextlib
import os
import pathlib
import resource
import subprocess
import time

READY_TIMEOUT = 30.0


class BenchError(Exception):
    """What failed, in one line for the user."""


def run(*command):
    """The command's standard output; its standard error is the reason if it failed."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        reason = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no output"]
        raise BenchError(f"{command[0]} failed ({done.returncode}): {reason[0]}")
    return done.stdout


def wait_until(condition, what):
    deadline = time.monotonic() + READY_TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            raise BenchError(f"waited {READY_TIMEOUT:.0f} s in vain until {what}")
        time.sleep(0.001)


def allow_open_files():
    """passthrough_hp holds a descriptor for each file it knows: gives it all that may be."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (1 << 20, most):
        with contextlib.suppress(ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, max(limit, most)))
            return


class Filesystem:
    """A name for the table, and the directory where it is mounted."""

    reflink = None  # how it clones a whole file: "ioctl", "copy_file_range" or not at all

    def __init__(self, name, scratch):
        self.name = name
        self.directory = pathlib.Path(scratch) / f"mnt-{name.replace(' ', '_')}"
        self.directory.mkdir()

    @contextlib.contextmanager
    def mounted(self):
        self.mount()
        try:
            yield self
        finally:
            self.unmount()

    def unmount(self):
        run("umount", self.directory)


class Tmpfs(Filesystem):
    def mount(self):
        run("mount", "-t", "tmpfs", "bench", self.directory)


class Served(Filesystem):
    """By a daemon, which is a child of ours and in our session: the kernel shares out the CPU by
    sessions, and on a busy machine a daemon in a session of its own waits longer for its turn."""

    server = None

    def serve(self, *command):
        self.server = subprocess.Popen([str(word) for word in command],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: os.path.ismount(self.directory) or self.server.poll() is not None,
                   f"{self.name} is mounted")
        if self.server.poll() is not None:
            reason = self.server.stderr.read().strip().splitlines()[-1:] or ["no reason given"]
            raise BenchError(f"{command[0]} ended with {self.server.returncode}: {reason[0]}")

    def unmount(self):
        super().unmount()
        self.server.wait(READY_TIMEOUT)


class Passthrough(Served):
    """libfuse's example over a tmpfs, set so that each read and write goes through the daemon."""

    def __init__(self, name, scratch, program, options=()):
        super().__init__(name, scratch)
        self.program = program
        self.options = options
        self.source = pathlib.Path(scratch) / f"source-{name.replace(' ', '_')}"
        self.source.mkdir()

    def mount(self):
        run("mount", "-t", "tmpfs", "bench", self.source)
        allow_open_files()
        self.serve(self.program, "--foreground", "--nopassthrough", "--direct-io", *self.options,
                   self.source, self.directory)

    def unmount(self):
        super().unmount()
        run("umount", self.source)


class Holdfast(Served):
    """A fresh emulated region at each format(); mount() serves what the region holds."""

    reflink = "copy_file_range"

    def __init__(self, name, scratch, programs, options="", size="2G"):
        super().__init__(name, scratch)
        self.programs = pathlib.Path(programs)
        self.options = ["-o", "log_level=warning" + (f",{options}" if options else "")]
        self.size = size
        self.region = pathlib.Path(scratch) / f"region-{name.replace(' ', '_')}"

    def format(self):
        run(self.programs / "mkfs.holdfast", "--size", self.size, "--emulate", "--force",
            self.region)

    def mount(self):
        if not self.region.exists():
            self.format()
        self.serve(self.programs / "holdfastd", "--foreground", self.region, self.directory,
                   *self.options)

    def pid(self):
        return self.server.pid

    def kill(self):
        """Leaves the region as a crash of the daemon would."""
        self.server.kill()
        self.server.wait(READY_TIMEOUT)
        run("umount", "--lazy", self.directory)


class LoopDevice(Filesystem):
    """A kernel filesystem on a loop device over the scratch tmpfs."""

    reflink = "ioctl"

    def __init__(self, name, scratch, mkfs, size):
        super().__init__(name, scratch)
        self.mkfs = mkfs
        self.image = pathlib.Path(scratch) / f"image-{name}"
        self.size = size

    def mount(self):
        with open(self.image, "wb") as image:
            image.truncate(self.size)
        run(*self.mkfs, self.image)
        run("mount", "-o", "loop", self.image, self.directory)

    def unmount(self):
        super().unmount()
        self.image.unlink()
