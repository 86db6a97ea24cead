// SPDX-License-Identifier: Apache-2.0
// The table of option keys, and how their values are read.
#include "daemon/option_table.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <initializer_list>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "fmt/format.h"

namespace holdfast::daemon {
namespace {

using daxcore::BusyPolicy;
using daxcore::Fail;
using fsmeta::AtimeMode;
using fsmeta::DataMode;
using Text = std::string_view;

constexpr uint64_t kDay = 24 * 3600;
constexpr uint64_t kYear = 366 * kDay;

std::unexpected<daxcore::Error> Invalid(std::string_view why) {
  return Fail(EINVAL, std::string(why));
}

template <typename Bool>
Result<void> SetFlag(Bool& flag, Text text) {
  for (Text yes : {"true", "yes", "on", "1"}) {
    if (text == yes) return flag = true, Result<void>{};
  }
  for (Text no : {"false", "no", "off", "0"}) {
    if (text == no) return flag = false, Result<void>{};
  }
  return Invalid("must be true or false");
}

template <typename Number>
Result<void> SetNumber(Number& number, Text text, uint64_t least, uint64_t most) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || value < least ||
      value > most) {
    return Invalid(fmt::format("must be a number from {} to {}", least, most));
  }
  number = static_cast<Number>(value);
  return {};
}

template <typename Duration>
Result<void> SetSeconds(Duration& duration, Text text, uint64_t least, uint64_t most) {
  uint64_t seconds = 0;
  HOLDFAST_TRY(SetNumber(seconds, text, least, most));
  duration = std::chrono::seconds(seconds);
  return {};
}

template <typename Choice>
Result<void> SetChoice(Choice& choice, Text text,
                       std::initializer_list<std::pair<Text, Choice>> known) {
  std::string names;
  for (const auto& [name, value] : known) {
    if (name == text) return choice = value, Result<void>{};
    names.append(names.empty() ? "" : ", ").append(name);
  }
  return Invalid("must be one of " + names);
}

Result<void> SetLogLevel(Options& options, Text text) {
  for (Text level : {"trace", "debug", "info", "warning", "error", "off"}) {
    if (text == level) return options.log_level = text, Result<void>{};
  }
  return Invalid("must be one of trace, debug, info, warning, error, off");
}

Result<void> SetAbsolutePath(std::string& path, Text text, std::initializer_list<Text> words) {
  if (!text.starts_with('/') && std::ranges::find(words, text) == words.end()) {
    return Invalid("must be an absolute path: the daemon's working directory is /");
  }
  if (text.contains('\0')) return Invalid("must not hold a NUL");
  path = text;
  return {};
}

using enum OptionKey::Kind;

// The order is that of conf/holdfast.toml.
constexpr OptionKey kKeys[] = {
    {"busy_policy", kText, "\"quarantine\"", "wait, quarantine or fail",
     [](Options& o, Text v) {
       return SetChoice(o.layout.busy_policy, v,
                        {{"wait", BusyPolicy::kWait},
                         {"quarantine", BusyPolicy::kQuarantine},
                         {"fail", BusyPolicy::kFail}});
     }},
    {"busy_timeout", kNumber, "30", "seconds, 0 = for ever",
     [](Options& o, Text v) { return SetSeconds(o.layout.busy_timeout, v, 0, kYear); }},
    {"break_time", kNumber, "45", "seconds",
     [](Options& o, Text v) { return SetSeconds(o.layout.break_time, v, 1, kYear); }},
    {"max_leases", kNumber, "1024", "leases per process",
     [](Options& o, Text v) {
       return SetNumber(o.layout.max_leases_per_process, v, 0, uint64_t{1} << 32);
     }},
    {"max_pins", kNumber, "65536", "pins per process",
     [](Options& o, Text v) {
       return SetNumber(o.layout.max_pins_per_process, v, 0, uint64_t{1} << 32);
     }},
    {"max_pinned_blocks", kNumber, "16777216", "4 KiB blocks per process",
     [](Options& o, Text v) {
       return SetNumber(o.layout.max_pinned_blocks_per_process, v, 0, uint64_t{1} << 48);
     }},
    {"data", kText, "\"inplace\"", "inplace or cow",
     [](Options& o, Text v) {
       return SetChoice(o.data, v, {{"inplace", DataMode::kInPlace}, {"cow", DataMode::kCow}});
     }},
    {"cache", kText, "\"none\"", "none or writeback",
     [](Options& o, Text v) {
       return SetChoice(o.cache, v,
                        {{"none", CacheMode::kNone}, {"writeback", CacheMode::kWriteback}});
     }},
    {"transport", kText, "\"auto\"", "auto, fuse or io_uring",
     [](Options& o, Text v) {
       return SetChoice(o.transport, v,
                        {{"auto", TransportChoice::kAuto},
                         {"fuse", TransportChoice::kFuse},
                         {"io_uring", TransportChoice::kIoUring}});
     }},
    {"threads", kNumber, "0", "threads, 0 = twice the CPUs, from 4 to 16",
     [](Options& o, Text v) { return SetNumber(o.threads, v, 0, 256); }},
    {"queue_depth", kNumber, "2", "requests per CPU",
     [](Options& o, Text v) { return SetNumber(o.queue_depth, v, 1, 16); }},
    {"ro", kFlag, "false", "true or false",
     [](Options& o, Text v) { return SetFlag(o.read_only, v); }},
    {"atime", kText, "\"relatime\"", "relatime, strictatime or noatime",
     [](Options& o, Text v) {
       return SetChoice(o.atime, v,
                        {{"relatime", AtimeMode::kRelative},
                         {"strictatime", AtimeMode::kStrict},
                         {"noatime", AtimeMode::kNever}});
     }},
    {"allow_other", kFlag, "true", "true or false; for root only",
     [](Options& o, Text v) { return SetFlag(o.allow_other, v); }},
    {"default_permissions", kFlag, "true", "true or false",
     [](Options& o, Text v) { return SetFlag(o.default_permissions, v); }},
    {"dev", kFlag, "true", "true or false",
     [](Options& o, Text v) { return SetFlag(o.kernel.dev, v); }},
    {"suid", kFlag, "true", "true or false",
     [](Options& o, Text v) { return SetFlag(o.kernel.suid, v); }},
    {"exec", kFlag, "true", "true or false",
     [](Options& o, Text v) { return SetFlag(o.kernel.exec, v); }},
    {"sync", kFlag, "false", "true or false",
     [](Options& o, Text v) { return SetFlag(o.kernel.sync, v); }},
    {"dirsync", kFlag, "false", "true or false",
     [](Options& o, Text v) { return SetFlag(o.kernel.dirsync, v); }},
    {"diratime", kFlag, "true", "true or false",
     [](Options& o, Text v) { return SetFlag(o.kernel.diratime, v); }},
    {"owner_wait", kNumber, "3", "seconds",
     [](Options& o, Text v) { return SetSeconds(o.owner_wait, v, 0, kDay); }},
    {"sync_interval", kNumber, "30", "seconds, 0 = never",
     [](Options& o, Text v) { return SetSeconds(o.sync_interval, v, 0, kDay); }},
    {"log_level", kText, "\"info\"", "trace, debug, info, warning, error or off", SetLogLevel},
    {"log_file", kText, "\"auto\"", "auto, stderr, syslog or an absolute path",
     [](Options& o, Text v) {
       return SetAbsolutePath(o.log_file, v, {"auto", "stderr", "syslog"});
     }},
    {"metrics_file", kText, "\"\"", "an absolute path",
     [](Options& o, Text v) { return SetAbsolutePath(o.metrics_file, v, {""}); }},
    {"metrics_interval", kNumber, "15", "seconds",
     [](Options& o, Text v) { return SetSeconds(o.metrics_interval, v, 1, kDay); }},
};

