#include "base/error_table.h"

#include <array>
#include <cstddef>

namespace trimtab::base {
namespace {

using enum ErrorCode;

// Exit codes: 1 the work was done and the answer is no; 2 the input is wrong; 3 the world is in the way
// (try again, or free the disk); 70 is the sysexits.h number for an internal error.
constexpr std::array kErrorRows = {
    ErrorRow{invalid, "invalid", 400, "INVALID_PARAMETER_VALUE", 2},
    ErrorRow{malformed, "malformed", 400, "BAD_REQUEST", 2},
    ErrorRow{too_large, "too_large", 413, "INVALID_PARAMETER_VALUE", 2},
    ErrorRow{not_found, "not_found", 404, "RESOURCE_DOES_NOT_EXIST", 2},
    ErrorRow{already_exists, "already_exists", 400, "RESOURCE_ALREADY_EXISTS", 2},
    ErrorRow{name_taken, "name_taken", 409, "RESOURCE_CONFLICT", 2},
    ErrorRow{conflict, "conflict", 409, "RESOURCE_CONFLICT", 1},
    ErrorRow{unauthenticated, "unauthenticated", 401, "UNAUTHENTICATED", 2},
    ErrorRow{forbidden, "forbidden", 403, "PERMISSION_DENIED", 2},
    ErrorRow{check_failed, "check_failed", 422, "INVALID_STATE", 1},
    ErrorRow{step_failed, "step_failed", 500, "INTERNAL_ERROR", 1},
    ErrorRow{busy, "busy", 503, "TEMPORARILY_UNAVAILABLE", 3},
    ErrorRow{home_locked, "home_locked", 503, "TEMPORARILY_UNAVAILABLE", 3},
    ErrorRow{address_in_use, "address_in_use", 503, "TEMPORARILY_UNAVAILABLE", 3},
    ErrorRow{storage_full, "storage_full", 507, "TEMPORARILY_UNAVAILABLE", 3},
    ErrorRow{storage_broken, "storage_broken", 503, "TEMPORARILY_UNAVAILABLE", 3},
    ErrorRow{unsupported, "unsupported", 501, "NOT_IMPLEMENTED", 2},
    ErrorRow{deadline, "deadline", 504, "DEADLINE_EXCEEDED", 1},
    ErrorRow{cancelled, "cancelled", 499, "CANCELLED", 1},
    ErrorRow{internal, "internal", 500, "INTERNAL_ERROR", 70},
};

}  // namespace

std::span<const ErrorRow> error_table() { return kErrorRows; }

const ErrorRow& error_row(ErrorCode code) { return kErrorRows[static_cast<std::size_t>(code)]; }

}  // namespace trimtab::base
