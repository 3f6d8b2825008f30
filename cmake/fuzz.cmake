# The fuzz targets of tests/fuzz, with libFuzzer of clang: `./dev fuzz`. This preset builds nothing else, and each
# target no more of a room than it tries, so that all of it is built within minutes where nothing is cached. LightGBM is
# no part of them, DuckDB only of the one that feeds its parser.
add_custom_target(fuzz)

# What is unused of a file may name what is not linked.
add_compile_options(-ffunction-sections)

# What most of them stand on.
add_library(fuzzed STATIC
  src/base/checksum.cc src/base/clock.cc src/base/diagnostics.cc src/base/error_table.cc src/base/json.cc
  src/base/json_view.cc src/base/result.cc)
target_include_directories(fuzzed PUBLIC ${PROJECT_SOURCE_DIR}/src)
target_compile_definitions(fuzzed PUBLIC ${ROOM_DEFINITIONS_base})
target_link_libraries(fuzzed PUBLIC ${ROOM_LIBRARIES_base})

# fuzz_target(<name> <source>…): tests/fuzz/<name>_fuzz.cc with these sources of ours.
function(fuzz_target name)
  add_executable(fuzz_${name} tests/fuzz/${name}_fuzz.cc ${ARGN})
  target_link_libraries(fuzz_${name} PRIVATE fuzzed)
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer -Wl,--gc-sections)
  set_target_properties(fuzz_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  add_dependencies(fuzz fuzz_${name})
endfunction()

fuzz_target(http src/base/log.cc src/http/request_reader.cc src/http/message.cc src/http/percent.cc)
fuzz_target(json)
fuzz_target(filter src/registry/run_filter.cc src/registry/filter_tokens.cc src/registry/filter_names.cc
                   src/registry/clauses.cc src/registry/like_pattern.cc)
fuzz_target(points src/registry/metric_batch.cc src/registry/metric_block.cc)
file(GLOB project_sources CONFIGURE_DEPENDS src/project/*.cc)
list(FILTER project_sources EXCLUDE REGEX "_test\\.cc$")
fuzz_target(project ${project_sources} src/base/file.cc src/base/hex.cc src/base/id.cc src/base/yaml.cc)
fuzz_target(csv src/api/predict/csv_rows.cc src/ingest/cell.cc src/table/schema.cc src/table/utf8.cc
                src/serve/request_columns.cc)
fuzz_target(tensors src/api/predict/oip_tensors.cc src/serve/answer_text.cc src/table/utf8.cc)
fuzz_target(expressions src/table/allowed_functions.cc src/table/batch.cc src/table/binding.cc src/table/engine.cc
                        src/table/expression.cc src/table/expression_scan.cc src/table/expression_tree.cc
                        src/table/schema.cc src/table/session.cc src/table/utf8.cc)
target_link_libraries(fuzz_expressions PRIVATE ${ROOM_LIBRARIES_table})
target_compile_definitions(fuzz_expressions PRIVATE ${ROOM_DEFINITIONS_table})
