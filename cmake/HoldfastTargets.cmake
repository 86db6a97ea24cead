# SPDX-License-Identifier: Apache-2.0
# How a folder of sources becomes a target; an empty folder becomes an empty one.

# holdfast_library(NAME [EXCLUDE REGEX] [DEPS TARGET...]): a static library of the folder's *.cc files.
function(holdfast_library name)
  cmake_parse_arguments(ARG "" "EXCLUDE" "DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cc")
  if(ARG_EXCLUDE)
    list(FILTER sources EXCLUDE REGEX "${ARG_EXCLUDE}")
  endif()
  if(sources)
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC holdfast_flags ${ARG_DEPS})
    holdfast_precompile(${name})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE holdfast_flags ${ARG_DEPS})
  endif()
endfunction()

add_custom_target(programs) # what is installed and run, without tests and benchmarks

# holdfast_executable(NAME SOURCE...): every program of the project is made here.
function(holdfast_executable name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE holdfast_flags)
  if(TARGET holdfast_sanitizer_defaults)
    target_link_libraries(${name} PRIVATE holdfast_sanitizer_defaults)
  endif()
endfunction()

# holdfast_program(NAME SOURCE DESTINATION [DEPS TARGET...]): an installed executable with one thin
# main file; does nothing while that file does not exist (the folder's glob notices when it comes).
function(holdfast_program name source destination)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  if(NOT EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${source}")
    return()
  endif()
  holdfast_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS})
  add_dependencies(programs ${name})
  install(TARGETS ${name} RUNTIME DESTINATION "${destination}")
endfunction()
