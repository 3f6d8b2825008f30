#include "app/verbs/workbench.h"

#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "app/wiring.h"
#include "base/file.h"
#include "project/load.h"

namespace trimtab::app {

std::string home_folder(const Arguments& arguments, const project::Project& project) {
  return arguments.home.empty() ? default_home(project.folder.string()) : arguments.home;
}

Result<std::unique_ptr<Workbench>> open_workbench(const std::string& home, project::Project project) {
  auto bench = std::make_unique<Workbench>();
  bench->project = std::move(project);
  bench->home = TRY(store::Home::open(home, bench->clock));
  table::EngineOptions options;
  options.folders_allowed = {bench->home->blobs().folder().string()};
  if (!bench->project.folder.empty()) options.folders_allowed.push_back(bench->project.folder.string());
  bench->engine = TRY(table::Engine::open(options));
  bench->executor.program = own_program();
  bench->executor.folders_allowed = {bench->project.folder.string()};
  return bench;
}

Result<std::unique_ptr<PassingFolder>> PassingFolder::make() {
  std::string name = (std::filesystem::temp_directory_path() / "trimtab-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr)
    return fail(base::errno_error(errno, "cannot make the folder '" + name + "'"));
  return std::unique_ptr<PassingFolder>(new PassingFolder(name));
}

PassingFolder::~PassingFolder() { static_cast<void>(base::remove_tree(path_)); }

Result<std::unique_ptr<Workbench>> open_workbench_to_look(const std::string& home, project::Project project) {
  std::error_code unknown;
  if (std::filesystem::exists(home, unknown) || unknown) return open_workbench(home, std::move(project));
  std::unique_ptr<PassingFolder> passing = TRY(PassingFolder::make());
  std::unique_ptr<Workbench> bench = TRY(open_workbench(passing->path().string(), std::move(project)));
  bench->passing = std::move(passing);
  return bench;
}

Status expect_home(const std::string& home) {
  std::error_code unknown;
  if (std::filesystem::exists(std::filesystem::path(home) / "meta.db", unknown) || unknown) return {};
  return fail(
      ErrorCode::not_found, "there is no home at '" + home + "'",
      "name one with --home; `trimtab apply` makes that of a project, `trimtab serve --home FOLDER` an "
      "empty one");
}

Status expect_named_home(const Arguments& arguments, const std::string& home) {
  const bool is_named = !arguments.home.empty() || std::getenv("TRIMTAB_HOME") != nullptr;
  return is_named ? expect_home(home) : Status();
}

Result<std::unique_ptr<Workbench>> open_workbench(const Arguments& arguments) {
  project::Project project = TRY(project::load(arguments.project));
  const std::string home = home_folder(arguments, project);
  return open_workbench(home, std::move(project));
}

Result<project::Project> load_project_or_none(const Arguments& arguments) {
  const bool home_is_named = !arguments.home.empty() || std::getenv("TRIMTAB_HOME") != nullptr;
  const bool is_default = arguments.project == Arguments().project;
  if (home_is_named && is_default && !std::filesystem::exists("trimtab.yaml")) return project::Project{};
  return project::load(arguments.project);
}

Result<std::unique_ptr<Workbench>> open_home_of(const Arguments& arguments) {
  project::Project project = TRY(load_project_or_none(arguments));
  const std::string home = home_folder(arguments, project);
  TRY(expect_home(home));
  return open_workbench(home, std::move(project));
}

Result<std::optional<http::Client>> find_running_server(const std::string& home) {
  const std::optional<store::ServerAddress> address = store::find_server(home);
  if (!address) return std::optional<http::Client>();
  // Applying may train for minutes.
  http::Client client(address->host, address->port, base::kHourUs);
  const Result<std::string> certificate = base::read_file(certificate_path_file(home), 4096);
  if (certificate) client.set_tls({TRY(base::certificate_fingerprint(*certificate))});
  client.set_header("Authorization", "Bearer " + TRY(store::read_token(home)));
  return std::optional<http::Client>(std::move(client));
}

std::string as_path_step(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string step;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (byte < 128 && std::isalnum(byte) != 0) ||
                       std::string_view("-._~@").find(c) != std::string_view::npos;
    if (plain) step += c;
    if (!plain) step += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return step;
}

Result<Json> ask(http::Client& server, const std::string& method, const std::string& path, const Json& body) {
  const http::ClientReply reply = TRY(server.send(method, path, body.is_null() ? "" : body.dump()));
  return unwrap(reply.status, reply.body);
}

Result<Json> unwrap(int status, const std::string& body) {
  const Json json = TRY(base::parse_json(body));
  if (status < 400) return json;
  const Json& wrong = json["error"];
  Error error{ErrorCode::internal, wrong.text_or("message", body), wrong.text_or("hint"), std::nullopt,
              nullptr};
  for (const base::ErrorRow& row : base::error_table()) {
    if (row.name == wrong.text_or("code")) error.code = row.code;
  }
  if (const Json* where = wrong.find("where")) {
    error.where = SourceRange{where->text_or("file"), static_cast<int>(where->int_or("line")),
                              static_cast<int>(where->int_or("column"))};
  }
  return fail(std::move(error));
}

Json project_json(const project::Project& project) {
  Json json = Json::object({{"text", project.text}, {"file", project.file}});
  return json.set("folder", project.folder.string());
}

void print_report(const Arguments& arguments, const std::string& text, const Json& json) {
  const std::string out = arguments.json ? json.dump(2) + "\n" : text;
  std::fwrite(out.data(), 1, out.size(), stdout);
}

}  // namespace trimtab::app
