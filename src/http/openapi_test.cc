#include <gtest/gtest.h>

#include "http/route.h"

namespace trimtab::http {
namespace {

Route route(std::string method, std::string path, std::string summary, Permission permission) {
  Route made;
  made.method = std::move(method);
  made.path = std::move(path);
  made.summary = std::move(summary);
  made.permission = permission;
  return made;
}

Json object_schema() { return Json::object({{"type", "object"}}); }

constexpr std::string_view kPaths = R"({
  "/api/v1/endpoints/{name}": {
    "get": {
      "operationId": "get_api_v1_endpoints_name",
      "summary": "One endpoint.",
      "parameters": [
        {
          "name": "name",
          "in": "path",
          "required": true,
          "schema": {
            "type": "string"
          }
        }
      ],
      "responses": {
        "200": {
          "description": "Done.",
          "content": {
            "application/json": {
              "schema": {
                "type": "object"
              }
            }
          }
        },
        "default": {
          "description": "Refused; the code says why and the hint what to do.",
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/Error"
              }
            }
          }
        }
      },
      "security": []
    },
    "post": {
      "operationId": "post_api_v1_endpoints_name",
      "summary": "Changes it.",
      "parameters": [
        {
          "name": "name",
          "in": "path",
          "required": true,
          "schema": {
            "type": "string"
          }
        }
      ],
      "requestBody": {
        "required": true,
        "content": {
          "application/json": {
            "schema": {
              "type": "object"
            }
          },
          "text/csv": {
            "schema": {
              "type": "object"
            }
          }
        }
      },
      "responses": {
        "200": {
          "description": "Done."
        },
        "default": {
          "description": "Refused; the code says why and the hint what to do.",
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/Error"
              }
            }
          }
        }
      },
      "security": [
        {
          "token": []
        }
      ]
    }
  },
  "/files/{path}": {
    "put": {
      "operationId": "put_files_path",
      "summary": "Keeps a file.",
      "parameters": [
        {
          "name": "path",
          "in": "path",
          "required": true,
          "description": "The rest of the path; may hold slashes.",
          "schema": {
            "type": "string"
          }
        }
      ],
      "responses": {
        "200": {
          "description": "Done."
        },
        "default": {
          "description": "Refused; the code says why and the hint what to do.",
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/Error"
              }
            }
          }
        }
      },
      "security": [
        {
          "token": []
        },
        {}
      ]
    }
  }
})";

TEST(Openapi, DescribesTheTable) {
  std::vector<Route> routes = {route("GET", "/api/v1/endpoints/{name}", "One endpoint.", Permission::open),
                               route("PUT", "/files/{path*}", "Keeps a file.", Permission::clock),
                               route("POST", "/api/v1/endpoints/{name}", "Changes it.", Permission::token)};
  routes[0].reply_schema = object_schema();
  routes[2].request_schema = object_schema();
  routes[2].content_types = {"application/json", "text/csv"};
  const Json document = openapi(routes, "1.2.3");
  EXPECT_EQ(document["openapi"], Json("3.1.0"));
  EXPECT_EQ(document["info"], Json::object({{"title", "Trimtab"}, {"version", "1.2.3"}}));
  EXPECT_EQ(base::parse_json(document["paths"].dump()).value(), base::parse_json(kPaths).value());
  const Json& components = document["components"];
  EXPECT_EQ(components["securitySchemes"]["token"].text_or("scheme"), "bearer");
  const Json& error = components["schemas"]["Error"]["properties"]["error"];
  EXPECT_EQ(error["required"].dump(), R"(["code","message"])");
  EXPECT_EQ(error["properties"]["code"]["enum"].as_array().size(), base::error_table().size());
  EXPECT_EQ(openapi(routes, "1.2.3").dump(), document.dump());
}

}  // namespace
}  // namespace trimtab::http
