#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The tests of real memory on a file of ext4 mounted with -o dax, with the distribution's kernel.
# ctest: timeout=1600 parallel
set -euo pipefail
cd "$(dirname "$0")/../.."
exec tools/vm --mode fsdax-ext4 --limit 1500
