# Files that become part of the program.

# embed_files(<room> <function> <pattern>…): the files that match become `std::span<const EmbeddedFile> <function>()` in
# namespace trimtab::<room>. The room's embedded_files.h declares it; until that header exists nothing is embedded.
function(embed_files room function)
  file(GLOB header CONFIGURE_DEPENDS src/${room}/embedded_files.h)
  file(GLOB files CONFIGURE_DEPENDS ${ARGN})
  if(NOT header)
    return()
  endif()
  set(output ${PROJECT_BINARY_DIR}/generated/${room}/${function}.cc)
  # The list of names goes into the command, so that a removed file renews the output too.
  add_custom_command(
    OUTPUT ${output}
    COMMAND python3 ${PROJECT_SOURCE_DIR}/cmake/embed.py ${output} ${room} ${function} ${PROJECT_SOURCE_DIR} ${files}
    DEPENDS ${files} ${PROJECT_SOURCE_DIR}/cmake/embed.py
    COMMENT "Embedding ${function}"
    VERBATIM)
  set(EMBEDDED_SOURCES_${room} ${EMBEDDED_SOURCES_${room}} ${output} PARENT_SCOPE)
endfunction()
