#include <gtest/gtest.h>

#include "http/route.h"

namespace trimtab::http {
namespace {

Route route(std::string method, std::string path, Permission permission = Permission::open) {
  Route made;
  made.method = std::move(method);
  made.path = std::move(path);
  made.permission = permission;
  made.handler = [](const Request&, ReplyPromise) -> Answer { return Reply(); };
  return made;
}

Router router() {
  return *Router::make({route("GET", "/"), route("GET", "/runs/search"), route("GET", "/runs/{id}"),
                        route("POST", "/runs/{id}"), route("DELETE", "/runs/{id}"),
                        route("GET", "/runs/{id}/files"), route("GET", "/files/{path*}"),
                        route("PUT", "/files/{path*}"), route("GET", "/files/list"),
                        route("GET", "/a/{x}/b/{y}"), route("GET", "/a/lit/c"), route("GET", "/ui/")});
}

// "PATTERN value,value", "405 METHODS", "404", or the code of the error.
std::string find(std::string_view method, std::string_view path) {
  static const Router kRouter = router();
  const Result<Router::Match> match = kRouter.find(method, path);
  if (!match) return std::string(base::error_row(match.error().code).name);
  std::string text;
  if (match->route == nullptr) {
    if (match->other_methods.empty()) return "404";
    for (const std::string& other : match->other_methods) text += " " + other;
    return "405" + text;
  }
  for (const std::string& value : match->path_values) text += (text.empty() ? " " : ",") + value;
  return match->route->path + text;
}

TEST(Router, MatchesLiteralsBeforePlaceholdersAndGoesBack) {
  EXPECT_EQ(find("GET", "/"), "/");
  EXPECT_EQ(find("GET", "/runs/search"), "/runs/search");
  EXPECT_EQ(find("GET", "/runs/17"), "/runs/{id} 17");
  EXPECT_EQ(find("GET", "/runs/17/files"), "/runs/{id}/files 17");
  EXPECT_EQ(find("GET", "/runs/search/files"), "/runs/{id}/files search");
  EXPECT_EQ(find("POST", "/runs/search"), "/runs/{id} search");
  EXPECT_EQ(find("GET", "/a/1/b/2"), "/a/{x}/b/{y} 1,2");
  EXPECT_EQ(find("GET", "/a/lit/b/2"), "/a/{x}/b/{y} lit,2");
  EXPECT_EQ(find("GET", "/a/lit/c"), "/a/lit/c");
  EXPECT_EQ(find("GET", "/ui/"), "/ui/");
}

TEST(Router, GivesTheRestOfAPathToItsLastPlaceholder) {
  EXPECT_EQ(find("GET", "/files/a"), "/files/{path*} a");
  EXPECT_EQ(find("PUT", "/files/a/b/c.txt"), "/files/{path*} a/b/c.txt");
  EXPECT_EQ(find("GET", "/files/list"), "/files/list");
  EXPECT_EQ(find("GET", "/files/list/more"), "/files/{path*} list/more");
  EXPECT_EQ(find("GET", "/files/a%2Fb/c"), "/files/{path*} a/b/c");
  EXPECT_EQ(find("GET", "/files/"), "404");
  EXPECT_EQ(find("GET", "/files"), "404");
}

TEST(Router, TellsAnUnknownPathFromAnotherMethod) {
  EXPECT_EQ(find("GET", "/nothing"), "404");
  EXPECT_EQ(find("GET", "/runs/"), "404");
  EXPECT_EQ(find("GET", "/runs//files"), "404");
  EXPECT_EQ(find("GET", "/ui"), "404");
  EXPECT_EQ(find("PATCH", "/runs/17"), "405 DELETE GET POST");
  EXPECT_EQ(find("POST", "/runs/17/files"), "405 GET");
  EXPECT_EQ(find("HEAD", "/runs/17"), "/runs/{id} 17");
}

TEST(Router, DecodesEachStepOnItsOwn) {
  EXPECT_EQ(find("GET", "/runs/a%20b"), "/runs/{id} a b");
  EXPECT_EQ(find("GET", "/runs/s%C3%BC%C3%9F"), "/runs/{id} süß");
  EXPECT_EQ(find("GET", "/r%75ns/search"), "/runs/search");
  EXPECT_EQ(find("GET", "/runs/a+b"), "/runs/{id} a+b");
  EXPECT_EQ(find("GET", "/runs/50%25"), "/runs/{id} 50%");
}

TEST(Router, RefusesPathsThatAreNotWhatTheySeem) {
  for (const char* path : {"/files/../etc/passwd",
                           "/files/..",
                           "/files/a/./b",
                           "/files/%2e%2e/x",
                           "/files/..%2f..%2fetc",
                           "/files/a%2f..%2fb",
                           "/files/..\\..\\etc",
                           "/files/%5c..%5c",
                           "/files/;/../x",
                           "/files/%252e%252e%252f",
                           "/files/%252e%252e",
                           "/files/a%00.txt",
                           "/files/a%2500.txt",
                           "/runs/a%2Fb",
                           "/runs/%",
                           "/runs/%zz",
                           "/runs/%FF",
                           "/runs/%C0%AF",
                           "runs",
                           "*",
                           "",
                           "http://localhost/runs/17"}) {
    EXPECT_EQ(find("GET", path), "malformed") << path;
  }
  std::string deep = "/files";
  for (int i = 0; i < 100; ++i) deep += "/a";
  EXPECT_EQ(find("GET", deep), "malformed");
}

std::string refusal(std::vector<Route> routes) {
  const Result<Router> made = Router::make(std::move(routes));
  return made ? "accepted" : made.error().message;
}

TEST(Router, RefusesATableWithMistakes) {
  EXPECT_EQ(refusal({route("GET", "/a", Permission::undeclared)}), "the route GET /a declares no permission");
  EXPECT_EQ(refusal({route("GET", "/a/{x}"), route("GET", "/a/{y}")}),
            "the route GET /a/{y} is declared twice, also as /a/{x}");
  EXPECT_EQ(refusal({route("GET", "/a/{x*}"), route("GET", "/a/{y*}")}),
            "the route GET /a/{y*} is declared twice, also as /a/{x*}");
  EXPECT_EQ(refusal({route("GET", "/a/{x}"), route("GET", "/a/{x*}"), route("POST", "/a/{x}")}), "accepted");
  EXPECT_EQ(refusal({route("BREW", "/a")}), "the route BREW /a has a method that the server does not know");
  EXPECT_EQ(refusal({route("GET", "a")}), "the route GET a does not begin with a slash");
  EXPECT_EQ(refusal({route("GET", "/a/{x*}/b")}), "the route GET /a/{x*}/b has {name*} before its end");
  EXPECT_EQ(refusal({route("GET", "/a/x{y}")}), "the route GET /a/x{y} has a half placeholder");
  Route empty = route("GET", "/a");
  empty.handler = nullptr;
  EXPECT_EQ(refusal({empty}), "the route GET /a has no handler");
}

TEST(Router, SuggestsThePathThatWasMeant) {
  const Router table = router();
  EXPECT_EQ(table.nearest("/runs/"), "") << "never the path itself";
  EXPECT_EQ(table.nearest("/runs/17/file"), "/runs/17/files");
  EXPECT_EQ(table.nearest("/rusn/17/files"), "/runs/17/files");
  EXPECT_EQ(table.nearest("/ui"), "/ui/");
  EXPECT_EQ(table.nearest("/something/else/altogether"), "");
}

}  // namespace
}  // namespace trimtab::http
