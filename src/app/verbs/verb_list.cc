#include "app/verbs/verb_list.h"

namespace trimtab::app {

const std::vector<Verb>& verbs() {
  static const std::vector<Verb> table = {
      {"init",
       "write a first trimtab.yaml",
       "Example: trimtab init myproject",
       {"project", "json"},
       init_verb},
      {"check",
       "say what is wrong with trimtab.yaml, all at once",
       "Checks the file and every expression in it against the columns of the data. Runs and keeps nothing.\n"
       "Example: trimtab check examples/flights",
       {"project", "home", "json"},
       check_verb},
      {"plan",
       "say what apply would do, and why",
       "Compares what the file declares with what the home holds. Runs nothing.\n"
       "+ is new, ~ is changed; the reason names the parameter or input that differs.\n"
       "Example: trimtab plan examples/flights --as-of 2013-04-01",
       {"project", "home", "as_of", "json"},
       plan_verb},
      {"apply",
       "make it so: ingest, clean, check, train, judge, register, serve",
       "Runs the steps whose results are not there yet. Safe to interrupt at any moment and to repeat: "
       "finished\n"
       "steps are never run again. Where a server owns the home, it does the work.\n"
       "Example: trimtab apply examples/flights",
       {"project", "home", "as_of", "json"},
       apply_verb},
      {"serve",
       "answer requests, watch and heal, until stopped",
       "Prints its address when it is ready; SIGTERM lets requests in flight finish, then ends with 0.\n"
       "With --home and no trimtab.yaml here it keeps the runs of MLflow's clients, and serves no project.\n"
       "Example: trimtab serve examples/flights --port 7700\n"
       "         curl -s localhost:7700/endpoints/late/invocations -H 'Content-Type: application/json' \\\n"
       "              -d '{\"dataframe_records\":[{...}]}'",
       {"project", "home", "host", "port", "allow_host", "clock", "as_of", "policy"},
       serve_verb},
      {"status",
       "show endpoints, champions and health",
       "Example: trimtab status examples/flights",
       {"project", "home", "json"},
       status_verb},
      {"incidents",
       "show what went wrong and what was done about it",
       "Each incident with its journal: evidence, verdict, treatment, outcome.\n"
       "Example: trimtab incidents examples/flights",
       {"project", "home", "json"},
       incidents_verb},
      {"backtest",
       "replay history through the real server under several policies",
       "Replays the rows from --from on, hour by hour, through a real server with a manual clock: rows of "
       "joined\n"
       "tables as they were observed, labels when they became known, one request a prediction. Interrupted, "
       "it goes on\n"
       "where it stopped.\n"
       "Example: trimtab backtest examples/flights --from 2013-04-01",
       {"project", "home", "from", "to", "policies", "json"},
       backtest_verb},
      {"fsck",
       "check that everything in a home is whole",
       "Verifies the database, the audit chain, the record's invariants, that every file is there, and with "
       "--full\n"
       "that every file still has the content it is named by.\n"
       "Example: trimtab fsck examples/flights --full",
       {"project", "home", "full", "json"},
       fsck_verb},
      {"worker", "run steps for a server", "Started by trimtab itself.", {"words"}, worker_verb, true},
  };
  return table;
}

}  // namespace trimtab::app
