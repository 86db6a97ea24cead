# SPDX-License-Identifier: Apache-2.0
# Finds the libraries and finds out what the libfuse at hand can do.

find_package(Threads REQUIRED)
find_package(absl REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(PMEM2 REQUIRED IMPORTED_TARGET libpmem2)
pkg_check_modules(ISAL REQUIRED IMPORTED_TARGET libisal)
pkg_check_modules(URING REQUIRED IMPORTED_TARGET liburing)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)

# tools/setup puts a newer libfuse into a private prefix where the distribution's is too old. With
# -D HOLDFAST_PREFIX=/none the distribution's is used all the same.
set(holdfast_default_prefix "/opt/holdfast")
if(DEFINED ENV{HOLDFAST_PREFIX})
  set(holdfast_default_prefix "$ENV{HOLDFAST_PREFIX}")
endif()
set(HOLDFAST_PREFIX "${holdfast_default_prefix}" CACHE PATH "Private prefix that tools/setup fills")
set(fuse_description "${HOLDFAST_PREFIX}/lib/pkgconfig/fuse3.pc")
set(fuse_origin "distribution")
if(EXISTS "${fuse_description}")
  # The distribution's must go on working: a second daemon is built with it, for its test.
  pkg_check_modules(FUSE3_DISTRIBUTION QUIET IMPORTED_TARGET fuse3>=3.14)
  set(ENV{PKG_CONFIG_PATH} "${HOLDFAST_PREFIX}/lib/pkgconfig:$ENV{PKG_CONFIG_PATH}")
  file(SHA256 "${fuse_description}" fuse_origin)
endif()
if(NOT fuse_origin STREQUAL "${HOLDFAST_FUSE_ORIGIN}")
  # Another libfuse than last time: pkg_check_modules must not answer from its cache.
  unset(__pkg_config_checked_FUSE3 CACHE)
  unset(pkgcfg_lib_FUSE3_fuse3 CACHE)
  set(HOLDFAST_FUSE_ORIGIN "${fuse_origin}" CACHE INTERNAL "The libfuse last configured with")
endif()
pkg_check_modules(FUSE3 REQUIRED IMPORTED_TARGET fuse3>=3.14)

include(HoldfastFuse)
