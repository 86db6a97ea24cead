# SPDX-License-Identifier: Apache-2.0
# How a folder of tests becomes ctest entries. The labels are the folder names.

option(HOLDFAST_SLOW_TESTS "With sanitizers also run the tests that are slow with them" OFF)
set(HOLDFAST_TEST_PREFIX "" CACHE STRING "Put before every test's name, to tell builds apart")

# holdfast_test_code(TARGET): in a cold build the compilers take most of the time, and most of that
# for tests.
function(holdfast_test_code target)
  if(HOLDFAST_COLD_BUILD)
    set_target_properties(${target} PROPERTIES HOLDFAST_UNOPTIMIZED ON)
    target_compile_options(${target} PRIVATE -O0 -g1)
  endif()
  holdfast_precompile(${target} <gmock/gmock.h> <gtest/gtest.h>)
endfunction()

# holdfast_keep_threaded(SOURCES): TSan finds nothing in what one thread does alone, so its build has
# only the test files that start threads; not those that provoke SIGBUS, which TSan delivers late.
function(holdfast_keep_threaded variable)
  foreach(source IN LISTS ${variable})
    file(STRINGS "${source}" threads REGEX "std::thread" LIMIT_COUNT 1)
    if(source MATCHES "_test\\.cc$" AND
        (NOT threads OR source MATCHES "/(sigbus|media_failure)_test"))
      list(REMOVE_ITEM ${variable} "${source}")
    endif()
  endforeach()
  set(${variable} "${${variable}}" PARENT_SCOPE)
endfunction()

# holdfast_layer_tests(LAYER DEPS TARGET...): LAYER/*_test.cc as one GoogleTest program.
function(holdfast_layer_tests layer)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${layer}/*.cc")
  set(labels ${layer})
  if(HOLDFAST_SANITIZE STREQUAL "thread")
    holdfast_keep_threaded(sources)
    set(labels threads)
  endif()
  if(NOT sources)
    return()
  endif()
  holdfast_executable(${layer}_tests ${sources})
  target_link_libraries(${layer}_tests PRIVATE holdfast_test_support ${ARG_DEPS})
  holdfast_test_code(${layer}_tests)
  gtest_discover_tests(${layer}_tests
    DISCOVERY_MODE PRE_TEST
    DISCOVERY_TIMEOUT 60
    TEST_PREFIX "${HOLDFAST_TEST_PREFIX}${layer}."
    PROPERTIES LABELS ${labels} TIMEOUT 300)
endfunction()

# holdfast_script_tests(FOLDER): FOLDER/*_test.sh and *_test.py, one test each, told by
# HOLDFAST_BIN_DIR where the built programs are. Exit code 77 means skipped. A line
#   # ctest: timeout=SECONDS parallel once slow transports threads
# in the script sets its time limit (default 300). Without `parallel` no other script runs beside it,
# since most of them mount and use the machine's memory. With `once` it runs in the default build
# only; with `slow` too, unless HOLDFAST_SLOW_TESTS is on. With `transports` it becomes two tests
# there, told by HOLDFAST_TRANSPORT how requests are to come: over /dev/fuse, and over io_uring;
# builds with sanitizers, which are slow, take what the daemon would choose. TSan's build has only
# those with `threads`: many operations at a time, no SIGBUS.
function(holdfast_script_tests folder)
  file(GLOB scripts CONFIGURE_DEPENDS
    "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*_test.sh"
    "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*_test.py")
  foreach(script IN LISTS scripts)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${script}")
    file(STRINGS "${script}" settings REGEX "^# ctest:")
    if(HOLDFAST_SANITIZE AND (settings MATCHES "once" OR
        (settings MATCHES "slow" AND NOT HOLDFAST_SLOW_TESTS)))
      continue()
    endif()
    if(HOLDFAST_SANITIZE STREQUAL "thread" AND NOT settings MATCHES "threads")
      continue()
    endif()
    set(timeout 300)
    if(settings MATCHES "timeout=([0-9]+)")
      set(timeout ${CMAKE_MATCH_1})
    endif()
    set(alone RESOURCE_LOCK mounts)
    if(settings MATCHES "parallel")
      set(alone "")
    endif()
    set(transports auto)
    if(settings MATCHES "transports" AND NOT HOLDFAST_SANITIZE)
      set(transports fuse io_uring)
    endif()
    set(interpreter bash)
    if(script MATCHES "\\.py$")
      set(interpreter python3)
    endif()
    cmake_path(GET script STEM stem)
    foreach(transport IN LISTS transports)
      set(name "${HOLDFAST_TEST_PREFIX}${folder}.${stem}")
      if(transport STREQUAL "io_uring")
        string(APPEND name ".io_uring")
      endif()
      add_test(NAME ${name} COMMAND ${interpreter} "${script}")
      set_tests_properties(${name} PROPERTIES
        LABELS ${folder} TIMEOUT ${timeout} ${alone} SKIP_RETURN_CODE 77
        ENVIRONMENT "HOLDFAST_BIN_DIR=${PROJECT_BINARY_DIR}/bin;HOLDFAST_TRANSPORT=${transport}")
    endforeach()
  endforeach()
endfunction()

# holdfast_benchmarks(FOLDER): FOLDER/*_bench.cc, one Google Benchmark program each, and
# FOLDER/*_ops.cc, plain programs that tools/bench runs on a mount. Not ctest entries: figures are
# for reading, never for passing or failing.
function(holdfast_benchmarks folder)
  file(GLOB sources CONFIGURE_DEPENDS
    "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*_bench.cc"
    "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*_ops.cc")
  foreach(source IN LISTS sources)
    cmake_path(GET source STEM stem)
    holdfast_executable(${stem} ${source})
    if(stem MATCHES "_bench$")
      target_link_libraries(${stem} PRIVATE
        holdfast_fsmeta benchmark::benchmark benchmark::benchmark_main)
    endif()
  endforeach()
endfunction()
