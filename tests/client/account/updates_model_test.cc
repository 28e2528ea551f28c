// A server with a history of its own, a network that loses, doubles and turns round: each update is
// told once, and in order.
#include <map>
#include <random>

#include "client/account/updates_bench.h"

namespace ringway::client {
namespace {

constexpr int32_t kBegin = 100;  // where every box begins
constexpr int64_t kChannels = 3;
constexpr int64_t kCommonBox = 0;  // 1 to kChannels are the channels
constexpr int64_t kSecretBox = kChannels + 1;
constexpr int64_t kBoxes = kChannels + 2;

// What happened in a box is numbered from 0, and the n-th has pts kBegin + n + 1.
class ModelServer {
 public:
  ModelServer(UpdatesBench& bench, std::mt19937& random) : bench_(bench), random_(random) {}

  // Something happens; the push that tells of it, alone or with the one before.
  Bytes happen(int64_t box) {
    const int32_t number = counts_[box]++;
    if (number == 0 || random_() % 3 != 0) return bench_.brief(update(box, number));
    return bench_.updates({update(box, number - 1), update(box, number)});
  }

  Bytes answer(const Object& request) {
    const auto pts = static_cast<int32_t>(request.number("pts"));
    if (request.name == "updates.getChannelDifference") {
      const int64_t channel = request.object("channel")->number("channel_id");
      List others;
      const int32_t end = add(channel, pts, others);
      return bench_.channel_difference(std::move(others), end, end == kBegin + counts_[channel]);
    }
    List others;
    const int32_t pts_end = add(kCommonBox, pts, others);
    const int32_t qts_end = add(kSecretBox, static_cast<int32_t>(request.number("qts")), others);
    if (others.empty()) return bench_.difference_empty();
    const bool whole =
        pts_end == kBegin + counts_[kCommonBox] && qts_end == kBegin + counts_[kSecretBox];
    return bench_.difference(whole ? "updates.difference" : "updates.differenceSlice", {},
                             std::move(others), UpdatesBench::state(pts_end, qts_end));
  }

  [[nodiscard]] int32_t count(int64_t box) { return counts_[box]; }

 private:
  static Object update(int64_t box, int32_t number) {
    const int32_t pts = kBegin + number + 1;
    if (box == kCommonBox) return UpdatesBench::deleted(number, pts);
    if (box == kSecretBox) return UpdatesBench::stopped(number, pts);
    return UpdatesBench::deleted_in(box, number, pts);
  }
  // Some of what came after `from`; how far that goes.
  int32_t add(int64_t box, int32_t from, List& list) {
    const int32_t end =
        std::min(kBegin + counts_[box], from + 1 + static_cast<int32_t>(random_() % 6));
    for (int32_t at = from; at < end; ++at) list.push_back(update(box, at - kBegin));
    return end;
  }

  UpdatesBench& bench_;
  std::mt19937& random_;
  std::map<int64_t, int32_t> counts_;
};

class UpdatesModel : public ::testing::Test, public UpdatesBench {
 protected:
  void take_told() {
    for (const std::string& text : told()) {
      const size_t slash = text.find('/');
      const size_t colon = text.find(':');
      int64_t box = kCommonBox;
      std::string number = text;
      if (slash != std::string::npos) {
        box = std::stoll(text);
        number = text.substr(slash + 1);
      } else if (colon != std::string::npos) {
        box = kSecretBox;
        number = text.substr(colon + 1);
      }
      ASSERT_EQ(std::stoi(number), next_[box]) << text << " of box " << box;
      ++next_[box];
    }
  }
  void answer_one(ModelServer& server, std::mt19937& random) {
    const size_t at = random() % out.calls.size();
    std::swap(out.calls[0], out.calls[at]);
    if (random() % 5 == 0) {
      fail(500, "INTERNAL");
    } else {
      answer(server.answer(asked()));
    }
  }

  std::map<int64_t, int32_t> next_;
};

TEST_F(UpdatesModel, EachIsToldOnceAndInOrderWhateverTheNetworkDoes) {
  for (uint32_t seed = 0; seed < 60; ++seed) {
    std::mt19937 random(seed);
    ModelServer server(*this, random);
    UpdatesState state = at(kBegin, kBegin);
    for (int64_t id = 1; id <= kChannels; ++id) state.channels[id] = {kBegin, 99, 0};
    begin(state);
    out = {};
    next_.clear();
    std::vector<Bytes> network;
    for (int step = 0; step < 1500; ++step) {
      switch (random() % 8) {
        case 0:
        case 1:
          network.push_back(server.happen(static_cast<int64_t>(random() % kBoxes)));
          break;
        case 2:
        case 3:
        case 4: {
          if (network.empty()) break;
          // Mostly in order.
          const size_t index = random() % 3 == 0 ? random() % network.size() : 0;
          const Bytes tl = network[index];
          if (random() % 10 != 0) network.erase(network.begin() + static_cast<ptrdiff_t>(index));
          if (random() % 10 != 0) push(tl);
          break;
        }
        case 5:
          if (!out.calls.empty()) answer_one(server, random);
          break;
        case 6:
          pass(static_cast<int64_t>(random() % 400) * kNsPerMs);
          break;
        case 7:
          if (random() % 40 == 0) engine->on_gap(now, out);
          // A restart, with what was stored.
          if (random() % 200 == 0) {
            const auto stored = read_updates_state(to_text(engine->state()));
            ASSERT_TRUE(stored.ok());
            begin(*stored);
            out.calls.clear();
            engine->on_gap(now, out);
          }
          break;
      }
      take_told();
      if (HasFatalFailure()) FAIL() << "seed " << seed << " step " << step;
    }
    // One more of each, which does arrive, and time to ask for what did not.
    for (int64_t box = 0; box < kBoxes; ++box) push(server.happen(box));
    for (int turn = 0; turn < 400; ++turn) {
      while (!out.calls.empty()) answer(server.answer(asked()));
      pass(200 * kNsPerMs);
      take_told();
    }
    ASSERT_FALSE(HasFatalFailure()) << "seed " << seed;
    for (int64_t box = 0; box < kBoxes; ++box) {
      EXPECT_EQ(next_[box], server.count(box)) << "box " << box << " of seed " << seed;
    }
    EXPECT_EQ(engine->held(), 0U) << "seed " << seed;
    EXPECT_EQ(engine->counts().lost, 0U) << "seed " << seed;
  }
}

TEST_F(UpdatesModel, NoBytesDoHarm) {
  std::mt19937 random(5);
  UpdatesState state = at(kBegin, kBegin);
  state.channels[1] = {kBegin, 99, 0};
  begin(state);
  ModelServer server(*this, random);
  for (int round = 0; round < 5000; ++round) {
    Bytes tl = server.happen(static_cast<int64_t>(random() % kBoxes));
    const auto spoil = [&] {
      for (size_t i = random() % 4; i > 0 && !tl.empty(); --i) {
        tl[random() % tl.size()] ^= static_cast<uint8_t>(1U << (random() % 8));
      }
      if (random() % 4 == 0) tl.resize(random() % (tl.size() + 1));
    };
    spoil();
    push(tl);
    if (!out.calls.empty() && random() % 2 == 0) {
      tl = server.answer(asked());
      spoil();
      answer(tl);
    }
    pass(static_cast<int64_t>(random() % 1000) * kNsPerMs);
    out.events.clear();
    ASSERT_LE(engine->held(), kUpdatesHeldMax);
    ASSERT_LE(out.calls.size(), kUpdatesChannelCallsMax + 1);
  }
}

}  // namespace
}  // namespace ringway::client
