// The portable kernel: OpenSSL's AES-256 in ECB mode supplies the block function, the modes are
// here.
//
// The cipher is fetched once per process and each thread keeps its two contexts, because a look-up
// costs more than a short message. A context is re-keyed with zeros after use, so that no key of a
// client rests in it.

#include <openssl/evp.h>

#include <algorithm>
#include <bit>

#include "base/assert.h"
#include "crypto/aes_kernel.h"

namespace ringway::crypto {
namespace {

constexpr size_t kCtrRunBlocks = 64;  // counter blocks given to OpenSSL in one call

const EVP_CIPHER* ecb_cipher() noexcept {
  // Kept for the life of the process: threads may still encrypt while static objects are destroyed.
  static EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-ECB", nullptr);
  return cipher;
}

// One thread's context for one direction.
class BlockContext {
 public:
  explicit BlockContext(int encrypt) noexcept : context_(EVP_CIPHER_CTX_new()) {
    RW_ASSERT(context_ != nullptr);
    const EVP_CIPHER* cipher = ecb_cipher();
    RW_ASSERT(cipher != nullptr);
    const Secret<32> zeros;
    RW_ASSERT(EVP_CipherInit_ex(context_, cipher, nullptr, zeros.data(), nullptr, encrypt) == 1);
    RW_ASSERT(EVP_CIPHER_CTX_set_padding(context_, 0) == 1);
  }
  BlockContext(const BlockContext&) = delete;
  BlockContext& operator=(const BlockContext&) = delete;
  ~BlockContext() { EVP_CIPHER_CTX_free(context_); }

  void set_key(const uint8_t* key) noexcept {
    // -1 keeps the direction, null keeps the cipher.
    RW_ASSERT(EVP_CipherInit_ex(context_, nullptr, nullptr, key, nullptr, -1) == 1);
  }
  void forget_key() noexcept {
    const Secret<32> zeros;
    set_key(zeros.data());
  }
  // In place.
  void run(uint8_t* blocks, size_t size) noexcept {
    int done = 0;
    RW_ASSERT(EVP_CipherUpdate(context_, blocks, &done, blocks, static_cast<int>(size)) == 1);
    RW_ASSERT(static_cast<size_t>(done) == size);
  }

 private:
  EVP_CIPHER_CTX* context_;
};

BlockContext& encrypt_context() noexcept {
  thread_local BlockContext context(1);
  return context;
}

BlockContext& decrypt_context() noexcept {
  thread_local BlockContext context(0);
  return context;
}

struct Block {
  uint64_t low = 0;
  uint64_t high = 0;

  static Block load(const uint8_t* from) noexcept {
    return {load_le<uint64_t>(from), load_le<uint64_t>(from + 8)};
  }
  void store(uint8_t* to) const noexcept {
    store_le(to, low);
    store_le(to + 8, high);
  }
  friend Block operator^(Block a, Block b) noexcept { return {a.low ^ b.low, a.high ^ b.high}; }
};

// iv: the previous ciphertext block, then the previous plaintext block.
void ige_encrypt_run(BlockContext& context, uint8_t* iv, ByteSpan data) noexcept {
  Block previous_cipher = Block::load(iv);
  Block previous_plain = Block::load(iv + kAesBlockBytes);
  for (size_t at = 0; at < data.size(); at += kAesBlockBytes) {
    uint8_t* block = data.data() + at;
    const Block plain = Block::load(block);
    (plain ^ previous_cipher).store(block);
    context.run(block, kAesBlockBytes);
    previous_cipher = Block::load(block) ^ previous_plain;
    previous_cipher.store(block);
    previous_plain = plain;
  }
  previous_cipher.store(iv);
  previous_plain.store(iv + kAesBlockBytes);
}

void ige_decrypt_run(BlockContext& context, uint8_t* iv, ByteSpan data) noexcept {
  Block previous_cipher = Block::load(iv);
  Block previous_plain = Block::load(iv + kAesBlockBytes);
  for (size_t at = 0; at < data.size(); at += kAesBlockBytes) {
    uint8_t* block = data.data() + at;
    const Block cipher = Block::load(block);
    (cipher ^ previous_plain).store(block);
    context.run(block, kAesBlockBytes);
    previous_plain = Block::load(block) ^ previous_cipher;
    previous_plain.store(block);
    previous_cipher = cipher;
  }
  previous_cipher.store(iv);
  previous_plain.store(iv + kAesBlockBytes);
}

void encrypt_piece(IgeKeyIv& state, ByteSpan data) noexcept {
  BlockContext& context = encrypt_context();
  context.set_key(state.key.data());
  ige_encrypt_run(context, state.iv.data(), data);
  context.forget_key();
}

void decrypt_piece(IgeKeyIv& state, ByteSpan data) noexcept {
  BlockContext& context = decrypt_context();
  context.set_key(state.key.data());
  ige_decrypt_run(context, state.iv.data(), data);
  context.forget_key();
}

void encrypt_many(std::span<const IgeJob> jobs) noexcept {
  BlockContext& context = encrypt_context();
  for (const IgeJob& job : jobs) {
    Secret<32> iv = job.key_iv->iv;
    context.set_key(job.key_iv->key.data());
    ige_encrypt_run(context, iv.data(), job.data);
  }
  context.forget_key();
}

void decrypt_many(std::span<const IgeJob> jobs) noexcept {
  BlockContext& context = decrypt_context();
  for (const IgeJob& job : jobs) {
    Secret<32> iv = job.key_iv->iv;
    context.set_key(job.key_iv->key.data());
    ige_decrypt_run(context, iv.data(), job.data);
  }
  context.forget_key();
}

// The counter is one 128-bit big-endian number.
void count_up(std::array<uint8_t, 16>& counter) noexcept {
  for (size_t i = counter.size(); i-- > 0;) {
    if (++counter[i] != 0) return;
  }
}

void ctr_apply(AesCtr::State& state, ByteSpan data) noexcept {
  BlockContext& context = encrypt_context();
  context.set_key(state.key.data());
  Secret<kCtrRunBlocks * kAesBlockBytes> stream;
  while (!data.empty()) {
    // From the start of the block in use, so that a half used one is made again.
    const size_t wanted = std::min(state.offset + data.size(), stream.size());
    const size_t blocks = (wanted + kAesBlockBytes - 1) / kAesBlockBytes;
    std::array<uint8_t, 16> counter = state.counter;
    for (size_t i = 0; i < blocks; ++i) {
      std::memcpy(stream.data() + i * kAesBlockBytes, counter.data(), kAesBlockBytes);
      count_up(counter);
    }
    context.run(stream.data(), blocks * kAesBlockBytes);
    const size_t count = wanted - state.offset;
    for (size_t i = 0; i < count; ++i) data[i] ^= stream.data()[state.offset + i];
    for (size_t i = 0; i < wanted / kAesBlockBytes; ++i) count_up(state.counter);
    state.offset = static_cast<uint8_t>(wanted % kAesBlockBytes);
    data = data.subspan(count);
  }
  context.forget_key();
}

}  // namespace

const AesKernel& aes_kernel_openssl() noexcept {
  static constexpr AesKernel kKernel{"openssl",     decrypt_many,  encrypt_many,
                                     decrypt_piece, encrypt_piece, ctr_apply};
  return kKernel;
}

}  // namespace ringway::crypto
