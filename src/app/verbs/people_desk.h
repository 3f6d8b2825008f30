// Orders about people, given to the server that owns the home or, when none does, carried out here by the
// same routes.
#pragma once

#include <memory>
#include <string>

#include "app/command_line.h"
#include "base/json.h"
#include "base/result.h"

namespace trimtab::app {

class PeopleDesk {
 public:
  // Errors: home_locked, storage_broken.
  static Result<PeopleDesk> open(const Arguments& arguments);
  ~PeopleDesk();
  PeopleDesk(PeopleDesk&&) noexcept;

  // Errors: what the route answers.
  Result<Json> order(const std::string& method, const std::string& path, const Json& body = nullptr);

 private:
  struct State;
  explicit PeopleDesk(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::app
