// Registered models and their versions in MLflow's terms, free of JSON and of the database; and who changes
// them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "registry/run_facts.h"
#include "store/home.h"

namespace trimtab::registry {

struct ModelVersion {
  std::string model;
  std::int64_t version = 0;
  std::int64_t created_ms = 0;
  std::int64_t updated_ms = 0;
  std::string stage = "None";  // "Staging", "Production", "Archived".
  std::string source;          // As it was given.
  std::string location;        // Where its files are.
  std::string status = "READY";
  std::optional<std::string> run_id, run_link, description, user_id, status_message;
  std::vector<KeyValue> tags;        // By key.
  std::vector<std::string> aliases;  // By name; not filled by searches.
};

struct AliasFact {
  std::string alias;
  std::int64_t version = 0;
};

struct RegisteredModel {
  std::string name;
  std::int64_t created_ms = 0;
  std::int64_t updated_ms = 0;
  std::string description;
  std::vector<ModelVersion> latest_versions;  // Of each stage, by version.
  std::vector<KeyValue> tags;                 // By key.
  std::vector<AliasFact> aliases;             // By name.
};

// Who changes the registry, and by which clock. The home and the clock outlive it.
struct RegistryWriter {
  store::Home& home;
  const base::Clock& clock;
  std::string actor = "mlflow client";  // For the audit chain, until people have names.

  std::int64_t now_ms() const { return clock.now() / base::kMillisecondUs; }
};

// Called once, on the commit thread after the fsync; must be quick.
template <class T>
using Written = std::function<void(Result<T>)>;

// Queues `work`, whose value reaches `done` when it is durable.
template <class T>
void write_value(store::Home& home, std::function<Result<T>(store::Connection&)> work, Written<T> done) {
  auto value = std::make_shared<std::optional<T>>();
  home.database().submit(
      [work = std::move(work), value](store::Connection& connection) -> Status {
        *value = TRY(work(connection));
        return {};
      },
      [value, done = std::move(done)](const Status& status) {
        if (!status) return done(fail(status.error()));
        done(std::move(**value));
      });
}

}  // namespace trimtab::registry
