#include "api/grpc/grpc_server.h"

#include <array>
#include <cstring>
#include <grpcpp/grpcpp.h>
#include <open_inference.grpc.pb.h>
#include <utility>
#include <variant>
#include <vector>

#include "api/predict/inference.h"
#include "api/predict/oip_tensors.h"
#include "http/route.h"

namespace trimtab::api {
namespace {

using inference::ModelInferRequest;
using inference::ModelInferResponse;

grpc::StatusCode code_of(int http_status) {
  switch (http_status) {
    case 404:
      return grpc::StatusCode::NOT_FOUND;
    case 409:
      return grpc::StatusCode::ALREADY_EXISTS;
    case 401:
      return grpc::StatusCode::UNAUTHENTICATED;
    case 403:
      return grpc::StatusCode::PERMISSION_DENIED;
    case 413:
    case 429:
    case 507:
      return grpc::StatusCode::RESOURCE_EXHAUSTED;
    case 503:
      return grpc::StatusCode::UNAVAILABLE;
    case 504:
      return grpc::StatusCode::DEADLINE_EXCEEDED;
    case 500:
      return grpc::StatusCode::INTERNAL;
    default:
      return grpc::StatusCode::INVALID_ARGUMENT;
  }
}

grpc::Status refusal(const Error& error) {
  return {code_of(base::error_row(error.code).http_status),
          error.hint.empty() ? error.message : error.message + " (" + error.hint + ")"};
}
grpc::Status worded(const Status& status) { return status ? grpc::Status::OK : refusal(status.error()); }

template <class Values>
void append_raw(std::string& out, const Values& values, std::size_t width) {
  for (const auto value : values) {
    // Little-endian: the low bytes of a wider integer are the narrower one.
    out.append(reinterpret_cast<const char*>(&value), width);
  }
}

// The values of a tensor as raw_input_contents would have them.
std::string raw_of(const ModelInferRequest::InferInputTensor& input) {
  const inference::InferTensorContents& contents = input.contents();
  std::string raw;
  const std::string& type = input.datatype();
  const bool is_byte = type.ends_with("8");
  const std::size_t narrow = is_byte ? 1 : type.ends_with("16") ? 2 : 4;
  append_raw(raw, contents.bool_contents(), 1);
  append_raw(raw, contents.int_contents(), narrow);
  append_raw(raw, contents.int64_contents(), 8);
  append_raw(raw, contents.uint_contents(), narrow);
  append_raw(raw, contents.uint64_contents(), 8);
  append_raw(raw, contents.fp32_contents(), 4);
  append_raw(raw, contents.fp64_contents(), 8);
  for (const std::string& text : contents.bytes_contents()) append_text_bytes(raw, text);
  return raw;
}

Result<std::vector<OipTensor>> tensors_of(const ModelInferRequest& request, std::vector<std::string>& made) {
  const int count = request.inputs_size();
  const bool is_raw = request.raw_input_contents_size() > 0;
  if (is_raw && request.raw_input_contents_size() != count) {
    return fail(ErrorCode::malformed, "the request has " + std::to_string(count) + " inputs and " +
                                          std::to_string(request.raw_input_contents_size()) +
                                          " raw_input_contents");
  }
  made.reserve(static_cast<std::size_t>(count));
  std::vector<OipTensor> tensors;
  for (int i = 0; i < count; ++i) {
    const ModelInferRequest::InferInputTensor& input = request.inputs(i);
    if (!is_raw) made.push_back(raw_of(input));
    tensors.push_back({input.name(),
                       input.datatype(),
                       {input.shape().begin(), input.shape().end()},
                       is_raw ? request.raw_input_contents(i) : made.back()});
  }
  return tensors;
}

Result<std::vector<std::string>> outputs_of(const ModelInferRequest& request) {
  std::vector<std::string> names;
  for (const auto& output : request.outputs()) {
    TRY(check_oip_output(output.name()));
    names.push_back(output.name());
  }
  if (names.empty()) names = {kScoresTensor, kIdsTensor};
  return names;
}

// Who sends raw contents is answered with such, others with lists.
void add_output(ModelInferResponse& reply, const std::string& name, bool is_raw,
                const serve::Answers& answers) {
  const bool is_scores = name == kScoresTensor;
  ModelInferResponse::InferOutputTensor& output = *reply.add_outputs();
  output.set_name(name);
  output.set_datatype(is_scores ? "FP64" : "BYTES");
  output.add_shape(static_cast<std::int64_t>(answers.scores.size()));
  if (is_raw) {
    *reply.add_raw_output_contents() = is_scores ? scores_as_bytes(answers) : ids_as_bytes(answers);
  } else if (is_scores) {
    output.mutable_contents()->mutable_fp64_contents()->Add(answers.scores.begin(), answers.scores.end());
  } else {
    for (const std::string& id : answers.ids) output.mutable_contents()->add_bytes_contents(id);
  }
}

Status infer_tensors(const ServerRooms& rooms, const ModelInferRequest& request, ModelInferResponse& reply) {
  heal::Ward& ward = *TRY(serving_ward(rooms, request.model_name(), request.model_version()));
  std::vector<std::string> made;
  const std::vector<OipTensor> tensors = TRY(tensors_of(request, made));
  const std::vector<std::string> outputs = TRY(outputs_of(request));
  const std::string rows = TRY(rows_of_tensors(tensors, request.id()));
  const bool is_raw = request.raw_input_contents_size() > 0;
  TRY(ward.endpoint().predict({.body = rows}, [&](const serve::Answers& answers) {
    reply.set_model_name(ward.name());
    reply.set_model_version(std::to_string(answers.version));
    reply.set_id(request.id());
    for (const std::string& name : outputs) add_output(reply, name, is_raw, answers);
    return std::string();
  }));
  return {};
}

void add_tensor(inference::ModelMetadataResponse::TensorMetadata& tensor, const std::string& name,
                std::string_view type) {
  tensor.set_name(name);
  tensor.set_datatype(std::string(type));
  tensor.add_shape(-1);
}

Status describe(const ServerRooms& rooms, const inference::ModelMetadataRequest& request,
                inference::ModelMetadataResponse& reply) {
  heal::Ward& ward = *TRY(serving_ward(rooms, request.name(), request.version()));
  const auto columns = TRY(ward.endpoint().request_columns());
  reply.set_name(ward.name());
  if (const auto version = served_version(ward)) reply.add_versions(*version);
  reply.set_platform("trimtab");
  for (const table::Schema* schema : {&columns->required, &columns->optional}) {
    for (const table::Column& column : schema->columns()) {
      add_tensor(*reply.add_inputs(), column.name, oip_type(column.type));
    }
  }
  add_tensor(*reply.add_outputs(), kScoresTensor, "FP64");
  add_tensor(*reply.add_outputs(), kIdsTensor, "BYTES");
  return {};
}

// Lets in whom the HTTP routes of the same calls would let in, by their own rules.
class CallGuard {
 public:
  explicit CallGuard(const GrpcOptions& options) : doorkeeper_(options.doorkeeper) {
    if (!doorkeeper_) return;
    CHECK(options.access != nullptr);
    routes_ = with_access({look_alike("GET", "/v2"), look_alike("GET", "/v2/models/{name}"),
                           look_alike("POST", "/v2/models/{name}/infer")},
                          *options.access);
  }

