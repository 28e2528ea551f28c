#include "client/demo.h"

#include <fmt/format.h>

#include "client/blocking_client.h"
#include "client/objects.h"

namespace ringway::client {
namespace {

constexpr int32_t kDemoLayer = 144;
constexpr int32_t kDemoApiId = 1;
constexpr size_t kDemoMessageBytes = 128;

class Demo {
 public:
  Demo(const LoadOptions& options, const std::function<void(std::string_view)>& say)
      : options_(options), say_(say), client_(options.transports.front().transport) {}

  DemoReport run() {
    const bool done = connect() && make_key() && ping() && quick_ack() && get_config();
    RW_ASSERT(done == report_.failure.empty());
    return std::move(report_);
  }

 private:
  void begin() { began_ns_ = read_clocks().mono_ns; }

  bool tell(std::string_view step, std::string_view what) {
    const double ms = static_cast<double>(read_clocks().mono_ns - began_ns_) / 1e6;
    say_(fmt::format("{:<22} {:>9.2f} ms   {}", step, ms, what));
    return true;
  }

  bool fail(std::string_view step, std::string_view why) {
    report_.failure = fmt::format("{}: {}", step, why);
    return false;
  }

  bool connect() {
    begin();
    if (!client_.connect(options_.address).ok()) return fail("connect", client_.problem());
    return tell("connect", fmt::format("to {} over the {} transport", options_.address,
                                       options_.transports.front().name));
  }

  bool make_key() {
    HandshakeOptions handshake;
    handshake.keys = options_.server_keys;
    handshake.padding = options_.padding;
    begin();
    const auto made = client_.make_key(handshake);
    if (!made.ok()) return fail("key exchange", client_.problem());
    report_.fingerprint = made->fingerprint;
    report_.auth_key_id = made->created.auth_key_id;
    return tell("key exchange", fmt::format("made authorization key {:016x}",
                                            static_cast<uint64_t>(report_.auth_key_id)));
  }

  bool ping() {
    begin();
    if (!client_.ping().ok()) return fail("encrypted ping", client_.problem());
    tell("first encrypted ping", "opened a session, got the pong");
    begin();
    if (!client_.ping().ok()) return fail("encrypted ping", client_.problem());
    return tell("encrypted ping", "got the pong");
  }

  bool quick_ack() {
    if (options_.transports.front().transport.kind == mtproto::TransportKind::kFull) {
      begin();
      return tell("quick ack", "left out: the full transport has none");
    }
    RequestOptions request;
    request.content_related = false;
    request.expect_reply = false;
    request.quick_ack = true;
    begin();
    const auto sent = client_.send(make_padded_ack(kDemoMessageBytes), request);
    if (!sent.ok()) return fail("quick ack", client_.problem());
    const Arrival arrival = client_.wait_quick_ack(*sent);
    if (arrival.kind != Arrival::Kind::kEvent ||
        arrival.event.kind != SessionEvent::Kind::kQuickAck) {
      return fail("quick ack", arrival.to_string());
    }
    return tell("quick ack", fmt::format("a message of {} bytes was taken", kDemoMessageBytes));
  }

  bool get_config() {
    begin();
    const auto answer = client_.call(make_get_config(kDemoLayer, kDemoApiId));
    if (!answer.ok()) return fail("help.getConfig", client_.problem());
    const auto config = read_config_summary(*answer);
    if (!config.ok()) return fail("help.getConfig", "the answer is not a config");
    return tell("help.getConfig",
                fmt::format("config#{:08x}, data center {}, {} bytes", config->constructor_id,
                            config->this_dc, answer->size()));
  }

  const LoadOptions& options_;
  const std::function<void(std::string_view)>& say_;
  BlockingClient client_;
  DemoReport report_;
  int64_t began_ns_ = 0;
};

}  // namespace

DemoReport run_demo(const LoadOptions& options, const std::function<void(std::string_view)>& say) {
  return Demo(options, say).run();
}

}  // namespace ringway::client
