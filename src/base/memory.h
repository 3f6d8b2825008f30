// What the process holds of the machine's memory.
#pragma once

#include <cstdint>

namespace trimtab::base {

// What of this process lies in memory now, shared pages included; 0 where the system does not say.
std::uint64_t resident_bytes();

// Gives free pages back to the system, which the allocator keeps for later otherwise. For the end of work
// that has freed very much: it takes some milliseconds, in which other threads may have to wait for memory.
void give_back_free_memory();

}  // namespace trimtab::base