  grpc::Status look(const grpc::ServerContext& call) const { return admit(call, 0, ""); }
  grpc::Status look(const grpc::ServerContext& call, const std::string& model) const {
    return admit(call, 1, model);
  }
  grpc::Status infer(const grpc::ServerContext& call, const std::string& model) const {
    return admit(call, 2, model);
  }

 private:
  static http::Route look_alike(const char* method, const char* path) {
    return {.method = method,
            .path = path,
            .summary = "",
            .permission = http::Permission::open,
            .handler = [](const http::Request&, const http::ReplyPromise&) -> http::Answer {
              return http::Reply::text("");
            }};
  }

  grpc::Status admit(const grpc::ServerContext& call, std::size_t index, const std::string& model) const {
    if (!doorkeeper_) return grpc::Status::OK;
    const http::Route& route = routes_[index];
    const std::string peer = address_of(call.peer());
    http::Request request;
    request.method = route.method;
    request.path = route.path;
    request.path_values = {model};
    request.peer = peer;
    const auto sent = call.client_metadata().find("authorization");
    if (sent != call.client_metadata().end())
      request.headers.emplace_back("authorization",
                                   std::string_view(sent->second.data(), sent->second.size()));
    http::Admission admission = doorkeeper_->admit(request, route);
    if (admission.proof) admission = admission.proof();  // Slow, and this is a thread of gRPC's own.
    if (admission.refusal) return as_status(*admission.refusal);
    request.caller = admission.caller;
    const http::Answer answer = route.handler(request, http::ReplyPromise([](const http::Reply&) {}));
    const auto* reply = std::get_if<http::Reply>(&answer);
    CHECK(reply != nullptr);
    return as_status(*reply);
  }

