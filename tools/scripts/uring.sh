# SPDX-License-Identifier: Apache-2.0
# Sourced by quickstart and bench: the kernel's switch for FUSE-over-io_uring.

# enable_fuse_uring: turns the switch on where the kernel has one and it is off, and says so.
enable_fuse_uring() {
  local switch=/sys/module/fuse/parameters/enable_uring
  [[ -e /sys/module/fuse ]] || modprobe fuse 2>/dev/null || true
  [[ -r $switch && $(<"$switch") == N ]] || return 0
  if [[ -w $switch ]] && echo Y 2>/dev/null >"$switch"; then
    say "turned on FUSE-over-io_uring, which this kernel offers (until reboot; off: echo N > $switch)"
  else
    say "this kernel offers FUSE-over-io_uring but its switch is off; on, as root: echo Y > $switch"
  fi
}
