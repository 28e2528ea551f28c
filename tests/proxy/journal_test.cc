#include "proxy/journal.h"

#include <gtest/gtest.h>

#include "proxy/byte_buffers.h"
#include "proxy/proto_fields.h"
#include "ringway/proxy/v1/updates.pb.h"
#include "update_samples.h"

namespace ringway::proxy::test {
namespace {

using client::UpdateEvent;
using Kind = Journal::Read::Kind;

constexpr uint64_t kNoBound = UINT64_MAX;

v1::Event event_of(const grpc::ByteBuffer& buffer) {
  v1::Event event;
  const FlatBytes bytes(buffer);
  EXPECT_TRUE(event.ParseFromArray(bytes.view().data(), static_cast<int>(bytes.view().size())));
  return event;
}

class JournalTest : public ::testing::Test {
 protected:
  Journal::Read read(uint64_t& position, Stream stream = Stream::kEvents) {
    return journal_.read(position, stream, {}, kNoBound);
  }

  Journal journal_{contract_of(228), {.events_max = 10, .bytes_max = size_t{1} << 20}};
};

TEST_F(JournalTest, UpdatesComeWithUsersChatsAndCursor) {
  auto source = std::make_shared<client::UpdateSource>();
  source->users.push_back(unhex_bytes("7a4bbcd30900000000000000"));  // userEmpty 9
  source->chats.push_back(
      unhex_bytes("6528562907000000"
                  "00000000"));  // chatEmpty 7
  uint64_t position = journal_.end();
  journal_.on_update_event(update_event(5, 1, source));
  journal_.on_update_event(update_event(6, 1, source));
  for (const int number : {5, 6}) {
    const auto read = this->read(position);
    ASSERT_EQ(read.kind, Kind::kMessage);
    const v1::Event event = event_of(read.message);
    EXPECT_EQ(event.update().type_url(), "type.googleapis.com/mtproto.l228.TypeUpdate");
    EXPECT_EQ(event.update().value(), proto_of_type(228, "Update", update_tl(number)));
    ASSERT_EQ(event.users_size(), 1);
    EXPECT_EQ(event.users(0).type_url(), "type.googleapis.com/mtproto.l228.TypeUser");
    EXPECT_EQ(event.users(0).value(), proto_of_type(228, "User", source->users[0]));
    ASSERT_EQ(event.chats_size(), 1);
    EXPECT_EQ(event.chats(0).value(), proto_of_type(228, "Chat", source->chats[0]));
    const auto place = journal_.find(event.cursor());
    ASSERT_TRUE(place.has_value());
    EXPECT_EQ(place->gap, GapReason::kNone);
    EXPECT_EQ(place->position, position);
  }
  EXPECT_EQ(read(position).kind, Kind::kNothing);
}

TEST_F(JournalTest, GapsHaveTheirReason) {
  uint64_t position = journal_.end();
  journal_.on_update_event(gap_event(UpdateEvent::GapReason::kTooLong, 0, 77));
  journal_.on_update_event(gap_event(UpdateEvent::GapReason::kChannelTooLong, -5, 0));
  const v1::Event first = event_of(read(position).message);
  EXPECT_EQ(first.gap().reason(), v1::Gap::TOO_LONG);
  EXPECT_EQ(first.gap().pts(), 77);
  const v1::Event second = event_of(read(position).message);
  EXPECT_EQ(second.gap().reason(), v1::Gap::CHANNEL_TOO_LONG);
  EXPECT_EQ(second.gap().channel_id(), -5);
  const v1::Event overflow = event_of(journal_.gap_event(GapReason::kOverflow, position));
  EXPECT_EQ(overflow.gap().reason(), v1::Gap::OVERFLOW);
  EXPECT_EQ(overflow.cursor(), second.cursor());
  const v1::Event heartbeat = event_of(journal_.heartbeat_event(position));
  EXPECT_TRUE(heartbeat.has_heartbeat());
  EXPECT_EQ(heartbeat.cursor(), second.cursor());
}

TEST_F(JournalTest, WhoFallsOffTheEndIsToldSo) {
  uint64_t position = journal_.end();
  const uint64_t begin = position;
  for (int i = 1; i <= 15; ++i) journal_.on_update_event(update_event(i));
  EXPECT_EQ(read(position).kind, Kind::kOverflow);
  EXPECT_EQ(position, begin + 5);
  EXPECT_EQ(event_of(read(position).message).update().value(),
            proto_of_type(228, "Update", update_tl(6)));
  // A listener that wants to be at most three behind.
  EXPECT_EQ(journal_.read(position, Stream::kEvents, {}, 3).kind, Kind::kOverflow);
  EXPECT_EQ(position, begin + 12);
  EXPECT_EQ(journal_.counts().kept_events, 10U);
  EXPECT_EQ(journal_.counts().updates, 15U);
}

TEST_F(JournalTest, BytesAreBoundedToo) {
  const size_t large = 50'000;  // ids: some 200,000 bytes
  for (int i = 0; i < 10; ++i) journal_.on_update_event(update_event(i, large));
  EXPECT_LE(journal_.counts().kept_bytes, size_t{1} << 20);
  EXPECT_LT(journal_.counts().kept_events, 10U);
  EXPECT_GT(journal_.counts().kept_events, 2U);
  // One that is too large by itself goes at once.
  journal_.on_update_event(update_event(0, 10 * large));
  EXPECT_EQ(journal_.counts().kept_events, 0U);
  EXPECT_EQ(journal_.counts().kept_bytes, 0U);
}

TEST_F(JournalTest, UsersOfManyUpdatesAreKeptOnce) {
  auto source = std::make_shared<client::UpdateSource>();
  for (int i = 0; i < 1000; ++i) source->users.push_back(unhex_bytes("7a4bbcd30900000000000000"));
  journal_.on_update_event(update_event(1, 1, source));
  const size_t with_users = journal_.counts().kept_bytes;
  journal_.on_update_event(update_event(2, 1, source));
  EXPECT_LT(journal_.counts().kept_bytes, with_users + 1000);
  uint64_t position = journal_.end() - 1;
  EXPECT_EQ(event_of(read(position).message).users_size(), 1000);
}

TEST_F(JournalTest, CursorsThatAreNoMore) {
  for (int i = 1; i <= 3; ++i) journal_.on_update_event(update_event(i));
  const std::string second = journal_.cursor_of(2);
  EXPECT_EQ(journal_.find(second)->position, 3U);
  EXPECT_EQ(journal_.find(journal_.cursor_of(0))->gap, GapReason::kNone);
  for (int i = 4; i <= 20; ++i) journal_.on_update_event(update_event(i));
  EXPECT_EQ(journal_.find(second)->gap, GapReason::kCursorExpired);
  EXPECT_EQ(journal_.find(second)->position, 11U);
  EXPECT_EQ(journal_.find(journal_.cursor_of(10))->gap, GapReason::kNone);
  // Not there yet, and of another run of the proxy.
  EXPECT_EQ(journal_.find(journal_.cursor_of(21))->gap, GapReason::kCursorExpired);
  EXPECT_EQ(journal_.find(journal_.cursor_of(UINT64_MAX))->gap, GapReason::kCursorExpired);
  const Journal other(contract_of(228));
  EXPECT_EQ(journal_.find(other.cursor_of(15))->gap, GapReason::kCursorExpired);
  EXPECT_FALSE(journal_.find("").has_value());
  EXPECT_FALSE(journal_.find("twelve bytes").has_value());
  EXPECT_FALSE(journal_.find(second + "x").has_value());
}

TEST_F(JournalTest, ObjectsOfOtherLayersAreSkippedAndCounted) {
  uint64_t position = journal_.end();
  UpdateEvent event = update_event(1);
  event.update = unhex_bytes("deadbeef");
  journal_.on_update_event(event);
  event.update = unhex_bytes("de");
  journal_.on_update_event(event);
  event.update = unhex_bytes("7a4bbcd30900000000000000");  // a user is no update
  journal_.on_update_event(event);
  auto source = std::make_shared<client::UpdateSource>();
  source->users.push_back(unhex_bytes("deadbeef"));
  journal_.on_update_event(update_event(2, 1, source));
  EXPECT_EQ(journal_.counts().failures, 4U);
  const auto read = this->read(position);
  ASSERT_EQ(read.kind, Kind::kMessage);
  EXPECT_EQ(event_of(read.message).users_size(), 0);
  EXPECT_EQ(this->read(position).kind, Kind::kNothing);
}

TEST_F(JournalTest, FiltersLookOnInPieces) {
  Journal long_one(contract_of(228));
  uint64_t position = long_one.end();
  for (int i = 0; i < 1000; ++i) long_one.on_update_event(update_event(i));
  const Journal::Filter nothing = {UINT32_MAX};
  int looks = 0;
  while (long_one.read(position, Stream::kEvents, nothing, kNoBound).kind == Kind::kMore) ++looks;
  EXPECT_GT(looks, 1);
  EXPECT_EQ(position, long_one.end());
}

// Arms of proxy.Update by the number of their field: the tag is number << 3 | 2.
TEST(JournalCompat, ArmsOfTheOldStream) {
  Journal journal(contract_of(71));
  uint64_t position = journal.end();
  const auto next = [&] {
    const auto read = journal.read(position, Stream::kCompat, {}, kNoBound);
    return std::string(as_text(FlatBytes(read.message).view()));
  };
  const auto arm = [](uint32_t number, ByteView tl) {
    std::string out;
    add_bytes(out, number, proto_of_combinator(71, tl));
    return out;
  };
  const std::string state =
      "3e2a6ca5"
      "0100000002000000030000000400000005000000";
  const std::string empty = "15c4b51c00000000";
  const std::string update = "06dd29a2";  // updateConfig
  const std::vector<std::pair<uint32_t, std::string>> samples = {
      {1, state},
      {2,
       "11bf4f91"
       "00000000"
       "07000000"
       "09000000"
       "01610000"
       "010000000100000001000000"},
      {3,
       "88268116"
       "00000000"
       "07000000"
       "09000000"
       "08000000"
       "01610000"
       "010000000100000001000000"},
      {4, "c1ded478" + update + "01000000"},
      {5, "4042ae74" + empty + empty + empty + "0100000002000000"},
      {6,
       "1c33f111"
       "00000000"
       "07000000010000000100000001000000"},
      {7, "a09cf400" + empty + empty + empty + empty + empty + state},
      {8, "8119fba8" + empty + empty + empty + empty + empty + state},
  };
  for (const auto& [number, hex] : samples) {
    const Bytes tl = unhex_bytes(hex);
    ASSERT_NE(proto_of_combinator(71, tl), "no such object") << number;
    journal.on_update_event(source_event(tl));
    EXPECT_EQ(next(), arm(number, tl)) << number;
  }
  // updatesCombined is sent as updates.
  journal.on_update_event(
      source_event(unhex_bytes("c3045b72" + empty + empty + empty + "010000000700000002000000")));
  EXPECT_EQ(next(), arm(5, unhex_bytes(samples[4].second)));
  // What has no arm is not in the stream, and neither are single updates.
  journal.on_update_event(source_event(unhex_bytes("7eaf17e3")));  // updatesTooLong
  journal.on_update_event(update_event(1));
  EXPECT_EQ(journal.read(position, Stream::kCompat, {}, kNoBound).kind, Kind::kNothing);
  journal.on_update_event(gap_event(UpdateEvent::GapReason::kTooLong));
  EXPECT_EQ(journal.read(position, Stream::kCompat, {}, kNoBound).kind, Kind::kGap);
  // The other stream has no sources.
  position = 1;
  EXPECT_EQ(
      event_of(journal.read(position, Stream::kEvents, {}, kNoBound).message).update().value(),
      proto_of_type(71, "Update", update_tl(1)));
}

}  // namespace
}  // namespace ringway::proxy::test
