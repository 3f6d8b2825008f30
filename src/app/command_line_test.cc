// The command line as somebody meets it who mistypes.
#include "app/command_line.h"

#include <gtest/gtest.h>

#include "store/scratch_folder.h"

namespace trimtab::app {
namespace {

struct Said {
  int code = 0;
  std::string out, wrong;
};

Said run(std::vector<std::string> words) {
  words.insert(words.begin(), "trimtab");
  std::vector<char*> raw;
  for (std::string& word : words) raw.push_back(word.data());
  const int count = static_cast<int>(raw.size());
  raw.push_back(nullptr);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Said said;
  said.code = run_command_line(count, raw.data());
  said.out = testing::internal::GetCapturedStdout();
  said.wrong = testing::internal::GetCapturedStderr();
  return said;
}

struct Mistake {
  std::vector<std::string> words;
  const char* wrong;
};

TEST(CommandLine, MistakesAreAnsweredWithWhatWasMeant) {
  const Mistake mistakes[] = {
      {{"aply"}, "error: there is no verb 'aply'\n   hint: did you mean 'apply'?\n"},
      {{"frobnicate"}, "error: there is no verb 'frobnicate'\n   hint: `trimtab help` lists the verbs\n"},
      {{"--json", "plan"},
       "error: the verb comes before the options, found '--json'\n"
       "   hint: as in `trimtab plan --json`; `trimtab help` lists the verbs\n"},
      {{"help", "scor"}, "error: there is no verb 'scor'\n   hint: did you mean 'score'?\n"},
      {{"plan", "--jsn"}, "error: `trimtab plan` has no option '--jsn'\n   hint: did you mean '--json'?\n"},
      {{"plan", "--zzzzzz=1"},
       "error: `trimtab plan` has no option '--zzzzzz'\n   hint: `trimtab help plan` lists what it takes\n"},
      {{"plan", "a", "b"},
       "error: 'b' is one word too many for `trimtab plan`\n   hint: `trimtab help plan` lists what it "
       "takes\n"},
      {{"score", "late"},
       "error: `trimtab score` needs FILE\n   hint: `trimtab help score` lists what it takes\n"},
      {{"rollback"},
       "error: `trimtab rollback` needs ENDPOINT\n   hint: `trimtab help rollback` lists what it takes\n"},
      {{"rollback", "late", "--to", "two"},
       "error: --to: 'two' is no version; write a whole number, as in 3\n"
       "   hint: `trimtab help rollback` lists what it takes\n"},
      {{"plan", "--as-of", "yesterday"},
       "error: --as-of: 'yesterday' is no time; write 2013-04-01 or 2013-04-01T05:00:00Z\n"
       "   hint: `trimtab help plan` lists what it takes\n"},
  };
  for (const Mistake& mistake : mistakes) {
    const Said said = run(mistake.words);
    EXPECT_EQ(said.wrong, mistake.wrong);
    EXPECT_EQ(said.code, 2) << mistake.wrong;
    EXPECT_EQ(said.out, "");
  }
}

TEST(CommandLine, EveryVerbTellsWhatItTakesAnExampleAndItsExitCodes) {
  const std::string overview = run({"help"}).out;
  for (const Verb& verb : verbs()) {
    if (verb.hidden) continue;
    EXPECT_NE(overview.find("\n  " + verb.name + " "), std::string::npos) << verb.name;
    const Said help = run({"help", verb.name});
    EXPECT_EQ(help.code, 0);
    EXPECT_EQ(help.out, run({verb.name, "--help"}).out);
    for (const std::string& part : {verb.summary, "Usage: trimtab " + verb.name,
                                    "Example: trimtab " + verb.name, std::string("Exit codes: 0 done")}) {
      EXPECT_NE(help.out.find(part), std::string::npos) << verb.name << " lacks: " << part;
    }
  }
}

TEST(CommandLine, WhatIsForOurOwnUseIsNotListed) {
  EXPECT_EQ(run({"help"}).out.find("worker"), std::string::npos);
  EXPECT_EQ(run({"worker"}).wrong, "error: the worker is started by trimtab itself\n");
}

TEST(CommandLine, TheVersionIsOneLine) {
  EXPECT_TRUE(run({"--version"}).out.starts_with("trimtab "));
  EXPECT_EQ(run({"--version"}).out, run({"version"}).out);
}

TEST(CommandLine, AnEmptyFolderIsNoProject) {
  const store::ScratchFolder folder;
  const std::string place = folder.path().string();
  for (const std::string verb : {"check", "plan", "apply", "serve", "status", "incidents", "fsck", "bench"}) {
    const Said said = run({verb, place});
    EXPECT_EQ(said.code, 2) << verb;
    EXPECT_EQ(said.wrong, "error: there is no project file '" + place +
                              "/trimtab.yaml'\n   hint: `trimtab init` writes one; or name the folder that "
                              "holds a trimtab.yaml\n")
        << verb;
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace trimtab::app
