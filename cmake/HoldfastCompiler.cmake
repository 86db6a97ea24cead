# SPDX-License-Identifier: Apache-2.0
# Language level, build types, warnings, hardening and sanitizers, for every target of the project.

set(HOLDFAST_SANITIZE "" CACHE STRING "Sanitizers to build with: address,undefined or thread")
option(HOLDFAST_THREAD_SAFETY "Check lock annotations as errors (clang only)" OFF)
# Not with TSan, which takes the two mappings for two pieces of memory.
option(HOLDFAST_GUARD_STORES "Map emulated regions read-only but for the persist verbs (tests)" OFF)
option(HOLDFAST_FUZZ "Instrument for libFuzzer; the only tests are the fuzzers (clang only)" OFF)
option(HOLDFAST_WERROR "Treat warnings as errors" ON)
# For builds that start from nothing, which take half the time with it. Off while developing: ccache
# then finds the objects of other clones, and a file that forgets an include does not compile.
option(HOLDFAST_COLD_BUILD "Precompile the headers of libraries, do not optimize tests" OFF)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()
# RelWithDebInfo, the default, keeps assert(): a filesystem that notices its own bug must stop before
# it writes. Release is the only type without. Neither names a CPU: libpmem2 and isa-l pick their
# instructions at run time, so one binary runs on any x86-64.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_C_FLAGS_RELEASE "-O2 -DNDEBUG")

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON) # a private libfuse must be found after install, too
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")

find_program(HOLDFAST_CCACHE ccache)
if(HOLDFAST_CCACHE)
  # Paths relative to the source tree: another clone or work tree finds the same objects.
  set(launcher "${CMAKE_COMMAND}" -E env "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" CCACHE_NOHASHDIR=1)
  if(HOLDFAST_COLD_BUILD)
    list(APPEND launcher CCACHE_SLOPPINESS=pch_defines,time_macros)
  endif()
  list(APPEND launcher "${HOLDFAST_CCACHE}")
  set(CMAKE_CXX_COMPILER_LAUNCHER "${launcher}")
  set(CMAKE_C_COMPILER_LAUNCHER "${launcher}")
endif()

# Carries the flags of our own code; third-party headers come in as system headers and are exempt.
add_library(holdfast_flags INTERFACE)
target_include_directories(holdfast_flags INTERFACE "${PROJECT_SOURCE_DIR}")
target_compile_options(holdfast_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-qual
  -Wimplicit-fallthrough -Wundef -fstack-protector-strong)
target_compile_definitions(holdfast_flags INTERFACE
  _FILE_OFFSET_BITS=64 _GLIBCXX_ASSERTIONS HOLDFAST_VERSION="${PROJECT_VERSION}")
if(HOLDFAST_WERROR)
  target_compile_options(holdfast_flags INTERFACE -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # A 64-bit offset that silently loses its upper half is the one implicit conversion that always hurts.
  target_compile_options(holdfast_flags INTERFACE -Wshorten-64-to-32)
endif()

if(HOLDFAST_THREAD_SAFETY)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "HOLDFAST_THREAD_SAFETY needs clang: only it analyses lock annotations")
  endif()
  target_compile_options(holdfast_flags INTERFACE -Wthread-safety -Werror=thread-safety)
endif()

if(HOLDFAST_SANITIZE)
  add_compile_options(-fsanitize=${HOLDFAST_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${HOLDFAST_SANITIZE})
  if(HOLDFAST_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
  endif()
  if(HOLDFAST_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
  string(REPLACE "," "_" sanitize_suffix "${HOLDFAST_SANITIZE}")
  string(TOUPPER "${sanitize_suffix}" sanitize_suffix)
  target_compile_definitions(holdfast_flags INTERFACE HOLDFAST_SANITIZE_${sanitize_suffix}=1)
  find_program(HOLDFAST_SYMBOLIZER NAMES llvm-symbolizer
    HINTS /usr/lib/llvm-19/bin)
  if(NOT HOLDFAST_SYMBOLIZER)
    set(HOLDFAST_SYMBOLIZER "")
  endif()
  add_library(holdfast_sanitizer_defaults OBJECT
    "${PROJECT_SOURCE_DIR}/cmake/sanitizer_defaults.cc")
  if(HOLDFAST_SANITIZE MATCHES "thread")
    target_sources(holdfast_sanitizer_defaults PRIVATE
      "${PROJECT_SOURCE_DIR}/cmake/tsan_absl_mutex.cc")
    target_link_libraries(holdfast_sanitizer_defaults PUBLIC absl::synchronization absl::time)
  endif()
  target_compile_definitions(holdfast_sanitizer_defaults PRIVATE
    "HOLDFAST_SYMBOLIZER=\"${HOLDFAST_SYMBOLIZER}\"")
elseif(CMAKE_BUILD_TYPE MATCHES "Rel")
  # It needs optimization, which tests go without.
  set(is_optimized "$<NOT:$<BOOL:$<TARGET_PROPERTY:HOLDFAST_UNOPTIMIZED>>>")
  target_compile_options(holdfast_flags INTERFACE
    "$<${is_optimized}:-U_FORTIFY_SOURCE>" "$<${is_optimized}:-D_FORTIFY_SOURCE=2>")
endif()

# holdfast_precompile(TARGET HEADER...): in a cold build, the headers that most of our files include,
# and these.
function(holdfast_precompile target)
  if(NOT HOLDFAST_COLD_BUILD)
    return()
  endif()
  target_precompile_headers(${target} PRIVATE
    <algorithm> <array> <atomic> <chrono> <cstring> <expected> <functional> <map> <memory>
    <optional> <random> <set> <span> <string> <thread> <utility> <vector>
    <absl/container/btree_map.h> <absl/container/flat_hash_map.h> <absl/container/flat_hash_set.h>
    <absl/container/inlined_vector.h> <absl/strings/str_cat.h> <absl/strings/str_format.h>
    <absl/synchronization/mutex.h> ${ARGN})
  # Without these ccache takes no precompiled header.
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    target_compile_options(${target} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
    # Precompiled, libstdc++ 12 loses the pragma about its own use of get_temporary_buffer. What of
    # ours is deprecated the default build still finds.
    target_compile_options(${target} PRIVATE -Wno-deprecated-declarations)
  else()
    # Precompiled, abseil's headers are no system headers to g++ 12's optimizer any more. What of ours
    # is out of bounds the build without finds.
    target_compile_options(${target} PRIVATE -fpch-preprocess -Wno-array-bounds)
  endif()
endfunction()
