#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The tests of real memory on /dev/dax aligned to 4 KiB, with the newest kernel.
# ctest: timeout=1600 parallel
set -euo pipefail
cd "$(dirname "$0")/../.."
exec tools/vm --mode devdax --align 4K --kernel backport --limit 1500
