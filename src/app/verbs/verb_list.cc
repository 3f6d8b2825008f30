#include "app/verbs/verb_list.h"

namespace trimtab::app {
namespace {

// What leads from files to a version that answers.
const std::vector<Verb>& verbs_of_making() {
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
       {"project", "home", "as_of", "step_limits", "json"},
       apply_verb,
       "a check or a gate said no, or a step failed"},
      {"profile",
       "show what is known of each column",
       "Rows, nulls, different values, least, mean, greatest and most frequent values, as they were kept "
       "when\n"
       "the rows came in. Distinct counts above 64 are estimates within about 3 %.\n"
       "Example: trimtab profile departures --project examples/flights",
       {"dataset", "project_option", "home", "json"},
       profile_verb,
       "a step failed"},
      {"score",
       "predict for the rows of files",
       "Reads the files as the model's source declares them and writes their rows with a further column\n"
       "`prediction`, computed as the endpoint would: same recipe, same learner. Joined tables are as the "
       "last\n"
       "apply left them. Needs no server. The output is there when it is whole (default: FILE.scored.csv "
       "here).\n"
       "Example: trimtab score late tomorrow.csv -o predictions.parquet --project examples/flights",
       {"scorer", "files", "output", "project_option", "home", "json"},
       score_verb,
       "the step failed"},
  };
  return table;
}

// What keeps it answering.
const std::vector<Verb>& verbs_of_keeping() {
  static const std::vector<Verb> table = {
      {"serve",
       "answer requests, watch and heal, until stopped",
       "Prints one line with its address when it is ready; SIGTERM lets requests in flight finish, then ends "
       "with 0.\n"
       "Edit trimtab.yaml and run `trimtab apply` while it runs: it goes on with the new file at the same\n"
       "address.\n"
       "With --home and no trimtab.yaml here it keeps the runs of MLflow's clients, and serves no project.\n"
       "AIP_HTTP_PORT (Vertex AI) or SAGEMAKER_BIND_TO_PORT: a port for predictions alone, for all hosts.\n"
       "Example: trimtab serve examples/flights --port 7700\n"
       "         curl -s localhost:7700/endpoints/late/invocations -H 'Content-Type: application/json' \\\n"
       "              -d '{\"dataframe_records\":[{...}]}'",
       {"project", "home", "host", "port", "allow_host", "predict_port", "clock", "as_of", "policy",
        "step_limits"},
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
      {"rollback",
       "let an earlier version answer again",
       "Makes the version that the champion replaced, or the one named by --to, the champion again. What "
       "healing\n"
       "had begun for the endpoint ends here. A version whose gates refused it may not serve.\n"
       "Example: trimtab rollback late --to 2 --reason 'complaints from Newark' --project examples/flights",
       {"endpoint", "to_version", "reason", "project_option", "home", "json"},
       rollback_verb,
       "the version may not serve"},
      {"backtest",
       "replay history through the real server under several policies",
       "Replays the rows from --from on, hour by hour, through a real server with a manual clock: rows of "
       "joined\n"
       "tables as they were observed, labels when they became known, one request a prediction. Interrupted, "
       "it goes on\n"
       "where it stopped.\n"
       "Example: trimtab backtest examples/flights --from 2013-04-01",
       {"project", "home", "endpoint_option", "from", "to", "policies", "step_limits", "json"},
       backtest_verb,
       "a check or a gate said no, or a step failed"},
  };
  return table;
}

// What looks after the machine and the home.
const std::vector<Verb>& verbs_of_care() {
  static const std::vector<Verb> table = {
      {"fsck",
       "check that everything in a home is whole",
       "Verifies the database, the audit chain, the record's invariants, that every file is there, and with "
       "--full\n"
       "that every file still has the content it is named by.\n"
       "Example: trimtab fsck examples/flights --full",
       {"project", "home", "full", "json"},
       fsck_verb},
      {"doctor",
       "say what is wrong with this machine, home and project",
       "Versions, the home and its owner, disk, clock, limits, cores and memory, on one page; each thing "
       "that\n"
       "needs doing with what to do.\n"
       "Example: trimtab doctor examples/flights",
       {"project", "home", "json"},
       doctor_verb,
       "something needs doing"},
      {"bench",
       "measure this machine with your own project",
       "How often the home's disk makes writes durable, how fast each endpoint answers one row (in process "
       "and\n"
       "over loopback) and how many rows a second its recipe and learner take. Nothing is logged or kept.\n"
       "Needs the home for itself: stop the server first.\n"
       "Example: trimtab bench examples/flights",
       {"project", "home", "json"},
       bench_verb},
      {"worker", "run steps for a server", "Started by trimtab itself.", {"words"}, worker_verb, "", true},
  };
  return table;
}

}  // namespace

const std::vector<Verb>& verbs() {
  static const std::vector<Verb> table = [] {
    std::vector<Verb> all = verbs_of_making();
    for (const auto* more : {&verbs_of_keeping(), &verbs_of_care()})
      all.insert(all.end(), more->begin(), more->end());
    return all;
  }();
  return table;
}

}  // namespace trimtab::app
