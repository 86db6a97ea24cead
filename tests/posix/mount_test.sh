#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Mounting and unmounting: what is refused and how, options, signals, the log, the owner of a region.
# ctest: timeout=120 transports threads
. "$(dirname "$0")/lib.sh"

echo "-- what is refused"
make_region 16M
refuses 2 'REGION is required' holdfastd
refuses 2 'MOUNTPOINT is required' holdfastd "$region"
refuses 2 'not expected' holdfastd "$region" "$mnt" third
refuses 2 'unknown option "bogus"' mount_region -o bogus
refuses 2 'busy_policy.*quarantine' mount_region -o busy_policy=perhaps
refuses 2 'threads.*number' mount_region -o threads=many
refuses 1 'No such file' holdfastd "$shm/missing" "$mnt"
refuses 1 'No such file' holdfastd "$region" "$scratch/missing"
refuses 1 'not a directory' holdfastd "$region" /etc/passwd
refuses 1 'too small' holdfastd /etc/hostname "$mnt"
truncate --size 16M "$shm/empty"
refuses 1 'no (Holdfast )?filesystem|not .*Holdfast' holdfastd "$shm/empty" "$mnt"
echo 'bogus = 1' >"$scratch/conf.toml"
refuses 2 'conf.toml line 1: unknown key "bogus"' holdfastd --config "$scratch/conf.toml" "$region" "$mnt"
refuses 1 'conf.none' holdfastd --config "$scratch/conf.none" "$region" "$mnt"
check "nothing is left mounted" eval '! is_mounted'

echo "-- what works"
check "--version" holdfastd --version
check "--help" holdfastd --help
mount_region
[[ $transport == auto ]] || check "info tells the transport" \
  eval '[[ $(holdfast info --json "$mnt" | jq -r .features.transport) == "$transport" ]]'
check "it is mounted as holdfast, with the region as source" \
  eval '[[ $(findmnt -no FSTYPE,SOURCE "$mnt") == "fuse.holdfast "*"$region" ]]'
check "devices and setuid programs are allowed, everybody may enter" \
  eval '[[ $(findmnt -no OPTIONS "$mnt") == *allow_other* && $(findmnt -no OPTIONS "$mnt") != *nodev* &&
    $(findmnt -no OPTIONS "$mnt") != *nosuid* ]]'
refuses 1 "in use by pid $(region_owner)" holdfastd "$region" "$mnt" -o owner_wait=0
refuses 1 "in use by pid $(region_owner)" mkfs.holdfast --emulate --size 16M --force "$region"
echo kept >"$mnt/file"
check "umount and mount again at once" eval 'umount "$mnt" && mount_region && [[ $(<"$mnt/file") == kept ]]'
unmount_region

echo "-- options"
mount_region -o ro,nodev,nosuid,noexec,strictatime,x-test,_netdev,nofail
check "read-only means so" eval '! touch "$mnt/new" 2>/dev/null && [[ $(<"$mnt/file") == kept ]]'
check "flags reach the kernel" eval '[[ $(findmnt -no OPTIONS "$mnt") == *ro,nosuid,nodev,noexec* ]]'
unmount_region
cat >"$scratch/conf.toml" <<CONF
log_file = "$scratch/log"
log_level = "debug"
metrics_file = "$scratch/metrics"
metrics_interval = 1
CONF
mount_region --config "$scratch/conf.toml" -o noatime
touch "$mnt/logged"
check "-o wins over defaults, the file over nothing" eval '[[ $(findmnt -no OPTIONS "$mnt") == *noatime* ]]'
check "debug logs each request" grep --quiet 'create inode' "$scratch/log"
check "the metrics file comes" wait_until 50 grep --quiet 'holdfast_operation_seconds_count.*create.*} 1' "$scratch/metrics"
mv "$scratch/log" "$scratch/log.1"
kill -HUP "$(region_owner)"
check "SIGHUP opens the log anew" wait_until 50 test -e "$scratch/log"
kill -USR1 "$(region_owner)"
check "SIGUSR1 logs the state" wait_until 50 grep --quiet '"features"' "$scratch/log"

echo "-- signals"
end_daemon TERM
check "SIGTERM unmounts" eval '! is_mounted'
mount_region
(cd "$mnt" && exec sleep 100) &
sleeper=$!
wait_until 50 test "$mnt" -ef "/proc/$sleeper/cwd"
check "umount of a mount in use is refused" eval '! umount "$mnt" 2>/dev/null'
end_daemon INT
check "SIGINT unmounts also what is in use" eval '! is_mounted'
kill "$sleeper"
wait "$sleeper" 2>/dev/null || true

mount_region
echo more >"$mnt/more"
crash_daemon
mount_region
check "after kill -9 everything is there" eval '[[ $(<"$mnt/file") == kept && $(<"$mnt/more") == more ]]'
unmount_region

echo "-- foreground"
holdfastd --foreground "$region" "$mnt" 2>"$scratch/foreground.log" &
daemon=$!
wait_until 100 is_mounted
check "the foreground daemon is the one that was started" test "$daemon" = "$(region_owner)"
kill -TERM "$daemon"
check "it ends with status 0" wait "$daemon"
check "and logged to stderr" grep --quiet 'unmounted' "$scratch/foreground.log"
