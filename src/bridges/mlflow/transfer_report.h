// What an import or an export brought over, kind by kind.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"

namespace trimtab::bridges {

struct TransferCount {
  std::int64_t brought = 0;
  std::int64_t known = 0;  // There already, from an earlier time.
  std::int64_t left = 0;   // Not brought; a note says why.
};

class TransferReport {
 public:
  TransferCount& operator[](
      const std::string& kind);  // "runs", "metric points", …: in the order of first use.
  const TransferCount& count(const std::string& kind) const { return counts_.at(kind); }
  // A note that says the same again is counted and not repeated.
  void note(const std::string& sentence) { ++notes_[sentence]; }
  // They are counted, and a note says why.
  void leave_webhooks(std::int64_t count);
  std::uint64_t file_bytes = 0;

  std::string to_text() const;  // A table, and the notes.
  Json to_json() const;         // With the text.

 private:
  std::vector<std::string> order_;
  std::map<std::string, TransferCount> counts_;
  std::map<std::string, std::int64_t> notes_;
};

}  // namespace trimtab::bridges
