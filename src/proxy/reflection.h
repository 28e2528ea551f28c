// proxy/reflection: gRPC's server reflection over contracts that are made at run time.
//
// The library's own plugin knows only what was compiled in. Here a pool holds the contracts of all
// sessions, the services of the proxy itself, and reflection, in versions v1 and v1alpha.
// Immutable once made; any thread.
#pragma once

#include <google/protobuf/descriptor.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/rpc_server.h"
#include "tl/contract.h"

namespace ringway::proxy {

class Reflection {
 public:
  // Files that two contracts give the same name are put into folders named after their packages.
  explicit Reflection(const std::vector<const tl::Contract*>& contracts);

  // Whether a call of this path is one of reflection.
  [[nodiscard]] static bool serves(std::string_view path) noexcept;
  // Answers a stream of questions.
  [[nodiscard]] RpcHandler& serve(Rpc& rpc) const;

  // A serialized ServerReflectionRequest to a serialized response; empty when it is none.
  [[nodiscard]] std::string answer(std::string_view request) const;
  [[nodiscard]] const google::protobuf::DescriptorPool& pool() const noexcept { return pool_; }

 private:
  void add(const google::protobuf::FileDescriptorProto& file);
  void add_contract(const tl::Contract& contract);
  // The file and all that it needs, each as its bytes.
  template <typename Response>
  void add_files(const google::protobuf::FileDescriptor& file, Response& response) const;

  google::protobuf::DescriptorPool pool_;
  std::vector<const google::protobuf::FileDescriptor*> files_;
  std::map<const google::protobuf::FileDescriptor*, std::string> bytes_;
};

}  // namespace ringway::proxy
