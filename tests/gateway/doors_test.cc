// Every stack of doors with a client that keeps to the protocols: what goes in at one end comes out
// at the other, however it is cut.
#include "gateway/doors.h"

#include "gateway/doors_testing.h"

namespace ringway::gateway {
namespace {

using testing::all_stacks;
using testing::Arrival;
using testing::at_random;
using testing::bytes_of;
using testing::Cut;
using testing::Entrance;
using testing::in_pieces_of;
using testing::kUnixSeconds;
using testing::make_stack;
using testing::payload_of;
using testing::Stack;
using testing::Talk;
using testing::with_fake_tls;
using testing::with_proxy;

struct Visit {
  Bytes up;
  Bytes down;
  unsigned begins = 0;
  unsigned headers_done = 0;
  bool plain = false;
  bool failed = false;
  std::optional<net::PeerAddress> peer;
  std::vector<uint64_t> counted;
  bool operator==(const Visit&) const = default;
};

constexpr Counter kDoorCounters[] = {
    Counter::kProxyHeadersRefused, Counter::kTlsHandshakes,      Counter::kTlsHandshakesFailed,
    Counter::kTlsErrors,           Counter::kWebSocketsOpened,   Counter::kWebSocketErrors,
    Counter::kHttpRequestsRefused, Counter::kFakeTlsOpened,      Counter::kFakeTlsRefused,
    Counter::kFakeTlsReplays,      Counter::kFakeTlsReplaysFull, Counter::kFakeTlsErrors,
    Counter::kTlsHandshakesLimited};

// A client that sends `up` in writes of these sizes, and hears `down`.
Visit visit(const Stack& stack, const Bytes& up, const Cut& writes, const Bytes& down,
            const Cut& cut) {
  Entrance entrance(stack.listener);
  Arrival arrival(entrance);
  Talk talk(stack.client);
  EXPECT_TRUE(talk.client.start(kUnixSeconds, talk.out).ok()) << talk.client.problem();
  for (ByteView rest = up; !rest.empty();) {
    const size_t size = std::min(writes(), rest.size());
    EXPECT_TRUE(talk.client.wrap(rest.first(size), talk.out).ok());
    rest = rest.subspan(size);
    if (talk.client.is_open() && writes() % 2 == 0) talk.run(arrival, cut);
  }
  talk.run(arrival, cut);
  EXPECT_TRUE(talk.client.is_open()) << talk.client.problem();
  EXPECT_TRUE(arrival.send(down));
  talk.run(arrival, cut);
  EXPECT_TRUE(talk.result.ok()) << talk.client.problem();

  Visit seen;
  seen.up = std::move(arrival.stream);
  seen.down = std::move(talk.stream);
  seen.begins = arrival.begins;
  seen.headers_done = arrival.headers_done;
  seen.plain = arrival.plain;
  seen.failed = arrival.failed;
  seen.peer = arrival.peer;
  for (const Counter counter : kDoorCounters) seen.counted.push_back(arrival.count(counter));
  EXPECT_EQ(arrival.doors().buffered_bytes(), 0U) << "nothing is held once all has come";
  return seen;
}

TEST(Doors, EveryStackCarriesTheStreamHoweverItIsCut) {
  const Bytes up = payload_of(3000);
  const Bytes down = payload_of(700, 2);
  for (const Stack& stack : all_stacks()) {
    SCOPED_TRACE(stack.name);
    const Visit whole = visit(stack, up, in_pieces_of(SIZE_MAX), down, in_pieces_of(SIZE_MAX));
    EXPECT_EQ(whole.up, up);
    EXPECT_EQ(whole.down, down);
    EXPECT_FALSE(whole.failed);
    EXPECT_EQ(whole.headers_done, stack.listener.proxy_protocol.enabled ? 1U : 0U);
    EXPECT_EQ(whole.peer.has_value(), stack.listener.proxy_protocol.enabled);
    if (whole.peer) {
      EXPECT_EQ(whole.peer->to_string(), "203.0.113.7:50007");
    }
    const bool naked =
        !stack.client.tls && !stack.client.websocket && !stack.client.fake_tls.has_value();
    EXPECT_EQ(whole.plain, naked) << "nothing is left to unwrap";
    for (size_t i = 0; i < std::size(kDoorCounters); ++i) {
      const Counter counter = kDoorCounters[i];
      const bool expected = (counter == Counter::kTlsHandshakes && stack.client.tls) ||
                            (counter == Counter::kWebSocketsOpened && stack.client.websocket) ||
                            (counter == Counter::kFakeTlsOpened && stack.client.fake_tls);
      EXPECT_EQ(whole.counted[i], expected ? 1U : 0U) << i;
    }
    EXPECT_EQ(visit(stack, up, in_pieces_of(SIZE_MAX), down, in_pieces_of(1)), whole);
    for (uint64_t seed = 1; seed <= 10; ++seed) {
      EXPECT_EQ(visit(stack, up, at_random(seed, 900), down, at_random(seed + 100, 900)), whole)
          << "seed " << seed;
    }
    if (HasFailure()) return;
  }
}

// Records, frames and reads of all sizes, so that they end in each other's middle.
TEST(Doors, LargeStreamsComeThroughWhole) {
  const Bytes up = payload_of(300'000);
  const Bytes down = payload_of(200'000, 2);
  for (const Stack& stack : all_stacks()) {
    SCOPED_TRACE(stack.name);
    for (uint64_t seed = 1; seed <= 6; ++seed) {
      const Visit seen =
          visit(stack, up, at_random(seed, 20'000), down, at_random(seed + 50, 6000));
      EXPECT_EQ(seen.up, up) << "seed " << seed;
      EXPECT_EQ(seen.down, down) << "seed " << seed;
    }
    if (HasFailure()) return;
  }
}

// The stream has the rules of what it came through.
TEST(Doors, TheStreamBeginsWithTheRulesOfItsDoor) {
  for (const Stack& stack : all_stacks()) {
    SCOPED_TRACE(stack.name);
    Entrance entrance(stack.listener);
    Arrival arrival(entrance);
    Talk talk(stack.client);
    ASSERT_TRUE(talk.client.start(kUnixSeconds, talk.out).ok());
    ASSERT_TRUE(talk.client.wrap(payload_of(100), talk.out).ok());
    talk.run(arrival, in_pieces_of(SIZE_MAX));
    const ListenerDoors& listener = arrival.listener();
    if (stack.client.websocket) {
      EXPECT_EQ(arrival.begun, &listener.wrapped);
      EXPECT_TRUE(arrival.begun->always_obfuscated);
    } else if (stack.client.fake_tls) {
      EXPECT_EQ(arrival.begun, &listener.fake.front());
      ASSERT_EQ(arrival.begun->secrets.size(), 1U);
      EXPECT_TRUE(equal(arrival.begun->secrets.front().view(), stack.client.fake_tls->key.view()));
    } else if (arrival.begun != nullptr) {
      EXPECT_EQ(arrival.begun, &listener.plain);
    }
  }
}

TEST(Doors, OutputOfEverySizeComesOutAtTheClient) {
  constexpr size_t kSizes[] = {1,      4,      125,    126,    16'384,
                               16'385, 65'535, 65'536, 70'000, 2 * 1024 * 1024};
  for (const Stack& stack : all_stacks()) {
    SCOPED_TRACE(stack.name);
    Entrance entrance(stack.listener);
    Arrival arrival(entrance);
    Talk talk(stack.client);
    ASSERT_TRUE(talk.client.start(kUnixSeconds, talk.out).ok());
    ASSERT_TRUE(talk.client.wrap(payload_of(100), talk.out).ok());
    talk.run(arrival, in_pieces_of(SIZE_MAX));
    Bytes expected;
    for (const size_t size : kSizes) {
      const Bytes payload = payload_of(size, size);
      ASSERT_TRUE(arrival.send(payload));
      expected = testing::operator+(std::move(expected), payload);
    }
    talk.run(arrival, at_random(9, 40'000));
    EXPECT_TRUE(talk.result.ok()) << talk.client.problem();
    EXPECT_TRUE(talk.stream == expected);
  }
}

// The last words are said once, and the client understands them.
TEST(Doors, GoodbyesAreSaidOnce) {
  for (const Stack& stack : all_stacks()) {
    SCOPED_TRACE(stack.name);
    Entrance entrance(stack.listener);
    Arrival arrival(entrance);
    Talk talk(stack.client);
    ASSERT_TRUE(talk.client.start(kUnixSeconds, talk.out).ok());
    ASSERT_TRUE(talk.client.wrap(payload_of(100), talk.out).ok());
    talk.run(arrival, in_pieces_of(SIZE_MAX));
    arrival.close();
    const Bytes last = arrival.sent;
    talk.run(arrival, in_pieces_of(SIZE_MAX));
    arrival.close();
    EXPECT_TRUE(arrival.sent.empty()) << "said twice";
    if (stack.client.websocket) {
      EXPECT_EQ(talk.result.error(), Error::kNotFound);
      EXPECT_EQ(talk.client.problem(), "WebSocket: closed by the server with 1000");
    } else if (stack.client.tls) {
      EXPECT_EQ(talk.result.error(), Error::kNotFound);
      EXPECT_EQ(talk.client.problem(), "TLS: closed by the server");
    } else {
      EXPECT_TRUE(last.empty()) << "there is nothing to say it in";
    }
  }
}

// Nobody is told anything before its door is open, and nothing can be sent there.
TEST(Doors, NothingIsSentThroughADoorThatIsNotOpen) {
  for (const Stack& stack : all_stacks()) {
    const bool begins_at_once = stack.listener.protocol == config::Protocol::kTcp &&
                                stack.listener.fake_tls_secrets.empty() && !stack.listener.tls;
    if (begins_at_once) continue;
    SCOPED_TRACE(stack.name);
    Entrance entrance(stack.listener);
    Arrival arrival(entrance);
    EXPECT_FALSE(arrival.send(payload_of(16)));
    arrival.close();
    EXPECT_TRUE(arrival.sent.empty());
  }
}

// --- the handshake of TLS, away on the pool

Stack tls_stack() { return testing::with_tls(testing::make_stack("TLS")); }

TEST(DoorsTls, WhatComesWhileAStepIsAwayIsReadAfterIt) {
  const Stack stack = tls_stack();
  Entrance entrance(stack.listener);
  Arrival arrival(entrance);
  arrival.pool_is_slow = true;
  Talk talk(stack.client);
  ASSERT_TRUE(talk.client.start(kUnixSeconds, talk.out).ok());
  feed(arrival, std::exchange(talk.out, Bytes()), in_pieces_of(100));
  ASSERT_NE(arrival.at_pool, nullptr);
  arrival.run_pool();
  ASSERT_EQ(arrival.at_pool, nullptr);

  // The client's last step, and its first words right behind it.
  Bytes flight = std::exchange(arrival.sent, Bytes());
  ASSERT_TRUE(talk.client.receive(flight, talk.stream, talk.out).ok());
  ASSERT_TRUE(talk.client.is_open());
  const Bytes finished = std::exchange(talk.out, Bytes());
  const Bytes words = payload_of(40'000);
  ASSERT_TRUE(talk.client.wrap(words, talk.out).ok());
  const Bytes behind = std::exchange(talk.out, Bytes());
  while (arrival.at_pool == nullptr) feed(arrival, finished, in_pieces_of(SIZE_MAX));
  feed(arrival, behind, in_pieces_of(3000));
  EXPECT_EQ(arrival.doors().buffered_bytes(), behind.size());
  EXPECT_TRUE(arrival.stream.empty());
  EXPECT_FALSE(arrival.send(payload_of(4))) << "the cipher is away";

  arrival.run_pool();
  EXPECT_EQ(arrival.at_pool, nullptr);
  arrival.go_on();
  EXPECT_TRUE(arrival.stream == words);
  EXPECT_EQ(arrival.doors().buffered_bytes(), 0U);
  EXPECT_EQ(arrival.count(Counter::kTlsHandshakes), 1U);
}

// A client of TLS 1.3 is done before the server, and may begin with an upload.
TEST(DoorsTls, AnUploadRightBehindTheHandshakeIsTaken) {
  const Stack stack = tls_stack();
  Entrance entrance(stack.listener);
  Arrival arrival(entrance);
  arrival.pool_is_slow = true;
  Talk talk(stack.client);
  ASSERT_TRUE(talk.client.start(kUnixSeconds, talk.out).ok());
  feed(arrival, std::exchange(talk.out, Bytes()), in_pieces_of(SIZE_MAX));
  arrival.run_pool();
  Bytes flight = std::exchange(arrival.sent, Bytes());
  ASSERT_TRUE(talk.client.receive(flight, talk.stream, talk.out).ok());
  ASSERT_TRUE(talk.client.is_open());
  const Bytes words = payload_of(10 * kTlsInputBytesMax);
  for (ByteView rest = words; !rest.empty();) {
    const size_t count = std::min<size_t>(rest.size(), 50'000);
    ASSERT_TRUE(talk.client.wrap(rest.first(count), talk.out).ok());
    rest = rest.subspan(count);
  }
  const ByteView wire(talk.out);
  const size_t cut = 2 * kTlsInputBytesMax;
  arrival.read(wire.first(cut));
  ASSERT_NE(arrival.at_pool, nullptr);
  feed(arrival, wire.subspan(cut), in_pieces_of(4096));
  ASSERT_FALSE(arrival.failed);
  // A slice each time, so that nobody else on the worker waits for all of it.
  arrival.run_pool();
  size_t taken = arrival.stream.size();
  EXPECT_LE(taken, cut) << "what came with the last step";
  EXPECT_TRUE(arrival.doors().may_go_on());
  // What comes meanwhile stands behind it.
  const Bytes last = payload_of(1000, 7);
  talk.out.clear();
  ASSERT_TRUE(talk.client.wrap(last, talk.out).ok());
  feed(arrival, talk.out, in_pieces_of(100));
  EXPECT_EQ(arrival.stream.size(), taken);
  for (int i = 0; i < 100 && arrival.doors().may_go_on(); ++i) {
    arrival.go_on_once();
    constexpr size_t kRecordBytes = 16 * 1024;  // what was left of one ends with the slice
    EXPECT_LE(arrival.stream.size(), taken + kCryptoSliceBytes + kRecordBytes);
    taken = arrival.stream.size();
  }
  EXPECT_FALSE(arrival.failed);
  EXPECT_TRUE(arrival.stream == testing::operator+(words, last));
  EXPECT_EQ(arrival.doors().buffered_bytes(), 0U);
}

TEST(DoorsTls, MoreThanFitsWhileAStepIsAwayEndsTheConnection) {
  const Stack stack = tls_stack();
  Entrance entrance(stack.listener);
  Arrival arrival(entrance);
  arrival.pool_is_slow = true;
  Talk talk(stack.client);
  ASSERT_TRUE(talk.client.start(kUnixSeconds, talk.out).ok());
  feed(arrival, talk.out, in_pieces_of(SIZE_MAX));
  ASSERT_NE(arrival.at_pool, nullptr);
  const size_t most = entrance.doors->held_bytes_max;
  feed(arrival, Bytes(most, 0x17), in_pieces_of(4096));
  EXPECT_FALSE(arrival.failed);
  EXPECT_EQ(arrival.most_held, most);
  arrival.read(Bytes(1, 0x17));
  EXPECT_TRUE(arrival.failed);
  EXPECT_EQ(arrival.count(Counter::kTlsHandshakesFailed), 1U);
  EXPECT_EQ(arrival.doors().buffered_bytes(), 0U);
  EXPECT_TRUE(arrival.sent.empty());
}

// Two records that end in one read are both there after it, although together they are more than
// what is read at once: what was opened and not taken would wait for the client's next word.
TEST(DoorsTls, RecordsThatEndInOneReadAreAllReadThen) {
  const Stack stack = tls_stack();
  Entrance entrance(stack.listener);
  Arrival arrival(entrance);
  Talk talk(stack.client);
  ASSERT_TRUE(talk.client.start(kUnixSeconds, talk.out).ok());
  talk.run(arrival, in_pieces_of(SIZE_MAX));
  const Bytes first = payload_of(14'000);
  const Bytes second = payload_of(4000, 2);
  ASSERT_TRUE(talk.client.wrap(first, talk.out).ok());
  ASSERT_TRUE(talk.client.wrap(second, talk.out).ok());
  const ByteView wire(talk.out);
  constexpr size_t kCut = 13'900;
  arrival.read(wire.first(kCut));
  EXPECT_TRUE(arrival.stream.empty());
  arrival.read(wire.subspan(kCut));
  EXPECT_TRUE(arrival.stream == testing::operator+(first, second));
}

// Requests that came before close_notify are answered, also those that came with it in one read.
TEST(DoorsTls, ACloseNotifyBehindRequestsLetsThemBeAnswered) {
  const Stack stack = testing::with_tls(make_stack("https", config::Protocol::kHttp));
  Entrance entrance(stack.listener);
  Arrival arrival(entrance);
  tls::TlsStream client(stack.client.tls, stack.client.server_name);
  const auto said = [&client] {
    const ByteView pending = client.pending_output();
    Bytes bytes(pending.begin(), pending.end());
    client.consume_output(bytes.size());
    return bytes;
  };
  for (int i = 0; i < 4 && !(client.handshake_done() && arrival.sent.empty()); ++i) {
    ASSERT_TRUE(client.receive(std::exchange(arrival.sent, Bytes())).ok());
    ASSERT_TRUE(client.handshake_step().ok());
    arrival.read(said());
  }
  ASSERT_TRUE(client.handshake_done());
  const std::string head = "POST /api HTTP/1.1\r\nContent-Length: 8\r\n\r\n";
  ASSERT_TRUE(client.write(as_bytes(head + "12345678")).ok());
  ASSERT_TRUE(client.write(as_bytes(head + "abcdefgh")).ok());
  client.close_notify();
  arrival.read(said());
  ASSERT_FALSE(arrival.failed);
  EXPECT_EQ(as_text(arrival.stream).substr(4), "12345678");
  TurnBytes kept;
  Bytes reply;
  for (const std::string_view next : {"abcdefgh", ""}) {
    ASSERT_TRUE(arrival.doors().awaits_answer());
    arrival.sent.clear();
    EXPECT_TRUE(arrival.send(payload_of(door::kHttpFrameHeaderBytes + 12)));
    EXPECT_FALSE(arrival.sent.empty());
    ASSERT_TRUE(arrival.doors().may_go_on());
    const Doors::Outcome outcome =
        arrival.doors().go_on(testing::kNow, kept, entrance.counters, reply);
    EXPECT_EQ(outcome.failed, next.empty());
    if (!next.empty()) {
      EXPECT_EQ(as_text(outcome.stream).substr(door::kHttpFrameHeaderBytes), next);
    }
  }
}

// A record that is not whole counts as held.
TEST(DoorsTls, APartOfARecordIsCounted) {
  const Stack stack = tls_stack();
  Entrance entrance(stack.listener);
  Arrival arrival(entrance);
  Talk talk(stack.client);
  ASSERT_TRUE(talk.client.start(kUnixSeconds, talk.out).ok());
  talk.run(arrival, in_pieces_of(SIZE_MAX));
  EXPECT_EQ(arrival.doors().buffered_bytes(), 0U);
  ASSERT_TRUE(talk.client.wrap(payload_of(16'000), talk.out).ok());
  arrival.read(ByteView(talk.out).first(15'000));
  EXPECT_GE(arrival.doors().buffered_bytes(), 15'000U);
  EXPECT_LE(arrival.doors().buffered_bytes(), kTlsInputBytesMax);
  arrival.read(ByteView(talk.out).subspan(15'000));
  EXPECT_EQ(arrival.doors().buffered_bytes(), 0U);
  EXPECT_EQ(arrival.stream.size(), 16'000U);
}

// Who is in the middle of its session keeps its certificate; the next one gets the new one.
TEST(DoorsTls, ANewContextIsForThoseWhoComeLater) {
  tls::TestFiles files;
  const tls::TestCertificate first = tls::make_certificate();
  const tls::TestCertificate second = tls::make_certificate();
  Stack stack = tls_stack();
  stack.client.server_name = "gateway.example";
  Entrance entrance(stack.listener);
  entrance.doors->set_tls_context(tls::server_context(first));
  Arrival before(entrance);
  entrance.doors->set_tls_context(tls::server_context(second));
  Arrival after(entrance);
  const std::pair<Arrival*, const tls::TestCertificate*> visits[] = {{&before, &first},
                                                                     {&after, &second}};
  for (const auto& [arrival, certificate] : visits) {
    const tls::TlsLoaded trusted = tls::TlsContext::client(
        {.ca_file = files.write("ca.pem", certificate->certificate), .insecure = false});
    ASSERT_NE(trusted.context, nullptr) << trusted.error;
    stack.client.tls = trusted.context;
    Talk talk(stack.client);
    ASSERT_TRUE(talk.client.start(kUnixSeconds, talk.out).ok());
    ASSERT_TRUE(talk.client.wrap(payload_of(10), talk.out).ok());
    talk.run(*arrival, in_pieces_of(SIZE_MAX));
    EXPECT_TRUE(talk.result.ok()) << talk.client.problem();
    EXPECT_EQ(arrival->stream, payload_of(10));
  }
}

// --- masks

// A listener with fake TLS and a mask; with a secret of obfuscation as well when it is `open`.
Stack masked_stack(bool open, config::Protocol protocol = config::Protocol::kTcp) {
  Stack stack = with_fake_tls(make_stack("masked", protocol));
  stack.listener.mask = config::Endpoint{"192.0.2.9", 443};
  if (open) stack.listener.secrets.emplace_back();
  return stack;
}

// A client hello's record of so many bytes, made by somebody who knows no secret.
Bytes strange_hello(size_t size) {
  Bytes hello = payload_of(size);
  hello[0] = 0x16;
  hello[1] = 0x03;
  hello[2] = 0x01;
  hello[3] = static_cast<uint8_t>((size - 5) >> 8);
  hello[4] = static_cast<uint8_t>(size - 5);
  hello[5] = 0x01;
  return hello;
}

TEST(DoorsMask, GetsEveryByteHoweverItCame) {
  using config::Protocol;
  const Bytes hello = strange_hello(517);
  for (const Protocol protocol : {Protocol::kTcp, Protocol::kAuto}) {
    for (const Bytes& bytes : {hello, testing::operator+(hello, payload_of(100)),
                               bytes_of("GET / HTTP/1.1\r\n\r\n"), payload_of(300)}) {
      for (const size_t piece : {1U, 2U, 7U, 64U, 1000U}) {
        Entrance entrance(masked_stack(false, protocol).listener);
        Arrival arrival(entrance);
        feed(arrival, bytes, in_pieces_of(piece));
        EXPECT_TRUE(arrival.masked);
        EXPECT_FALSE(arrival.failed);
        EXPECT_TRUE(arrival.sent.empty()) << "nothing is answered";
        EXPECT_EQ(arrival.doors().take_start(), bytes);
        EXPECT_EQ(arrival.count(Counter::kFakeTlsRefused), 1U);
      }
    }
  }
}

// Secrets of other forms beside ee change nothing for who shows none: a request is not answered.
TEST(DoorsMask, NoRequestIsAnsweredBesideEeSecrets) {
  using config::Protocol;
  for (const std::string_view request :
       {"POST /apiw1 HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "HEAD / HTTP/1.0\r\n\r\n", "OPTIONS /api HTTP/1.1\r\n\r\n"}) {
    Bytes bytes = bytes_of(request);
    bytes.resize(std::max<size_t>(bytes.size(), 64), ' ');
    Entrance entrance(masked_stack(true, Protocol::kAuto).listener);
    Arrival arrival(entrance);
    feed(arrival, bytes, in_pieces_of(3));
    EXPECT_TRUE(arrival.sent.empty()) << request;
    ASSERT_NE(arrival.begun, nullptr);
    mtproto::ServerTransport transport(arrival.begun);
    transport.receive(arrival.stream);
    mtproto::Frame frame;
    EXPECT_EQ(transport.next(frame), mtproto::ServerTransport::Event::kError) << request;
    EXPECT_TRUE(arrival.doors().may_mask());
    EXPECT_EQ(arrival.doors().take_start(), bytes);
  }
}

TEST(DoorsMask, IsForReplaysAsWell) {
  const Stack stack = masked_stack(false);
  Entrance entrance(stack.listener);
  Talk talk(stack.client);
  ASSERT_TRUE(talk.client.start(kUnixSeconds, talk.out).ok());
  const Bytes hello = talk.out;
  Arrival first(entrance);
  first.read(hello);
  EXPECT_FALSE(first.masked);
  EXPECT_FALSE(first.sent.empty());
  EXPECT_FALSE(first.doors().may_mask()) << "it is one of ours";
  Arrival second(entrance);
  second.read(hello);
  EXPECT_TRUE(second.masked);
  EXPECT_TRUE(second.sent.empty());
  EXPECT_EQ(second.doors().take_start(), hello);
  EXPECT_EQ(second.count(Counter::kFakeTlsReplays), 1U);
}

// What may be obfuscation goes to the transport, which changes it; it is kept beside it until that
// one has decided.
TEST(DoorsMask, KeepsWhatTheTransportIsStillLookingAt) {
  Entrance entrance(masked_stack(true).listener);
  Arrival arrival(entrance);
  const Bytes bytes = payload_of(60);
  feed(arrival, bytes, in_pieces_of(13));
  EXPECT_FALSE(arrival.masked);
  EXPECT_FALSE(arrival.plain);
  EXPECT_EQ(arrival.stream, bytes);
  EXPECT_TRUE(arrival.doors().may_mask());
  EXPECT_EQ(arrival.doors().buffered_bytes(), bytes.size());
  arrival.doors().forget_start();
  EXPECT_FALSE(arrival.doors().may_mask());
  EXPECT_EQ(arrival.doors().buffered_bytes(), 0U);
  arrival.read(bytes);
  EXPECT_TRUE(arrival.plain) << "the doors are done with";
}

// What knows no secret gets no answer, whatever it speaks: it finds what the listener pretends to
// be.
TEST(DoorsMask, APlainTransportIsNoClientOfOurs) {
  for (const bool open : {false, true}) {
    Entrance entrance(masked_stack(open).listener);
    for (const Bytes& wire :
         {testing::operator+(Bytes(1, 0xef), payload_of(63)),
          testing::operator+(Bytes(4, 0xee), payload_of(60)),
          testing::operator+(Bytes(4, 0xdd), payload_of(60)),
          testing::operator+(Bytes{0x50, 0, 0, 0, 0, 0, 0, 0}, payload_of(56))}) {
      Arrival arrival(entrance);
      arrival.read(wire);
      EXPECT_EQ(arrival.masked, !open);
      if (!open) continue;
      ASSERT_NE(arrival.begun, nullptr);
      mtproto::ServerTransport transport(arrival.begun);
      transport.receive(arrival.stream);
      mtproto::Frame frame;
      EXPECT_EQ(transport.next(frame), mtproto::ServerTransport::Event::kError);
      EXPECT_EQ(transport.kind(), mtproto::TransportKind::kUndecided) << "so it may be masked";
      EXPECT_TRUE(arrival.doors().may_mask());
    }
  }
}

// Obfuscation asks for a secret, and stays.
TEST(DoorsMask, LeavesObfuscationWithSecrets) {
  const Stack stack = masked_stack(true);
  Entrance entrance(stack.listener);
  Arrival arrival(entrance);
  arrival.read(payload_of(64));
  ASSERT_NE(arrival.begun, nullptr);
  EXPECT_TRUE(arrival.begun->obfuscated);
  EXPECT_EQ(arrival.begun->secrets.size(), 1U);
}

TEST(DoorsMask, IsNotForWhoMayStillSayWhoItIs) {
  Stack stack = with_proxy(masked_stack(false), client::ProxyVersion::kV2);
  Entrance entrance(stack.listener);
  Arrival arrival(entrance);
  EXPECT_FALSE(arrival.doors().may_mask());
  arrival.read(bytes_of("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"));
  EXPECT_TRUE(arrival.doors().may_mask());
  arrival.read(bytes_of("\x16\x03\x02"));
  EXPECT_TRUE(arrival.masked);
  EXPECT_EQ(arrival.doors().take_start(), bytes_of("\x16\x03\x02")) << "without the header";
  Arrival liar(entrance);
  liar.read(bytes_of("PROXY nonsense\r\n"));
  EXPECT_TRUE(liar.failed);
}

}  // namespace
}  // namespace ringway::gateway
