#include "shard/messenger/codes.h"

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/hex.h"
#include "base/limits.h"
#include "crypto/random.h"

namespace ringway::shard::messenger {
namespace {

std::string random_hash() {
  uint8_t raw[9];
  crypto::random_bytes(raw);
  return to_hex(raw);
}

// The bias of the remainder is below one in 40,000.
std::string random_code() { return fmt::format("{:05}", crypto::random_u32() % 100'000); }

}  // namespace

Codes::Sent Codes::send(std::string_view phone, int64_t unix_seconds) {
  auto found = entries_.find(std::string(phone));
  if (found != entries_.end() && found->second.expires_at <= unix_seconds) {
    entries_.erase(found);
    found = entries_.end();
  }
  if (found == entries_.end()) {
    if (entries_.size() >= kMessengerCodesMax) forget_expired(unix_seconds);
    if (entries_.size() >= kMessengerCodesMax) {
      ++counts_.code_waits;
      return {"", "", kMessengerCodeLifeSeconds};
    }
    Entry entry;
    entry.code = fixed_.empty() ? random_code() : fixed_;
    entry.hash = random_hash();
    entry.expires_at = unix_seconds + kMessengerCodeLifeSeconds;
    found = entries_.emplace(phone, std::move(entry)).first;
  }
  Entry& entry = found->second;
  if (entry.wrong >= kMessengerCodeTriesMax || entry.sends >= kMessengerCodeSendsMax) {
    ++counts_.code_waits;
    return {"", "", entry.expires_at - unix_seconds};
  }
  ++entry.sends;
  return {entry.hash, entry.code, 0};
}

const Codes::Entry* Codes::find(std::string_view phone, std::string_view hash,
                                int64_t unix_seconds) const {
  const auto found = entries_.find(std::string(phone));
  if (found == entries_.end() || found->second.expires_at <= unix_seconds) return nullptr;
  return found->second.hash == hash ? &found->second : nullptr;
}

bool Codes::knows(std::string_view phone, std::string_view hash, int64_t unix_seconds) const {
  return find(phone, hash, unix_seconds) != nullptr;
}

Codes::Checked Codes::check(std::string_view phone, std::string_view hash, std::string_view code,
                            int64_t unix_seconds) {
  if (find(phone, hash, unix_seconds) == nullptr) return {Verdict::kExpired, 0};
  Entry& entry = entries_.find(std::string(phone))->second;
  if (entry.wrong >= kMessengerCodeTriesMax) {
    ++counts_.code_waits;
    return {Verdict::kFlood, entry.expires_at - unix_seconds};
  }
  if (!equal_constant_time(as_bytes(entry.code), as_bytes(code))) {
    ++entry.wrong;
    return {Verdict::kWrong, 0};
  }
  entry.proven = true;
  return {Verdict::kRight, 0};
}

bool Codes::proven(std::string_view phone, std::string_view hash, int64_t unix_seconds) const {
  const Entry* entry = find(phone, hash, unix_seconds);
  return entry != nullptr && entry->proven;
}

void Codes::used(std::string_view phone) { entries_.erase(std::string(phone)); }

void Codes::forget_expired(int64_t unix_seconds) {
  std::erase_if(entries_,
                [unix_seconds](const auto& one) { return one.second.expires_at <= unix_seconds; });
}

}  // namespace ringway::shard::messenger
