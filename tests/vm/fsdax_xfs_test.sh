#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The tests of real memory on a file of XFS mounted with -o dax, with the newest kernel.
# ctest: timeout=1600 parallel
set -euo pipefail
cd "$(dirname "$0")/../.."
exec tools/vm --mode fsdax-xfs --kernel backport --limit 1500
