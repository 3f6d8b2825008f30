// The control loop: one thread that looks at what is and lives on with it. Level-triggered: it reads state,
// never events, so a look more or less changes nothing. Virtual time does not pass while it works.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "heal/rounds.h"
#include "heal/ward.h"

namespace trimtab::heal {

struct HealerOptions {
  TimeUs look_every = 10 * base::kSecondUs;  // Real time between looks of its own accord.
};

class Healer {
 public:
  using LookAt = std::function<Status(Rounds& rounds, Ward& ward)>;

  // All must outlive the healer. `manual`: the clock when it is moved by hand, else null. `look_at` is what
  // is done for an endpoint in one look.
  Healer(const base::Clock& clock, base::ManualClock* manual, Rounds& rounds, std::vector<Ward*> wards,
         LookAt look_at, HealerOptions options);
  ~Healer();  // Finishes the look it is in.

  void start();
  // Looks now; `done` is called on the loop's thread when all that is due has been decided.
  void look(std::function<void(Status)> done);
  // Moves the manual clock to `to` (never back), stopping on the way wherever something is due.
  void advance(TimeUs to, std::function<void(Status)> done);
  // Runs `work` on the loop's thread between two looks: whoever changes what the loop reads takes turns with
  // it.
  void run(std::function<Status()> work, std::function<void(Status)> done);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::heal
