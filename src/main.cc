// The program's entry. It only prints its version until the command line exists.
#include <cstdio>

int main() {
  std::puts("trimtab " TRIMTAB_VERSION);
}
