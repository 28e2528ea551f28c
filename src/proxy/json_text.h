// proxy/json_text: requests and answers of a contract as JSON, for people at a terminal.
//
// protobuf's JSON mapping, with the field names of the contract. Costs a descriptor pool of the
// whole schema when made and objects for each field: not for the calls that are served. One per
// thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "tl/contract.h"
#include "tl/layout.h"

namespace ringway::proxy {

class JsonText {
 public:
  explicit JsonText(const tl::Layout& layout);
  ~JsonText();
  JsonText(const JsonText&) = delete;
  JsonText& operator=(const JsonText&) = delete;

  // The index of a method by its TL name ("messages.getDialogs") or its name in the contract
  // ("MessagesGetDialogs"). kNotFound, with the nearest names in `problem`.
  Result<uint32_t> method(std::string_view name, std::string& problem) const;

  // Appends the call that `json` describes; "" stands for "{}". The method whose result will come.
  // kInvalidArgument with `problem`.
  Result<uint32_t> to_call(uint32_t method, std::string_view json, Bytes& tl, std::string& problem);
  // What `method` answered, over several lines. kMalformed with `problem`.
  Result<std::string> answer(uint32_t method, uint32_t answered, ByteView tl, std::string& problem);
  // A boxed object of any type: its constructor's name and its fields.
  Result<std::string> object(ByteView tl, std::string& problem);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringway::proxy
