// SPDX-License-Identifier: Apache-2.0
// Naming the fields of what is on the medium.
#include "tools/dump.h"

#include <charconv>
#include <cstring>
#include <optional>
#include <string>

#include "absl/strings/str_format.h"
#include "fsmeta/check_bitmap.h"
#include "fsmeta/check_extents.h"
#include "fsmeta/check_tree.h"
#include "fsmeta/group_layout.h"
#include "fsmeta/inode_cluster.h"
#include "fsmeta/journal_lane.h"
#include "fsmeta/superblock.h"
#include "fsmeta/uuid_text.h"
#include "fsmeta/xattr_block.h"

namespace holdfast::tools {
namespace {

using daxcore::BlockCount;
using daxcore::Fail;
using daxcore::FileBlock;
using daxcore::Ino;
using daxcore::kBlockShift;
using daxcore::Pfn;
using daxcore::Result;
using fsmeta::CheckImage;
using fsmeta::CheckReport;
using fsmeta::CheckState;
using fsmeta::InodeSlot;
using fsmeta::ObjectId;
using fsmeta::TreeKind;
using fsmeta::TreeRecord;
using fsmeta::TreeRoot;

std::string Hex(uint64_t value) { return absl::StrFormat("%#x", value); }

Json DumpRoot(const TreeRoot& root) {
  return {{"node", root.node}, {"height", root.height}, {"kind", root.kind}};
}

Json DumpHeader(const fsmeta::ObjectHeader& header) {
  fsmeta::Uuid uuid;
  std::memcpy(uuid.data(), header.uuid, uuid.size());
  return {{"magic", Hex(header.magic)},
          {"crc32c", Hex(header.crc32c)},
          {"uuid", fsmeta::UuidText(uuid)},
          {"owner", header.owner},
          {"self", header.self},
          {"sequence", header.sequence}};
}

std::string Time(int64_t seconds, uint32_t nanoseconds) {
  return absl::StrFormat("%d.%09d", seconds, nanoseconds);
}

// The object's bytes even where it is unsound; then `fault` is told as well.
template <typename T>
T RawObject(CheckImage& image, const ObjectId& id, Json* json) {
  T object;
  const auto loaded = image.Load(id);
  if (!loaded) (*json)["fault"] = fsmeta::ReasonOf(loaded.error());
  std::memcpy(&object, loaded ? *loaded : image.media().data() + id.offset, sizeof(object));
  return object;
}

// What the checker's walks report on the way, as faults.
void AddFaults(const CheckReport& report, Json* json) {
  for (const auto& finding : report.findings()) (*json)["faults"].push_back(finding.Text());
}

Json DumpExtent(const fsmeta::ExtentRecord& extent) {
  return {{"file_block", extent.file_block},
          {"block", extent.block},
          {"length", extent.length},
          {"unwritten", (extent.flags & fsmeta::kExtentUnwritten) != 0}};
}

// Block of the cluster that holds `ino`, by the extents of the inode file.
Result<Pfn> FindCluster(CheckImage& image, uint64_t ino) {
  const Pfn first(image.superblock().inode_cluster0);
  if (ino < fsmeta::kInodesPerCluster) return first;
  HOLDFAST_ASSIGN(const void* inode_file,
                  image.Load(fsmeta::SlotId(first, Ino(fsmeta::kInoInodeFile))));
  const uint64_t wanted = ino / fsmeta::kInodesPerCluster * fsmeta::kClusterBlocks;
  std::optional<Pfn> found;
  CheckReport report;
  CheckState state{.image = image, .report = report};
  fsmeta::ForEachSoundExtent(
      state, *static_cast<const InodeSlot*>(inode_file), [&](const fsmeta::ExtentRecord& extent) {
        if (wanted < extent.file_block || wanted - extent.file_block >= extent.length) {
          return;
        }
        found = Pfn(extent.block + wanted - extent.file_block);
      });
  if (!found) return Fail(EINVAL, absl::StrFormat("there is no inode %d", ino));
  return *found;
}

Json DumpAttributes(CheckImage& image, const InodeSlot& slot) {
  Json names = Json::array();
  uint64_t at = slot.xattr_block;
  // A chain longer than all names of an inode could fill does not end.
  for (int blocks = 0; at != 0 && blocks < 64; ++blocks) {
    const auto block =
        image.Block<fsmeta::XattrBlock>(Pfn(at), fsmeta::ObjectType::kXattr, slot.header.owner);
    if (!block) {
      names.push_back("(" + fsmeta::ReasonOf(block.error()) + ")");
      break;
    }
    const auto walked = fsmeta::ForEachXattr(**block, [&](const fsmeta::XattrRecord& record) {
      names.push_back(std::string(record.name));
      return true;
    });
    if (!walked) names.push_back("(" + fsmeta::ReasonOf(walked.error()) + ")");
    at = (*block)->next;
  }
  return names;
}

void AddSlotFields(const InodeSlot& slot, Json* json) {
  json->update(Json{{"mode", absl::StrFormat("%07o", slot.mode)},
                    {"uid", slot.uid},
                    {"gid", slot.gid},
                    {"nlink", slot.nlink},
                    {"size", slot.size},
                    {"blocks", slot.blocks},
                    {"flags", Hex(slot.flags)},
                    {"generation", slot.generation},
                    {"rdev", slot.rdev},
                    {"parent", slot.parent},
                    {"orphan_slot", slot.orphan_slot},
                    {"atime", Time(slot.atime_sec, slot.atime_nsec)},
                    {"mtime", Time(slot.mtime_sec, slot.mtime_nsec)},
                    {"ctime", Time(slot.ctime_sec, slot.ctime_nsec)},
                    {"btime", Time(slot.btime_sec, slot.btime_nsec)},
                    {"data_form", slot.data_form},
                    {"inline_count", slot.inline_count},
                    {"extent_root", DumpRoot(slot.extents)},
                    {"index_root", DumpRoot(slot.dir_index)},
                    {"dir_entries", slot.dir_entries},
                    {"dir_subdirs", slot.dir_subdirs},
                    {"xattr_block", slot.xattr_block}});
}

Json DumpRecord(TreeKind kind, const TreeRecord& record) {
  const auto& key = record.key.words;
  const auto& value = record.value;
  const auto low = [](uint64_t word) { return word & 0xffffffff; };
  const auto high = [](uint64_t word) { return word >> 32; };
  switch (kind) {
    case TreeKind::kExtents:
      return {{"file_block", key[0]},
              {"block", value[0]},
              {"length", low(value[1])},
              {"flags", high(value[1])}};
    case TreeKind::kRefcount:
      return {{"block", key[0]}, {"length", low(value[0])}, {"count", high(value[0])}};
    case TreeKind::kReverseMap:
      return {{"block", key[0]},
              {"inode", key[1]},
              {"file_block", key[2]},
              {"length", low(value[0])},
              {"flags", high(value[0])}};
    case TreeKind::kDirectory:
      return {{"hash", Hex(key[0])}, {"position", key[1]}, {"inode", value[0]}};
  }
  return nullptr;
}

Json DumpNodes(CheckImage& image, const fsmeta::TreeName& name, const TreeRoot& root) {
  Json nodes = Json::array();
  Json records = Json::array();
  CheckReport report;
  fsmeta::WalkTree(
      image, &report, name, root,
      [&](Pfn node) {
        nodes.push_back(node.value());
        return true;
      },
      [&](const TreeRecord& record) { records.push_back(DumpRecord(name.kind, record)); });
  Json json = {{"tree", name.location},
               {"root", DumpRoot(root)},
               {"node_blocks", std::move(nodes)},
               {"records", std::move(records)}};
  AddFaults(report, &json);
  return json;
}

struct TreeChoice {
  std::string_view name;
  TreeKind kind;
};
constexpr TreeChoice kTrees[] = {{"refcounts", TreeKind::kRefcount},
                                 {"reverse-map", TreeKind::kReverseMap},
                                 {"extents", TreeKind::kExtents},
                                 {"directory", TreeKind::kDirectory}};

Result<TreeRoot> FindRoot(CheckImage& image, TreeKind kind, uint64_t owner) {
  if (kind == TreeKind::kRefcount || kind == TreeKind::kReverseMap) {
    if (owner >= image.superblock().group_count) {
      return Fail(EINVAL, absl::StrFormat("there is no group %d", owner));
    }
    const auto layout = fsmeta::LayoutOfGroup(image.superblock(), owner);
    HOLDFAST_ASSIGN(
        const auto* header,
        image.Block<fsmeta::GroupHeader>(layout.header, fsmeta::ObjectType::kGroupHeader, owner));
    return kind == TreeKind::kRefcount ? header->refcounts : header->reverse_map;
  }
  HOLDFAST_ASSIGN(const Pfn cluster, FindCluster(image, owner));
  HOLDFAST_ASSIGN(const void* loaded, image.Load(fsmeta::SlotId(cluster, Ino(owner))));
  const auto& slot = *static_cast<const InodeSlot*>(loaded);
  return kind == TreeKind::kExtents ? slot.extents : slot.dir_index;
}

}  // namespace

Json DumpSuperblock(const fsmeta::Superblock& s) {
  fsmeta::Uuid boot_id;
  std::memcpy(boot_id.data(), s.boot_id, boot_id.size());
  Json json = DumpHeader(s.header);
  json.update(Json{{"version", s.version},
                   {"label", std::string(s.label, strnlen(s.label, sizeof(s.label)))},
                   {"block_bytes", s.block_bytes},
                   {"compat", Hex(s.compat)},
                   {"ro_compat", Hex(s.ro_compat)},
                   {"incompat", Hex(s.incompat)},
                   {"emulated", (s.flags & fsmeta::kFlagEmulated) != 0},
                   {"block_count", s.block_count},
                   {"group_blocks", s.group_blocks},
                   {"group_count", s.group_count},
                   {"geometry_bytes", uint64_t{1} << (s.geometry_shift & 63)},
                   {"journal_start", s.journal_start},
                   {"lane_count", s.lane_count},
                   {"lane_blocks", s.lane_blocks},
                   {"inode_cluster0", s.inode_cluster0},
                   {"reserve_blocks", s.reserve_blocks},
                   {"made_at", s.made_at},
                   {"mount_count", s.mount_count},
                   {"mounted_at", s.mounted_at},
                   {"boot_id", fsmeta::UuidText(boot_id)},
                   {"shutdown_reason", s.shutdown_reason}});
  return json;
}

Json DumpJournal(const CheckImage& image) {
  Json lanes = Json::array();
  for (uint32_t lane = 0; lane < image.superblock().lane_count; ++lane) {
    const auto state = fsmeta::ReadLane(image.media(), image.superblock(), lane);
    Json json = {{"lane", lane}};
    if (!state) {
      json["fault"] = fsmeta::ReasonOf(state.error());
    } else {
      json["retired"] = state->retired;
      json["live"] = state->live.has_value();
      if (state->live) {
        json.update(Json{{"number", state->live->number},
                         {"sequence", state->live->sequence},
                         {"lines", state->live->lines.size()},
                         {"spill_block", state->live->spill.start.value()},
                         {"spill_blocks", state->live->spill.length.value()}});
      }
    }
    lanes.push_back(std::move(json));
  }
  return {{"lanes", std::move(lanes)}};
}

Result<Json> DumpGroup(CheckImage& image, uint64_t group) {
  if (group >= image.superblock().group_count) {
    return Fail(EINVAL, absl::StrFormat("there is no group %d: the filesystem has %d", group,
                                        image.superblock().group_count));
  }
  const auto layout = fsmeta::LayoutOfGroup(image.superblock(), group);
  Json json = {{"group", group}};
  const auto header = RawObject<fsmeta::GroupHeader>(
      image,
      {fsmeta::ObjectType::kGroupHeader, ByteOffset(layout.header), fsmeta::kMetadataBlock, group},
      &json);
  json.update(DumpHeader(header.header));
  json.update(Json{{"start", header.start},
                   {"blocks", header.blocks},
                   {"free_blocks", header.free_blocks},
                   {"bitmap_start", header.bitmap_start},
                   {"bitmap_blocks", header.bitmap_blocks},
                   {"refcounts", DumpRoot(header.refcounts)},
                   {"reverse_map", DumpRoot(header.reverse_map)}});
  CheckReport report;
  const fsmeta::GroupBits bits(image, report, group, layout);
  Json runs = Json::array();
  const uint64_t end = layout.blocks.value();
  for (uint64_t at = 0; at < end;) {
    const auto free = bits.Compare(at, end, /*used=*/true);
    if (free.count == 0) break;
    const auto used = bits.Compare(free.first, end, /*used=*/false);
    const uint64_t stop = used.count == 0 ? end : used.first;
    runs.push_back({{"block", layout.start.value() + free.first}, {"length", stop - free.first}});
    at = stop;
  }
  json["free"] = std::move(runs);
  AddFaults(report, &json);
  return json;
}

Result<Json> DumpInode(CheckImage& image, uint64_t ino) {
  HOLDFAST_ASSIGN(const Pfn cluster, FindCluster(image, ino));
  Json json = {{"inode", ino}};
  const auto slot = RawObject<InodeSlot>(image, fsmeta::SlotId(cluster, Ino(ino)), &json);
  json.update(DumpHeader(slot.header));
  AddSlotFields(slot, &json);
  if (json.contains("fault")) return json;
  if (slot.data_form == static_cast<uint8_t>(fsmeta::DataForm::kBytes)) {
    const auto* bytes = reinterpret_cast<const char*>(slot.inline_area);
    json["bytes"] = std::string(bytes, std::min<uint64_t>(slot.size, fsmeta::kInlineBytes));
  }
  Json extents = Json::array();
  CheckReport report;
  CheckState state{.image = image, .report = report};
  fsmeta::ForEachSoundExtent(state, slot, [&](const fsmeta::ExtentRecord& extent) {
    extents.push_back(DumpExtent(extent));
  });
  json["extents"] = std::move(extents);
  json["attributes"] = DumpAttributes(image, slot);
  return json;
}

Result<Json> DumpTree(CheckImage& image, std::string_view name) {
  const size_t colon = name.find(':');
  const std::string_view kind = name.substr(0, colon);
  const std::string_view number =
      colon == std::string_view::npos ? std::string_view() : name.substr(colon + 1);
  uint64_t owner = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), owner);
  const bool is_number = error == std::errc() && end == number.data() + number.size();
  for (const TreeChoice& tree : kTrees) {
    if (tree.name != kind || !is_number) continue;
    HOLDFAST_ASSIGN(const TreeRoot root, FindRoot(image, tree.kind, owner));
    return DumpNodes(image, {tree.kind, owner, "tree", std::string(name)}, root);
  }
  return Fail(EINVAL, (name.empty() ? "dump tree needs a name" : "there is no tree ") +
                          std::string(name) +
                          ": name refcounts:GROUP, reverse-map:GROUP, extents:INODE or "
                          "directory:INODE");
}

}  // namespace holdfast::tools
