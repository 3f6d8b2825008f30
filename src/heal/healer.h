// The control loop: one thread that looks at what is, decides what it means, and acts. Level-triggered: it reads state,
// never events, so a look more or less changes nothing. Virtual time does not pass while it works.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "flow/pipeline.h"
#include "heal/incident.h"
#include "heal/ward.h"
#include "store/home.h"

namespace trimtab::heal {

struct HealerOptions {
  TimeUs look_every = 10 * base::kSecondUs;  // Real time between looks of its own accord.
  TimeUs train_takes = base::kHourUs;        // Until a training's result may be used, by the clock.
};

class Healer {
 public:
  // All must outlive the healer. `manual`: the clock when it is moved by hand, else null.
  Healer(store::Home& home, const base::Clock& clock, base::ManualClock* manual, flow::Pipeline& pipeline,
         std::vector<Ward*> wards, HealerOptions options);
  ~Healer();  // Finishes the look it is in, stopping a running step.

  void start();
  // Looks now; `done` is called on the loop's thread when all that is due has been decided.
  void look(std::function<void(Status)> done);
  // Moves the manual clock to `to` (never back), stopping on the way wherever something is due.
  void advance(TimeUs to, std::function<void(Status)> done);
  // Runs `work` on the loop's thread between two looks: whoever changes what the loop reads takes turns with it.
  void run(std::function<Status()> work, std::function<void(Status)> done);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::heal
