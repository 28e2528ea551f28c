// Gaps, duplicates and differences, one at a time, with a server that follows a script.
#include <limits>

#include "client/account/updates_bench.h"
#include "mtproto/tl.h"

namespace ringway::client {
namespace {

class Updates : public ::testing::Test, public UpdatesBench {};
class UpdatesOfLayer : public ::testing::TestWithParam<int>, public UpdatesBench {
 protected:
  UpdatesOfLayer() : UpdatesBench(GetParam()) {}
};

TEST_P(UpdatesOfLayer, WhatFitsIsAppliedAndWhatWasThereIsNot) {
  begin(at(10));
  push(brief(deleted(1, 11)));
  push(updates({deleted(2, 13, 2), phone(3)}));
  push(brief(deleted(1, 11)));
  push(updates({deleted(2, 13, 2)}));
  EXPECT_EQ(told(), (Texts{"1", "2", "user:3"}));
  EXPECT_EQ(engine->state().pts, 13);
  EXPECT_EQ(engine->counts().duplicates, 2U);
  EXPECT_TRUE(out.calls.empty());
}

TEST_P(UpdatesOfLayer, AGapThatIsFilledInTimeCostsNoQuestion) {
  begin(at(10));
  push(brief(deleted(3, 13)));
  push(brief(deleted(2, 12)));
  EXPECT_EQ(told(), Texts{});
  EXPECT_EQ(engine->held(), 2U);
  pass(400 * kNsPerMs);
  push(brief(deleted(1, 11)));
  EXPECT_EQ(told(), (Texts{"1", "2", "3"}));
  EXPECT_EQ(engine->held(), 0U);
  pass(kNsPerSecond);
  EXPECT_TRUE(out.calls.empty());
}

TEST_P(UpdatesOfLayer, AGapThatStaysIsAskedFor) {
  begin(at(10));
  push(brief(deleted(3, 13)));
  EXPECT_EQ(engine->next_deadline_ns(), now.mono_ns + kUpdatesHoldNs);
  pass(kUpdatesHoldNs);
  const Object request = asked();
  EXPECT_EQ(request.name, "updates.getDifference");
  EXPECT_EQ(request.number("pts"), 10);
  EXPECT_EQ(request.number("date"), 1);
  // What comes meanwhile waits for the answer, and is not told twice.
  push(brief(deleted(4, 14)));
  push(brief(deleted(5, 15)));
  EXPECT_EQ(told(), Texts{});
  answer(difference("updates.difference", {},
                    {deleted(1, 11), deleted(2, 12), deleted(3, 13), deleted(4, 14)}, state(14)));
  EXPECT_EQ(told(), (Texts{"1", "2", "3", "4", "5"}));
  EXPECT_EQ(engine->state().pts, 15);
  EXPECT_EQ(engine->held(), 0U);
  EXPECT_TRUE(out.calls.empty());
}

TEST_P(UpdatesOfLayer, WhatStandsBehindAReasonToAskIsNotToldTwice) {
  begin(at(10, 5));
  push(updates({Object{"updatePtsChanged", {}, {}}, deleted(1, 11), deleted(2, 12)}));
  EXPECT_EQ(told(), Texts{}) << "the difference may bring them, too";
  EXPECT_EQ(engine->state().pts, 10);
  EXPECT_EQ(asked().number("pts"), 10);
  answer(difference("updates.difference", {}, {deleted(1, 11)}, state(11, 5)));
  EXPECT_EQ(told(), (Texts{"1", "2"}));
  EXPECT_EQ(engine->state().pts, 12);
  EXPECT_EQ(engine->held(), 0U);
  EXPECT_TRUE(out.calls.empty());
}

TEST_P(UpdatesOfLayer, SlicesAreReadToTheEnd) {
  begin(at(10));
  push(write("Updates", {"updatesTooLong", {}, {}}));
  for (int32_t slice = 0; slice < 3; ++slice) {
    EXPECT_EQ(asked().number("pts"), 10 + 2 * slice);
    answer(difference("updates.differenceSlice", {},
                      {deleted(2 * slice, 11 + 2 * slice), deleted(2 * slice + 1, 12 + 2 * slice)},
                      state(12 + 2 * slice)));
  }
  answer(difference("updates.difference", {}, {deleted(6, 17)}, state(17, 0, 4)));
  EXPECT_EQ(told(), (Texts{"0", "1", "2", "3", "4", "5", "6"}));
  EXPECT_EQ(engine->state().pts, 17);
  EXPECT_EQ(engine->state().seq, 4);
  EXPECT_TRUE(out.calls.empty());
}

TEST_P(UpdatesOfLayer, TooLongADifferenceIsAGap) {
  begin(at(10));
  engine->on_gap(now, out);
  answer(write("updates.Difference", {"updates.differenceTooLong", {{"pts", 5000}}, {}}));
  EXPECT_EQ(told(), Texts{"gap 5000"});
  EXPECT_EQ(asked().number("pts"), 5000);
  answer(difference_empty(7));
  EXPECT_EQ(engine->state().seq, 7);
  push(brief(deleted(1, 5001)));
  EXPECT_EQ(told(), Texts{"1"});
}

TEST_P(UpdatesOfLayer, ContainersKeepTheOrderOfSeq) {
  begin(at(10, 0, 3));
  push(updates({phone(6)}, 6));
  push(combined({phone(5)}, 5, 5));
  EXPECT_EQ(told(), Texts{});
  push(updates({phone(4)}, 4));
  EXPECT_EQ(told(), (Texts{"user:4", "user:5", "user:6"}));
  push(updates({phone(4)}, 4));
  push(combined({phone(5), phone(6)}, 5, 6));
  EXPECT_EQ(told(), Texts{});
  push(combined({phone(7), phone(8)}, 7, 8));
  EXPECT_EQ(told(), (Texts{"user:7", "user:8"}));
  EXPECT_EQ(engine->state().seq, 8);
  EXPECT_EQ(engine->state().date, 9);
  // A gap that stays.
  push(updates({phone(10)}, 10));
  pass(kUpdatesHoldNs);
  EXPECT_EQ(asked().name, "updates.getDifference");
  answer(difference("updates.difference", {}, {phone(9)}, state(10, 0, 9)));
  EXPECT_EQ(told(), (Texts{"user:9", "user:10"}));
  EXPECT_EQ(engine->state().seq, 10);
}

TEST_P(UpdatesOfLayer, MessagesOfADifferenceBecomeUpdates) {
  begin(at(10));
  engine->on_gap(now, out);
  const bool old = !layer->is_object("message", "peer_id");
  Object message{"message",
                 {{"id", 42},
                  {old ? "to_id" : "peer_id", Object{"peerUser", {{"user_id", 5}}, {}}},
                  {"date", 1},
                  {"message", "hello"}},
                 {}};
  Object post = message;
  post.fields[0].value = 43;
  post.fields[1].value = Object{"peerChannel", {{"channel_id", kChannel}}, {}};
  answer(difference("updates.difference", {message, post}, {}, state(11), {user(5)}));
  ASSERT_EQ(out.events.size(), 3U);
  EXPECT_EQ(out.events[0].kind, UpdateEvent::Kind::kSource);
  EXPECT_EQ(out.events[0].source->users.size(), 1U);
  EXPECT_EQ(layer->read_object(out.events[0].source->original)->name, "updates.difference");
  EXPECT_EQ(layer->read_object(out.events[1].update)->name, "updateNewMessage");
  EXPECT_EQ(layer->read_object(out.events[1].update)->object("message")->text("message"), "hello");
  EXPECT_EQ(layer->read_object(out.events[2].update)->name, "updateNewChannelMessage");
  EXPECT_EQ(told(), (Texts{"message:42", "message:43"}));
}

TEST_P(UpdatesOfLayer, ShortMessagesAreMessagesOnceTheirPeopleAreKnown) {
  begin(at(10));
  const Bytes brief_message = write(
      "Updates",
      {"updateShortMessage",
       {{"id", 1}, {"user_id", 5}, {"message", "hi"}, {"pts", 11}, {"pts_count", 1}, {"date", 2}},
       {}});
  push(brief_message);
  EXPECT_EQ(told(), Texts{});
  EXPECT_EQ(asked().name, "updates.getDifference") << "nobody knows user 5";
  answer(difference("updates.difference", {}, {}, state(10), {user(5)}));
  EXPECT_EQ(told(), Texts{"message:1"});
  push(write("Updates", {"updateShortChatMessage",
                         {{"out", true},
                          {"id", 2},
                          {"from_id", 5},
                          {"chat_id", 6},
                          {"message", "all"},
                          {"pts", 12},
                          {"pts_count", 1},
                          {"date", 2}},
                         {}}));
  answer(difference_empty());
  ASSERT_EQ(out.events.size(), 2U) << "not known even now, but it is the next";
  EXPECT_EQ(out.events[0].kind, UpdateEvent::Kind::kSource);
  const auto update = layer->read_object(out.events[1].update);
  ASSERT_TRUE(update.ok());
  EXPECT_EQ(update->name, "updateNewMessage");
  EXPECT_EQ(update->number("pts"), 12);
  const Object& message = *update->object("message");
  EXPECT_EQ(message.text("message"), "all");
  EXPECT_NE(message.find("out"), nullptr);
  const Object* to = message.object(layer->is_object("message", "peer_id") ? "peer_id" : "to_id");
  ASSERT_NE(to, nullptr);
  EXPECT_EQ(to->number("chat_id"), 6);
}

// --- What calls did

Object sent_message(int32_t id, int32_t pts) {
  return {"updateShortSentMessage",
          {{"out", true}, {"id", id}, {"pts", pts}, {"pts_count", 1}, {"date", 2}},
          {}};
}
Object send_to(const Object& peer) {
  return {"messages.sendMessage",
          {{"silent", true},
           {"peer", peer},
           {"reply_to_msg_id", 9},
           {"reply_to", Object{"inputReplyToMessage", {{"reply_to_msg_id", 9}}, {}}},
           {"message", "hello"},
           {"random_id", 1}},
          {}};
}

TEST_P(UpdatesOfLayer, WhatWasSentIsTheMessageThatCallAndAnswerMake) {
  begin(at(10));
  push(updates({}, 0, {user(5)}, {channel(8, 0)}));
  out.events.clear();
  const Bytes sent = write("Updates", sent_message(3, 11));
  push(sent, call(send_to({"inputPeerUser", {{"user_id", 5}, {"access_hash", 6}}, {}})));
  ASSERT_EQ(out.events.size(), 2U);
  EXPECT_EQ(out.events[0].kind, UpdateEvent::Kind::kSource);
  EXPECT_EQ(out.events[0].source->original, sent) << "old clients get it as it came";
  const auto update = layer->read_object(out.events[1].update);
  ASSERT_TRUE(update.ok());
  EXPECT_EQ(update->name, "updateNewMessage");
  EXPECT_EQ(update->number("pts"), 11);
  const Object& message = *update->object("message");
  EXPECT_EQ(message.number("id"), 3);
  EXPECT_EQ(message.number("date"), 2);
  EXPECT_EQ(message.text("message"), "hello");
  EXPECT_NE(message.find("out"), nullptr);
  EXPECT_NE(message.find("silent"), nullptr);
  const bool old = !layer->is_object("message", "peer_id");
  EXPECT_EQ(message.object(old ? "to_id" : "peer_id")->number("user_id"), 5);
  EXPECT_EQ(old ? message.number("from_id") : message.object("from_id")->number("user_id"), kSelf);
  const Object* reply = message.object("reply_to");
  EXPECT_EQ((reply == nullptr ? message : *reply).number("reply_to_msg_id"), 9);
  EXPECT_EQ(engine->state().pts, 11);
  EXPECT_TRUE(out.calls.empty());
  // To oneself, and to a group.
  out.events.clear();
  push(write("Updates", sent_message(4, 12)), call(send_to({"inputPeerSelf", {}, {}})));
  push(write("Updates", sent_message(5, 13)),
       call(send_to({"inputPeerChat", {{"chat_id", 8}}, {}})));
  EXPECT_EQ(told(), (Texts{"message:4", "message:5"}));
}

// Listeners could not answer somebody whom they were told nothing of.
TEST_P(UpdatesOfLayer, WhatWasSentToSomebodyUnknownWaitsForTheDifference) {
  begin(at(10));
  const Bytes send = call(send_to({"inputPeerUser", {{"user_id", 5}, {"access_hash", 6}}, {}}));
  push(write("Updates", sent_message(3, 11)), send);
  EXPECT_EQ(told(), Texts{});
  EXPECT_EQ(asked().name, "updates.getDifference");
  answer(difference("updates.difference", {}, {deleted(1, 11)}, state(11), {user(5)}));
  EXPECT_EQ(told(), Texts{"1"}) << "it was in the difference";
  push(write("Updates", sent_message(4, 12)), send);
  EXPECT_EQ(told(), Texts{"message:4"}) << "known by now";
  // A server that has nothing more to say of him.
  push(write("Updates", sent_message(5, 13)),
       call(send_to({"inputPeerChat", {{"chat_id", 8}}, {}})));
  answer(difference_empty());
  EXPECT_EQ(told(), Texts{"message:5"});
  EXPECT_EQ(engine->held(), 0U);
}

TEST_P(UpdatesOfLayer, WhatWasToldAlreadyIsNotAskedForAgain) {
  begin(at(11));
  const Bytes send = call({"messages.sendInlineBotResult",
                           {{"peer", Object{"inputPeerSelf", {}, {}}}, {"id", "x"}},
                           {}});
  push(write("Updates", sent_message(3, 11)), send);
  EXPECT_TRUE(out.calls.empty());
  EXPECT_EQ(told(), Texts{});
}

// A bot that acts for another account hears pts of that one's order.
TEST_P(UpdatesOfLayer, WhatIsDoneForAnotherAccountMovesNothing) {
  begin(at(10));
  Bytes wrapped;
  ByteAppender appender(wrapped);
  appender.u32(0xdd289f8e);
  mtproto::write_tl_string(appender, as_bytes("connection"));
  const auto for_another = [&](const Object& request) {
    Bytes tl = wrapped;
    const Bytes inner = call(request);
    tl.insert(tl.end(), inner.begin(), inner.end());
    return tl;
  };
  const Object self{"inputPeerSelf", {}, {}};
  push(write("messages.AffectedMessages",
             {"messages.affectedMessages", {{"pts", 11}, {"pts_count", 1}}, {}}),
       for_another({"messages.deleteMessages", {{"id", List{4}}}, {}}));
  push(write("Updates", sent_message(3, 11)), for_another(send_to(self)));
  EXPECT_EQ(engine->state().pts, 10);
  EXPECT_EQ(told(), Texts{});
  EXPECT_TRUE(out.calls.empty());
}

// Whatever a result says, a box goes on only where the server's own difference gets it.
TEST_P(UpdatesOfLayer, AResultNeverMovesAnOrderThatIsNotItsOwn) {
  begin(at(10));
  push(updates({}, 0, {}, {channel(kChannel, 9)}));
  push(brief(deleted_in(kChannel, 1, 100)));
  out.events.clear();
  const Object peer{"inputChannel", {{"channel_id", kChannel}, {"access_hash", 9}}, {}};
  const auto affected = [&](int32_t pts) {
    push(write("messages.AffectedMessages",
               {"messages.affectedMessages", {{"pts", pts}, {"pts_count", 1}}, {}}),
         call({"channels.deleteMessages", {{"channel", peer}, {"id", List{7}}}, {}}));
  };
  affected(5000);
  for (int tries = 0; tries < 5; ++tries) {
    pass(kUpdatesHoldNs);
    if (out.calls.empty()) continue;
    EXPECT_EQ(asked().name, "updates.getChannelDifference");
    answer(channel_difference({}, 100, true));
  }
  EXPECT_EQ(engine->state().channels.at(kChannel).pts, 100);
  EXPECT_EQ(engine->held(), 0U);
  push(brief(deleted_in(kChannel, 2, 101)));
  EXPECT_EQ(told(), Texts{"500/2"});
  // Nor does it begin one.
  const Object other{"inputChannel", {{"channel_id", kChannel + 1}, {"access_hash", 9}}, {}};
  push(write("messages.AffectedMessages",
             {"messages.affectedMessages", {{"pts", 5000}, {"pts_count", 1}}, {}}),
       call({"channels.deleteMessages", {{"channel", other}, {"id", List{7}}}, {}}));
  EXPECT_EQ(told(), Texts{"501/7"});
  push(brief(deleted_in(kChannel + 1, 3, 40)));
  EXPECT_EQ(told(), Texts{"501/3"});
}

// The topic of a channel among one's own saved messages: the order is one's own.
TEST_F(Updates, SavedMessagesOfAChannelAreOnesOwn) {
  begin(at(10));
  const Object topic{"inputPeerChannel", {{"channel_id", kChannel}, {"access_hash", 9}}, {}};
  push(write("messages.AffectedHistory",
             {"messages.affectedHistory", {{"pts", 12}, {"pts_count", 2}, {"offset", 0}}, {}}),
       call({"messages.deleteSavedHistory", {{"peer", topic}, {"max_id", 0}}, {}}));
  EXPECT_EQ(engine->state().pts, 12);
  EXPECT_TRUE(engine->state().channels.empty());
}

TEST_P(UpdatesOfLayer, WhatWasSentWhileTheServerIsAskedIsNotLost) {
  begin(at(10));
  push(updates({}, 0, {user(5)}));
  push(write("Updates", {"updatesTooLong", {}, {}}));
  push(write("Updates", sent_message(3, 12)),
       call(send_to({"inputPeerUser", {{"user_id", 5}, {"access_hash", 6}}, {}})));
  EXPECT_EQ(told(), Texts{});
  answer(difference("updates.difference", {}, {deleted(1, 11)}, state(11)));
  EXPECT_EQ(told(), (Texts{"1", "message:3"}));
  EXPECT_EQ(engine->held(), 0U);
}

TEST_P(UpdatesOfLayer, WhatTheCallDoesNotSayIsAskedFor) {
  begin(at(10));
  push(write("Updates", sent_message(3, 11)),
       call({"messages.sendInlineBotResult",
             {{"peer", Object{"inputPeerSelf", {}, {}}}, {"id", "x"}},
             {}}));
  EXPECT_EQ(told(), Texts{});
  EXPECT_EQ(asked().name, "updates.getDifference");
  EXPECT_EQ(asked().number("pts"), 10) << "so that the answer has it";
  answer(difference("updates.difference", {}, {deleted(1, 11)}, state(11)));
  EXPECT_EQ(told(), Texts{"1"});
  // The same without a call, and to a channel, whose order is another one.
  push(write("Updates", sent_message(4, 12)));
  EXPECT_EQ(asked().number("pts"), 11);
  answer(difference_empty());
  push(write("Updates", sent_message(4, 12)),
       call(send_to({"inputPeerChannel", {{"channel_id", kChannel}, {"access_hash", 6}}, {}})));
  EXPECT_EQ(asked().number("pts"), 11);
}

TEST_P(UpdatesOfLayer, AResultThatOnlyMovesPtsLeavesNoGap) {
  begin(at(10));
  const Bytes read =
      call({"messages.readHistory", {{"peer", Object{"inputPeerSelf", {}, {}}}}, {}});
  const auto affected = [&](int32_t pts, int32_t count) {
    return write("messages.AffectedMessages",
                 {"messages.affectedMessages", {{"pts", pts}, {"pts_count", count}}, {}});
  };
  push(affected(12, 2), read);
  EXPECT_EQ(engine->state().pts, 12);
  EXPECT_TRUE(out.events.empty());
  push(brief(deleted(1, 13)));
  EXPECT_EQ(told(), Texts{"1"});
  // It fills what is missing, and may itself come too early or twice.
  push(brief(deleted(3, 15)));
  EXPECT_EQ(told(), Texts{});
  push(affected(14, 1), read);
  EXPECT_EQ(told(), Texts{"3"});
  push(affected(14, 1), read);
  push(affected(15, 0), read);
  EXPECT_EQ(engine->state().pts, 15);
  push(affected(18, 1), read);
  pass(kUpdatesHoldNs);
  EXPECT_EQ(asked().number("pts"), 15);
  push(affected(19, 1), read);
  answer(difference("updates.difference", {}, {deleted(4, 17)}, state(17)));
  EXPECT_EQ(told(), Texts{"4"});
  EXPECT_EQ(engine->state().pts, 19);
  EXPECT_EQ(engine->held(), 0U);
  EXPECT_EQ(engine->counts().unreadable, 0U);
}

TEST_P(UpdatesOfLayer, MessagesThatACallDeletedAreToldOf) {
  begin(at(10));
  push(write("messages.AffectedMessages",
             {"messages.affectedMessages", {{"pts", 12}, {"pts_count", 2}}, {}}),
       call({"messages.deleteMessages", {{"id", List{4, 5}}}, {}}));
  ASSERT_EQ(out.events.size(), 2U);
  const auto update = layer->read_object(out.events[1].update);
  ASSERT_TRUE(update.ok());
  EXPECT_EQ(update->name, "updateDeleteMessages");
  EXPECT_EQ(update->list("messages")->size(), 2U);
  EXPECT_EQ(told(), Texts{"4"});
  EXPECT_EQ(engine->state().pts, 12);
  // A channel has an order of its own.
  push(brief(deleted_in(kChannel, 1, 100)));
  const Object channel{"inputChannel", {{"channel_id", kChannel}, {"access_hash", 6}}, {}};
  push(write("messages.AffectedMessages",
             {"messages.affectedMessages", {{"pts", 101}, {"pts_count", 1}}, {}}),
       call({"channels.deleteMessages", {{"channel", channel}, {"id", List{7}}}, {}}));
  EXPECT_EQ(told(), (Texts{"500/1", "500/7"}));
  EXPECT_EQ(engine->state().channels.at(kChannel).pts, 101);
  EXPECT_EQ(engine->state().pts, 12);
  // Of nothing that was deleted nothing is told.
  push(write("messages.AffectedMessages",
             {"messages.affectedMessages", {{"pts", 12}, {"pts_count", 0}}, {}}),
       call({"messages.deleteMessages", {{"id", List{4}}}, {}}));
  EXPECT_EQ(told(), Texts{});
  EXPECT_TRUE(out.calls.empty());
}

TEST_P(UpdatesOfLayer, AChannelHasAnOrderOfItsOwn) {
  begin(at(10));
  push(updates({deleted_in(kChannel, 1, 100)}, 0, {}, {channel(kChannel, 99)}));
  push(brief(deleted_in(kChannel, 3, 102)));
  push(brief(deleted(7, 11)));
  EXPECT_EQ(told(), (Texts{"500/1", "7"}));
  pass(kUpdatesHoldNs);
  const Object request = asked();
  EXPECT_EQ(request.name, "updates.getChannelDifference");
  EXPECT_EQ(request.number("pts"), 100);
  EXPECT_EQ(request.number("limit"), kUpdatesChannelLimit);
  EXPECT_EQ(request.object("channel")->number("access_hash"), 99);
  push(brief(deleted_in(kChannel, 5, 104)));
  push(brief(deleted(8, 12)));
  EXPECT_EQ(told(), Texts{"8"}) << "others do not wait for a channel";
  answer(channel_difference({deleted_in(kChannel, 2, 101)}, 101, false));
  EXPECT_EQ(asked().number("pts"), 101);
  answer(
      channel_difference({deleted_in(kChannel, 3, 102), deleted_in(kChannel, 4, 103)}, 103, true));
  EXPECT_EQ(told(), (Texts{"500/2", "500/3", "500/4", "500/5"}));
  EXPECT_EQ(engine->state().channels.at(kChannel).pts, 104);
  EXPECT_EQ(engine->held(), 0U);
  EXPECT_EQ(engine->counts().channel_differences, 2U);
}

TEST_P(UpdatesOfLayer, TooLongAChannelsDifferenceIsAGap) {
  UpdatesState known = at(10);
  known.channels[kChannel] = {100, 99, 0};
  begin(known);
  push(brief({"updateChannelTooLong", {{"channel_id", kChannel}, {"pts", 900}}, {}}));
  Object too_long{"updates.channelDifferenceTooLong",
                  {{"final", true}, {"messages", List{}}, {"chats", List{}}, {"users", List{}}},
                  {}};
  if (layer->is_object("updates.channelDifferenceTooLong", "dialog")) {
    too_long.fields.push_back(
        {"dialog", Object{"dialog",
                          {{"peer", Object{"peerChannel", {{"channel_id", kChannel}}, {}}},
                           {"notify_settings", Object{"peerNotifySettings", {}, {}}},
                           {"pts", 900}},
                          {}}});
  } else {
    too_long.fields.push_back({"pts", 900});
  }
  answer(write("updates.ChannelDifference", too_long));
  EXPECT_EQ(told(), Texts{"gap 500 900"});
  EXPECT_TRUE(out.calls.empty());
  push(brief(deleted_in(kChannel, 1, 901)));
  EXPECT_EQ(told(), Texts{"500/1"});
}

INSTANTIATE_TEST_SUITE_P(Layers, UpdatesOfLayer, ::testing::Values(71, 144, 228));

TEST_F(Updates, ASchemaWithoutTheCallsForDifferencesHasNoEngine) {
  EXPECT_TRUE(UpdatesEngine::supports(*layer));
  for (const std::string_view method :
       {"updates.getState#", "updates.getDifference#", "updates.getChannelDifference#"}) {
    std::string text(*tl::embedded_schema(228));
    const size_t line = text.find(std::string("\n") + std::string(method));
    ASSERT_NE(line, std::string::npos) << method;
    text.erase(line, text.find('\n', line + 1) - line);
    EXPECT_FALSE(UpdatesEngine::supports(Layer(228, tl::parse_schema(text).schema))) << method;
  }
}

TEST_F(Updates, QtsIsABoxOfItsOwn) {
  begin(at(10, 20));
  push(brief(stopped(2, 22)));
  EXPECT_EQ(told(), Texts{});
  push(brief(stopped(1, 21)));
  push(brief(stopped(1, 21)));
  EXPECT_EQ(told(), (Texts{"user:1", "user:2"}));
  push(brief(stopped(4, 24)));
  pass(kUpdatesHoldNs);
  EXPECT_EQ(asked().number("qts"), 22);
  answer(difference("updates.difference", {}, {stopped(3, 23)}, state(10, 23)));
  EXPECT_EQ(told(), (Texts{"user:3", "user:4"}));
}

TEST_F(Updates, WithoutAStateTheServersIsTaken) {
  begin({});
  engine->on_gap(now, out);
  EXPECT_EQ(asked().name, "updates.getState");
  push(brief(deleted(1, 100)));
  push(brief(deleted(2, 101)));
  answer(write("updates.State", state(100, 5, 7)));
  EXPECT_EQ(told(), Texts{"2"});
  EXPECT_EQ(engine->state().qts, 5);
  EXPECT_EQ(engine->state().seq, 7);
}

TEST_F(Updates, AGapDuringTheQuestionIsAskedForOnceMore) {
  begin(at(10));
  engine->on_gap(now, out);
  engine->on_gap(now, out);
  engine->on_gap(now, out);
  EXPECT_EQ(out.calls.size(), 1U);
  answer(difference("updates.difference", {}, {deleted(1, 11)}, state(11)));
  EXPECT_EQ(asked().number("pts"), 11);
  answer(difference_empty());
  EXPECT_TRUE(out.calls.empty());
}

TEST_F(Updates, SilenceIsAskedAbout) {
  begin(at(10));
  push(brief(phone(1)));
  pass(kUpdatesSilenceNs - 1);
  EXPECT_TRUE(out.calls.empty());
  pass(1);
  EXPECT_EQ(asked().name, "updates.getDifference");
  answer(difference_empty());
  pass(kUpdatesSilenceNs - 1);
  EXPECT_TRUE(out.calls.empty());
}

TEST_F(Updates, FailuresAreTriedAgainEverLater) {
  begin(at(10));
  engine->on_gap(now, out);
  for (const int64_t delay : {1, 2, 4, 8, 16, 32, 60, 60}) {
    fail(500, "INTERNAL");
    pass(delay * kNsPerSecond - 1);
    EXPECT_TRUE(out.calls.empty()) << delay;
    pass(1);
    EXPECT_EQ(asked().name, "updates.getDifference") << delay;
  }
  push(brief(deleted(1, 11)));
  answer(difference_empty());
  EXPECT_EQ(told(), Texts{"1"});
  engine->on_gap(now, out);
  fail(0, "");
  pass(kNsPerSecond);
  EXPECT_EQ(out.calls.size(), 1U) << "the waits begin anew";
}

TEST_F(Updates, WhatCannotBeReadIsCountedAndAskedForOnce) {
  begin(at(10));
  Bytes unknown = brief(phone(1));
  store_le<uint32_t>(unknown.data() + 4, 0xdeadbeef);
  push(unknown);
  EXPECT_EQ(engine->counts().unreadable, 1U);
  EXPECT_EQ(out.calls.size(), 1U);
  answer(difference("updates.difference", {}, {deleted(1, 11)}, state(11)));
  EXPECT_EQ(told(), Texts{"1"});
  EXPECT_TRUE(out.calls.empty());
}

TEST_F(Updates, ADifferenceThatCannotBeReadIsAGapAndNoLoop) {
  begin(at(10));
  engine->on_gap(now, out);
  answer(Bytes{1, 2, 3, 4});
  EXPECT_EQ(asked().name, "updates.getState");
  answer(write("updates.State", state(50)));
  EXPECT_EQ(told(), Texts{"gap 50"});
  EXPECT_TRUE(out.calls.empty());
  push(brief(deleted(1, 51)));
  EXPECT_EQ(told(), Texts{"1"});
}

TEST_F(Updates, AServerThatNeverGetsOnIsNotAskedWithoutEnd) {
  begin(at(10));
  engine->on_gap(now, out);
  for (int i = 0; i < 3; ++i) {
    answer(difference("updates.differenceSlice", {}, {}, state(10)));
    EXPECT_TRUE(out.calls.empty());
    pass(kUpdatesRetryMaxNs);
    EXPECT_EQ(out.calls.size(), 1U);
  }
  answer(difference_empty());
  // One that has no order in its answers gets past what is held after a second question.
  push(brief(deleted(1, 20)));
  push(updates({phone(2)}, 9));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(told(), Texts{});
    pass(kUpdatesHoldNs);
    answer(difference_empty());
  }
  EXPECT_EQ(told(), (Texts{"1", "user:2"}));
  EXPECT_EQ(engine->next_deadline_ns(), now.mono_ns + kUpdatesSilenceNs);
}

TEST_F(Updates, AClosedChannelIsForgotten) {
  UpdatesState known = at(10);
  known.channels[kChannel] = {100, 99, 0};
  begin(known);
  push(brief(deleted_in(kChannel, 5, 110)));
  pass(kUpdatesHoldNs);
  fail(400, "CHANNEL_PRIVATE");
  EXPECT_TRUE(engine->state().channels.empty());
  EXPECT_EQ(engine->held(), 0U);
  EXPECT_EQ(told(), Texts{});
  EXPECT_TRUE(out.calls.empty());
  pass(kUpdatesSilenceNs - kUpdatesHoldNs - 1);
  EXPECT_TRUE(out.calls.empty());
}

TEST_F(Updates, AChannelThatCannotBeAskedForGoesOnWithAGap) {
  begin(at(10));
  push(brief(deleted_in(kChannel, 1, 100)));
  push(brief(deleted_in(kChannel, 3, 102)));
  pass(kUpdatesHoldNs);
  EXPECT_TRUE(out.calls.empty()) << "there is no access hash";
  EXPECT_EQ(told(), (Texts{"500/1", "gap 500 101", "500/3"}));
  push(brief({"updateChannelTooLong", {{"channel_id", 501}, {"pts", 70}}, {}}));
  EXPECT_EQ(told(), Texts{"gap 501 70"});
}

TEST_F(Updates, AChannelsTimeoutIsRespectedBetweenSlices) {
  UpdatesState known = at(10);
  known.channels[kChannel] = {100, 99, 0};
  begin(known);
  push(brief({"updateChannelTooLong", {{"channel_id", kChannel}}, {}}));
  answer(channel_difference({deleted_in(kChannel, 1, 101)}, 101, false, 7));
  pass(7 * kNsPerSecond - 1);
  EXPECT_TRUE(out.calls.empty());
  pass(1);
  EXPECT_EQ(asked().number("pts"), 101);
  fail(500, "TIMEOUT");
  pass(kNsPerSecond);
  answer(channel_difference({deleted_in(kChannel, 2, 102)}, 102, true, 7));
  EXPECT_EQ(told(), (Texts{"500/1", "500/2"}));
}

TEST_F(Updates, FewChannelsAreAskedForAtATime) {
  UpdatesState known = at(10);
  for (int64_t id = 1; id <= 20; ++id) known.channels[id] = {100, 99, 0};
  begin(known);
  for (int64_t id = 1; id <= 20; ++id) {
    push(brief({"updateChannelTooLong", {{"channel_id", id}}, {}}));
  }
  EXPECT_EQ(out.calls.size(), kUpdatesChannelCallsMax);
  for (int i = 0; i < 20; ++i) {
    answer(channel_difference({}, 101, true));
    EXPECT_LE(out.calls.size(), kUpdatesChannelCallsMax);
  }
  EXPECT_TRUE(out.calls.empty());
  EXPECT_EQ(engine->counts().channel_differences, 20U);
}

TEST_F(Updates, AllIsBounded) {
  begin(at(10));
  for (int32_t i = 0; i < 3 * static_cast<int32_t>(kUpdatesHeldMax); ++i) {
    push(brief(deleted(i, 1000 + 2 * i)));
  }
  EXPECT_EQ(engine->held(), kUpdatesHeldMax);
  pass(kUpdatesHoldNs);
  for (int32_t i = 0; i < 3 * static_cast<int32_t>(kUpdatesHeldMax); ++i) push(brief(phone(i)));
  EXPECT_EQ(engine->held(), kUpdatesHeldMax);
  EXPECT_EQ(out.calls.size(), 1U);
  for (int64_t id = 1; id <= static_cast<int64_t>(kUpdatesChannelsMax) + 50; ++id) {
    if (id % 500 == 1) begin(engine->state());
    push(brief(deleted_in(id, 1, 100)));
  }
  EXPECT_EQ(engine->state().channels.size(), kUpdatesChannelsMax);
  EXPECT_FALSE(engine->state().channels.contains(1)) << "the longest unseen";
}

TEST_F(Updates, NumbersAtTheEdgesAreNoHarm) {
  constexpr int32_t kMax = std::numeric_limits<int32_t>::max();
  constexpr int32_t kMin = std::numeric_limits<int32_t>::min();
  begin(at(10));
  for (const int32_t pts : {kMin, -1, 0, 1, kMax}) {
    for (const int32_t count : {kMin, -1, 0, 1, kMax}) {
      push(brief(deleted(1, pts, count)));
      push(brief(
          {"updateDeleteChannelMessages",
           {{"channel_id", kChannel}, {"messages", List{1}}, {"pts", pts}, {"pts_count", count}},
           {}}));
    }
    push(updates({phone(1)}, pts));
    push(combined({phone(1)}, pts, kMax));
    pass(kUpdatesHoldNs);
    while (!out.calls.empty()) fail(400, "PERSISTENT_TIMESTAMP_INVALID");
    pass(kUpdatesRetryMaxNs);
  }
  EXPECT_LE(engine->held(), kUpdatesHeldMax);
}

TEST(UpdatesState, IsReadAsItWasWritten) {
  UpdatesState state;
  EXPECT_FALSE(read_updates_state(to_text(state))->known);
  state = UpdatesBench::at(5, 6, 8);
  state.channels[-7] = {0, -9, 0};
  state.channels[std::numeric_limits<int64_t>::max()] = {1, 2, 3};
  const auto read = read_updates_state(to_text(state));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(to_text(*read), to_text(state));
  EXPECT_EQ(to_text(state),
            "ringway-updates 1\nstate 5 6 1 8\nchannel -7 0 -9\nchannel 9223372036854775807 1 2\n");
}

TEST(UpdatesState, RefusesWhatItDidNotWrite) {
  for (const std::string_view text :
       {"", "ringway-updates 2\n", "ringway-updates 1\nstate 1 2 3\n",
        "ringway-updates 1\nstate 1 2 3 4 5\n", "ringway-updates 1\nstate 1 2 3 x\n",
        "ringway-updates 1\nstate 1 2 3 99999999999\n", "ringway-updates 1\nchannel 1 2 3\n",
        "ringway-updates 1\nstate 1 2 3 4\nstate 1 2 3 4\n",
        "ringway-updates 1\nstate 1 2 3 4\nchannel 1 2 3\nchannel 1 2 3\n",
        "ringway-updates 1\nstate 1 2 3 4\nchannel 1 2\n", "ringway-updates 1\nfoo\n"}) {
    EXPECT_EQ(read_updates_state(text).error(), Error::kMalformed) << text;
  }
  EXPECT_EQ(read_updates_state(std::string(kUpdatesStateBytesMax + 1, 'x')).error(),
            Error::kTooLarge);
}

}  // namespace
}  // namespace ringway::client
