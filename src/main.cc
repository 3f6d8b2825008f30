// The program's entry.
#include <csignal>

#include "app/command_line.h"

int main(int count, char** words) {
  // A peer that hangs up is an error of one write, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  return trimtab::app::run_command_line(count, words);
}
