// The layout of client hellos, whole, cut short and wrong.
#include "tls/client_hello.h"

#include "base/limits.h"
#include "tls/fake_client_hello.h"
#include "tls_testing.h"

namespace ringway::tls {
namespace {

void put_u16(Bytes& out, size_t value) {
  out.push_back(static_cast<uint8_t>(value >> 8));
  out.push_back(static_cast<uint8_t>(value));
}

void put(Bytes& out, const Bytes& bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

// The parts of a hello, for tests that write it wrong.
struct Parts {
  uint16_t version = 0x0303;
  Bytes session_id = Bytes(32, 0x5a);
  Bytes ciphers = hex("13011302");
  Bytes compressions = hex("00");
  Bytes extensions;
  bool with_extensions = true;
  Bytes trailing;

  [[nodiscard]] Bytes record() const {
    Bytes body;
    put_u16(body, version);
    put(body, Bytes(kTlsRandomBytes, 0x77));
    body.push_back(static_cast<uint8_t>(session_id.size()));
    put(body, session_id);
    put_u16(body, ciphers.size());
    put(body, ciphers);
    body.push_back(static_cast<uint8_t>(compressions.size()));
    put(body, compressions);
    if (with_extensions) {
      put_u16(body, extensions.size());
      put(body, extensions);
    }
    put(body, trailing);
    Bytes out = hex("160301");
    put_u16(out, body.size() + 4);
    put(out, hex("0100"));
    put_u16(out, body.size());
    put(out, body);
    return out;
  }
};

Bytes extension(uint16_t type, const Bytes& content) {
  Bytes out;
  put_u16(out, type);
  put_u16(out, content.size());
  put(out, content);
  return out;
}

Bytes name_extension(std::string_view name) {
  Bytes content;
  put_u16(content, name.size() + 3);
  content.push_back(0);
  put_u16(content, name.size());
  content.insert(content.end(), name.begin(), name.end());
  return extension(0, content);
}

Bytes operator+(Bytes a, const Bytes& b) {
  put(a, b);
  return a;
}

Result<ClientHello> read(const Bytes& record) {
  const Result<ByteView> cut = cut_client_hello(record);
  EXPECT_TRUE(cut.ok());
  return read_client_hello(*cut);
}

Error error_of(const Parts& parts) {
  const Bytes record = parts.record();
  return read(record).error();
}

TEST(ClientHello, OfARealClientIsRead) {
  const Bytes record = hex(kKnownHello);
  const Result<ClientHello> hello = read(record);
  ASSERT_TRUE(hello.ok());
  EXPECT_EQ(to_hex(hello->random),
            "5ef08f7376806c76e144bbf49149b2e817cf64e1afb2eb1e779fc736c29710fb");
  EXPECT_EQ(to_hex(hello->session_id),
            "4add81676b873059f7076b6b0f58df76da63a0938e83a24178b84573208c0aae");
  EXPECT_EQ(hello->cipher, 0x1303);
  EXPECT_EQ(hello->server_name, "storage.googleapis.com");
}

TEST(ClientHello, IsCutFromWhatFollowsAndWaitsForItsLastByte) {
  const Bytes record = hex(kKnownHello);
  for (size_t size = 0; size < record.size(); ++size) {
    ASSERT_EQ(cut_client_hello(ByteView(record).first(size)).error(), Error::kTruncated) << size;
  }
  const Bytes longer = record + hex("140303");
  EXPECT_EQ(cut_client_hello(longer)->size(), record.size());
}

TEST(ClientHello, OtherBytesAreRefusedAsSoonAsTheyDiffer) {
  for (const std::string_view start :
       {"15", "1602", "170303", "160300", "160302", "1603010000", "1603010004", "1603014001",
        "160301ffff", "160301020002", "160301020000", "504f5354", "ef", "eeeeeeee", "00"}) {
    EXPECT_EQ(cut_client_hello(hex(start)).error(), Error::kBadTransport) << start;
  }
  for (const std::string_view start : {"", "16", "1603", "160301", "16030140", "1603014000"}) {
    EXPECT_EQ(cut_client_hello(hex(start)).error(), Error::kTruncated) << start;
  }
}

TEST(ClientHello, ValuesThatMeanNothingAreIgnored) {
  Parts parts;
  parts.ciphers =
      hex("7a7a"
          "c02b"
          "1302"
          "1301");
  parts.extensions = extension(0x2a2a, {}) + extension(0xffff, Bytes(300, 1)) +
                     name_extension("Example.org") + extension(0x3a3a, hex("00"));
  const Bytes record = parts.record();
  const Result<ClientHello> hello = read(record);
  ASSERT_TRUE(hello.ok());
  EXPECT_EQ(hello->cipher, 0x1302);
  EXPECT_EQ(hello->server_name, "Example.org");
}

TEST(ClientHello, MayLackNameExtensionsAndCiphersOfTls13) {
  Parts parts;
  EXPECT_EQ(error_of(parts), Error::kNone);
  parts.with_extensions = false;
  parts.session_id = {};
  parts.ciphers =
      hex("1300"
          "1304"
          "c02b");
  const Bytes record = parts.record();
  const Result<ClientHello> hello = read(record);
  ASSERT_TRUE(hello.ok());
  EXPECT_EQ(hello->cipher, 0);
  EXPECT_TRUE(hello->session_id.empty());
  EXPECT_TRUE(hello->server_name.empty());
}

TEST(ClientHello, WrongLayoutsAreRefused) {
  const auto refused = [](auto change) {
    Parts parts;
    parts.extensions = name_extension("example.org");
    change(parts);
    return error_of(parts);
  };
  EXPECT_EQ(refused([](Parts&) {}), Error::kNone);
  EXPECT_EQ(refused([](Parts& p) { p.version = 0x0301; }), Error::kMalformed);
  EXPECT_EQ(refused([](Parts& p) { p.session_id.resize(33); }), Error::kMalformed);
  EXPECT_EQ(refused([](Parts& p) { p.ciphers = {}; }), Error::kMalformed);
  EXPECT_EQ(refused([](Parts& p) { p.ciphers = hex("130113"); }), Error::kMalformed);
  EXPECT_EQ(refused([](Parts& p) { p.compressions = {}; }), Error::kMalformed);
  EXPECT_EQ(refused([](Parts& p) { p.trailing = hex("00"); }), Error::kMalformed);
  EXPECT_EQ(refused([](Parts& p) { p.extensions = p.extensions + p.extensions; }),
            Error::kMalformed);
  EXPECT_EQ(refused([](Parts& p) { p.extensions = p.extensions + hex("00"); }), Error::kTruncated);
  EXPECT_EQ(refused([](Parts& p) { p.extensions = p.extensions + hex("00170001"); }),
            Error::kTruncated);
  for (const std::string_view content :
       {"0000", "0003000000", "000401000161", "000500000161ff", "00040000016100"}) {
    EXPECT_EQ(refused([&](Parts& p) { p.extensions = extension(0, hex(content)); }) == Error::kNone,
              false)
        << content;
  }
}

// A hello over several messages, or several messages in a record, are nobody's of ours.
TEST(ClientHello, MustFillItsRecord) {
  Parts parts;
  const Bytes record = parts.record();
  EXPECT_FALSE(read(with_byte(record, 8, record[8] + 1)).ok());
  EXPECT_FALSE(read(with_byte(record, 8, record[8] - 1)).ok());
  EXPECT_FALSE(read(with_byte(record, 6, 1)).ok());
}

TEST(ClientHello, NoLengthLeadsOutOfIt) {
  const Bytes record = make_fake_client_hello(known_secret(), kKnownSeconds).record;
  // Whatever a byte is changed to, reading ends, inside memory of exactly this size.
  for (size_t at = 0; at < record.size(); ++at) {
    for (const int value : {0x00, 0x01, 0x7f, 0xff, record[at] ^ 1, record[at] ^ 0x80}) {
      const Bytes changed = with_byte(record, at, static_cast<uint8_t>(value));
      const Result<ByteView> cut = cut_client_hello(changed);
      if (!cut) continue;
      const Result<ClientHello> hello = read_client_hello(*cut);
      ASSERT_LE(hello.ok() ? hello->server_name.size() : 0, changed.size());
    }
  }
  // Cut short with lengths that say so, it is never the same hello: only the padding may go.
  for (size_t size = kTlsRecordHeaderBytes + 1; size < record.size(); ++size) {
    Bytes shorter(record.begin(), record.begin() + static_cast<ptrdiff_t>(size));
    shorter[3] = static_cast<uint8_t>((size - 5) >> 8);
    shorter[4] = static_cast<uint8_t>(size - 5);
    const Result<ByteView> cut = cut_client_hello(shorter);
    ASSERT_TRUE(!cut || !read_client_hello(*cut)) << size;
  }
}

TEST(HostNames, AreComparedWithoutCase) {
  EXPECT_TRUE(same_host_name("Example.ORG", "example.org"));
  EXPECT_FALSE(same_host_name("example.org", "example.or"));
  EXPECT_FALSE(same_host_name("example.org", "example.orh"));
  EXPECT_FALSE(same_host_name("", "a"));
  EXPECT_FALSE(same_host_name("[", "{"));
}

}  // namespace
}  // namespace ringway::tls
