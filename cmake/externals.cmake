# Libraries that are not ours. ROOM_LIBRARIES_<room> names those that a room links; layers.txt says whose headers they are.
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto SSL)
find_package(SQLite3 REQUIRED)
if(NOT TRIMTAB_FUZZ AND (NOT TRIMTAB_ONLY_ROOMS OR "model" IN_LIST TRIMTAB_ONLY_ROOMS))
  find_package(OpenMP REQUIRED COMPONENTS CXX)  # of LightGBM
endif()
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
target_compile_options(duckdb INTERFACE $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>)
list(JOIN duckdb_archives "," duckdb_archives)
# The archives refer to each other in circles.
target_link_libraries(duckdb INTERFACE "$<LINK_GROUP:RESCAN,${duckdb_archives}>" ${CMAKE_DL_LIBS} m Threads::Threads)

# LightGBM: built from its source archive by cmake/dependencies.py.
add_library(lightgbm INTERFACE)
target_include_directories(lightgbm SYSTEM INTERFACE ${TRIMTAB_LIGHTGBM}/include)
target_link_libraries(lightgbm INTERFACE ${TRIMTAB_LIGHTGBM}/lib_lightgbm.a OpenMP::OpenMP_CXX)

# gRPC, in archives: as shared libraries it is eighty of them, which every start of the program would load, `trimtab help`
# included. Without TLS, which is HTTP's business here.
find_library(GRPC_ARCHIVE libgrpc++_unsecure.a REQUIRED)
find_program(PROTOC protoc REQUIRED)
find_program(GRPC_PLUGIN grpc_cpp_plugin REQUIRED)
get_filename_component(grpc_folder ${GRPC_ARCHIVE} DIRECTORY)
file(GLOB grpc_archives ${grpc_folder}/libabsl_*.a)
list(FILTER grpc_archives EXCLUDE REGEX "_test|benchmark")
foreach(name grpc++_unsecure grpc_unsecure gpr address_sorting upb cares re2 protobuf)
  list(APPEND grpc_archives ${grpc_folder}/lib${name}.a)
endforeach()
set(open_inference ${PROJECT_BINARY_DIR}/generated/open_inference)
set(open_inference_proto ${PROJECT_SOURCE_DIR}/src/api/grpc/open_inference.proto)
set(open_inference_files ${open_inference}/open_inference.pb.cc ${open_inference}/open_inference.grpc.pb.cc)
file(MAKE_DIRECTORY ${open_inference})
add_custom_command(
  OUTPUT ${open_inference_files} ${open_inference}/open_inference.pb.h ${open_inference}/open_inference.grpc.pb.h
  COMMAND ${PROTOC} --cpp_out=${open_inference} --grpc_out=${open_inference} --plugin=protoc-gen-grpc=${GRPC_PLUGIN}
          -I ${PROJECT_SOURCE_DIR}/src/api/grpc ${open_inference_proto}
  DEPENDS ${open_inference_proto}
  COMMENT "Generating the messages of the Open Inference Protocol"
  VERBATIM)
add_library(open_inference STATIC ${open_inference_files})
target_include_directories(open_inference SYSTEM PUBLIC ${open_inference})
list(JOIN grpc_archives "," grpc_archives)
target_link_libraries(open_inference PUBLIC "$<LINK_GROUP:RESCAN,${grpc_archives}>" z ${CMAKE_DL_LIBS} Threads::Threads)

set(ROOM_LIBRARIES_base OpenSSL::SSL OpenSSL::Crypto yaml-cpp simdjson::simdjson spdlog::spdlog fmt::fmt Threads::Threads)
set(ROOM_LIBRARIES_store SQLite::SQLite3)
set(ROOM_LIBRARIES_table duckdb)
set(ROOM_LIBRARIES_http Threads::Threads)  # Boost's headers lie in the system's include folder
set(ROOM_LIBRARIES_model lightgbm)
set(ROOM_LIBRARIES_people sodium)
set(ROOM_LIBRARIES_api open_inference)

# What a room is told about versions.
set(ROOM_DEFINITIONS_base TRIMTAB_VERSION="${TRIMTAB_VERSION}")
set(ROOM_DEFINITIONS_app ${ROOM_DEFINITIONS_base})
set(ROOM_DEFINITIONS_table TRIMTAB_DUCKDB_VERSION="${TRIMTAB_DUCKDB_VERSION}")
set(ROOM_DEFINITIONS_model TRIMTAB_LIGHTGBM_VERSION="${TRIMTAB_LIGHTGBM_VERSION}")
