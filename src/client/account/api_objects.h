// client/account/api_objects: the few API objects that an account itself makes and looks into.
//
// Everything by the names of the layer that the account speaks, so that any layer will do; what a
// layer does not have is done without. Immutable once made; bytes in, values out.
#pragma once

#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/bytes.h"
#include "client/account/account.h"

namespace ringway::client {

// A login token that another DC has to be asked about.
struct MovedLoginToken {
  int32_t dc = 0;
  Bytes call;  // auth.importLoginToken
};

class ApiObjects {
 public:
  explicit ApiObjects(const AccountOptions& options);

  // invokeWithLayer(initConnection(call)).
  [[nodiscard]] Bytes wrap(ByteView call) const;
  // Empty when the layer has no such method.
  [[nodiscard]] Bytes get_config() const;
  [[nodiscard]] Bytes export_authorization(int32_t dc) const;
  // Made from what auth.exportAuthorization answered; empty when that cannot be read.
  [[nodiscard]] Bytes import_authorization(ByteView exported) const;

  // The method inside the wrappers; 0 when there is none.
  [[nodiscard]] static uint32_t method_of(ByteView call);
  // The peer of a call; empty when there is none, or it cannot be read.
  [[nodiscard]] std::string peer_of(ByteView call) const;

  [[nodiscard]] bool is_updates(uint32_t constructor) const {
    return updates_.contains(constructor);
  }
  // Of a result that is no Updates, but says by pts and pts_count what it did to their order.
  [[nodiscard]] bool is_affected(uint32_t constructor) const {
    return affected_.contains(constructor);
  }
  // The objects of type Updates inside a result that is none itself; borrowed from it.
  [[nodiscard]] std::vector<ByteView> updates_in(ByteView result) const;
  [[nodiscard]] bool may_sign_in(uint32_t method) const { return sign_in_.contains(method); }
  [[nodiscard]] bool logs_out(uint32_t method) const { return method == log_out_; }
  // Who is signed in by the result of a method that may do so; 0: nobody.
  [[nodiscard]] int64_t user_of(ByteView result) const;
  [[nodiscard]] std::optional<MovedLoginToken> moved_login_token(ByteView result) const;
  // Which DC a result of help.getConfig comes from; 0: it does not say.
  [[nodiscard]] int32_t this_dc_of(ByteView config) const;
  // The addresses that a result of help.getConfig has for calls, IPv4 first.
  [[nodiscard]] std::vector<DcAddress> addresses_of(ByteView config) const;

 private:
  [[nodiscard]] Bytes call(const tl::dynamic::Object& call) const;
  void sort_results();
  void find_updates(const tl::dynamic::Object& object, std::vector<ByteView>& found) const;

  std::shared_ptr<const tl::dynamic::Layer> layer_;
  Bytes prefix_;  // of wrap()
  std::unordered_set<uint32_t> updates_;
  std::unordered_set<uint32_t> affected_;
  std::unordered_set<uint32_t> carriers_;  // results that Updates may be inside of
  std::unordered_set<uint32_t> sign_in_;
  uint32_t log_out_ = 0;
};

}  // namespace ringway::client
