// The verbs' functions, a file each.
#pragma once

#include "app/command_line.h"
#include "base/result.h"

namespace trimtab::app {

Status init_verb(const Arguments& arguments);
Status plan_verb(const Arguments& arguments);
Status apply_verb(const Arguments& arguments);
Status serve_verb(const Arguments& arguments);
Status status_verb(const Arguments& arguments);
Status drift_verb(const Arguments& arguments);
Status watch_verb(const Arguments& arguments);
Status incidents_verb(const Arguments& arguments);
Status approve_verb(const Arguments& arguments);
Status reject_verb(const Arguments& arguments);
Status check_verb(const Arguments& arguments);
Status fsck_verb(const Arguments& arguments);
Status backtest_verb(const Arguments& arguments);
Status score_verb(const Arguments& arguments);
Status profile_verb(const Arguments& arguments);
Status rollback_verb(const Arguments& arguments);
Status doctor_verb(const Arguments& arguments);
Status bench_verb(const Arguments& arguments);
Status user_verb(const Arguments& arguments);
Status role_verb(const Arguments& arguments);
Status gc_verb(const Arguments& arguments);
Status backup_verb(const Arguments& arguments);
Status restore_verb(const Arguments& arguments);
Status import_verb(const Arguments& arguments);
Status export_verb(const Arguments& arguments);
// What import and export do with the files of SageMaker Model Monitor.
Status import_sagemaker(const Arguments& arguments);
Status export_sagemaker(const Arguments& arguments);
Status history_verb(const Arguments& arguments);
Status worker_verb(const Arguments& arguments);

}  // namespace trimtab::app
