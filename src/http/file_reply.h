// Answers with a file, or with the part of it that a Range header asks for.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "http/message.h"

namespace trimtab::http {

struct FileAnswer {
  std::filesystem::path root;  // The file is opened below it: no link leads elsewhere.
  std::filesystem::path path;  // From there.
  std::uint64_t size = 0;
  std::string content_type = "application/octet-stream";
  std::string etag;  // Without quotes: a hash of the content. It lets a client go on where it was cut off.
  std::string name;  // For whoever saves it.
};

// 200, 206 for one range, 416 for one that lies behind the end; several ranges get the whole file, as RFC
// 9110 allows. A file of any caller may hold a page with scripts: it is always an attachment, and a sandboxed
// one. Opens the file: not for io threads. Errors: storage_broken.
Result<Reply> file_reply(const Request& request, const FileAnswer& answer);

}  // namespace trimtab::http
