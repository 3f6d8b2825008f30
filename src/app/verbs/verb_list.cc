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
       "Rows, nulls, different values, least, median, mean, greatest and most frequent values, as they were "
       "kept\n"
       "when the rows came in. Distinct counts above 64 are estimates within about 3 %, medians within 1 %;\n"
       "--json adds the 5th, 25th, 75th and 95th percentile.\n"
       "Example: trimtab profile departures --project examples/flights",
       {"dataset", "project_option", "home", "json"},
       profile_verb,
       "a step failed"},
      {"drift",
       "say how the rows of one file differ from those of another",
       "Two Parquet files of the same columns, column by column: statistics, what chance alone would make of "
       "them,\n"
       "and a verdict. Needs no project, model or server; memory does not grow with the files.\n"
       "Example: trimtab drift march.parquet april.parquet",
       {"two_files", "row_by_row", "json"},
       drift_verb},
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
       "Predictions over gRPC (Open Inference Protocol): at the port after --port, or at --grpc-port.\n"
       "AIP_HTTP_PORT (Vertex AI) or SAGEMAKER_BIND_TO_PORT: a port for predictions alone, for all hosts.\n"
       "Example: trimtab serve examples/flights --port 7700\n"
       "         curl -s localhost:7700/endpoints/late/invocations -H 'Content-Type: application/json' \\\n"
       "              -d '{\"dataframe_records\":[{...}]}'",
       {"project", "home", "host", "port", "allow_host", "auth", "tls", "oidc", "predict_port", "grpc_port",
        "clock", "as_of", "policy", "set", "step_limits"},
       serve_verb},
      {"status",
       "show endpoints, champions and health",
       "Example: trimtab status examples/flights",
       {"project", "home", "json"},
       status_verb},
      {"watch",
       "show how an endpoint's columns, answers and errors have moved",
       "Each column with a statistic, what chance alone would make of it, and a verdict: same, usual (more "
       "than\n"
       "chance, no more than earlier windows), moved. Then what came in that training did not know, how the "
       "version\n"
       "probably does, and how it did where the truth is known. Informs; healing decides. See "
       "docs/watching.md.\n"
       "Example: trimtab watch late --window 1d --against season --project examples/flights",
       {"endpoint", "window", "row_by_row", "as_of", "project_option", "home", "json"},
       watch_verb},
      {"history",
       "show what a model's aliases, stages and champions have been",
       "When, by whom and why, newest first; also of versions and models that were deleted.\n"
       "Example: trimtab history late --project examples/flights",
       {"registered_model", "project_option", "home", "json"},
       history_verb},
  };
  return table;
}

// What healing did, and what a person says to it.
const std::vector<Verb>& verbs_of_healing() {
  static const std::vector<Verb> table = {
      {"incidents",
       "show what went wrong and what was done about it",
       "Each incident with its journal: evidence, verdict, treatment, outcome. With a number that one alone, "
       "every\n"
       "figure on a line of its own.\n"
       "Example: trimtab incidents 3 --project examples/flights",
       {"which_incidents", "project_option", "home", "json"},
       incidents_verb},
      {"approve",
       "have a plan carried out that waits for approval",
       "Under `mode: suggest` every treatment waits as a plan in its incident. The server carries it out; it "
       "learns\n"
       "from what is known by then. A plan that was made for another champion is refused.\n"
       "Example: trimtab approve 3 --plan 4 --reason 'seen in the field, too' --project examples/flights",
       {"incident", "plan", "reason", "project_option", "home", "json"},
       approve_verb},
      {"reject",
       "turn down a plan that waits for approval",
       "Nothing is done, and for two weeks of batches the same treatment is not proposed again.\n"
       "Example: trimtab reject 3 --reason 'a strike, over by Monday' --project examples/flights",
       {"incident", "plan", "reason", "project_option", "home", "json"},
       reject_verb},
      {"rollback",
       "let an earlier version answer again",
       "Makes the version that the champion replaced, or the one named by --to, the champion again. What "
       "healing\n"
       "had begun for the endpoint ends here. A version whose gates refused it may not serve.\n"
       "Example: trimtab rollback late --to 2 --reason 'complaints from Newark' --project examples/flights",
       {"endpoint", "to_version", "reason", "project_option", "home", "json"},
       rollback_verb,
       "the version may not serve"},
  };
  return table;
}

// What says beforehand how it would keep itself.
const std::vector<Verb>& verbs_of_trying() {
  static const std::vector<Verb> table = {
      {"backtest",
       "replay history through the real server under several policies",
       "Replays the rows from --from on, hour by hour, through a real server with a manual clock: rows of "
       "joined\n"
       "tables as they were observed, labels when they became known, one request a prediction. Interrupted, "
       "it goes on\n"
       "where it stopped.\n"
       "Policies: trimtab (what the file declares), never, weekly, every:3d, every-batch, every-batches:5,\n"
       "psi, loss-3sigma. The last four learn from the newest 12 batches and promote without gates.\n"
       "regret: log loss above an oracle's, which is refitted every 28 days on all rows before them, and on\n"
       "the 28 days before, with every label at once; the better of the two counts. Below 0: better than "
       "its\n"
       "refits. cost: Brier loss above the oracle's, summed over batches, and 0.02 for each retraining and\n"
       "for each promotion that brought nothing (useless). detect, heal: since a change began.\n"
       "Example: trimtab backtest examples/flights --from 2013-04-01\n"
       "         trimtab backtest examples/flights --policies trimtab --set heal.poison_budget=1",
       {"project", "home", "endpoint_option", "from", "to", "policies", "set", "step_limits", "json"},
       backtest_verb,
       "a check or a gate said no, or a step failed"},
  };
  return table;
}

