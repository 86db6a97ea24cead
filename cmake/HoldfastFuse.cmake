# SPDX-License-Identifier: Apache-2.0
# How a libfuse becomes a target: with the highest API version that both it and we know, and one
# HOLDFAST_HAVE_FUSE_* definition for each optional feature its headers really declare.
include(CheckCXXSourceCompiles)

# holdfast_fuse_feature(NAME CODE): CODE is the body of a function that uses the feature. The
# answer is asked again whenever the libfuse found is another version than last time. For
# holdfast_fuse_library only.
macro(holdfast_fuse_feature name code)
  string(MAKE_C_IDENTIFIER "HOLDFAST_FUSE_${version}_${name}" result)
  check_cxx_source_compiles("
    #include <fuse_lowlevel.h>
    int main() { ${code} }" ${result})
  if(${result})
    target_compile_definitions(${target} INTERFACE HOLDFAST_HAVE_FUSE_${name}=1)
    string(APPEND features " ${name}")
  endif()
endmacro()

# holdfast_fuse_library(TARGET PACKAGE): TARGET is the libfuse that pkg_check_modules found as PACKAGE.
function(holdfast_fuse_library target package)
  set(version "${${package}_VERSION}")
  set(use_version 314)
  if(version VERSION_GREATER_EQUAL 3.17)
    set(use_version 317)
  endif()
  add_library(${target} INTERFACE)
  target_link_libraries(${target} INTERFACE PkgConfig::${package})
  target_compile_definitions(${target} INTERFACE FUSE_USE_VERSION=${use_version})

  set(CMAKE_REQUIRED_LIBRARIES PkgConfig::${package})
  set(CMAKE_REQUIRED_DEFINITIONS -DFUSE_USE_VERSION=${use_version})
  set(CMAKE_REQUIRED_QUIET ON)
  set(features "")
  holdfast_fuse_feature(DIRECT_IO_ALLOW_MMAP "auto c = FUSE_CAP_DIRECT_IO_ALLOW_MMAP; return c == 0;")
  holdfast_fuse_feature(FEATURE_FLAGS
    "fuse_conn_info c{}; return fuse_set_feature_flag(&c, FUSE_CAP_ASYNC_READ);")
  holdfast_fuse_feature(CUSTOM_IO "return reinterpret_cast<void*>(&fuse_session_custom_io) == nullptr;")
  holdfast_fuse_feature(PARALLEL_DIRECT_WRITES
    "fuse_file_info f{}; f.parallel_direct_writes = 1; return f.parallel_direct_writes;")
  holdfast_fuse_feature(NOFLUSH "fuse_file_info f{}; f.noflush = 1; return f.noflush;")
  holdfast_fuse_feature(KILL_SUIDGID "fuse_file_info f{}; f.kill_suidgid = 1; return f.kill_suidgid;")
  holdfast_fuse_feature(TMPFILE "fuse_lowlevel_ops o{}; return o.tmpfile == nullptr;")
  holdfast_fuse_feature(STATX "fuse_lowlevel_ops o{}; return o.statx == nullptr;")

  message(STATUS "libfuse ${version} (${${package}_LIBDIR}):${features}")
endfunction()

holdfast_fuse_library(holdfast_fuse FUSE3)
