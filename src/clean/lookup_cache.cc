#include "clean/lookup_cache.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>

#include "table/parquet.h"

namespace trimtab::clean {
namespace {

// Enough for the joins of one recipe and the next; the rows in memory are bounded too, for tables may be
// large.
constexpr std::size_t kTablesKept = 8;
constexpr std::int64_t kRowsKept = 20'000'000;

struct Entry {
  std::string key;
  std::shared_ptr<const table::LookupIndex> index;
};

class LookupCache {
 public:
  std::shared_ptr<const table::LookupIndex> find(const std::string& key) {
    const std::lock_guard lock(mutex_);
    const auto found =
        std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.key == key; });
    if (found == entries_.end()) return nullptr;
    Entry entry = *found;
    entries_.erase(found);
    entries_.push_front(entry);
    return entry.index;
  }

  void add(std::string key, std::shared_ptr<const table::LookupIndex> index) {
    const std::lock_guard lock(mutex_);
    entries_.push_front({std::move(key), std::move(index)});
    std::int64_t rows = 0;
    std::size_t kept = 0;
    for (; kept < std::min(entries_.size(), kTablesKept); ++kept) {
      rows += entries_[kept].index->rows();
      if (rows > kRowsKept) break;
    }
    entries_.resize(kept);
  }

 private:
  std::mutex mutex_;
  std::deque<Entry> entries_;  // The one used last comes first.
};

LookupCache& cache() {
  static LookupCache the_cache;
  return the_cache;
}

std::string key_of(const table::LookupSpec& spec, const table::Schema& schema,
                   const std::vector<std::filesystem::path>& parts) {
  Json files = Json::array();
  for (const std::filesystem::path& path : parts) {
    std::error_code absent;
    files.push(path.string());
    files.push(static_cast<std::int64_t>(std::filesystem::file_size(path, absent)));
    files.push(std::int64_t{std::filesystem::last_write_time(path, absent).time_since_epoch().count()});
  }
  return Json(Json::Array{spec.to_json(), schema.to_json(), std::move(files)}).dump();
}

}  // namespace

Result<std::shared_ptr<const table::LookupIndex>> load_lookup(
    table::Engine& engine, const table::LookupSpec& spec, const table::Schema& schema,
    const std::vector<std::filesystem::path>& parts) {
  const std::string key = key_of(spec, schema, parts);
  if (auto known = cache().find(key)) return known;
  const std::shared_ptr<table::LookupIndex> index = TRY(table::LookupIndex::make(spec, schema));
  TRY(table::read_parquet(engine, parts, schema.names(),
                          [&index](const table::Batch& rows) { return index->append(rows); }));
  cache().add(key, index);
  return std::shared_ptr<const table::LookupIndex>(index);
}

}  // namespace trimtab::clean
