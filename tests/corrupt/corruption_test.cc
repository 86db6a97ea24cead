// SPDX-License-Identifier: Apache-2.0
// Every field of every struct on the medium is corrupted in turn. fsck or the mount notices, or the
// table says why nobody can; a repair ends in a clean filesystem without losing any other file, or
// refuses; and nothing crashes or hangs.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <ostream>
#include <random>

#include "absl/strings/str_cat.h"
#include "tests/corrupt/trial.h"
#include "tests/support/quiet_log.h"

namespace holdfast::tests {
namespace {

using Bytes = std::vector<std::byte>;

// What is written into a field.
enum class Value : uint8_t { kZero, kOnes, kRandom, kOneMore, kOneLess };
constexpr std::pair<Value, const char*> kValues[] = {{Value::kZero, "zero"},
                                                     {Value::kOnes, "ones"},
                                                     {Value::kRandom, "random"},
                                                     {Value::kOneMore, "one more"},
                                                     {Value::kOneLess, "one less"}};

// Little-endian, of any length.
void AddOne(std::span<std::byte> number, bool subtract) {
  for (std::byte& byte : number) {
    byte = std::byte(std::to_integer<int>(byte) + (subtract ? 255 : 1));
    if (byte != std::byte(subtract ? 255 : 0)) return;
  }
}

void Corrupt(std::span<std::byte> field, Value value, std::minstd_rand& random) {
  switch (value) {
    case Value::kZero:
      std::ranges::fill(field, std::byte{0});
      break;
    case Value::kOnes:
      std::ranges::fill(field, std::byte{0xff});
      break;
    case Value::kRandom:
      std::ranges::generate(field, [&] { return std::byte(random() >> 8); });
      break;
    case Value::kOneMore:
    case Value::kOneLess:
      AddOne(field, value == Value::kOneLess);
  }
}

// Tries all values of all fields of one victim.
// Tries all values of all fields of the victims that have one table.
class Table {
 public:
  Table(const Specimen& specimen, std::span<const Field> fields)
      : specimen_(specimen), fields_(fields), image_(specimen.image), trials_(specimen) {}

  void Run() {
    for (const Victim& victim : specimen_.victims) {
      if (victim.fields.data() != fields_.data()) continue;
      victim_ = &victim;
      const auto object = std::span(specimen_.image).subspan(victim.object, victim.object_size);
      object_.assign(object.begin(), object.end());
      for (const Field& field : fields_) TryField(field, "", 0);
    }
    EXPECT_GT(tried_, 0);
    // Else the table says less than is true.
    for (const auto& [name, unnoticed] : harmless_) {
      EXPECT_GT(unnoticed, 0) << name << " is called harmless, but every change is noticed";
    }
  }

 private:
  void TryField(const Field& field, const std::string& outer, uint64_t at) {
    const std::string name = absl::StrCat(outer, std::string(field.name));
    for (const Field& inner : field.fields) TryField(inner, name + ".", at + field.offset);
    if (!field.fields.empty()) return;
    for (const auto& [value, value_name] : kValues) {
      for (const bool sealed : {false, true}) {
        if (sealed && victim_->seal == Seal::kNone) continue;
        const Bytes changed = Changed(at + field.offset, field.size, value, sealed);
        if (changed == object_) continue;
        const std::string what = absl::StrCat(victim_->name, ", ", name, ", ", value_name,
                                              sealed ? ", checksum right" : "");
        const bool noticed = Try(what, changed);
        if (sealed || victim_->seal == Seal::kNone)
          Judge(field, name, what, noticed);
        else
          EXPECT_TRUE(noticed) << what;
      }
    }
  }

  void Judge(const Field& field, const std::string& name, const std::string& what, bool noticed) {
    EXPECT_TRUE(noticed || !field.harmless.empty()) << what;
    if (!field.harmless.empty()) harmless_[name] += noticed ? 0 : 1;
  }

