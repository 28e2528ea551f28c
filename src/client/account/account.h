// client/account/account: one sign-in at a Telegram-compatible server, whatever happens to its
// connections.
//
// Owns the link to the main DC and, while they are needed, links to others. It makes keys, says
// what the first call of a connection must say (initConnection), follows redirects, holds calls
// back while the server wants waits, sends again what the server certainly did not process, and
// knows when the server has ended the sign-in. One thread, that of the loop. Bodies, keys, codes
// and phone numbers are never logged.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/account/calls.h"
#include "client/account/lookups.h"
#include "client/account/loop.h"
#include "client/handshake.h"
#include "client/session.h"
#include "client/stream_socket.h"
#include "mtproto/client_transport.h"
#include "tl/dynamic/layer.h"

namespace ringway::client {

struct DcAddress {
  int32_t dc = 0;    // 0: of any DC, as where all of them are behind one gateway
  std::string host;  // an IP address or a name
  uint16_t port = 443;
  bool obfuscated_only = false;
};

struct DcKey {
  AuthKeyBytes key;
  int64_t auth_key_id = 0;
  int64_t salt = 0;
  int64_t user_id = 0;  // who is signed in with it; 0: nobody
};

// What has to be stored of a sign-in. With no key there is none yet.
struct AccountState {
  // 0: not known yet. Then only `host` is home, until its configuration says which DC that is.
  int32_t main_dc = 2;
  std::string host;  // of the main DC, as it was reached last
  uint16_t port = 443;
  std::map<int32_t, DcKey> keys;  // by DC

  [[nodiscard]] int64_t user_id() const noexcept {
    const auto main = keys.find(main_dc);
    return main == keys.end() ? 0 : main->second.user_id;
  }
};

struct AccountOptions {
  std::shared_ptr<const tl::dynamic::Layer> layer;  // number() is what invokeWithLayer says
  int32_t api_id = 0;
  std::string device_model = "ringway";
  std::string system_version = "Linux";
  std::string app_version = "1.0";
  std::string system_lang_code = "en";
  std::string lang_pack;
  std::string lang_code = "en";
  mtproto::ClientTransportOptions transport;
  std::vector<ServerKey> server_keys;
  std::vector<DcAddress> addresses;  // to begin with; help.getConfig adds those that it names
  bool follow_config = true;         // false: only ever `addresses` (a server behind one gateway)
  Lookups::Resolve resolve = client::resolve;  // the system's own, but in tests
  bool temporary_keys = false;                 // PFS
  int32_t temporary_key_seconds = 86'400;      // the life of one; renewed when 80 % of it are over
  // How long an acknowledgement waits for a message to ride on.
  int64_t ack_delay_ns = SessionOptions::lasting().ack_delay_ns;
  int64_t call_timeout_ns = 60 * kNsPerSecond;
  int64_t wait_max_ns = 30 * kNsPerSecond;  // the longest wait that is waited for here
};

enum class Condition : uint8_t {
  kConnecting,
  kSignedIn,     // connected, and a user is signed in
  kNotSignedIn,  // connected, and nobody is signed in yet
  kSignedOut,    // the server ended the sign-in: every call fails at once
};

// bad_msg_notification, by what it says.
// https://core.telegram.org/mtproto/service_messages_about_messages
struct BadMessageCounts {
  static constexpr std::array<int32_t, 10> kCodes = {16, 17, 18, 19, 20, 32, 33, 34, 35, 64};

  std::array<uint64_t, kCodes.size()> by_code{};  // in the order of kCodes
  uint64_t other = 0;                             // of codes that nobody knows

  void add(int32_t code) noexcept;
};

struct AccountCounts {
  uint64_t connects = 0;
  uint64_t connection_failures = 0;
  uint64_t keys_made = 0;
  uint64_t calls = 0;
  uint64_t redirects = 0;
  uint64_t waits = 0;  // that the server asked for
  uint64_t resends = 0;
  uint64_t bad_messages = 0;  // the two below
  BadMessageCounts refusals;
  uint64_t bad_server_salts = 0;
  // Not a count: the server's clock minus ours, of each DC that there is a session with.
  std::map<int32_t, int64_t> time_offsets_ns;
};

class AccountListener {
 public:
  // An object of type Updates: pushed, with an empty `call`, or in the result of `call`. Both are
  // borrowed.
  virtual void on_updates(ByteView tl, ByteView call) = 0;
  // The result of a call which has no updates, but pts and pts_count (messages.affectedMessages):
  // what it did is a step in the order of updates. Borrowed, as above.
  virtual void on_affected(ByteView result, ByteView call) = 0;
  // Updates may have been missed: a new session, or a connection after a break.
  virtual void on_gap() = 0;
  virtual void on_condition(Condition condition) = 0;
  // Another one is signed in than before; 0: nobody.
  virtual void on_user(int64_t user_id) = 0;
  // state() is to be stored. Salts: at most once a minute; everything else at once.
  virtual void on_state_changed() = 0;

 protected:
  ~AccountListener() = default;
};

class Account final : public Calls {
 public:
  // Connects on its own from then on. `listener` must outlive it.
  Account(EventLoop& loop, AccountOptions options, AccountState state, AccountListener& listener);
  ~Account() override;

  CallId start(Bytes tl, const CallOptions& options, CallSink& sink) override;
  void cancel(CallId call) override;
  void forget(CallId call) override;

  // Who is signed in, where that was found out by other means than a sign-in's answer.
  void set_user(int64_t user_id);

  [[nodiscard]] Condition condition() const noexcept;
  [[nodiscard]] const AccountState& state() const noexcept;
  [[nodiscard]] const AccountCounts& counts() const noexcept;
  // Calls that are not done.
  [[nodiscard]] size_t pending() const noexcept;
  // What is wrong with the connection, for people; empty when it stands.
  [[nodiscard]] const std::string& problem() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringway::client
