#include "base/memory.h"

#include <malloc.h>

namespace trimtab::base {

void give_back_free_memory() { ::malloc_trim(0); }

}  // namespace trimtab::base
