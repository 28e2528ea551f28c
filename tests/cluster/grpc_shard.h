// A small session shard on real gRPC, from the generated service classes and gRPC's blocking
// server: as unlike our own client code as it can be.
//
// It runs in the test's process on a free port of loopback, and can be stopped and started again on
// the same one. All functions may be called on any thread.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "session.pb.h"

namespace ringway::cluster {

struct GrpcShardWires {
  bool batch = true;
  bool stream = true;
  bool unary = true;  // of messages; keys are always served
};

class GrpcShard {
 public:
  struct Message {
    bool close = false;
    std::string wire;
    int64_t auth_key_id = 0;
    int64_t session_id = 0;
    std::string payload;
  };

  explicit GrpcShard(GrpcShardWires wires);
  ~GrpcShard();

  // On the port of before, or a free one. False when it is taken.
  bool start();
  void stop();
  void set_wires(GrpcShardWires wires);  // for the next start
  // GRPC_ARG_MAX_CONCURRENT_STREAMS of the next start; 0: gRPC's own.
  void allow_streams(int streams_max);
  [[nodiscard]] std::string address() const;

  // While held, messages are taken and answered only after the release (or never, when stopped).
  void hold(bool held);
  void check_keys(bool check);
  // Messages of this key are answered with a redirect.
  void redirect_key(int64_t perm_auth_key_id, const std::string& address);
  void put_key(const mtproto::AuthKeyInfo& key);
  [[nodiscard]] std::string stored_key(int64_t id) const;  // empty when there is none
  // Down the batched stream; answers are in push_results().
  void push(uint64_t id, int64_t auth_key_id, int64_t session_id, const std::string& payload);

  [[nodiscard]] std::vector<Message> received() const;
  [[nodiscard]] size_t received_count() const;
  [[nodiscard]] std::map<uint64_t, bool> push_results() const;
  [[nodiscard]] int key_queries() const;
  [[nodiscard]] int attaches() const;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringway::cluster
