// Checks signatures of JSON Web Tokens. The algorithm is the caller's to allow: a token that names another
// one was never looked at.
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace trimtab::base {

// `algorithm` is "RS256" or "ES256"; `key` a JSON Web Key (RSA of 2,048 bits or more: n, e; EC P-256: x, y).
// Errors: unsupported (another algorithm), invalid (a key that is none, or of another kind), unauthenticated
// (the signature is not the key's).
Status check_signature(std::string_view algorithm, const Json& key, std::string_view text,
                       std::string_view signature);

}  // namespace trimtab::base
