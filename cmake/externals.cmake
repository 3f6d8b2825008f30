# Libraries that are not ours. ROOM_LIBRARIES_<room> names those that a room links; layers.txt says whose headers they are.
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto SSL)
find_package(SQLite3 REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(GTest REQUIRED)
find_package(rapidcheck REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(simdjson REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)

# DuckDB: a C library in many archives, and the C++ headers of the same version for the row program.
file(GLOB duckdb_archives ${TRIMTAB_DUCKDB_ARCHIVES}/*.a)
add_library(duckdb INTERFACE)
target_include_directories(duckdb SYSTEM INTERFACE ${TRIMTAB_DUCKDB_HEADERS}/src/include ${TRIMTAB_DUCKDB_ARCHIVES})
# DuckDB is C++11, where a static constexpr member is an ordinary symbol; in C++20 the same member is inline. As a
# weak symbol ours gives way to theirs, as a "unique" one (what g++ makes by itself) it would be a duplicate.
target_compile_options(duckdb INTERFACE -fno-gnu-unique)
list(JOIN duckdb_archives "," duckdb_archives)
# The archives refer to each other in circles.
target_link_libraries(duckdb INTERFACE "$<LINK_GROUP:RESCAN,${duckdb_archives}>" ${CMAKE_DL_LIBS} m Threads::Threads)

# LightGBM: built from its source archive by cmake/dependencies.py.
add_library(lightgbm INTERFACE)
target_include_directories(lightgbm SYSTEM INTERFACE ${TRIMTAB_LIGHTGBM}/include)
target_link_libraries(lightgbm INTERFACE ${TRIMTAB_LIGHTGBM}/lib_lightgbm.a OpenMP::OpenMP_CXX)

set(ROOM_LIBRARIES_base OpenSSL::SSL OpenSSL::Crypto yaml-cpp simdjson::simdjson spdlog::spdlog fmt::fmt Threads::Threads)
set(ROOM_LIBRARIES_store SQLite::SQLite3)
set(ROOM_LIBRARIES_table duckdb)
set(ROOM_LIBRARIES_http Threads::Threads)  # Boost's headers lie in the system's include folder
set(ROOM_LIBRARIES_model lightgbm)

# What a room is told about versions.
set(ROOM_DEFINITIONS_base TRIMTAB_VERSION="${TRIMTAB_VERSION}")
set(ROOM_DEFINITIONS_app ${ROOM_DEFINITIONS_base})
set(ROOM_DEFINITIONS_table TRIMTAB_DUCKDB_VERSION="${TRIMTAB_DUCKDB_VERSION}")
set(ROOM_DEFINITIONS_model TRIMTAB_LIGHTGBM_VERSION="${TRIMTAB_LIGHTGBM_VERSION}")
