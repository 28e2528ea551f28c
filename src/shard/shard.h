// shard/shard: the reference session shard.
//
// It exists to run the gateway for real on one machine: in demonstrations, tests and load runs. It
// keeps authorization keys, speaks MTProto's service layer and answers help.getConfig and
// help.getNearestDc, and refuses every other method by name; with a messenger it also knows users
// who send each other texts (messenger/messenger.h). It serves the three wires of a session shard:
// Teamgram's unary calls, Teamgram's stream and the batched link of proto/ringway_link.proto.
//
// start() and shutdown() belong to one thread; everything in between runs on gRPC's threads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "shard/faults.h"
#include "shard/messenger/counts.h"

namespace ringway::shard {

struct ShardOptions {
  std::string listen = "127.0.0.1:0";  // port 0: any free one, see port()
  std::string data_dir;                // where keys.mdb lives; empty: keys live in memory
  bool wire_batch = true;
  bool wire_stream = true;
  bool wire_unary = true;  // messages by unary call; key calls are always served
  int32_t dc_id = 2;
  std::string public_host = "127.0.0.1";  // the gateway as clients dial it, for help.getConfig
  uint16_t public_port = 10443;
  bool messenger = false;       // users who sign in and send each other texts (shard/messenger)
  std::string messenger_users;  // a file of users to have from the start; empty: none
  std::string messenger_code;   // every sign-in code, for tests; empty: random ones, in the log
  bool push_echo = false;       // push messages of constructor 0x72776563 back as they came
  bool load_tally = false;      // count messages for load runs (load_tally.h)
  std::string record_path;      // a file for one line per event; empty: none
  Faults faults;
};

// Reads "batch,stream,unary" or a part of it into the three switches. An empty string, or what is
// wrong.
[[nodiscard]] std::string parse_wires(std::string_view text, ShardOptions& options);

struct ShardStats {
  uint64_t messages = 0;
  uint64_t messages_refused = 0;
  uint64_t answers = 0;
  uint64_t pushes_failed = 0;
  size_t sessions = 0;
  std::optional<messenger::Counts> messenger;  // where there is one
};

class ReferenceShard {
 public:
  ReferenceShard();
  ~ReferenceShard();  // shuts down without grace
  ReferenceShard(const ReferenceShard&) = delete;
  ReferenceShard& operator=(const ReferenceShard&) = delete;

  // Opens the key store and listens. Returns an empty string, or what went wrong.
  [[nodiscard]] std::string start(const ShardOptions& options);
  // The port it listens on; 0 before start().
  [[nodiscard]] uint16_t port() const noexcept;
  // Stops taking calls, lets those in progress end for `grace_ns`, then cancels them. Twice is
  // fine.
  void shutdown(int64_t grace_ns);

  // Pushes one TL object that nobody asked for to a session; false when the session is not known.
  bool push(int64_t auth_key_id, int64_t session_id, ByteView body);
  [[nodiscard]] ShardStats stats() const;

 private:
  struct Running;
  std::unique_ptr<Running> running_;
};

}  // namespace ringway::shard
