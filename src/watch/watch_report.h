// What there is to see of an endpoint's version over a window: how its columns and answers moved and whether
// that is more than chance and more than usual, how it probably does, how it really did, slice by slice.
// Informs, and decides nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "watch/watcher.h"

namespace trimtab::watch {

// What a window is held against. baseline: the rows of training. season: the same hours of the same weekdays
// in the four weeks before, or a year (364 days) before when the window is longer than a week. previous: the
// window before.
enum class Against : std::uint8_t { baseline, season, previous };

struct WatchQuery {
  TimeUs window = base::kDayUs;  // Until now.
  Against against = Against::baseline;
};

// From the words of a request; absent ones are the defaults. Errors: invalid (no duration, shorter than a
// minute or longer than 400 days; no such reference: did you mean).
Result<WatchQuery> read_watch_query(const std::optional<std::string>& window,
                                    const std::optional<std::string>& against);

// {"window":{"from","to","rows"},"reference":{"kind","rows","says"},"columns":[…],"audit":[…],
//  "prediction":…,"expected":…,"label_shift"?,"realised":…,"calibration"?}. docs/watching.md says what each
// number means.
Json watch_report(const VersionWatch& version, const WatchQuery& query, TimeUs now);

}  // namespace trimtab::watch
