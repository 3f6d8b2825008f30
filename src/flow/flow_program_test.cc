#include "flow/worker_program_test.h"

int main(int count, char** words) { return trimtab::flow::test_or_work(count, words); }
