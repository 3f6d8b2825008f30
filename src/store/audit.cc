#include "store/audit.h"

#include <initializer_list>
#include <utility>

#include "base/hash.h"
#include "store/connection.h"

namespace trimtab::store {
namespace {

// What the first row follows.
const std::string& genesis() {
  static const std::string kGenesis(64, '0');
  return kGenesis;
}

// Every field goes in with its length, so that no two rows give the same text.
std::string chain_hash(const AuditEntry& entry) {
  const std::string sequence = std::to_string(entry.sequence);
  const std::string time = std::to_string(entry.time);
  std::string text;
  for (const std::string* field : {&sequence, &time, &entry.actor, &entry.action, &entry.object,
                                   &entry.detail, &entry.previous_sha256}) {
    text += std::to_string(field->size());
    text += ':';
    text += *field;
  }
  return base::sha256(text);
}

AuditEntry read_entry(const Statement& row) {
  AuditEntry entry;
  entry.sequence = row.integer(0);
  entry.time = row.integer(1);
  entry.actor = row.text(2);
  entry.action = row.text(3);
  entry.object = row.text(4);
  entry.detail = row.text(5);
  entry.previous_sha256 = row.text(6);
  entry.sha256 = row.text(7);
  return entry;
}

tl::unexpected<Error> broken_at(std::int64_t sequence, const std::string& what) {
  return fail(ErrorCode::storage_broken, "audit row " + std::to_string(sequence) + " " + what,
              "the history was changed outside Trimtab; restore meta.db from a backup that has the row");
}

}  // namespace

Status append_audit(Connection& connection, TimeUs time, std::string_view actor, std::string_view action,
                    std::string_view object, std::string_view detail_json) {
  AuditEntry entry{
      1,         time, std::string(actor), std::string(action), std::string(object), std::string(detail_json),
      genesis(), ""};
  {
    Statement last = connection.prepare("SELECT sequence, sha256 FROM audit ORDER BY sequence DESC LIMIT 1");
    if (TRY(last.step())) {
      entry.sequence = last.integer(0) + 1;
      entry.previous_sha256 = last.text(1);
    }
  }
  entry.sha256 = chain_hash(entry);
  return connection.prepare("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
      .with(entry.sequence, entry.time, entry.actor, entry.action, entry.object, entry.detail,
            entry.previous_sha256, entry.sha256)
      .run();
}

Result<std::int64_t> verify_audit(Connection& connection) {
  Statement rows = connection.prepare(
      "SELECT sequence, time, actor, action, object, detail, previous_sha256, sha256 FROM audit ORDER BY "
      "sequence");
  std::int64_t length = 0;
  std::string previous_sha256 = genesis();
  while (TRY(rows.step())) {
    AuditEntry entry = read_entry(rows);
    if (entry.sequence < 1) return broken_at(entry.sequence, "was added outside Trimtab: rows count from 1");
    if (entry.sequence != length + 1) return broken_at(length + 1, "is missing");
    if (entry.sha256 != chain_hash(entry)) {
      return broken_at(entry.sequence, "was changed after it was written: its hash does not match");
    }
    if (entry.previous_sha256 != previous_sha256) {
      return broken_at(entry.sequence, "does not follow the row before it: that row was written again");
    }
    previous_sha256 = std::move(entry.sha256);
    length = entry.sequence;
  }
  return length;
}

Status list_audit(Connection& connection, std::int64_t count_max,
                  const std::function<void(const AuditEntry&)>& visit) {
  CHECK(count_max >= 0);
  Statement rows = connection.prepare(
      "SELECT sequence, time, actor, action, object, detail, previous_sha256, sha256 FROM audit"
      " ORDER BY sequence DESC LIMIT ?");
  rows.bind(0, count_max);
  while (TRY(rows.step())) visit(read_entry(rows));
  return {};
}

}  // namespace trimtab::store