// What becomes of the home's record: removed and copied.
const std::vector<Verb>& verbs_of_record() {
  static const std::vector<Verb> table = {
      {"gc",
       "remove for good what was deleted, and give its space back",
       "Runs, experiments, logged models and versions that were deleted longer than --older-than ago go, "
       "with "
       "their\n"
       "metrics and files; a removed experiment's name is free again. Then every file goes that nothing "
       "refers "
       "to, and\n"
       "the database gives its free pages back. What a version in use came from stays. Safe to interrupt and "
       "to "
       "repeat;\n"
       "where a server owns the home, it does the work while it answers.\n"
       "Example: trimtab gc examples/flights --older-than 7d --dry-run",
       {"project", "home", "older_than", "dry_run", "json"},
       gc_verb},
      {"backup",
       "copy a home while it is in use",
       "Writes the folder FOLDER: one snapshot of the database, every file (as a hard link where the disk is "
       "the "
       "same)\n"
       "and the log of predictions. A server that owns the home does it while it answers. The token is not "
       "in it.\n"
       "Example: trimtab backup /backups/flights-monday --project examples/flights",
       {"backup_folder", "project_option", "home", "json"},
       backup_verb},
      {"restore",
       "make a home from a backup",
       "Into a home that is not there yet or empty; what is there is never overwritten. The new home has "
       "passed\n"
       "`trimtab fsck --full` before it gets its name.\n"
       "Example: trimtab restore /backups/flights-monday --home restored",
       {"backup_folder", "project_option", "home", "json"},
       restore_verb},
  };
  return table;
}

// What is brought in from other systems, and sent to them.
const std::vector<Verb>& verbs_of_moving() {
  static const std::vector<Verb> table = {
      {"import",
       "bring in what an MLflow server or SageMaker Model Monitor holds",
       "mlflow: experiments, runs with all points of their metrics, datasets, logged models, registered "
       "models,\n"
       "versions, aliases, tags and files, deleted things as well; runs and logged models keep their ids. "
       "The "
       "SQLite\n"
       "file (of MLflow 3.17) is only read. What is here already is passed over, so an import that was "
       "interrupted is\n"
       "run again. The home must not be in use by a server.\n"
       "sagemaker: prints the checks that constraints.json and statistics.json of a folder amount to, to be "
       "pasted into\n"
       "trimtab.yaml, and writes its captured calls (*.jsonl, of all its folders) as one CSV file, -o "
       "(default\n"
       "captured.csv). Needs no home.\n"
       "Example: trimtab import mlflow --from mlflow.db --artifacts mlartifacts --home .trimtab\n"
       "         trimtab import mlflow --from http://127.0.0.1:5000\n"
       "         trimtab import sagemaker --from monitoring/ -o captured.csv",
       {"bridge", "import_source", "output", "project_option", "home", "json"},
       import_verb},
      {"export",
       "send the record to an MLflow server, or an endpoint's watch to Model Monitor's files",
       "mlflow: all that import brings, the other way. MLflow gives runs, logged models and versions ids of "
       "its "
       "own; the\n"
       "tag trimtab.exported_from of each says its id here. What was sent before is passed over, so an "
       "export "
       "that was\n"
       "interrupted is run again.\n"
       "sagemaker: statistics.json and constraints.json of the rows that an endpoint's model learns from,\n"
       "constraint_violations.json of those it has served, and these as captured calls, an hour a file. "
       "Files that are\n"
       "there already are replaced.\n"
       "The home must not be in use by a server.\n"
       "Example: trimtab export mlflow --to http://127.0.0.1:5000\n"
       "         trimtab export sagemaker --endpoint late --to monitoring --project examples/flights",
       {"bridge", "export_target", "project_option", "home", "json"},
       export_verb},
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

// Who may use a server that people share.
const std::vector<Verb>& verbs_of_people() {
  static const std::vector<Verb> table = {
      {"user",
       "add and remove people, groups, passwords and tokens",
       "user list                   everybody, with roles and tokens\n"
       "user add NAME               prints the password that was made; --role: in the whole server\n"
       "user password NAME          a new password; ends the person's sessions\n"
       "user remove NAME            with roles, tokens and sessions\n"
       "user token NAME             a personal access token, printed once; --role, --in and --lasts narrow "
       "it\n"
       "user revoke ID              ends a token\n"
       "user group TEAM             makes a group; user ungroup TEAM ends it\n"
       "user join TEAM NAME         takes a person into a group; user leave TEAM NAME takes one out\n"
       "Example: trimtab user token anna --role viewer --in flights --lasts 90d --label dashboard",
       {"words", "role", "scope", "token", "password", "project_option", "home", "json"},
       user_verb},
      {"role",
       "say who may do what, and where",
       "role list                   who has which role where\n"
       "role grant NAME ROLE        viewer: look and predict; editor: log runs, files, models and labels;\n"
       "                            deployer: apply, roll back, aliases and stages; approver; admin: give "
       "roles.\n"
       "                            Each may what those before it may.\n"
       "role revoke NAME            takes it away\n"
       "Example: trimtab role grant anna editor --in flights",
       {"words", "scope", "group", "project_option", "home", "json"},
       role_verb},
  };
  return table;
}

}  // namespace

const std::vector<Verb>& verbs() {
  static const std::vector<Verb> table = [] {
    std::vector<Verb> all = verbs_of_making();
    for (const auto* more : {&verbs_of_keeping(), &verbs_of_healing(), &verbs_of_trying(), &verbs_of_record(),
                             &verbs_of_moving(), &verbs_of_people(), &verbs_of_care()})
      all.insert(all.end(), more->begin(), more->end());
    return all;
  }();
  return table;
}

}  // namespace trimtab::app
