#include "registry/uploads.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

#include "base/file.h"
#include "base/hash.h"
#include "base/id.h"

namespace trimtab::registry {

namespace fs = std::filesystem;
using store::Connection;
using store::Statement;

namespace {

constexpr TimeUs kKept = 7 * base::kDayUs;
constexpr std::size_t kBufferBytes = 1u << 20;

tl::unexpected<Error> no_upload(const std::string& id) {
  return fail(ErrorCode::not_found, "No such multipart upload: '" + id + "'", "create one first");
}

// Only of an id that is in the table: never of what a client wrote.
fs::path folder_of(const store::Home& home, const std::string& id) {
  CHECK(base::is_id(id));
  return home.folder() / "uploads" / id;
}

fs::path part_file(const fs::path& folder, std::int64_t number, const std::string& sha256) {
  return folder / (std::to_string(number) + "-" + sha256);
}

struct Upload {
  ArtifactPath key;
  std::int64_t parts = 0;
};

Result<Upload> find_upload(store::Home& home, const std::string& id) {
  Upload upload;
  TRY(home.database().read([&](Connection& connection) -> Status {
    Statement row = connection.prepare("SELECT root, path, parts FROM upload WHERE id = ?");
    if (!TRY(row.with(id).step())) return no_upload(id);
    upload = {{row.text(0), row.text(1)}, row.integer(2)};
    return {};
  }));
  return upload;
}

Result<std::vector<std::string>> take_old(Connection& connection, TimeUs before) {
  std::vector<std::string> ids;
  {
    Statement row = connection.prepare("SELECT id FROM upload WHERE created_us < ?");
    row.with(before);
    while (TRY(row.step())) ids.push_back(row.text(0));
  }
  for (const std::string& id : ids) TRY(connection.prepare("DELETE FROM upload WHERE id = ?").with(id).run());
  return ids;
}

Status append(const base::Descriptor& to, const fs::path& part, base::Sha256& hash, std::uint64_t& size) {
  const base::Descriptor from(::open(part.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!from) return fail(base::errno_error(errno, "cannot read a part of an upload"));
  std::string buffer(kBufferBytes, '\0');
  while (true) {
    const ssize_t count = ::read(from.get(), buffer.data(), buffer.size());
    if (count < 0) return fail(base::errno_error(errno, "cannot read a part of an upload"));
    if (count == 0) return {};
    std::string_view bytes(buffer.data(), static_cast<std::size_t>(count));
    hash.update(bytes);
    size += bytes.size();
    while (!bytes.empty()) {
      const ssize_t written = ::write(to.get(), bytes.data(), bytes.size());
      if (written < 0) return fail(base::errno_error(errno, "cannot join the parts of an upload"));
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
  }
}

Result<ArtifactFile> join_parts(store::Home& home, const std::string& id,
                                const std::vector<UploadPart>& parts) {
  const fs::path folder = folder_of(home, id);
  const fs::path whole = folder / "whole";
  base::Sha256 hash;
  std::uint64_t size = 0;
  {
    const base::Descriptor to(::open(whole.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!to) return fail(base::errno_error(errno, "cannot join the parts of an upload"));
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const bool is_next = parts[i].number == static_cast<std::int64_t>(i) + 1;
      if (!is_next)
        return fail(ErrorCode::invalid, "The parts of an upload must be 1, 2, 3 and so on, in this order.");
      const fs::path file = part_file(folder, parts[i].number, parts[i].etag);
      if (!base::is_sha256(parts[i].etag) || !fs::exists(file)) {
        return fail(ErrorCode::not_found, "Part " + std::to_string(parts[i].number) + " with ETag '" +
                                              parts[i].etag + "' has not been uploaded.");
      }
      TRY(append(to, file, hash, size));
    }
  }
  const std::string sha256 = hash.finish();
  TRY(home.blobs().put_hashed(whole, sha256));
  return ArtifactFile{sha256, static_cast<std::int64_t>(size)};
}

}  // namespace

void begin_upload(store::Home& home, const base::Clock& clock, ArtifactPath key, std::int64_t parts,
                  Written<std::string> done) {
  if (parts < 1 || parts > kUploadPartsMax) {
    return done(
        fail(ErrorCode::invalid, "Invalid value " + std::to_string(parts) +
                                     " for parameter 'num_parts' supplied: it must be between 1 and 10000."));
  }
  const std::string id = base::random_id();
  // The folder is there before the row that names it.
  if (const Status made = base::make_folders(folder_of(home, id)); !made) return done(fail(made.error()));
  const TimeUs now = clock.now();
  auto old = std::make_shared<std::vector<std::string>>();
  write_value<std::string>(
      home,
      [id, key = std::move(key), parts, now, old](Connection& connection) -> Result<std::string> {
        *old = TRY(take_old(connection, now - kKept));
        TRY(connection
                .prepare("INSERT INTO upload (id, root, path, parts, created_us) VALUES (?, ?, ?, ?, ?)")
                .with(id, key.root, key.path, parts, now)
                .run());
        return id;
      },
      [&home, old, done = std::move(done)](Result<std::string> made) {
        for (const std::string& gone : *old) static_cast<void>(base::remove_tree(folder_of(home, gone)));
        done(std::move(made));
      });
}

Result<std::string> keep_part(store::Home& home, const std::string& id, std::int64_t number,
                              const fs::path& file, const std::string& sha256) {
  const Upload upload = TRY(find_upload(home, id));
  if (number < 1 || number > upload.parts) {
    return fail(ErrorCode::invalid, "Invalid part number " + std::to_string(number) +
                                        ": the upload has parts 1 to " + std::to_string(upload.parts) + ".");
  }
  TRY(base::move_file_durably(file, part_file(folder_of(home, id), number, sha256)));
  return sha256;
}

void complete_upload(store::Home& home, const std::string& id, const ArtifactPath& key,
                     const std::vector<UploadPart>& parts, Written<bool> done) {
  const Result<Upload> upload = find_upload(home, id);
  if (!upload) return done(fail(upload.error()));
  if (upload->key != key) return done(no_upload(id));
  if (parts.empty()) return done(fail(ErrorCode::invalid, "Missing value for required parameter 'parts'."));
  Result<ArtifactFile> file = join_parts(home, id, parts);
  if (!file) return done(fail(std::move(file).error()));
  put_artifact(home, key, *std::move(file), [&home, id, done = std::move(done)](Result<bool> put) {
    if (!put) return done(std::move(put));
    abort_upload(home, id, done);  // What is left of it.
  });
}

void abort_upload(store::Home& home, const std::string& id, Written<bool> done) {
  write_value<bool>(
      home,
      [id](Connection& connection) -> Result<bool> {
        TRY(connection.prepare("DELETE FROM upload WHERE id = ?").with(id).run());
        return connection.changes() > 0;
      },
      [&home, id, done = std::move(done)](Result<bool> known) {
        if (known && *known) static_cast<void>(base::remove_tree(folder_of(home, id)));
        done(std::move(known));
      });
}

}  // namespace trimtab::registry
