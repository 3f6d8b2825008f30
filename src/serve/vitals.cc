#include "serve/vitals.h"

#include <algorithm>
#include <utility>

namespace trimtab::serve {
namespace {

constexpr std::size_t kRequestsKnown = 64;  // More are hardly under way at a time.

const Asked* asked_of(std::span<const Asked> asked, std::int64_t version) {
  const auto found = std::ranges::find(asked, version, &Asked::version);
  return found == asked.end() ? nullptr : &*found;
}

void note_first(FirstFailure& first, const Asked& asked, TimeUs now) {
  if (asked.failed && first.error.empty()) first = {now, asked.error};
}

// Adds a request to what is counted of the pair, or takes it away.
void count(PairVitals& pair, std::span<const Asked> asked, std::int64_t by) {
  const Asked* served = asked_of(asked, pair.served);
  const Asked* other = asked_of(asked, pair.other);
  if (served == nullptr || other == nullptr) return;
  pair.requests += by;
  pair.served_failed += served->failed ? by : 0;
  pair.other_failed += other->failed ? by : 0;
  pair.only_served_failed += served->failed && !other->failed ? by : 0;
  pair.only_other_failed += other->failed && !served->failed ? by : 0;
}

Json first_json(const FirstFailure& first) {
  return Json::object({{"time", first.time}, {"error", first.error}});
}

FirstFailure first_from(const Json& json) { return {json.int_or("time"), json.text_or("error")}; }

}  // namespace

Json PairVitals::to_json() const {
  Json json = Json::object({{"served", served}, {"other", other}, {"requests", requests}});
  json.set("served_failed", served_failed).set("other_failed", other_failed);
  json.set("only_served_failed", only_served_failed).set("only_other_failed", only_other_failed);
  json.set("served_first", first_json(served_first)).set("other_first", first_json(other_first));
  json.set("timed", timed).set("only_served_slow", only_served_slow).set("only_other_slow", only_other_slow);
  return json.set("served_us", served_us).set("other_us", other_us);
}

PairVitals PairVitals::from_json(const Json& json) {
  PairVitals pair;
  pair.served = json.int_or("served");
  pair.other = json.int_or("other");
  pair.requests = json.int_or("requests");
  pair.served_failed = json.int_or("served_failed");
  pair.other_failed = json.int_or("other_failed");
  pair.only_served_failed = json.int_or("only_served_failed");
  pair.only_other_failed = json.int_or("only_other_failed");
  pair.served_first = first_from(json["served_first"]);
  pair.other_first = first_from(json["other_first"]);
  pair.timed = json.int_or("timed");
  pair.only_served_slow = json.int_or("only_served_slow");
  pair.only_other_slow = json.int_or("only_other_slow");
  pair.served_us = json.double_or("served_us");
  pair.other_us = json.double_or("other_us");
  return pair;
}

bool is_slow(TimeUs took, TimeUs of_other, TimeUs limit) {
  if (limit > 0) return took > limit;
  return took > kManyTimes * of_other && took - of_other >= kFeltUs;
}

void Vitals::watch(std::vector<PairVitals> pairs, TimeUs time_max_us) {
  const std::scoped_lock lock(mutex_);
  for (PairVitals& pair : pairs) {
    const auto is_same = [&pair](const PairVitals& known) {
      return known.served == pair.served && known.other == pair.other;
    };
    const auto known = std::ranges::find_if(pairs_, is_same);
    if (known == pairs_.end()) continue;
    const model::Role role = pair.role;
    pair = std::move(*known);
    pair.role = role;
  }
  pairs_ = std::move(pairs);
  time_max_us_ = time_max_us;
}

void Vitals::note(std::uint64_t request, std::span<const Asked> asked, TimeUs now) {
  const std::scoped_lock lock(mutex_);
  const auto known = std::ranges::find(newest_requests_, request, &Known::request);
  const bool is_new = known == newest_requests_.end();
  std::vector<Asked> before = is_new ? std::vector<Asked>() : known->asked;
  std::vector<Asked> after = before;
  for (const Asked& part : asked) {
    const auto same = std::ranges::find(after, part.version, &Asked::version);
    if (same == after.end()) {
      after.push_back(part);
    } else if (part.failed && !same->failed) {
      *same = part;
    }
  }
  for (PairVitals& pair : pairs_) {
    count(pair, before, -1);
    count(pair, after, 1);
    const Asked* served = asked_of(after, pair.served);
    const Asked* other = asked_of(after, pair.other);
    if (served == nullptr || other == nullptr) continue;
    note_first(pair.served_first, *served, now);
    note_first(pair.other_first, *other, now);
  }
  if (!is_new) {
    known->asked = std::move(after);
    return;
  }
  if (newest_requests_.size() < kRequestsKnown) newest_requests_.emplace_back();
  newest_requests_[next_++ % kRequestsKnown] = {request, std::move(after)};
}

void Vitals::note_times(std::int64_t served, std::int64_t other, TimeUs served_took, TimeUs other_took) {
  const std::scoped_lock lock(mutex_);
  for (PairVitals& pair : pairs_) {
    if (pair.served != served || pair.other != other) continue;
    const bool served_slow = is_slow(served_took, other_took, time_max_us_);
    const bool other_slow = is_slow(other_took, served_took, time_max_us_);
    ++pair.timed;
    pair.only_served_slow += served_slow && !other_slow ? 1 : 0;
    pair.only_other_slow += other_slow && !served_slow ? 1 : 0;
    pair.served_us += static_cast<double>(served_took);
    pair.other_us += static_cast<double>(other_took);
  }
}

std::vector<PairVitals> Vitals::pairs() const {
  const std::scoped_lock lock(mutex_);
  return pairs_;
}

}  // namespace trimtab::serve
