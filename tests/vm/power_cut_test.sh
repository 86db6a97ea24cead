#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Five power cuts on /dev/dax; tests/vm/power_cut --rounds 50 is the long run.
# ctest: timeout=2400 parallel
set -euo pipefail
cd "$(dirname "$0")/../.."
exec tests/vm/power_cut --rounds 5
