# The fuzz targets of tests/fuzz, with libFuzzer of clang: `./dev fuzz`. Each links no more of a room than it
# tries, so that neither DuckDB nor LightGBM is part of them.
function(fuzz_target name)
  add_executable(fuzz_${name} tests/fuzz/${name}_fuzz.cc ${ARGN})
  target_link_libraries(fuzz_${name} PRIVATE trimtab_project trimtab_base)
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer -Wl,--gc-sections)
  set_target_properties(fuzz_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  add_dependencies(fuzz fuzz_${name})
endfunction()

add_custom_target(fuzz)
# What is unused of a file may name what is not linked.
add_compile_options(-ffunction-sections)
fuzz_target(http src/http/request_reader.cc src/http/message.cc src/http/percent.cc)
fuzz_target(json)
fuzz_target(filter src/registry/run_filter.cc src/registry/filter_tokens.cc src/registry/filter_names.cc
                   src/registry/clauses.cc src/registry/like_pattern.cc)
fuzz_target(points src/registry/metric_batch.cc src/registry/metric_block.cc)
fuzz_target(project)
fuzz_target(csv src/api/predict/csv_rows.cc src/ingest/cell.cc src/table/schema.cc src/serve/request_rows.cc)
fuzz_target(tensors src/api/predict/oip_tensors.cc)