  Bytes Changed(uint64_t at, size_t size, Value value, bool sealed) {
    Bytes changed = object_;
    const uint64_t in_object = victim_->offset - victim_->object + at;
    Corrupt(std::span(changed).subspan(in_object, size), value, random_);
    if (!sealed) return changed;
    const auto place = std::span(image_).subspan(victim_->object, victim_->object_size);
    std::ranges::copy(changed, place.begin());
    Reseal(image_, *victim_);
    std::ranges::copy(place, changed.begin());
    std::ranges::copy(object_, place.begin());
    return changed;
  }

  bool Try(const std::string& what, const Bytes& changed) {
    ++tried_;
    const Verdict verdict = trials_.Run(*victim_, changed);
    for (const std::string& fault : verdict.faults) ADD_FAILURE() << what << ": " << fault;
    return verdict.noticed;
  }

  const Specimen& specimen_;
  const std::span<const Field> fields_;
  Bytes image_;
  Trials trials_;
  std::minstd_rand random_{1};
  const Victim* victim_ = nullptr;
  Bytes object_;
  std::map<std::string, int> harmless_;  // changes of a field that nobody noticed
  int tried_ = 0;
};

struct Struct {
  const char* name;
  std::span<const Field> (*fields)();
};
void PrintTo(const Struct& tested, std::ostream* os) { *os << tested.name; }

class CorruptionTable : public testing::TestWithParam<Struct> {};

TEST_P(CorruptionTable, NothingElseIsLostAndNothingCrashes) {
  const QuietLog quiet;
  const auto fields = GetParam().fields();
  const bool journal =
      fields.data() == FieldsOfLane().data() || fields.data() == FieldsOfRecord().data();
  const Specimen specimen = journal ? MakeJournalSpecimen() : MakeRichSpecimen();
  Table(specimen, fields).Run();
}

TEST(CorruptionTest, TheRecordOfAnUnsoundLaneIsNotLost) {
  const QuietLog quiet;
  Specimen specimen = MakeJournalSpecimen();
  Victim lane = specimen.victims.front();
  lane.hurts = {};
  Trials trials(specimen);
  Bytes head(specimen.image.begin() + static_cast<long>(lane.object),
             specimen.image.begin() + static_cast<long>(lane.object + lane.object_size));
  head[0] ^= std::byte{1};
  const Verdict verdict = trials.Run(lane, head);
  EXPECT_TRUE(verdict.noticed && verdict.repaired);
  for (const std::string& fault : verdict.faults) ADD_FAILURE() << fault;
}

INSTANTIATE_TEST_SUITE_P(
    Each, CorruptionTable,
    testing::Values(
        Struct{"Superblock", FieldsOfSuperblock}, Struct{"GroupHeader", FieldsOfGroupHeader},
        Struct{"BitmapBlock", FieldsOfBitmap}, Struct{"TreeNode", FieldsOfTreeNode},
        Struct{"RefcountRecord", FieldsOfRefcountRecord},
        Struct{"ReverseMapRecord", FieldsOfReverseMapRecord},
        Struct{"IndexRecord", FieldsOfIndexRecord}, Struct{"ExtentRecord", FieldsOfExtent},
        Struct{"ChildRecord", FieldsOfChildRecord}, Struct{"InodeCluster", FieldsOfCluster},
        Struct{"InodeSlot", FieldsOfInode}, Struct{"DirectoryBlock", FieldsOfDirectory},
        Struct{"DirectoryEntry", FieldsOfEntry}, Struct{"XattrBlock", FieldsOfXattr},
        Struct{"XattrEntry", FieldsOfXattrEntry}, Struct{"XattrValueBlock", FieldsOfXattrValue},
        Struct{"OrphanBlock", FieldsOfOrphans}, Struct{"QuarantineBlock", FieldsOfQuarantine},
        Struct{"QuarantineRecord", FieldsOfQuarantineRecord}, Struct{"LaneHead", FieldsOfLane},
        Struct{"RecordHead", FieldsOfRecord}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace holdfast::tests
