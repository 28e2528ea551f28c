#include "mtproto/message.h"

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "crypto/random.h"

namespace ringway::mtproto {
namespace {

// Messages worked off side by side: enough to fill the lanes of any kernel twice, few enough to
// stay in the first cache between decryption and hashing.
constexpr size_t kChunkMessages = 32;
constexpr size_t kMsgKeyOffset = 8;
constexpr size_t kMsgKeyBytes = 16;
constexpr size_t kLengthOffset = 28;   // of message_data_length in the plaintext
constexpr size_t kPayloadOffset = 16;  // of msg_id in the plaintext
constexpr size_t kBodyBytesMin = 4;
constexpr size_t kEncryptedBytesMin = 48;  // prefix, the smallest body and padding, in whole blocks
static_assert(kMessagePrefixBytes + kBodyBytesMin + kMessagePaddingMin == kEncryptedBytesMin);

// The x of the specification: where in the auth key each direction looks.
size_t key_shift(Sender sender) noexcept { return sender == Sender::kClient ? 0 : 8; }

ByteView msg_key_salt(const AuthKeyBytes& key, Sender sender) noexcept {
  return key.view().subspan(88 + key_shift(sender), 32);
}

std::span<const uint8_t, kMsgKeyBytes> msg_key_of(ByteView frame) noexcept {
  return frame.subspan(kMsgKeyOffset).first<kMsgKeyBytes>();
}

ByteSpan encrypted_part(ByteSpan frame) noexcept { return frame.subspan(kMessageHeaderBytes); }

bool has_lawful_size(ByteView frame) noexcept {
  if (frame.size() < kMessageHeaderBytes + kEncryptedBytesMin) return false;
  return (frame.size() - kMessageHeaderBytes) % crypto::kAesBlockBytes == 0;
}

// The two hashes that a message's key and iv are cut from: SHA-256 of msg_key and 36 bytes of the
// key, and of 36 other bytes of the key and msg_key.
constexpr size_t kKeyPartBytes = 36;
using KeyHashBlock = crypto::Sha256Block<kMsgKeyBytes + kKeyPartBytes>;

struct KeyHashInput {
  KeyHashBlock a;
  KeyHashBlock b;

