// Fuzzing of calls that people type as JSON.
//
// The first byte chooses layer and mode, the next two the method. What is taken is a call of that
// method, which can be shown again; what is refused says why and adds nothing.
#include <array>
#include <memory>

#include "proxy/json_text.h"
#include "tl_support.h"

using namespace ringway;
using fuzz::require;

namespace {

constexpr size_t kHeaderBytes = 3;
constexpr size_t kInputBytesMax = 8 * 1024;

// Each has a pool of descriptors of its own: made once.
proxy::JsonText& json_of(uint8_t choice) {
  static std::array<std::unique_ptr<proxy::JsonText>, 4> all;
  auto& one = all[choice & 3];
  if (one == nullptr) one = std::make_unique<proxy::JsonText>(*fuzz::served(choice).layout);
  return *one;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < kHeaderBytes || size > kInputBytesMax) return 0;
  const fuzz::Served& served = fuzz::served(data[0]);
  const auto& schema = served.contract->schema();
  const auto choice = load_le<uint16_t>(data + 1);
  const auto method =
      static_cast<uint32_t>(schema.constructor_count + choice % schema.method_count());
  proxy::JsonText& json = json_of(data[0]);
  Bytes tl;
  std::string problem;
  const auto answered =
      json.to_call(method, as_text({data + kHeaderBytes, size - kHeaderBytes}), tl, problem);
  if (!answered.ok()) {
    require(!problem.empty() && tl.empty());
    return 0;
  }
  require(problem.empty() && schema.is_method(*answered));
  require(served.layout->by_id(load_le<uint32_t>(tl.data())) == method);
  // Calls are shown as objects are.
  require(json.object(tl, problem).ok());
  return 0;
}
