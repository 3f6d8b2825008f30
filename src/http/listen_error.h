// Why a server cannot listen, in words that say what to do.
#pragma once

#include <system_error>

#include "base/result.h"
#include "http/server.h"

namespace trimtab::http {

// address_in_use; invalid for an address that is not this machine's or not this user's; else internal.
Error listen_error(const ServerOptions& options, const std::error_code& error);

}  // namespace trimtab::http
