#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Processes that hold, processes that wait: the L rules on a real mount.
# ctest: timeout=600 threads
. "$(dirname "$0")/lib.sh"
export PYTHONDONTWRITEBYTECODE=1
script=$(realpath "$(dirname "$0")")/direct_waits.py

# steps OPTIONS STEP...: each on an empty mount with these options, which must be sound afterwards.
steps() {
  local options=$1 step
  shift
  mount_region -o "$options"
  for step; do
    echo "-- $step ($options)"
    timeout 100 python3 "$script" "$step" "$mnt" "$region" || fail "$step"
    rm -rf "${mnt:?}"/*
  done
  unmount_region
  check_region
}

make_region 32M
steps busy_policy=wait page_by_page interrupted killed_client inherited_descriptor unlinked closed \
  conflicting_leases writes stores unread_events
steps busy_policy=wait many_waiters
steps busy_policy=wait,transport=fuse many_waiters page_by_page
steps busy_policy=wait,break_time=1 ignored_recall
steps busy_policy=quarantine,busy_timeout=1 quarantined killed_client
steps busy_policy=fail failing

echo "-- opposite reflinks"
mount_region -o busy_policy=wait
timeout 120 python3 "${script%waits.py}reflinks.py" "$mnt" 200 || fail "opposite reflinks"
rm "$mnt"/*
unmount_region
check_region

echo "-- daemon_dies, former_client"
mount_region
timeout 100 python3 "$script" daemon_dies "$mnt" "$region" &
client=$!
wait_until 200 eval '[[ -z $(region_owner) ]] && ! stat "$mnt" 2>/dev/null'
umount --lazy "$mnt"
mount_region -o busy_policy=wait
timeout 100 python3 "$script" former_client "$mnt" "$region" || fail former_client
wait "$client" || fail daemon_dies
unmount_region
check_region