// Words of mount(8) that stand for a key and a value, or (no key) mean nothing to a daemon.
struct MountWord {
  Text word;
  Text key;
  Text value;
};
constexpr MountWord kMountWords[] = {
    {"rw", "ro", "false"},
    {"async", "sync", "false"},
    {"relatime", "atime", "relatime"},
    {"strictatime", "atime", "strictatime"},
    {"noatime", "atime", "noatime"},
    {"atime", "atime", "relatime"},
    {"norelatime", "atime", "strictatime"},
    {"nostrictatime", "atime", "relatime"},
};
constexpr Text kIgnoredWords[] = {
    "defaults", "_netdev", "nofail",   "auto",       "noauto",   "user",       "nouser",
    "users",    "owner",   "noowner",  "group",      "nogroup",  "silent",     "loud",
    "mand",     "nomand",  "lazytime", "nolazytime", "iversion", "noiversion",
};

bool IsIgnored(Text word, Text name) {
  return name.starts_with("x-") || name.starts_with("X-") || name == "comment" ||
         std::ranges::find(kIgnoredWords, word) != std::end(kIgnoredWords);
}

std::vector<std::string> SplitList(Text list) {
  std::vector<std::string> words(1);
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i] == ',') {
      words.emplace_back();
    } else {
      if (list[i] == '\\' && i + 1 < list.size()) ++i;
      words.back().push_back(list[i]);
    }
  }
  return words;
}

Result<void> SetWord(Options& options, Text word) {
  const size_t equals = word.find('=');
  const Text name = word.substr(0, equals);
  if (word.empty() || IsIgnored(word, name)) return {};
  if (word == "remount") return options.remount = true, Result<void>{};
  for (const MountWord& known : kMountWords) {
    if (known.word == word) return SetOption(options, known.key, known.value);
  }
  if (equals != Text::npos) return SetOption(options, name, word.substr(equals + 1));
  return SetOption(options, name, std::nullopt);
}

}  // namespace

std::span<const OptionKey> OptionKeys() { return kKeys; }

const OptionKey* FindOptionKey(std::string_view name) {
  const auto* found = std::ranges::find(kKeys, name, &OptionKey::name);
  return found == std::end(kKeys) ? nullptr : found;
}

Result<void> SetOption(Options& options, std::string_view name,
                       std::optional<std::string_view> value) {
  const OptionKey* key = FindOptionKey(name);
  bool negated = false;
  if (key == nullptr && !value && name.starts_with("no")) {
    key = FindOptionKey(name.substr(2));
    negated = true;
  }
  const bool bare = !value;
  if (key == nullptr || (negated && key->kind != kFlag)) {
    return Invalid(
        fmt::format("unknown option \"{}\": --help lists the known ones", Printable(name)));
  }
  if (bare && key->kind != kFlag) {
    return Invalid(fmt::format("option {} needs a value: {}", name, key->help));
  }
  const Text text = bare ? (negated ? "false" : "true") : *value;
  if (auto set = key->set(options, text); !set) {
    return Invalid(
        fmt::format("option {} = \"{}\": it {}", key->name, Printable(text), set.error().message));
  }
  return {};
}

Result<void> SetOptionList(Options& options, std::string_view list) {
  for (const std::string& word : SplitList(list)) HOLDFAST_TRY(SetWord(options, word));
  return {};
}

std::string Printable(std::string_view text) {
  std::string printable;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    printable += absl::ascii_iscntrl(byte) ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
  }
  return printable;
}

}  // namespace holdfast::daemon