  // "ipv4:127.0.0.1:54321" without its kind and port.
  static std::string address_of(const std::string& peer) {
    const std::size_t begin = peer.find(':') + 1;
    const std::size_t end = peer.rfind(':');
    return end == std::string::npos || end < begin ? peer : peer.substr(begin, end - begin);
  }

  static grpc::Status as_status(const http::Reply& reply) {
    if (reply.status == 200) return grpc::Status::OK;
    const Json body = base::parse_json(reply.body).value_or(Json::object());
    const std::string hint = body["error"].text_or("hint");
    const std::string message = body["error"].text_or("message");
    return {code_of(reply.status), hint.empty() ? message : message + " (" + hint + ")"};
  }

  std::shared_ptr<http::Doorkeeper> doorkeeper_;
  std::vector<http::Route> routes_;
};

class Service final : public inference::GRPCInferenceService::Service {
 public:
  Service(const ServerRooms& rooms, std::string version, const GrpcOptions& options)
      : rooms_(rooms), version_(std::move(version)), guard_(options) {}

  grpc::Status ServerLive(grpc::ServerContext*, const inference::ServerLiveRequest*,
                          inference::ServerLiveResponse* reply) override {
    reply->set_live(true);
    return grpc::Status::OK;
  }
  grpc::Status ServerReady(grpc::ServerContext*, const inference::ServerReadyRequest*,
                           inference::ServerReadyResponse* reply) override {
    reply->set_ready(all_serve(rooms_));
    return grpc::Status::OK;
  }
  grpc::Status ModelReady(grpc::ServerContext* call, const inference::ModelReadyRequest* request,
                          inference::ModelReadyResponse* reply) override {
    if (grpc::Status may = guard_.look(*call, request->name()); !may.ok()) return may;
    const Result<heal::Ward*> ward = serving_ward(rooms_, request->name(), request->version());
    if (!ward) return refusal(ward.error());
    reply->set_ready(served_version(**ward).has_value());
    return grpc::Status::OK;
  }
  grpc::Status ServerMetadata(grpc::ServerContext* call, const inference::ServerMetadataRequest*,
                              inference::ServerMetadataResponse* reply) override {
    if (grpc::Status may = guard_.look(*call); !may.ok()) return may;
    reply->set_name("trimtab");
    reply->set_version(version_);
    return grpc::Status::OK;
  }
  grpc::Status ModelMetadata(grpc::ServerContext* call, const inference::ModelMetadataRequest* request,
                             inference::ModelMetadataResponse* reply) override {
    if (grpc::Status may = guard_.look(*call, request->name()); !may.ok()) return may;
    return worded(describe(rooms_, *request, *reply));
  }
  grpc::Status ModelInfer(grpc::ServerContext* call, const ModelInferRequest* request,
                          ModelInferResponse* reply) override {
    if (grpc::Status may = guard_.infer(*call, request->model_name()); !may.ok()) return may;
    return worded(infer_tensors(rooms_, *request, *reply));
  }

 private:
  const ServerRooms& rooms_;
  std::string version_;
  CallGuard guard_;
};

}  // namespace

struct GrpcServer::State {
  State(const ServerRooms& rooms, const std::string& version, const GrpcOptions& options)
      : service(rooms, version, options) {}

  Service service;
  std::unique_ptr<grpc::Server> server;
  int port = 0;
};

GrpcServer::GrpcServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
GrpcServer::~GrpcServer() { stop(); }

Result<std::unique_ptr<GrpcServer>> GrpcServer::start(const GrpcOptions& options, const ServerRooms& rooms,
                                                      const std::string& version) {
  auto state = std::make_unique<State>(rooms, version, options);
  const std::string address = options.host + ":" + std::to_string(options.port);
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // Else two servers would share the port.
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &state->port);
  builder.RegisterService(&state->service);
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.message_bytes_max));
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2);
  grpc::ResourceQuota quota("trimtab");
  quota.SetMaxThreads(options.threads_max);
  builder.SetResourceQuota(quota);
  state->server = builder.BuildAndStart();
  if (!state->server || state->port == 0) {
    return fail(ErrorCode::address_in_use, "gRPC cannot listen at " + address,
                "another program may have the port; choose one with --grpc-port");
  }
  return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(state)));
}

int GrpcServer::port() const { return state_->port; }

void GrpcServer::stop(base::TimeUs drain) {
  if (!state_->server) return;
  const gpr_timespec longest = gpr_time_from_micros(drain, GPR_TIMESPAN);
  state_->server->Shutdown(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), longest));
  state_->server->Wait();
  state_->server.reset();
}

}  // namespace trimtab::api
