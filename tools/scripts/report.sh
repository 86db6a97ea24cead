# SPDX-License-Identifier: Apache-2.0
# Sourced by the scripts under tools/: how they speak.

say() { printf '%s: %s\n' "${0##*/}" "$*"; }

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# run_logged LOG COMMAND...: runs quietly; when it fails, shows the end of its output.
run_logged() {
  local log=$1
  shift
  if ! "$@" >"$log" 2>&1; then
    tail -n 25 "$log" >&2
    return 1
  fi
}
