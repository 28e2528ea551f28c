#include "client/acked_log.h"

#include <fmt/format.h>

#include <iterator>

namespace ringway::client {
namespace {

constexpr size_t kFlushBytes = 64 * 1024;

}  // namespace

std::unique_ptr<AckedLog> AckedLog::open(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "ae");
  if (file == nullptr) return nullptr;
  std::setvbuf(file, nullptr, _IONBF, 0);
  return std::unique_ptr<AckedLog>(new AckedLog(file));
}

AckedLog::~AckedLog() {
  flush();
  std::fclose(file_);
}

void AckedLog::add(int64_t session_id, int64_t msg_id) {
  fmt::format_to(std::back_inserter(lines_), "{} {}\n", session_id, msg_id);
  if (lines_.size() >= kFlushBytes) flush();
}

void AckedLog::flush() {
  std::fwrite(lines_.data(), 1, lines_.size(), file_);
  lines_.clear();
}

}  // namespace ringway::client