  void set(const AuthKeyBytes& key, ByteView msg_key, Sender sender) noexcept {
    const uint8_t* from = key.data() + key_shift(sender);
    std::memcpy(a.bytes.data(), msg_key.data(), kMsgKeyBytes);
    std::memcpy(a.bytes.data() + kMsgKeyBytes, from, kKeyPartBytes);
    std::memcpy(b.bytes.data(), from + 40, kKeyPartBytes);
    std::memcpy(b.bytes.data() + kKeyPartBytes, msg_key.data(), kMsgKeyBytes);
  }
  void forget() noexcept {
    a.forget();
    b.forget();
  }
};
static_assert(sizeof(KeyHashInput) == 2 * sizeof(KeyHashBlock));

struct KeyHashes {
  crypto::Sha256Digest a;
  crypto::Sha256Digest b;
};
static_assert(sizeof(KeyHashes) == 2 * sizeof(crypto::Sha256Digest));

void hash_keys(const KeyHashInput* inputs, KeyHashes* hashes, size_t count) noexcept {
  crypto::sha256_blocks(std::span(&inputs->a, 2 * count), &hashes->a);
}

void cut_key_iv(const KeyHashes& hashes, crypto::IgeKeyIv& out) noexcept {
  const uint8_t* a = hashes.a.data();
  const uint8_t* b = hashes.b.data();
  uint8_t* key = out.key.data();
  std::memcpy(key, a, 8);
  std::memcpy(key + 8, b + 8, 16);
  std::memcpy(key + 24, a + 24, 8);
  uint8_t* iv = out.iv.data();
  std::memcpy(iv, b, 8);
  std::memcpy(iv + 8, a + 8, 16);
  std::memcpy(iv + 24, b + 24, 8);
}

uint32_t quick_ack_token_of(const crypto::Sha256Digest& msg_key_large) noexcept {
  return load_le<uint32_t>(msg_key_large.data()) | 0x8000'0000;
}

ByteView msg_key_in(const crypto::Sha256Digest& msg_key_large) noexcept {
  return ByteView(msg_key_large).subspan(8, kMsgKeyBytes);
}

// Everything after decryption. The msg_key comes first, over all of E: until it matches, nothing in
// the plaintext may be looked at, or the time taken would tell a forger about it.
void check_opened(const crypto::Sha256Digest& msg_key_large, OpenJob& job) noexcept {
  const ByteSpan plaintext = encrypted_part(job.frame);
  if (!equal_constant_time(msg_key_in(msg_key_large), msg_key_of(job.frame))) {
    job.error = Error::kBadMsgKey;
    return;
  }
  const uint64_t body_bytes = load_le<uint32_t>(plaintext.data() + kLengthOffset);
  const uint64_t body_bytes_max = plaintext.size() - kMessagePrefixBytes - kMessagePaddingMin;
  if (body_bytes % 4 != 0 || body_bytes < kBodyBytesMin || body_bytes > body_bytes_max ||
      plaintext.size() - kMessagePrefixBytes - body_bytes > kMessagePaddingMax) {
    job.error = Error::kBadPadding;
    return;
  }
  job.header.salt = load_le<int64_t>(plaintext.data());
  job.header.session_id = load_le<int64_t>(plaintext.data() + 8);
  job.header.msg_id = load_le<int64_t>(plaintext.data() + 16);
  job.header.seq_no = load_le<int32_t>(plaintext.data() + 24);
  job.header.body_bytes = static_cast<uint32_t>(body_bytes);
  job.quick_ack_token = quick_ack_token_of(msg_key_large);
  job.payload =
      plaintext.subspan(kPayloadOffset, kMessagePrefixBytes - kPayloadOffset + body_bytes);
}

// What the messages of a chunk need on their way through the batch calls of the crypto room. Each
// thread keeps one, so that a message costs no setting up; what is secret in it is overwritten
// after each use.
class Chunk {
 public:
  // The calling thread's. One at a time.
  static Chunk& of_thread() noexcept {
    thread_local Chunk chunk;
    return chunk;
  }

  [[nodiscard]] size_t size() const noexcept { return count_; }
  [[nodiscard]] bool full() const noexcept { return count_ == kChunkMessages; }

  // A further message, whose `encrypted` part is decrypted or encrypted in place.
  void add(const AuthKeyBytes& key, Sender sender, ByteSpan encrypted) noexcept {
    body_hashes_[count_].prefix = msg_key_salt(key, sender);
    body_hashes_[count_].body = encrypted;
    ige_jobs_[count_].data = encrypted;
    ++count_;
  }
  void set_msg_key(size_t i, const AuthKeyBytes& key, Sender sender, ByteView msg_key) noexcept {
    key_inputs_[i].set(key, msg_key, sender);
  }
  void derive_keys() noexcept {
    hash_keys(key_inputs_.data(), key_hashes_.data(), count_);
    for (size_t i = 0; i < count_; ++i) {
      cut_key_iv(key_hashes_[i], key_ivs_[i]);
      ige_jobs_[i].key_iv = &key_ivs_[i];
    }
  }
  void hash_bodies() noexcept { crypto::sha256_many(std::span(body_hashes_).first(count_)); }
  [[nodiscard]] const crypto::Sha256Digest& body_hash(size_t i) const noexcept {
    return body_hashes_[i].digest;
  }
  [[nodiscard]] std::span<const crypto::IgeJob> ige() const noexcept {
    return std::span(ige_jobs_).first(count_);
  }
  // Ready for other messages.
  void clear() noexcept {
    for (size_t i = 0; i < count_; ++i) key_inputs_[i].forget();
    cleanse(key_hashes_.data(), count_ * sizeof key_hashes_[0]);
    cleanse(key_ivs_.data(), count_ * sizeof key_ivs_[0]);
    count_ = 0;
  }

