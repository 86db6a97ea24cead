// SPDX-License-Identifier: Apache-2.0
// The same object for programs and for people.
#include "tools/json_text.h"

#include <gtest/gtest.h>

#include <sstream>

namespace holdfast::tools {
namespace {

std::string Text(const Json& value, bool json = false) {
  std::ostringstream out;
  Print(out, value, json);
  return out.str();
}

TEST(JsonText, LaysOutObjects) {
  const Json value = {{"name", "x"},
                      {"on", true},
                      {"nothing", nullptr},
                      {"numbers", {1, 2}},
                      {"inner", {{"a", 1}, {"deep", {{"b", "c"}}}}},
                      {"rows", {{{"from", 0}, {"to", 4}}, {{"from", 4}, {"to", 9}}}}};
  EXPECT_EQ(Text(value),
            "name: x\non: yes\nnothing: -\nnumbers: 1, 2\ninner:\n  a: 1\n  deep:\n    b: c\n"
            "rows:\n  from 0  to 4\n  from 4  to 9\n");
}

TEST(JsonText, JsonIsOneLineWhateverTheBytes) {
  EXPECT_EQ(Text({{"a", 1}}, true), "{\"a\":1}\n");
  const std::string line = Text({{"name", "bad \xff\xfe bytes"}}, true);
  EXPECT_EQ(std::ranges::count(line, '\n'), 1);
  EXPECT_TRUE(Json::accept(line));
}

}  // namespace
}  // namespace holdfast::tools
