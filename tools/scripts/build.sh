# SPDX-License-Identifier: Apache-2.0
# Sourced by the scripts under tools/: builds one CMake preset, quietly where nothing is to do.

# build_folder PRESET: where CMakePresets.json puts it.
build_folder() { echo "$PWD/build/$1"; }

# build_preset PRESET [TARGET...]: from the repository's root; the compiler's errors stay visible.
# A first build precompiles headers and does not optimize tests, which halves its time; later ones
# stay with what the first chose.
build_preset() {
  local preset=$1 log status=0 options=(-D "HOLDFAST_SLOW_TESTS=${HOLDFAST_SLOW_TESTS:-OFF}")
  shift
  [[ -e $(build_folder "$preset")/CMakeCache.txt ]] || options+=(-D HOLDFAST_COLD_BUILD=ON)
  log=$(mktemp)
  if run_logged "$log" cmake --preset "$preset" "${options[@]}"; then
    say "$(sed -n '/^-- libfuse /{s/^-- //p;q}' "$log")"
    NINJA_STATUS="[%f/%t %es] " cmake --build "$(build_folder "$preset")" -- -k 0 "$@" || status=1
  else
    status=1
  fi
  rm -f "$log"
  return $status
}