 private:
  std::array<crypto::IgeKeyIv, kChunkMessages> key_ivs_;
  std::array<crypto::IgeJob, kChunkMessages> ige_jobs_;
  std::array<KeyHashInput, kChunkMessages> key_inputs_;
  std::array<KeyHashes, kChunkMessages> key_hashes_;
  std::array<crypto::Sha256Job, kChunkMessages> body_hashes_;
  size_t count_ = 0;
};

// Takes jobs from `jobs` until the chunk is full; returns how many were looked at.
size_t open_chunk(std::span<OpenJob> jobs) noexcept {
  Chunk& chunk = Chunk::of_thread();
  std::array<OpenJob*, kChunkMessages> taken;
  size_t seen = 0;
  for (; seen < jobs.size() && !chunk.full(); ++seen) {
    OpenJob& job = jobs[seen];
    if (!has_lawful_size(job.frame)) {
      job.error = Error::kBadLength;
      continue;
    }
    RW_ASSERT(job.key != nullptr);
    job.error = Error::kNone;
    const size_t i = chunk.size();
    taken[i] = &job;
    chunk.add(*job.key, job.sender, encrypted_part(job.frame));
    chunk.set_msg_key(i, *job.key, job.sender, msg_key_of(job.frame));
  }
  chunk.derive_keys();
  crypto::ige_decrypt_many(chunk.ige());
  chunk.hash_bodies();
  for (size_t i = 0; i < chunk.size(); ++i) check_opened(chunk.body_hash(i), *taken[i]);
  chunk.clear();
  return seen;
}

void assert_sealable(const SealJob& job) noexcept {
  RW_ASSERT(job.key != nullptr);
  RW_ASSERT(job.plaintext_bytes >= kMessagePrefixBytes);
  RW_ASSERT(job.out.size() >= sealed_bytes(job.plaintext_bytes));
  const size_t encrypted_bytes = job.out.size() - kMessageHeaderBytes;
  RW_ASSERT(encrypted_bytes % crypto::kAesBlockBytes == 0);
  RW_ASSERT(encrypted_bytes - job.plaintext_bytes <= kMessagePaddingMax);
}

// Writes all of the frame that does not depend on the msg_key.
void put_key_id_and_padding(const SealJob& job) noexcept {
  store_le(job.out.data(), job.auth_key_id);
  crypto::random_padding(job.out.subspan(kMessageHeaderBytes + job.plaintext_bytes));
}

void put_msg_key(const crypto::Sha256Digest& msg_key_large, SealJob& job) noexcept {
  std::memcpy(job.out.data() + kMsgKeyOffset, msg_key_in(msg_key_large).data(), kMsgKeyBytes);
  job.quick_ack_token = quick_ack_token_of(msg_key_large);
}

// Seals the first jobs, as many as the chunk takes; returns how many.
size_t seal_chunk(std::span<SealJob> jobs) noexcept {
  Chunk& chunk = Chunk::of_thread();
  jobs = jobs.first(std::min(jobs.size(), kChunkMessages));
  for (const SealJob& job : jobs) {
    assert_sealable(job);
    put_key_id_and_padding(job);
    chunk.add(*job.key, job.sender, encrypted_part(job.out));
  }
  chunk.hash_bodies();
  for (size_t i = 0; i < jobs.size(); ++i) {
    put_msg_key(chunk.body_hash(i), jobs[i]);
    chunk.set_msg_key(i, *jobs[i].key, jobs[i].sender, msg_key_of(jobs[i].out));
  }
  chunk.derive_keys();
  crypto::ige_encrypt_many(chunk.ige());
  chunk.clear();
  return jobs.size();
}

crypto::IgeKeyIv derived(const AuthKeyBytes& key, ByteView frame, Sender sender) noexcept {
  crypto::IgeKeyIv out;
  derive_key_iv(key, msg_key_of(frame), sender, out);
  return out;
}

void assert_slice(size_t bytes_max) noexcept {
  RW_ASSERT(bytes_max > 0);
  RW_ASSERT(bytes_max % 64 == 0);
}

}  // namespace

int64_t auth_key_id(const AuthKeyBytes& key) noexcept {
  return load_le<int64_t>(crypto::sha1({key.view()}).data() + 12);
}

int64_t auth_key_aux_hash(const AuthKeyBytes& key) noexcept {
  return load_le<int64_t>(crypto::sha1({key.view()}).data());
}

void derive_key_iv(const AuthKeyBytes& key, std::span<const uint8_t, 16> msg_key, Sender sender,
                   crypto::IgeKeyIv& out) noexcept {
  KeyHashInput input;
  KeyHashes hashes;
  input.set(key, msg_key, sender);
  hash_keys(&input, &hashes, 1);
  cut_key_iv(hashes, out);
  input.forget();
  cleanse(&hashes, sizeof hashes);
}

void open_many(std::span<OpenJob> jobs) noexcept {
  while (!jobs.empty()) jobs = jobs.subspan(open_chunk(jobs));
}

size_t sealed_bytes(size_t plaintext_bytes, size_t extra_blocks) noexcept {
  const size_t smallest = plaintext_bytes + kMessagePaddingMin;
  const size_t blocks = (smallest + crypto::kAesBlockBytes - 1) / crypto::kAesBlockBytes;
  return kMessageHeaderBytes + (blocks + extra_blocks) * crypto::kAesBlockBytes;
}

void seal_many(std::span<SealJob> jobs) noexcept {
  while (!jobs.empty()) jobs = jobs.subspan(seal_chunk(jobs));
}

SlicedOpen::SlicedOpen(const AuthKeyBytes& key, ByteSpan frame, Sender sender) noexcept
    : stream_(has_lawful_size(frame) ? derived(key, frame, sender) : crypto::IgeKeyIv{},
              crypto::IgeDirection::kDecrypt) {
  job_.key = &key;
  job_.frame = frame;
  job_.sender = sender;
  if (!has_lawful_size(frame)) job_.error = Error::kBadLength;
  hash_.update(msg_key_salt(key, sender));
}

bool SlicedOpen::step(size_t bytes_max) noexcept {
  assert_slice(bytes_max);
  if (job_.error == Error::kBadLength) return true;
  const ByteSpan left = encrypted_part(job_.frame).subspan(done_bytes_);
  if (left.empty()) return true;
  const ByteSpan slice = left.first(std::min(left.size(), bytes_max));
  stream_.update(slice);
  hash_.update(slice);
  done_bytes_ += slice.size();
  if (slice.size() != left.size()) return false;
  check_opened(hash_.finish(), job_);
  return true;
}

SlicedSeal::SlicedSeal(const SealJob& job) noexcept
    : job_(job), stream_(crypto::IgeKeyIv{}, crypto::IgeDirection::kEncrypt) {
  assert_sealable(job_);
  put_key_id_and_padding(job_);
  hash_.update(msg_key_salt(*job_.key, job_.sender));
}

bool SlicedSeal::step(size_t bytes_max) noexcept {
  assert_slice(bytes_max);
  if (pass_ == Pass::kDone) return true;
  const ByteSpan left = encrypted_part(job_.out).subspan(done_bytes_);
  const ByteSpan slice = left.first(std::min(left.size(), bytes_max));
  done_bytes_ += slice.size();
  const bool last = slice.size() == left.size();
  if (pass_ == Pass::kEncrypt) {
    stream_.update(slice);
    if (last) pass_ = Pass::kDone;
    return last;
  }
  hash_.update(slice);
  if (last) {
    put_msg_key(hash_.finish(), job_);
    stream_ = crypto::IgeStream(derived(*job_.key, job_.out, job_.sender),
                                crypto::IgeDirection::kEncrypt);
    pass_ = Pass::kEncrypt;
    done_bytes_ = 0;
  }
  return false;
}

}  // namespace ringway::mtproto
