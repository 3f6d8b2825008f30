// MLflow's artifacts: the proxy that clients put files to and get them from, and the lists of runs and logged
// models. A path here is a key of the registry's table; the bytes are blobs, and stream to and from the disk.
#include <array>

#include "api/mlflow/route_rows.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/id.h"
#include "http/file_reply.h"
#include "registry/artifacts.h"
#include "registry/logged_models.h"
#include "registry/model_rules.h"
#include "registry/model_versions.h"
#include "registry/uploads.h"

namespace trimtab::api {
namespace {

using registry::ArtifactFile;
using registry::ArtifactPath;

constexpr std::size_t kUploadedMax = 10u << 20;

struct MediaType {
  std::string_view ending;
  const char* type;
};

// What a browser or a client may want to know; all else is bytes.
constexpr std::array kMediaTypes = {
    MediaType{".txt", "text/plain"},        MediaType{".log", "text/plain"},
    MediaType{".yaml", "text/plain"},       MediaType{".yml", "text/plain"},
    MediaType{".md", "text/plain"},         MediaType{".py", "text/plain"},
    MediaType{".csv", "text/csv"},          MediaType{".html", "text/html"},
    MediaType{".svg", "image/svg+xml"},     MediaType{".json", "application/json"},
    MediaType{".png", "image/png"},         MediaType{".jpg", "image/jpeg"},
    MediaType{".jpeg", "image/jpeg"},       MediaType{".gif", "image/gif"},
    MediaType{".pdf", "application/pdf"},   MediaType{"/MLmodel", "text/plain"},
    MediaType{"/conda.yaml", "text/plain"},
};

std::string media_type(std::string_view path) {
  for (const MediaType& known : kMediaTypes) {
    if (path.ends_with(known.ending)) return known.type;
  }
  return "application/octet-stream";
}

// The bytes become a blob first, so that the row never names what is not there.
Result<ArtifactFile> keep_body(RecordRooms& rooms, Request request) {
  store::Blobs& blobs = rooms.home.blobs();
  if (request.body_file == nullptr) {
    return ArtifactFile{TRY(blobs.put(request.body)), static_cast<std::int64_t>(request.body.size())};
  }
  const http::ReceivedFile& file = *request.body_file;
  TRY(blobs.put_hashed(file.path, file.sha256));
  return ArtifactFile{file.sha256, static_cast<std::int64_t>(file.size)};
}

Result<http::Answer> put(RecordRooms& rooms, Request request, http::ReplyPromise promise) {
  ArtifactPath key = TRY(registry::parse_artifact_path(request.path_values[0]));
  ArtifactFile file = TRY(keep_body(rooms, request));
  registry::put_artifact(rooms.home, std::move(key), std::move(file),
                         [promise](const Result<bool>& done) mutable {
                           promise.send(done ? http::Reply{} : mlflow_error(done.error()));
                         });
  return http::Pending{};
}

// MLflow's web page puts small files to a run by this one.
Result<http::Answer> put_to_run(RecordRooms& rooms, Request request, http::ReplyPromise promise) {
  const auto given = [&](const char* name) -> Result<std::string> {
    const std::string value = TRY(request.query_value(name)).value_or("");
    if (!value.empty()) return value;
    return fail(ErrorCode::invalid, "Request must specify " + std::string(name) + ".");
  };
  const std::string run_id = TRY(given("run_uuid"));
  const std::string path = TRY(registry::check_artifact_path(TRY(given("path"))));
  if (request.body.size() > kUploadedMax)
    return fail(ErrorCode::invalid, "Artifact size is too large. Max size is 10MB.");
  if (request.body.empty()) return fail(ErrorCode::invalid, "Request must specify data.");
  const std::string uri = TRY(rooms.runs.find(run_id)).info.artifact_uri;
  ArtifactPath key = registry::below(TRY(registry::parse_artifact_uri(uri)), path);
  registry::put_artifact(rooms.home, std::move(key), TRY(keep_body(rooms, request)),
                         send_done(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> send_file(RecordRooms& rooms, Request request, const ArtifactPath& key,
                               const std::string& shown) {
  const ArtifactFile file = TRY(registry::find_artifact(rooms.home, key, shown));
  const store::Blobs& blobs = rooms.home.blobs();
  return TRY(http::file_reply(request, {.root = blobs.folder(),
                                        .path = blobs.path(file.sha256).lexically_relative(blobs.folder()),
                                        .size = static_cast<std::uint64_t>(file.size),
                                        .content_type = media_type("/" + key.path),
                                        .etag = file.sha256,
                                        .name = key.path.substr(key.path.rfind('/') + 1)}));
}

// A file of a run, a version or a logged model, whose artifacts are at `uri`.
Result<http::Answer> send_at(RecordRooms& rooms, Request request, const std::string& uri,
                             const std::string& path) {
  const ArtifactPath key = registry::below(TRY(registry::parse_artifact_uri(uri)), path);
  return send_file(rooms, request, key, uri.substr(uri.find('/') + 1) + "/" + path);
}

Result<http::Answer> get(RecordRooms& rooms, Request request, http::ReplyPromise) {
  const std::string& path = request.path_values[0];
  return send_file(rooms, request, TRY(registry::parse_artifact_path(path)), path);
}

Result<http::Answer> remove(RecordRooms& rooms, Request request, http::ReplyPromise promise) {
  registry::delete_artifacts(rooms.home, TRY(registry::parse_artifact_folder(request.path_values[0])),
                             [promise](const Result<std::int64_t>& count) mutable {
                               promise.send(count ? mlflow_reply(Status()) : mlflow_error(count.error()));
                             });
  return http::Pending{};
}

// The entries of a folder; `prefix` goes before each name.
Result<Json> files_json(RecordRooms& rooms, const ArtifactPath& folder, const std::string& prefix) {
  Json files = Json::array();
  for (const registry::ArtifactEntry& entry : TRY(registry::list_artifacts(rooms.home, folder))) {
    Json file = Json::object({{"path", prefix.empty() ? entry.name : prefix + "/" + entry.name}});
    file.set("is_dir", entry.is_folder);
    if (!entry.is_folder) file.set("file_size", entry.size);
    files.push(std::move(file));
  }
  return files;
}

Result<http::Answer> list_proxy(RecordRooms& rooms, Parameters parameters, Request) {
  const std::string path = TRY(parameters.find_text("path")).value_or("");
  Json files = TRY(files_json(rooms, TRY(registry::parse_artifact_path(path)), ""));
  Json json = Json::object();
  if (!files.as_array().empty()) json.set("files", std::move(files));
  return http::Reply::json(json);
}

// What stands in one folder of a run's or a logged model's artifacts, which are at `uri`.
Result<http::Answer> list_at(RecordRooms& rooms, const std::string& uri, const std::string& path) {
  const ArtifactPath root = TRY(registry::parse_artifact_uri(uri));
  Json files = TRY(files_json(rooms, registry::below(root, path), path));
  Json json = Json::object({{"root_uri", uri}});
  if (!files.as_array().empty()) json.set("files", std::move(files));
  return http::Reply::json(json);
}

Result<http::Answer> list_run(RecordRooms& rooms, Parameters parameters, Request) {
  const std::string id = TRY(parameters.run_id());
  const std::string path = TRY(registry::check_artifact_path(TRY(parameters.find_text("path")).value_or("")));
  return list_at(rooms, TRY(rooms.runs.find(id)).info.artifact_uri, path);
}

Result<http::Answer> list_logged_model(RecordRooms& rooms, Parameters parameters, Request request) {
  const std::string given = TRY(parameters.find_text("artifact_directory_path")).value_or("");
  const std::string path = TRY(registry::check_artifact_path(given));
  return list_at(rooms, TRY(registry::find_logged_model(rooms.home, request.path_values[0])).location, path);
}

Result<http::Answer> get_of_run(RecordRooms& rooms, Parameters parameters, Request request) {
  const std::string path = TRY(registry::check_artifact_path(TRY(parameters.text("path"))));
  const std::string uri = TRY(rooms.runs.find(TRY(parameters.run_id()))).info.artifact_uri;
  return send_at(rooms, request, uri, path);
}

Result<http::Answer> get_of_version(RecordRooms& rooms, Parameters parameters, Request request) {
  const std::string path = TRY(registry::check_artifact_path(TRY(parameters.text("path"))));
  const std::string name = TRY(parameters.text("name"));
  const std::int64_t version = TRY(registry::parse_version(TRY(parameters.text("version"))));
  const std::string uri = TRY(registry::find_model_version(rooms.home, name, version)).location;
  return send_at(rooms, request, uri, path);
}

Result<http::Answer> get_of_logged_model(RecordRooms& rooms, Parameters parameters, Request request) {
  const std::string given = TRY(parameters.find_text("artifact_file_path")).value_or("");
  if (given.empty()) {
    return fail(ErrorCode::malformed, "Request must include the \"artifact_file_path\" query parameter.");
  }
  const std::string path = TRY(registry::check_artifact_path(given));
  const std::string uri = TRY(registry::find_logged_model(rooms.home, request.path_values[0])).location;
  return send_at(rooms, request, uri, path);
}

// Where the file will stand: the folder of the path, and the name of the client's file in it.
Result<ArtifactPath> upload_key(Parameters parameters, Request request) {
  const std::string file = TRY(parameters.text("path"));
  const std::string name = file.substr(file.rfind('/') + 1);
  return registry::parse_artifact_path(request.path_values[0] + "/" +
                                       TRY(registry::check_artifact_path(name)));
}

// The parts come to this server itself. The id is what lets them in: clients send no token with them.
std::string part_url(const std::string& host, bool is_secure, const std::string& id, std::int64_t number) {
  return (is_secure ? "https://" : "http://") + host + "/api/2.0/mlflow-artifacts/mpu/part/" + id + "/" +
         std::to_string(number);
}

Result<http::Answer> create_upload(RecordRooms& rooms, Parameters parameters, Request request,
                                   http::ReplyPromise promise) {
  ArtifactPath key = TRY(upload_key(parameters, request));
  const std::int64_t parts = TRY(parameters.find_integer("num_parts")).value_or(1);
  const std::string host(request.header("host"));
  const bool is_secure = request.header("x-forwarded-proto") == "https";
  registry::begin_upload(rooms.home, rooms.clock, std::move(key), parts,
                         [promise, parts, host, is_secure](const Result<std::string>& id) mutable {
                           if (!id) return promise.send(mlflow_error(id.error()));
                           Json list = Json::array();
                           for (std::int64_t i = 1; i <= parts; ++i) {
                             Json part = Json::object({{"url", part_url(host, is_secure, *id, i)}});
                             list.push(part.set("part_number", i).set("headers", Json::object()));
                           }
                           Json json = Json::object({{"upload_id", *id}, {"credentials", std::move(list)}});
                           promise.send(http::Reply::json(json));
                         });
  return http::Pending{};
}

Result<http::Answer> complete_upload(RecordRooms& rooms, Parameters parameters, Request request,
                                     http::ReplyPromise promise) {
  const ArtifactPath key = TRY(upload_key(parameters, request));
  TRY(parameters.require("parts"));
  std::vector<registry::UploadPart> parts;
  for (Parameters part : TRY(parameters.entries("parts"))) {
    const std::int64_t number = TRY(part.integer("part_number"));
    std::string etag = TRY(part.find_text("etag")).value_or("");
    std::erase(etag, '"');
    parts.push_back({number, std::move(etag)});
  }
  registry::complete_upload(rooms.home, TRY(parameters.text("upload_id")), key, parts,
                            send_done(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> abort_upload(RecordRooms& rooms, Parameters parameters, Request,
                                  http::ReplyPromise promise) {
  registry::abort_upload(rooms.home, TRY(parameters.text("upload_id")), send_done(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> put_part(RecordRooms& rooms, Request request, http::ReplyPromise) {
  const std::string& number = request.path_values[1];
  const bool is_number =
      !number.empty() && number.size() < 6 && number.find_first_not_of("0123456789") == std::string::npos;
  const std::string& id = request.path_values[0];
  Result<std::string> tag = fail(ErrorCode::invalid, "the body of a part is empty");
  if (request.body_file != nullptr) {
    tag = registry::keep_part(rooms.home, id, is_number ? std::stoll(number) : 0, request.body_file->path,
                              request.body_file->sha256);
  } else if (!request.body.empty()) {
    const std::filesystem::path file = TRY(rooms.home.make_staging("part-" + base::random_id())) / "part";
    TRY(base::write_file_durably(file, request.body));
    tag = registry::keep_part(rooms.home, id, is_number ? std::stoll(number) : 0, file,
                              base::sha256(request.body));
    TRY(base::remove_tree(file.parent_path()));
  }
  http::Reply reply;
  reply.headers.emplace_back("ETag", "\"" + TRY(std::move(tag)) + "\"");
  return reply;
}

// What server-info says is not offered: clients that ask all the same are told so in MLflow's words.
MlflowHandler not_offered(const char* what) {
  return [what](Parameters, Request, const http::ReplyPromise&) -> Result<http::Answer> {
    return fail(ErrorCode::unsupported,
                std::string(what) + " is not supported for the current artifact repository");
  };
}

MlflowHandler not_presigned(const char* what) {
  return [what](Parameters, Request, const http::ReplyPromise&) -> Result<http::Answer> {
    return fail(ErrorCode::invalid,
                std::string(what) +
                    " is not supported for proxied artifact storage (artifact URI scheme: "
                    "mlflow-artifacts). This endpoint requires a direct cloud storage "
                    "artifact URI.");
  };
}

using FileBody = Result<http::Answer> (*)(RecordRooms&, Request, http::ReplyPromise);

// A route whose body, if it has one, is a file and not JSON.
http::Route file_route(RecordRooms& rooms, const char* method, std::string path, const char* summary,
                       FileBody body) {
  http::Route route;
  route.method = method;
  route.path = std::move(path);
  route.summary = summary;
  route.permission = http::Permission::open;
  route.handler = [&rooms, body](Request request, http::ReplyPromise promise) -> http::Answer {
    Result<http::Answer> answer = body(rooms, request, std::move(promise));
    return answer ? *std::move(answer) : mlflow_error(answer.error());
  };
  route.content_types = {"*/*"};
  return route;
}

void add_file_route(RouteList& routes, RecordRooms& rooms, const char* method, const char* path,
                    const char* summary, FileBody body) {
  for (const char* prefix : {"/api", "/ajax-api"}) {
    http::Route route =
        file_route(rooms, method, std::string(prefix) + "/2.0/mlflow-artifacts/" + path, summary, body);
    route.takes_files = true;
    routes.add({std::move(route)});
  }
}

constexpr RouteRow kUploadRows[] = {
    {"POST", "/mlflow-artifacts/mpu/create/{artifact_path*}", "Begins a file that comes in parts",
     create_upload},
    {"POST", "/mlflow-artifacts/mpu/complete/{artifact_path*}", "Joins the parts of a file", complete_upload},
    {"POST", "/mlflow-artifacts/mpu/abort/{artifact_path*}", "Gives a file's parts up", abort_upload},
};

using ReadBody = Result<http::Answer> (*)(RecordRooms&, Parameters, Request);

MlflowHandler with(RecordRooms& rooms, ReadBody body) {
  return [&rooms, body](Parameters parameters, Request request, const http::ReplyPromise&) {
    return body(rooms, parameters, request);
  };
}

// The two doors that lie outside of the API.
void add_page_route(RouteList& routes, RecordRooms& rooms, const char* path, const char* summary,
                    ReadBody body) {
  routes.add({{.method = "GET",
               .path = path,
               .summary = summary,
               .permission = http::Permission::open,
               .handler = [&rooms, body](Request request, const http::ReplyPromise&) -> http::Answer {
                 const Result<MlflowParameters> parameters = MlflowParameters::read(request);
                 if (!parameters) return mlflow_error(parameters.error());
                 Result<http::Answer> answer = body(rooms, *parameters, request);
                 return answer ? *std::move(answer) : mlflow_error(answer.error());
               }}});
}

}  // namespace

std::vector<http::Route> artifact_routes(RecordRooms& rooms) {
  RouteList routes;
  constexpr const char* kFile = "artifacts/{artifact_path*}";
  add_file_route(routes, rooms, "PUT", kFile, "Keeps a file", put);
  add_file_route(routes, rooms, "GET", kFile, "A file, or a range of it", get);
  add_file_route(routes, rooms, "DELETE", kFile, "Deletes a file, or all below a folder", remove);
  add_file_route(routes, rooms, "PUT", "mpu/part/{upload_id}/{number}", "Keeps a part of a file", put_part);
  routes.add({file_route(rooms, "POST", "/ajax-api/2.0/mlflow/upload-artifact", "Keeps a small file of a run",
                         put_to_run)});
  routes.get("/mlflow-artifacts/artifacts", "What stands in a folder", with(rooms, list_proxy));
  routes.get("/mlflow/artifacts/list", "What stands in a folder of a run", with(rooms, list_run));
  routes.get("/mlflow/logged-models/{model_id}/artifacts/directories",
             "What stands in a folder of a logged model", with(rooms, list_logged_model));
  routes.get("/mlflow/logged-models/{model_id}/artifacts/files", "A file of a logged model",
             with(rooms, get_of_logged_model));
  add_page_route(routes, rooms, "/get-artifact", "A file of a run", get_of_run);
  add_page_route(routes, rooms, "/model-versions/get-artifact", "A file of a model's version",
                 get_of_version);
  routes.add(routes_of(rooms, kUploadRows));
  routes.get("/mlflow-artifacts/presigned/{artifact_path*}", "Not offered: get the file itself",
             not_offered("Multipart download"));
  routes.post("/mlflow/artifacts/presigned-upload-url", "Not offered: put the file itself",
              not_presigned("Presigned upload"));
  routes.post("/mlflow/artifacts/presigned-download-url", "Not offered: get the file itself",
              not_presigned("Presigned download"));
  return routes.take();
}

}  // namespace trimtab::api
