# How our own code is compiled, in every preset.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(THREADS_PREFER_PTHREAD_FLAG ON)
# No -DNDEBUG: checks stay on in what users run.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
set(TRIMTAB_TEST_OPTIONS -O1)  # Compiling a test takes far longer than running it.
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1 -fno-omit-frame-pointer")

set(TRIMTAB_SANITIZE "" CACHE STRING "Sanitizers for our code, as in -fsanitize=")
set(TRIMTAB_ONLY_ROOMS "" CACHE STRING "Build these rooms only; all when empty")
set(TRIMTAB_TEST_PROGRAM "" CACHE STRING "Name of one more test program, made of the tests of several rooms")
set(TRIMTAB_TEST_PROGRAM_ROOMS "" CACHE STRING "The rooms of that program")
set(TRIMTAB_FUZZ OFF CACHE BOOL "Build the fuzz targets; clang only")
set(TRIMTAB_PROGRAM_FOLDER "${PROJECT_BINARY_DIR}/bin" CACHE STRING "Where the program is put")

# ./dev fetches the pinned archives before it runs CMake, and says here where they are.
include(${PROJECT_SOURCE_DIR}/build/dependencies.cmake OPTIONAL RESULT_VARIABLE TRIMTAB_DEPENDENCIES)
if(NOT TRIMTAB_DEPENDENCIES)
  message(FATAL_ERROR "The pinned archives are not here yet: run ./dev build once, then cmake works by itself.")
endif()

# No -Wpedantic: TRY of base/result.h is a statement expression, which g++ and clang have and ISO has not.
add_compile_options(
  -Wall -Wextra -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough -Wno-missing-field-initializers
  -Werror=vla -Werror=return-type -Werror=uninitialized -Wno-error=maybe-uninitialized -Werror=format-security -Werror=switch
  -fstack-protector-strong -fno-plt -ffile-prefix-map=${PROJECT_SOURCE_DIR}/= -ffile-prefix-map=../../=)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # g++ 12 sees these inside its own std::string, where precompiled headers no longer hide it (GCC bug 105329).
  # And it takes unnamed namespaces of included files for a header's.
  add_compile_options(-Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread
    -Wno-subobject-linkage)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  add_compile_options(-Wno-unknown-warning-option)  # g++ has some more warnings.
endif()
add_compile_definitions(_GLIBCXX_ASSERTIONS)
add_link_options(-Wl,-z,relro,-z,now)
if(TRIMTAB_SANITIZE)
  # With sanitizers g++ 12 sees uninitialised values inside its own <regex>.
  add_compile_options(-fsanitize=${TRIMTAB_SANITIZE} -fno-sanitize-recover=all -Wno-maybe-uninitialized)
  add_link_options(-fsanitize=${TRIMTAB_SANITIZE})
else()
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()

find_program(MOLD mold)
if(MOLD)
  # What runs at the start only lies together, as it does with other linkers: fewer pages are ever in memory.
  add_link_options(-fuse-ld=mold -Wl,-z,keep-text-section-prefix)
endif()
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
