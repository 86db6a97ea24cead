#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Random operations on files, in every way that programs reach them, against a model in memory, while
# stress-ng does what it does beside them; on several kinds of mounts. SOAK_SECONDS (of all of it) and
# SOAK_SEED are for longer runs and for repeating one: tools/soak.
# ctest: timeout=1200 slow
. "$(dirname "$0")/lib.sh"
file_soak=$HOLDFAST_BIN_DIR/../tests/file_soak
seconds=${SOAK_SECONDS:-180}
RANDOM=${SOAK_SEED:=$((RANDOM + 1))}
echo "SOAK_SEED=$SOAK_SEED"

# Without io and getdent, which open all mounts of the machine: those of other tests are busy then.
wanted=(access chmod copy-file dentry dir dup fallocate fcntl filename flock fpunch hdd link lockofd
  mmap mknod open readahead rename seek symlink sync-file touch unlink utime xattr)
# Those of them that this version has.
mapfile -t stressors < <(stress-ng --stressors 2>/dev/null | tr ' ' '\n' |
  grep --fixed-strings --line-regexp --file <(printf '%s\n' "${wanted[@]}"))

# Together far from filling the region, which would be a failure of the checker's operations.
sizes=(--copy-file-bytes 128m --fallocate-bytes 32m --hdd-bytes 32m --readahead-bytes 32m
  --sync-file-bytes 32m)

# stress_until END SEED: one stressor after the other, in a random order.
stress_until() {
  local stressor status
  RANDOM=$2
  while ((SECONDS < $1)); do
    stressor=${stressors[RANDOM % ${#stressors[@]}]}
    status=0
    echo "$stressor" >>"$scratch/stressors"
    stress-ng --temp-path "$mnt/stress" --"$stressor" 1 "${sizes[@]}" --timeout 3s --verify \
      --no-rand-seed >"$scratch/stress.log" 2>&1 || status=$?
    # 3: no resources, 4: not implemented here; anything else but 0 is a failure.
    [[ $status == [034] ]] || { cat "$scratch/stress.log" >&2 && fail "stress-ng --$stressor ended with $status"; }
  done
}

tell_state() {
  echo "beside it: $(tail -n 1 "$scratch/stressors" 2>/dev/null)" >&2
  df "$mnt" >&2
  holdfast info "$mnt" >&2
}

# soak SECONDS OPTION...: on a new region, mounted so.
soak() {
  local end=$((SECONDS + $1)) seed=$RANDOM stress_seed=$RANDOM pids=() pid
  echo "-- $* seed $seed"
  shift
  make_region 512M --force
  mount_region -o "$*"
  mkdir "$mnt/soaked" "$mnt/stress"
  "$file_soak" "$mnt/soaked" --region "$region" --seconds "$((end - SECONDS))" --seed "$seed" &
  pids+=($!)
  if ((${#stressors[@]} > 0)); then
    stress_until "$end" "$stress_seed" &
    pids+=($!)
  fi
  for pid in "${pids[@]}"; do
    wait "$pid" && continue
    tell_state
    kill "${pids[@]}" 2>/dev/null || true
    fail "it ended with a difference"
  done
  unmount_region
  check_region
  mount_region
  check "everything can be removed" rm -rf "$mnt/soaked" "$mnt/stress"
  unmount_region
  check_region
}

each=$(((seconds + 2) / 3))
soak "$each" data=inplace
soak "$each" data=cow,busy_policy=wait
soak "$each" data=inplace,transport=fuse,threads=1
sort "$scratch/stressors" 2>/dev/null | uniq --count
