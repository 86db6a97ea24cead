// SPDX-License-Identifier: Apache-2.0
// What the sanitizers do in every program of a sanitizer build, however it is started: a finding
// ends the program, so that a test fails. The environment's *SAN_OPTIONS still override.

#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>

#define SYMBOLIZER "external_symbolizer_path=" HOLDFAST_SYMBOLIZER

extern "C" {

const char* __asan_default_options() {
  return SYMBOLIZER ":abort_on_error=1:detect_stack_use_after_return=1:strict_string_checks=1";
}

const char* __ubsan_default_options() { return SYMBOLIZER ":print_stacktrace=1:halt_on_error=1"; }

const char* __tsan_default_options() {
  return SYMBOLIZER ":halt_on_error=1:second_deadlock_stack=1";
}

// Tests compare what programs say on stderr.
const char* __lsan_default_options() { return "print_suppressions=0"; }

// libpmem2 1.12 loses two small objects at each pmem2_map_delete.
const char* __lsan_default_suppressions() { return "leak:libpmem2.so\n"; }

}  // extern "C"
