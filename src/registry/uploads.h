// Files that come in parts, so that a client on a bad line sends again only what was lost. A part is a file
// of our own naming in the home; when all have come they become one blob, and the artifact's row its name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "registry/artifacts.h"
#include "store/home.h"

namespace trimtab::registry {

inline constexpr std::int64_t kUploadPartsMax = 10'000;

struct UploadPart {
  std::int64_t number = 0;  // From 1.
  std::string etag;         // What keep_part gave.
};

// Begins one and hands on its id, which nobody can guess: who has it may send parts. Uploads that nobody has
// ended for a week go on the way. Thread-safe. Errors: invalid (key, parts).
void begin_upload(store::Home& home, const base::Clock& clock, ArtifactPath key, std::int64_t parts,
                  Written<std::string> done);
// Moves the file of a part in; the same number again replaces. Returns its tag. Blocks. Errors: not_found,
// invalid (number), storage_full, storage_broken.
Result<std::string> keep_part(store::Home& home, const std::string& id, std::int64_t number,
                              const std::filesystem::path& file, const std::string& sha256);
// Joins the parts and puts the artifact. Needs the memory of one buffer. Blocks while it joins. Errors:
// not_found (upload, part), invalid (no parts, parts that do not begin at 1 or leave one out).
void complete_upload(store::Home& home, const std::string& id, const ArtifactPath& key,
                     const std::vector<UploadPart>& parts, Written<bool> done);
// An unknown one is fine.
void abort_upload(store::Home& home, const std::string& id, Written<bool> done);

}  // namespace trimtab::registry
