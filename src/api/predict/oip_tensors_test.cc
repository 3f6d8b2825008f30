// Tensors of the Open Inference Protocol to rows, and predictions to tensors.
#include "api/predict/oip_tensors.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <rapidcheck/gtest.h>

namespace trimtab::api {
namespace {

std::string rows_of(const std::string& json, const std::string& binary = "") {
  const auto size = binary.empty() ? std::nullopt : std::optional<std::size_t>(json.size());
  const Result<OipRequest> read = read_oip_request(json + binary, size);
  if (!read) return read.error().message + (read.error().hint.empty() ? "" : " | " + read.error().hint);
  return read->rows;
}

// {"inputs":[…]} of one tensor "x".
std::string one(const std::string& datatype, const std::string& shape, const std::string& rest) {
  return R"({"inputs":[{"name":"x","datatype":")" + datatype + R"(","shape":)" + shape + "," + rest + "}]}";
}
std::string binary_of(const std::string& datatype, int rows, std::size_t bytes) {
  return one(datatype, "[" + std::to_string(rows) + "]",
             R"("parameters":{"binary_data_size":)" + std::to_string(bytes) + "}");
}
template <class T>
std::string bytes_of(std::initializer_list<T> values) {
  std::string bytes;
  for (const T value : values) bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  return bytes;
}

TEST(OipTensors, JsonTensorsAreFlatOrAListARow) {
  EXPECT_EQ(rows_of(one("FP64", "[2]", R"("data":[0.1,null])")), R"({"inputs":{"x":[0.1,null]}})");
  EXPECT_EQ(rows_of(one("BYTES", "[2,1]", R"("data":[["a"],["b"]])")), R"({"inputs":{"x":["a","b"]}})");
  EXPECT_EQ(rows_of(one("BOOL", "[0]", R"("data":[])")), R"({"inputs":{"x":[]}})");
}

TEST(OipTensors, BinaryTensorsOfEveryType) {
  const auto read = [](const std::string& type, int rows, const std::string& bytes) {
    return rows_of(binary_of(type, rows, bytes.size()), bytes);
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(read("FP64", 2, bytes_of({0.1, nan})), R"({"inputs":{"x":[0.1,null]}})");
  EXPECT_EQ(read("FP32", 1, bytes_of({0.5F})), R"({"inputs":{"x":[0.5]}})");
  EXPECT_EQ(read("BOOL", 2, std::string("\0\1", 2)), R"({"inputs":{"x":[false,true]}})");
  EXPECT_EQ(read("INT8", 1, bytes_of<std::int8_t>({-7})), R"({"inputs":{"x":[-7]}})");
  EXPECT_EQ(read("INT64", 1, bytes_of({std::numeric_limits<std::int64_t>::min()})),
            R"({"inputs":{"x":[-9223372036854775808]}})");
  EXPECT_EQ(read("UINT16", 1, bytes_of<std::uint16_t>({65535})), R"({"inputs":{"x":[65535]}})");
  EXPECT_EQ(read("BYTES", 2, bytes_of<std::uint32_t>({2}) + "ab" + bytes_of<std::uint32_t>({0})),
            R"({"inputs":{"x":["ab",""]}})");
}

TEST(OipTensors, AnIdNamesTheRows) {
  const std::string inputs = R"("inputs":[{"name":"x","datatype":"INT64","shape":[)";
  EXPECT_EQ(rows_of(R"({"id":"r",)" + inputs + R"(1],"data":[7]}]})"),
            R"({"inputs":{"x":[7],"prediction_id":["r"]}})");
  EXPECT_EQ(rows_of(R"({"id":"r",)" + inputs + R"(2],"data":[7,8]}]})"),
            R"({"inputs":{"x":[7,8],"prediction_id":["r-1","r-2"]}})");
}

// So that a row has one probability, however it was sent.
RC_GTEST_PROP(OipTensors, ABinaryNumberIsTheNumberOfTheJson, (double x)) {
  RC_PRE(std::isfinite(x));
  RC_ASSERT(rows_of(binary_of("FP64", 1, 8), bytes_of({x})) ==
            R"({"inputs":{"x":[)" + Json(x).dump() + "]}}");
}

RC_GTEST_PROP(OipTensors, NoBytesBringTheReaderDown, (const std::string& bytes, std::uint8_t rows)) {
  for (const char* type : {"BYTES", "FP32", "BOOL"}) {
    const std::string json = binary_of(type, rows, bytes.size());
    (void)read_oip_request(json + bytes, json.size());
    (void)read_oip_request(bytes, rows);
  }
}

struct BadRequest {
  std::string json, binary;
  const char* refusal;
};

TEST(OipTensors, WhatIsWrongIsSaid) {
  const BadRequest cases[] = {
      {"{}", "", "the request has no list 'inputs'"},
      {R"({"inputs":[]})", "", "the request has no inputs"},
      {R"({"inputs":[{}]})", "", "an input has no name"},
      {one("FP16", "[1]", R"("data":[1])"), "",
       "the tensor 'x' has the datatype 'FP16' | send BOOL, INT8 to INT64, UINT8 to UINT64, FP32, FP64 or "
       "BYTES"},
      {one("FP64", "[1,2]", R"("data":[1,2])"), "",
       "the tensor 'x' has the shape [1,2] | send one tensor for each column, of shape [n] or [n,1]"},
      {one("FP64", "[-1]", R"("data":[1])"), "",
       "the tensor 'x' has the shape [-1] | send one tensor for each column, of shape [n] or [n,1]"},
      {one("FP64", "[3]", R"("data":[1,2])"), "", "the tensor 'x' has 2 values for the 3 of its shape"},
      {one("FP64", "[1]", R"("no":0)"), "", "the tensor 'x' has no data"},
      {binary_of("FP64", 2, 8), "12345678", "the tensor 'x' has 8 bytes, which are not 2 values of FP64"},
      {binary_of("BYTES", 1, 5), std::string("\5\0\0\0a", 5),
       "the tensor 'x' has 5 bytes, which are not 1 values of BYTES"},
      {binary_of("BYTES", 1, 5), std::string("\0\0\0\0a", 5),
       "the tensor 'x' has 5 bytes, which are not 1 values of BYTES"},
      {binary_of("BYTES", 2, 10), std::string("\1\0\0\0a\1\0\0\0\xFF", 10),
       "the tensor 'x' has a text that is not in UTF-8, in row 2"},
      {R"({"id":5,"inputs":[]})", "", "'id' is no text: 5"},
      {binary_of("INT8", 9, 9), "1", "the tensor 'x' has a binary_data_size of 9; 1 bytes are left"},
      {binary_of("INT8", 1, 1), "12", "1 bytes behind the last tensor are nobody's"},
      {R"({"inputs":[{"name":"x","datatype":"INT8","shape":[1],"data":[1]},)"
       R"({"name":"x","datatype":"INT8","shape":[1],"data":[2]}]})",
       "", "the tensor 'x' is sent twice"},
  };
  for (const BadRequest& bad : cases) EXPECT_EQ(rows_of(bad.json, bad.binary), bad.refusal) << bad.json;
}

TEST(OipTensors, AHeaderLengthBeyondTheBodyIsRefused) {
  EXPECT_EQ(read_oip_request("{}", 3).error().message,
            "Inference-Header-Content-Length is 3, the body has 2 bytes");
}

TEST(OipTensors, AnOutputThatThereIsNotIsRefused) {
  const auto read = read_oip_request(R"({"inputs":[{"name":"x","datatype":"INT8","shape":[1],"data":[1]}],)"
                                     R"("outputs":[{"name":"y"}]})",
                                     {});
  EXPECT_EQ(read.error().message, "there is no output 'y'");
  EXPECT_EQ(read.error().hint, "there are 'predictions' and 'prediction_ids'");
}

TEST(OipTensors, PredictionsBecomeTensors) {
  const std::vector<double> scores = {0.25, std::numeric_limits<double>::quiet_NaN()};
  const std::vector<std::string> ids = {"a", "bc"};
  const serve::Answers answers{scores, ids, 3};
  OipRequest request{.rows = "", .id = "r", .outputs = {{kScoresTensor, false}, {kIdsTensor, false}}};
  const OipReply json = write_oip_reply(request, "late", answers);
  EXPECT_EQ(json.body, R"({"model_name":"late","model_version":"3","id":"r","outputs":[)"
                       R"({"name":"predictions","datatype":"FP64","shape":[2],"data":[0.25,null]},)"
                       R"({"name":"prediction_ids","datatype":"BYTES","shape":[2],"data":["a","bc"]}]})");
  EXPECT_FALSE(json.json_size);

  request.outputs = {{kIdsTensor, true}, {kScoresTensor, true}};
  const OipReply binary = write_oip_reply(request, "late", answers);
  ASSERT_TRUE(binary.json_size);
  EXPECT_EQ(binary.body.substr(*binary.json_size),
            bytes_of<std::uint32_t>({1}) + "a" + bytes_of<std::uint32_t>({2}) + "bc" +
                bytes_of({0.25, std::numeric_limits<double>::quiet_NaN()}));
}

}  // namespace
}  // namespace trimtab::api
