// Misra-Gries (1982) with merges as in Agarwal et al. (2012): the values that are most frequent, from at most
// 64 counters. A value that makes up more than 1/65 of all is always among them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace trimtab::profile {

inline constexpr std::size_t kHeavyCounters = 64;

// A kept count is never too high, and too low by no more than `error`.
void add_heavy(std::map<std::string, std::int64_t>& heavy, std::int64_t& error, std::string value,
               std::int64_t times);
void merge_heavy(std::map<std::string, std::int64_t>& heavy, std::int64_t& error,
                 const std::map<std::string, std::int64_t>& other, std::int64_t other_error);

}  // namespace trimtab::profile
