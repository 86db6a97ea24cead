# SPDX-License-Identifier: Apache-2.0
# Sourced by tools/setup: installs Debian packages, only those that are missing.

# missing_packages NAME...: prints the names that dpkg does not list as installed.
missing_packages() {
  local have name
  # dpkg-query fails when it has never heard of one of them; what it prints counts.
  have=" $({ dpkg-query -W -f='${db:Status-Status}:${Package}\n' "$@" 2>/dev/null || true; } |
    sed -n 's/^installed://p' | tr '\n' ' ')"
  for name in "$@"; do
    [[ $have == *" $name "* ]] || printf '%s\n' "$name"
  done
}

# apt_progress: reads apt's status lines and tells of every tenth percent.
apt_progress() {
  awk -F: '$1 == "dlstatus" || $1 == "pmstatus" {
    phase = ($1 == "dlstatus") ? "downloading" : "installing"
    step = phase int($3 / 10)
    if (step != last) { printf "setup:   %s %3d%%\n", phase, $3; fflush(); last = step }
  }'
}

# apt_retry WHAT COMMAND...: another program may hold apt's lock, a mirror may stumble: try for a while.
apt_retry() {
  local what=$1 log="$work/apt.log" attempt
  shift
  for attempt in 1 2 3 4 5; do
    if "$@" 3>&1 >"$log" 2>&1 | apt_progress; then
      return 0
    fi
    if [[ $attempt -lt 5 ]]; then
      say "$what failed ($(grep -m1 '^E:' "$log" || tail -n 1 "$log")); trying again"
      sleep $((attempt * 5))
    fi
  done
  tail -n 15 "$log" >&2
  die "$what failed five times; the end of apt's output is above"
}

apt_quiet() {
  DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a apt-get -q -y \
    -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -o APT::Status-Fd=3 \
    -o Dpkg::Options::=--force-confold "$@"
}

# ensure_packages NAME...: needs root only when something is missing.
ensure_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [[ ${#missing[@]} -gt 0 ]] || return 0
  if [[ $EUID -ne 0 ]]; then
    die "packages are missing and only root can install them; as root run: apt-get install ${missing[*]}"
  fi
  say "installing ${#missing[@]} packages: ${missing[*]}"
  apt_retry "apt-get update" apt_quiet update
  apt_retry "apt-get install" apt_quiet install --no-install-recommends "${missing[@]}"
}
