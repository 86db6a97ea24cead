#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 of the daemon at random moments, 200 rounds: nothing completed is lost, what was interrupted
# is whole or absent. KILL_ROUNDS (of each kind) and KILL_SEED make it longer or repeat it.
# ctest: timeout=600 slow
. "$(dirname "$0")/lib.sh"
export PYTHONDONTWRITEBYTECODE=1

# rounds COUNT MODE: on a new region.
rounds() {
  make_region 32M --force
  python3 "$(dirname "$0")/kill_rounds.py" "$region" "$mnt" "$scratch/log" "${KILL_ROUNDS:-$1}" "$2" \
    "$transport" ${KILL_SEED:+"$KILL_SEED"} || { tail -n 40 "$scratch/log" >&2 && fail "rounds with data=$2"; }
}
rounds 150 inplace
rounds 50 cow
