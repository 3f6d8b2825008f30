// How each dialect says no: the bodies by which its clients know a refusal, and its codes. One place for all
// of them, so that what a handler refuses and what the server refuses before any handler look the same.
#pragma once

#include <string>

#include "base/result.h"
#include "http/message.h"

namespace trimtab::api {

// The message, and behind it the hint in brackets: for bodies that have room for one text.
std::string text_of(const Error& error);

// {"error": text}, as the Open Inference Protocol has it.
http::Reply oip_refusal(const Error& error);
// {"error":{"code","message","status"}}, as Google's APIs have it.
http::Reply vertex_refusal(const Error& error);
// Known by their signature.
bool is_aws_caller(const http::Request& request);
// ValidationError, ModelError or ServiceUnavailable, with the members that botocore reads.
http::Reply aws_refusal(const Error& error);
// {"error_code","message"} with the code and status that MLflow gives, in the words by which its clients know
// a refusal.
http::Reply mlflow_scoring_refusal(const Error& error);

// Puts a refusal of the server's own (no such path, a body that is too large or of another type, no right to
// ask, …), by the error that it carries, into the shape of the dialect whose path was asked. Others stay as
// they are. For http::ServerOptions::reword.
void reword_refusal(const http::Request& request, http::Reply& reply);

}  // namespace trimtab::api
