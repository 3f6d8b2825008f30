// For the tests of this room: a home, and versions of a model whose files are really there.
#pragma once

#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

#include "base/hash.h"
#include "registry/endpoints.h"
#include "registry/record.h"
#include "store/audit.h"
#include "store/home.h"
#include "store/scratch_folder.h"

namespace trimtab::registry {

class RecordWorld : public testing::Test {
 protected:
  RecordWorld() : home_(store::Home::open(scratch_ / "home", clock_).value()) {}

  FileFact keep(const std::string& bytes) { return {home_->blobs().put(bytes).value(), bytes.size()}; }

  // A candidate whose artifact says `content`; the same content is the same training step.
  NewVersion candidate(const std::string& content, bool passes = true) {
    NewVersion version;
    version.project = "flights";
    version.model = "late";
    version.step_key = base::sha256(content);
    const FileFact model = keep(content);
    const Json file = Json::object({{"name", "model.txt"}, {"sha256", model.sha256}, {"size", model.size}});
    version.files["model.txt"] = model;
    version.files["manifest.json"] = keep(Json::object({{"files", Json::array().push(file)}}).dump());
    version.params = Json::object({{"rounds", 200}, {"learner", "lightgbm"}});
    version.metrics = Json::object({{"auc", 0.75}});
    version.gates.push(gate("auc >= 0.7", passes ? "pass" : "fail", 0.75, 0.7));
    version.gates_passed = passes;
    version.reports["report.json"] = keep("report of " + content);
    version.inputs["snapshot/table/departures"] = keep("snapshot").sha256;
    version.actor = "apply";
    version.reason = "declared in trimtab.yaml";
    return version;
  }
  static Json gate(const std::string& text, const std::string& verdict, double value, double threshold) {
    Json json = Json::object({{"gate", text}, {"measured", Json::object({{"value", value}})}});
    return json.set("verdict", verdict).set("threshold", threshold);
  }
  VersionFacts enlist(const std::string& content, bool passes = true) {
    const Result<VersionFacts> made = register_version(*home_, clock_, candidate(content, passes));
    EXPECT_TRUE(made) << base::render(made.error());
    return *made;
  }
  // Version 1 registered and serving at the endpoint that bears the model's name.
  void open_endpoint() {
    enlist("first");
    EXPECT_TRUE(declare_endpoint(*home_, clock_, "flights", "late", "late"));
    EXPECT_TRUE(promote("late", 1));
  }
  Status promote(const std::string& endpoint, std::int64_t version,
                 const std::string& action = "endpoint.promote") {
    return change_champion(*home_, clock_, endpoint, version, "apply", action, "a test wants it");
  }
  static std::string said(const Status& status) { return status ? "nothing" : base::render(status.error()); }
  template <class T>
  static std::string said(const Result<T>& result) {
    return result ? "nothing" : base::render(result.error());
  }

  // Rows of a query, cells joined by "|"; null is "-".
  std::vector<std::string> query(const std::string& sql) {
    std::vector<std::string> rows;
    const Status read = home_->database().read([&](store::Connection& connection) -> Status {
      store::Statement row = connection.prepare(sql);
      while (TRY(row.step())) {
        std::string cells;
        for (int column = 0; column < row.column_count(); ++column) {
          cells += (column > 0 ? "|" : "") + (row.is_null(column) ? "-" : row.text(column));
        }
        rows.push_back(std::move(cells));
      }
      return {};
    });
    EXPECT_TRUE(read) << base::render(read.error());
    return rows;
  }
  // Somebody else's hand on the database: what foreign keys would forbid is done all the same.
  void tamper(const std::string& sql) {
    const Status done = home_->database().write([&](store::Connection& connection) {
      return connection.run_script("PRAGMA defer_foreign_keys = ON;" + sql);
    });
    EXPECT_TRUE(done) << base::render(done.error());
  }

  store::ScratchFolder scratch_;
  base::ManualClock clock_{1'357'000'000 * base::kSecondUs};
  std::unique_ptr<store::Home> home_;
};

using Words = std::vector<std::string>;

}  // namespace trimtab::registry
