#include "mtproto/obfuscation.h"

#include <algorithm>

#include "transport_testing.h"

namespace ringway::mtproto::testing {
namespace {

TransportSecret secret_of(std::string_view text) {
  return TransportSecret(std::span<const uint8_t, 16>(hex(text)));
}

ObfuscationInit init_of(const Bytes& bytes) { return ObfuscationInit(bytes.data(), 64); }

void expect_stream(crypto::AesCtr& stream, std::string_view from, std::string_view to) {
  Bytes bytes = hex(from);
  stream.apply(bytes);
  EXPECT_EQ(to_hex(bytes), to);
}

constexpr std::string_view kSecretInit =
    "f5768f50b731260a46be1027c2eeaa39350624f0b6da59eba56c81fe4510c2e0"
    "b61d3dd323ee02388633e3837a0c1c24fa6f29ccd724be6fbea2dde16dc59dd2";

TEST(Obfuscation, DerivesPublishedKeysFromAnInitWithASecret) {
  const Bytes init = hex(kSecretInit);
  const TransportSecret secret = secret_of("8a96ef6e42a18c21837580cd1c91c5a8");
  Result<ObfuscationOpening> opening = read_obfuscation_init(init_of(init), &secret);
  ASSERT_TRUE(opening.ok());
  EXPECT_EQ(opening->kind, TransportKind::kPadded);
  EXPECT_EQ(opening->dc, 2);
  ObfuscationStreams& streams = opening->streams;
  EXPECT_EQ(to_hex(streams.client_to_server.state().key.view()),
            "5a4be5232bb556e470df2c648164f0ec1bdf53a0c799f40fb3d3935784a826c1");
  EXPECT_EQ(to_hex(streams.server_to_client.state().key.view()),
            "b2046c5af17d0e09b8a4c74ae4afdc6ea67ef1583be1fa8d89ecdb889e6df105");
  EXPECT_EQ(to_hex(streams.server_to_client.state().counter), "eb59dab6f024063539aaeec22710be46");
  expect_stream(streams.client_to_server, "ca7a8226", "61626364");
  expect_stream(streams.server_to_client, "61626364", "8f711982");
}

TEST(Obfuscation, ClientSealsThePublishedTail) {
  Bytes init(64, 0x61);
  const TransportSecret secret = secret_of("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
  (void)seal_obfuscation_init(std::span<uint8_t, 64>(init), TransportKind::kPadded, 2, &secret);
  EXPECT_EQ(to_hex(ByteView(init).last(8)), "ab4162424f66fddc");
  EXPECT_EQ(ByteView(init)[55], 0x61);
}

TEST(Obfuscation, ReadsInitsRecordedByAnotherServer) {
  const TransportSecret secret = secret_of("367a189aee18fa31c190054efd4a8e95");
  struct Case {
    std::string_view init, server_wire, client_wire;
  };
  for (const Case& c : {Case{"803717c1a318e11c2547e9c9c3e20b0ebd76dd42471e38c4fd4e691789bf634e"
                             "00987ee512910be946119c86036c394e1d20f17354e8ce23ef36524987c44ca3",
                             "c195774d1dfd97d9d1a1", "e30663ea65147b"},
                        Case{"3365b2c5e8b021007e64e17137348d1edbbd39d11291fc6fdc990a162982c54a"
                             "18037043fd097d9d707f388a2708a2d4282712d15cd9d8febffb9a10f4623c60",
                             "b73030ac2cf4d2874446", "42422fc0640380"}}) {
    const Bytes init = hex(c.init);
    Result<ObfuscationOpening> opening = read_obfuscation_init(init_of(init), &secret);
    ASSERT_TRUE(opening.ok());
    EXPECT_EQ(opening->kind, TransportKind::kPadded);
    EXPECT_EQ(opening->dc, 2);
    expect_stream(opening->streams.server_to_client, "0102030405060708090a", c.server_wire);
    expect_stream(opening->streams.client_to_server, c.client_wire, "61626364656667");
  }
}

TEST(Obfuscation, TriesEverySecretAndRefusesTheRest) {
  const Bytes init = hex(kSecretInit);
  const TransportSecret right = secret_of("8a96ef6e42a18c21837580cd1c91c5a8");
  const TransportSecret wrong = secret_of("8a96ef6e42a18c21837580cd1c91c5a9");
  const std::vector<TransportSecret> both = {wrong, right};
  EXPECT_TRUE(read_obfuscation_init(init_of(init), both).ok());
  const std::vector<TransportSecret> one = {wrong};
  EXPECT_EQ(read_obfuscation_init(init_of(init), one).error(), Error::kBadTransport);
  EXPECT_EQ(read_obfuscation_init(init_of(init), std::vector<TransportSecret>{}).error(),
            Error::kBadTransport);
}

TEST(Obfuscation, SealedInitsAreReadBackWithAnyDc) {
  std::mt19937_64 random(5);
  for (const TransportKind kind :
       {TransportKind::kAbridged, TransportKind::kIntermediate, TransportKind::kPadded}) {
    for (const int16_t dc : {int16_t{0}, int16_t{2}, int16_t{-10002}, int16_t{0x7fff},
                             static_cast<int16_t>(random())}) {
      for (const bool with_secret : {false, true}) {
        const TransportSecret secret = secret_of("00112233445566778899aabbccddeeff");
        const TransportSecret* used = with_secret ? &secret : nullptr;
        Bytes init(64);
        draw_obfuscation_init(std::span<uint8_t, 64>(init));
        ObfuscationStreams client =
            seal_obfuscation_init(std::span<uint8_t, 64>(init), kind, dc, used);
        Result<ObfuscationOpening> server = read_obfuscation_init(init_of(init), used);
        ASSERT_TRUE(server.ok());
        EXPECT_EQ(server->kind, kind);
        EXPECT_EQ(server->dc, dc);
        Bytes bytes = random_payload(random, 33);
        const Bytes before = bytes;
        client.client_to_server.apply(bytes);
        EXPECT_NE(bytes, before);
        server->streams.client_to_server.apply(bytes);
        EXPECT_EQ(bytes, before);
      }
    }
  }
}

TEST(Obfuscation, ReservedOpeningsAreKnownAndNeverDrawn) {
  for (const std::string_view reserved :
       {"ef41414141414141", "eeeeeeee41414141", "dddddddd41414141", "504f535441414141",
        "4745542041414141", "4845414441414141", "4f50544941414141", "1603010241414141",
        "5056724741414141", "4141414100000000"}) {
    EXPECT_TRUE(is_reserved_opening(std::span<const uint8_t, 8>(hex(reserved)))) << reserved;
  }
  for (const std::string_view free :
       {"eeeeee4141414141", "1603010141414141", "4141414100000001", "4141414101000000"}) {
    EXPECT_FALSE(is_reserved_opening(std::span<const uint8_t, 8>(hex(free)))) << free;
  }
  Bytes init(64);
  for (int i = 0; i < 2000; ++i) {
    draw_obfuscation_init(std::span<uint8_t, 64>(init));
    EXPECT_NE(init[0], 0xef);
  }
}

}  // namespace
}  // namespace ringway::mtproto::testing
