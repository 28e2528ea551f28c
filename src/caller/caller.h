// caller/caller: MTProto's methods as protobuf messages, from C++.
//
// The same call() works through a running ringway-proxy and over a connection of one's own;
// programs can begin with either and change their mind. The messages are those of `ringway-proxy
// proto`, compiled by protoc. Part of libringway-client; any thread, and several at once.
#pragma once

#include <google/protobuf/message.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringway {

struct CallError {
  int code = 0;      // the server's own, such as 400 or 420; 0: there is no answer of the server's
  std::string text;  // "PEER_ID_INVALID", or a sentence when code is 0
  int retry_after_seconds = 0;  // of a wait that the server asked for
};

class Caller {
 public:
  virtual ~Caller() = default;
  // `request` is a Req message and `answer` the message that its rpc returns, which is overwritten.
  // Nothing when it went well. Blocks, at most for `timeout` (0: a minute).
  virtual std::optional<CallError> call(const google::protobuf::Message& request,
                                        google::protobuf::Message& answer,
                                        std::chrono::milliseconds timeout = {}) = 0;
};

struct ProxyOptions {
  std::string address = "127.0.0.1:11011";
  std::string ca_file;  // authorities of its certificate, PEM; empty: no TLS
  std::string token;    // of the proxy's token file; empty: none. To other machines only inside TLS
  std::string session;  // which of its sign-ins; empty: the first
};

// Connects when the first call is made.
[[nodiscard]] std::unique_ptr<Caller> connect_to_proxy(const ProxyOptions& options,
                                                       std::string& problem);

struct ServerOptions {
  std::string credentials_file;               // of ringway-proxy or mtprotod; written by sign_in()
  std::string passphrase;                     // of sealed credentials; empty: none
  std::string address;                        // [DC=]HOST:PORT; empty: Telegram's own servers
  std::vector<std::string> server_key_files;  // PEM; empty: Telegram's keys
  int layer = 228;                            // 71, 144 or 228
  bool compat = false;                        // mtprotod's messages, without the later fields
  int api_id = 0;                             // for a first sign-in
  std::string api_hash;
};

// Nothing as an answer gives up.
struct Prompts {
  std::function<std::optional<std::string>(std::string_view how)> code;
  std::function<std::optional<std::string>(std::string_view hint)> password;
};

class ServerCaller : public Caller {
 public:
  // The first name of who is signed in; nothing, and an empty `problem`, for nobody.
  [[nodiscard]] virtual std::optional<std::string> signed_in(std::string& problem) = 0;
  // Empty, or what prevented it.
  [[nodiscard]] virtual std::string sign_in(const std::string& phone, const Prompts& prompts) = 0;
};

// Null, and why: the credentials cannot be read or are in use, or there is no connection.
[[nodiscard]] std::unique_ptr<ServerCaller> connect_to_server(const ServerOptions& options,
                                                              std::string& problem);

}  // namespace ringway
