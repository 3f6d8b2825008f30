// For tests of bodies: what an endpoint takes that needs columns of every type.
#pragma once

#include "serve/request_rows.h"

namespace trimtab::api {

inline serve::RequestColumns sent_columns() {
  using enum table::ColumnType;
  serve::RequestColumns columns;
  columns.required = table::Schema({{"name", text}, {"count", integer}, {"size", real}, {"late", boolean}});
  columns.optional = table::Schema({{"at", time}});
  columns.ignored = {"note"};
  return columns;
}

}  // namespace trimtab::api
