// For tests: a home with an empty registry, a clock that stands still, and changes that are waited for.
#pragma once

#include <future>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "registry/model_facts.h"
#include "store/audit.h"
#include "store/scratch_folder.h"

namespace trimtab::registry {

inline constexpr TimeUs kNoon = 1'700'000'000'000'000;

class RegistryTest : public testing::Test {
 protected:
  RegistryTest() : home_(store::Home::open(scratch_ / "home", clock_).value()) {}

  // Waits for the commit of a change: written<RegisteredModel>([&](auto done) { create_model(by(), …, done);
  // }).
  template <class T, class Change>
  Result<T> written(Change change) {
    std::promise<Result<T>> promise;
    change(Written<T>([&promise](Result<T> result) { promise.set_value(std::move(result)); }));
    return promise.get_future().get();
  }
  template <class T>
  static std::string message_of(const Result<T>& result) {
    return result ? "no error" : result.error().message;
  }

  RegistryWriter by() { return {*home_, clock_}; }
  void run(const std::string& sql) {
    const Status done = home_->database().write(
        [&](store::Connection& connection) -> Status { return connection.run_script(sql); });
    EXPECT_TRUE(done) << message_of(done);
  }
  // The newest rows of the audit chain, as "action object detail".
  std::vector<std::string> history(std::int64_t count) {
    std::vector<std::string> rows;
    EXPECT_TRUE(home_->database().read([&](store::Connection& connection) {
      return store::list_audit(connection, count, [&](const store::AuditEntry& entry) {
        rows.push_back(entry.action + " " + entry.object + " " + entry.detail);
      });
    }));
    return rows;
  }

  store::ScratchFolder scratch_;
  base::ManualClock clock_{kNoon};
  std::unique_ptr<store::Home> home_;
};

}  // namespace trimtab::registry
