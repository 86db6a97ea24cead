#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The tests of real memory on /dev/dax with the distribution's kernel, whose FUSE lacks what is new.
# ctest: timeout=1600 parallel
set -euo pipefail
cd "$(dirname "$0")/../.."
exec tools/vm --mode devdax --limit 1500
