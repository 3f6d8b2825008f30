# What nearly every file includes is read once: the standard library, the vocabulary type of errors, and for tests
# GoogleTest. Nothing of our own, so that no change to our headers builds everything anew. A file still includes
# what it uses: the fuzz preset, another compiler, precompiles nothing.
option(TRIMTAB_PRECOMPILE "Read what files have in common once, not once a file" ON)
set(TRIMTAB_STANDARD_HEADERS
  <algorithm> <array> <atomic> <charconv> <chrono> <cmath> <condition_variable> <cstdint> <cstring> <deque>
  <filesystem> <fstream> <functional> <limits> <map> <memory> <mutex> <numeric> <optional> <random> <set> <span>
  <string> <string_view> <thread> <unordered_map> <unordered_set> <utility> <variant> <vector> <tl/expected.hpp>)

# Gives a target the precompiled header of its `kind`: library or test. OpenMP defines a word that precompiled
# headers would have to know.
function(precompile target kind)
  get_target_property(libraries ${target} LINK_LIBRARIES)
  if(TRIMTAB_PRECOMPILE AND NOT lightgbm IN_LIST libraries)
    target_precompile_headers(${target} REUSE_FROM precompiled_${kind})
  endif()
endfunction()

function(make_precompiled kind)
  set(target precompiled_${kind})
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/generated/${target}.cc CONTENT "")
  # With no definitions of a room's own: they would make it unusable elsewhere.
  add_library(${target} OBJECT ${PROJECT_BINARY_DIR}/generated/${target}.cc)
  target_precompile_headers(${target} PRIVATE ${ARGN})
  # A precompiled header has other bytes in every folder; ccache takes this file for what is in it, so that a
  # second clone finds what the first compiled.
  string(SHA256 contents "${ARGN} ${CMAKE_CXX_COMPILER_VERSION}")
  file(WRITE ${PROJECT_BINARY_DIR}/CMakeFiles/${target}.dir/cmake_pch.hxx.gch.sum ${contents})
endfunction()

if(TRIMTAB_PRECOMPILE AND NOT TRIMTAB_FUZZ)
  make_precompiled(library ${TRIMTAB_STANDARD_HEADERS})
  make_precompiled(test ${TRIMTAB_STANDARD_HEADERS} <gtest/gtest.h>)
  target_link_libraries(precompiled_test PRIVATE GTest::gtest)  # for its definitions
  target_compile_options(precompiled_test PRIVATE ${TRIMTAB_TEST_OPTIONS})
endif()

# Sets `result` to files that each include some of a room's, so that what these all include is read once. Their
# unnamed namespaces are then one, as names of a room should be.
function(make_units result room)
  if(NOT TRIMTAB_PRECOMPILE)
    set(${result} ${ARGN} PARENT_SCOPE)
    return()
  endif()
  set(number 0)
  set(sources ${ARGN})
  while(sources)
    list(SUBLIST sources 0 5 together)
    list(REMOVE_ITEM sources ${together})
    list(TRANSFORM together REPLACE "^.*/src/(.*)$" "#include \"\\1\"\n" OUTPUT_VARIABLE lines)
    list(JOIN lines "" text)
    set(unit ${PROJECT_BINARY_DIR}/generated/units/${room}_${number}.cc)
    file(CONFIGURE OUTPUT ${unit} CONTENT "${text}" @ONLY)  # Untouched when nothing changed.
    list(APPEND units ${unit})
    math(EXPR number "${number} + 1")
  endwhile()
  set(${result} ${units} PARENT_SCOPE)
endfunction()
