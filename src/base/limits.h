// base/limits: every fixed limit of the program, by name, with how they depend on each other.
//
// Limits an operator may want to turn are in the config (config/config.h), with defaults from here.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ringway {

// Frames and messages.
inline constexpr size_t kFrameBytesMax =
    4 * 1024 * 1024 - 64 * 1024;                                 // default of Limits.FrameBytes
inline constexpr size_t kFrameBytesCeiling = 16 * 1024 * 1024;   // what the config may raise it to
inline constexpr size_t kFramingBytesMax = 32;                   // header, padding or trailer
inline constexpr size_t kServerFrameBytesMax = 2 * 1024 * 1024;  // clients drop larger answers
inline constexpr size_t kUnencryptedBytesMax = 4096;             // a key-exchange message
inline constexpr size_t kMessagePaddingMin = 12;
inline constexpr size_t kMessagePaddingMax = 1024;
inline constexpr size_t kMessageHeaderBytes = 24;  // auth_key_id, msg_key
inline constexpr size_t kMessagePrefixBytes = 32;  // salt, session_id, msg_id, seq_no, length
// A larger message is opened and sealed in slices of this size, one slice per turn.
inline constexpr size_t kLargeMessageBytes = 32 * 1024;
inline constexpr size_t kCryptoSliceBytes = 32 * 1024;
static_assert(kCryptoSliceBytes % 64 == 0, "slices end on both AES and SHA-256 block borders");
static_assert(kServerFrameBytesMax < kFrameBytesCeiling);

// What a query may be wrapped in.
inline constexpr size_t kQueryWrapperDepthMax = 8;  // invokeWithLayer(initConnection(...
inline constexpr size_t kQueryJsonDepthMax = 8;     // of initConnection's params

// A message of a temporary key that is not bound yet, looked into by the gateway.
inline constexpr size_t kPeekContainerMessagesMax = 1024;
inline constexpr size_t kPeekInflatedBytesMax = 64 * 1024;  // all gzip_packed of one message
inline constexpr size_t kPeekPackedBytesMax = 64 * 1024;    // one gzip_packed
inline constexpr size_t kPeekPackedPartsMax = 16;           // gzip_packed of one message

// Obfuscation.
inline constexpr size_t kObfuscationInitBytes = 64;
inline constexpr size_t kTransportSecretBytes = 16;
inline constexpr size_t kTransportSecretsMax =
    16;  // each one costs a trial decryption per connection
inline constexpr size_t kFakeTlsSecretsMax = 16;       // each one costs an HMAC per connection
inline constexpr size_t kFakeTlsDomainBytesMax = 182;  // clients refuse longer ones

// Doors: what stands before a transport.
inline constexpr size_t kProxyV1BytesMax = 107;          // with its line end
inline constexpr size_t kProxyV2PayloadBytesMax = 2048;  // addresses and TLVs
inline constexpr size_t kHttpHeadBytesMax = 8 * 1024;    // request line and header fields
inline constexpr size_t kHttpUriBytesMax = 1024;
inline constexpr size_t kHttpBodyBytesMax = 1024 * 1024;
static_assert(kHttpUriBytesMax < kHttpHeadBytesMax);
static_assert(kHttpBodyBytesMax < kFrameBytesMax, "a body is one message");
inline constexpr int64_t kHttpIdleNs = 60LL * 1'000'000'000;  // between two requests
inline constexpr size_t kHttpPreflightsPerTurn = 64;  // OPTIONS answered in a row; the rest waits
// A shutdown gives a request that is under way so long before it is refused.
inline constexpr int64_t kHttpDrainNs = 1LL * 1'000'000'000;

// Fake TLS.
inline constexpr size_t kFakeHelloBytesMax = 16 * 1024;   // of a client hello's record
inline constexpr int64_t kFakeHelloAgeMaxSeconds = 600;   // older hellos are refused,
inline constexpr int64_t kFakeHelloAheadMaxSeconds = 3;   // and newer ones
inline constexpr size_t kFakeHellosRemembered = 1 << 20;  // against replays, whole process
inline constexpr size_t kFakeHelloStripes = 256;          // locks over them
// A hello is remembered for as long as it could be taken at its word, and for so long where there
// is room: see tls/replay_cache.h.
inline constexpr int64_t kFakeHelloRememberedSeconds = 2 * 24 * 3600;
static_assert(kFakeHelloRememberedSeconds > kFakeHelloAgeMaxSeconds + kFakeHelloAheadMaxSeconds);
inline constexpr size_t kFakeRecordBytesMax = 16 * 1024 + 256;  // received
inline constexpr size_t kFakeRecordPayloadMax = 16 * 1024;      // sent
inline constexpr size_t kFakeEmptyRecordsMax = 32;              // received in a row

// Mask: connections that failed fake TLS, relayed to another server.
inline constexpr uint32_t kMaskConnectionsCeiling = 1024 * 1024;       // of Limits.MaskConnections
inline constexpr size_t kMaskAddressesMax = 4;                         // of one name, tried in turn
inline constexpr int64_t kMaskConnectTimeoutNs = 3LL * 1'000'000'000;  // each of them
inline constexpr int64_t kMaskLookupNs = 60LL * 1'000'000'000;         // a name is good for so long
inline constexpr int64_t kMaskLookupRetryNs = 1'000'000'000;  // after a failure, doubling up to it
inline constexpr int64_t kMaskNameWaitNs = 3LL * 1'000'000'000;   // of one relay, for the name
inline constexpr int64_t kMaskIdleMaxNs = 300LL * 1'000'000'000;  // whatever Timeouts.Idle is
inline constexpr uint32_t kMaskAddressShare = 16;  // one address has this part of all relays
static_assert(kMaskLookupRetryNs < kMaskLookupNs);
// Sent to one side and not taken: reading of the other stops and goes on.
inline constexpr size_t kMaskOutputHighBytes = 64 * 1024;
inline constexpr size_t kMaskOutputLowBytes = 16 * 1024;
static_assert(kMaskOutputLowBytes < kMaskOutputHighBytes);

// TLS.
inline constexpr size_t kTlsInputBytesMax = 64 * 1024;  // received and not read: then no more
inline constexpr size_t kTlsOutputBytesMax = 4 * 1024 * 1024;  // sealed and not taken away
inline constexpr size_t kTlsServerNameBytesMax = 253;
inline constexpr size_t kTlsChainMax = 16;  // certificates of one file

// Key exchange.
inline constexpr size_t kHandshakeStatesPerConnection = 3;  // the oldest nonce is evicted
inline constexpr int64_t kHandshakeTtlNs = 600LL * 1'000'000'000;
inline constexpr int kHandshakeRetriesMax = 5;           // dh_gen_retry, then dh_gen_fail
inline constexpr size_t kHandshakeInnerBytesMax = 1024;  // set_client_DH_params' encrypted_data
// Of HTTP clients, whose exchanges are found by their nonces: the oldest goes; and of one address,
// whose next one is refused.
inline constexpr size_t kHttpExchangesMax = 4096;  // per worker
inline constexpr size_t kHttpExchangesPerAddress = 256;
static_assert(kHttpExchangesPerAddress < kHttpExchangesMax);
inline constexpr size_t kServerKeysMax = 64;  // fingerprints that one resPQ may offer
static_assert(kHandshakeInnerBytesMax < kUnencryptedBytesMax);
inline constexpr size_t kCryptoPoolJobsMax = 4096;       // queued, whole process
inline constexpr size_t kCryptoPoolJobsPerAddress = 64;  // queued, one client address
inline constexpr size_t kCryptoPoolAddressesMax = 2 * kCryptoPoolJobsMax;  // with or without jobs
static_assert(kCryptoPoolJobsPerAddress < kCryptoPoolJobsMax);
static_assert(kCryptoPoolAddressesMax > kCryptoPoolJobsMax, "there are always some without jobs");

// Connections.
inline constexpr size_t kInputBytesPerConnection = 4 * 1024 * 1024 + 256 * 1024;
inline constexpr size_t kOutputBytesPerConnection = 4 * 1024 * 1024;
inline constexpr size_t kSendGatherMax = 16;  // pieces of one gathered send
static_assert(kInputBytesPerConnection > kFrameBytesMax, "a largest frame must fit");
static_assert(kOutputBytesPerConnection >= kServerFrameBytesMax);
static_assert(kTlsOutputBytesMax >= kOutputBytesPerConnection);

inline constexpr int64_t kLingerNs = 1'000'000'000;         // for the peer to read our last bytes
inline constexpr int64_t kAcceptBackoffMinNs = 10'000'000;  // after EMFILE and its like, doubling
inline constexpr int64_t kAcceptBackoffMaxNs = 1'000'000'000;
static_assert(kAcceptBackoffMinNs < kAcceptBackoffMaxNs);
inline constexpr int kListenBacklog = 4096;         // the kernel caps it at net.core.somaxconn
inline constexpr size_t kAcceptsPerRound = 64;      // of one shared socket, then the others'
inline constexpr int64_t kDealRetryNs = 1'000'000;  // while the inboxes of all workers are full

// Worker.
inline constexpr size_t kExpirePerTurnMax = 1024;  // steps of the timing wheel
inline constexpr size_t kInboxMessages = 16 * 1024;
inline constexpr size_t kInboxBytes = 64 * 1024 * 1024;  // of messages for clients
static_assert(kInboxBytes > kServerFrameBytesMax);
inline constexpr size_t kInboxDrainMax = 1024;  // taken per turn
inline constexpr size_t kTurnCompletionsMax = 1024;
// A worker with so many completions in a turn is busy: its next turn waits for further ones until
// it has so many, and at most so long.
inline constexpr size_t kGatherFromCompletions = 16;
inline constexpr unsigned kGatherCompletions = 16;
inline constexpr int64_t kGatherNs = 25'000;

// What is shown of a worker (gateway/worker_status.h) is renewed this often while it turns.
inline constexpr int64_t kStatusIntervalNs = 100LL * 1'000'000;

// Shard links.
inline constexpr size_t kBatchMessagesMax = 256;
inline constexpr size_t kBatchBytesMax = 64 * 1024;      // a larger message goes alone
inline constexpr size_t kWindowMessagesMax = 16 * 1024;  // unacknowledged, per link
inline constexpr size_t kWindowBytesMax = 16 * 1024 * 1024;
inline constexpr size_t kStreamWindowMax = 1024;  // unanswered SessionDataStream requests
inline constexpr size_t kStreamStepMin = kStreamWindowMax / 8;  // more room, or all that waits
// With at least so many unanswered, answers gather to so many bytes, at most so long.
inline constexpr size_t kStreamGatherAnswers = 256;
inline constexpr size_t kStreamGatherBytes = 2048;
inline constexpr int64_t kStreamGatherNs = 2'000'000;
static_assert(kStreamGatherAnswers * 12 >= kStreamGatherBytes,
              "so many answers are enough bytes: each has gRPC's prefix, a request_id and an ack");
static_assert(2 * kStreamGatherAnswers < kStreamWindowMax);
inline constexpr size_t kUnaryInFlightMax = 256;        // keys with a call in flight, per link
inline constexpr size_t kOwnersRemembered = 1024;       // keys and their shards, per worker
inline constexpr size_t kKeyQueriesInFlightMax = 4096;  // per worker
inline constexpr size_t kPushesPerLinkMax = 1024;       // received, not yet taken by the worker
inline constexpr size_t kGrpcMessageBytesMax = 20 * 1024 * 1024;  // either way, gateway and shard
static_assert(kGrpcMessageBytesMax > kFrameBytesCeiling + kBatchBytesMax,
              "a largest message and its wrapping must fit one RPC");
static_assert(kWindowBytesMax > kFrameBytesMax, "several large messages fit a window");
inline constexpr size_t kWindowChunkBytes = 64 * 1024;  // encoded messages share these
inline constexpr size_t kWindowSpareChunks = 256;       // kept by an emptier window: all of it
inline constexpr size_t kStreamsPerShard = 4;           // SessionDataStreams, keys spread over them
// SessionDataStreams take at most half of the streams that a shard allows on a connection: the rest
// is for calls.
inline constexpr size_t kStreamsForDataDivisor = 2;
inline constexpr size_t kBatchesPerWriteMax = 4;               // batches handed to a link at once
inline constexpr size_t kHttpCallsInFlightMax = 32 * 1024;     // per worker; most are polls
inline constexpr size_t kHttpCallBytesMax = 64 * 1024 * 1024;  // of their requests together
static_assert(kHttpCallBytesMax >= 2 * kHttpBodyBytesMax);
inline constexpr int64_t kHttpCallTimeoutNs = 30LL * 1'000'000'000;
// From a whole request to its answer, whatever that waits for: beyond a call that is made twice.
inline constexpr int64_t kHttpAnswerNs = 120LL * 1'000'000'000;
static_assert(kHttpAnswerNs > 2 * kHttpCallTimeoutNs);
inline constexpr size_t kKeyStoresInFlightMax = 4096;  // SetAuthKey calls, per worker
inline constexpr size_t kLinkEventsMax = 256;  // received, not yet taken: then reading stops
inline constexpr size_t kLinkEventBytesMax = 4 * 1024 * 1024;
inline constexpr size_t kPushesPerStreamMax = 1024;  // unanswered, one GatewayDataStream
// A message that was alone on its way each of so many times when the shard ended the stream with an
// error, or went away, is given up: others wait behind it. A shard goes away for many reasons, so
// that counts for less.
inline constexpr int kSuspectBreaksMax = 4;
inline constexpr int kSuspectCrashesMax = 8;
inline constexpr int kSuspectCrashesCareful = 3;  // from here on it travels alone
static_assert(kSuspectCrashesCareful < kSuspectCrashesMax);
inline constexpr int64_t kReconnectBackoffMinNs = 100LL * 1'000'000;
inline constexpr int64_t kReconnectBackoffMaxNs = 5LL * 1'000'000'000;
inline constexpr int64_t kWelcomeTimeoutNs = 5LL * 1'000'000'000;   // of a batched link's greeting
inline constexpr int64_t kLinkWriteStallNs = 15LL * 1'000'000'000;  // a write that does not end
// A shard that fails so often in a row leaves the ring; what it was given goes to the keys' next
// owners. It comes back when it answers, after a pause that doubles while it serves nothing
// between.
inline constexpr int kShardFailuresMax = 3;
inline constexpr int64_t kShardFailuresForgottenNs = 60LL * 1'000'000'000;
inline constexpr int64_t kShardReadmitPauseMinNs = 1LL * 1'000'000'000;
inline constexpr int64_t kShardReadmitPauseMaxNs = 30LL * 1'000'000'000;
static_assert(kShardReadmitPauseMinNs < kShardReadmitPauseMaxNs);
// How long keys that change their owner wait for what is on its way to the old one; then it is sent
// again to the new one.
inline constexpr int64_t kHandoverNs = 200LL * 1'000'000;
// While there is no shard, waiting connections are closed this often once NoShardTimeout is over.
inline constexpr int64_t kNoShardSweepNs = 1LL * 1'000'000'000;
static_assert(kStreamWindowMax <= kWindowMessagesMax);
inline constexpr size_t kShardAddressBytesMax = 255;  // of an address that discovery finds

// etcd: calls of discovery and registration, which have threads of their own.
inline constexpr int64_t kEtcdCallTimeoutNs = 2LL * 1'000'000'000;
inline constexpr int64_t kEtcdRevokeTimeoutNs = 500LL * 1'000'000;  // at shutdown, each host
inline constexpr int64_t kEtcdBackoffMinNs = 100LL * 1'000'000;     // after all hosts failed,
inline constexpr int64_t kEtcdBackoffMaxNs = 2LL * 1'000'000'000;   // doubling
inline constexpr size_t kEtcdMessageBytesMax = 16 * 1024 * 1024;    // of one answer
inline constexpr size_t kPemFileBytesMax = 1024 * 1024;             // certificates and keys
static_assert(kEtcdBackoffMinNs < kEtcdBackoffMaxNs);

// Links over the worker's own ring.
inline constexpr int64_t kLinkConnectTimeoutNs = 3LL * 1'000'000'000;  // each address of a shard
inline constexpr int64_t kLinkConnectPauseMinNs = 50LL * 1'000'000;  // between failed connections,
inline constexpr int64_t kLinkConnectPauseMaxNs = 1'000'000'000;     // doubling
inline constexpr int64_t kLinkPingNs = 310LL * 1'000'000'000;        // heard nothing: ask
inline constexpr int64_t kLinkPingAnswerNs = 10LL * 1'000'000'000;
// Sent and not acknowledged by the kernel of the other side for so long: the connection is dead.
inline constexpr int64_t kLinkUserTimeoutNs = 10LL * 1'000'000'000;
inline constexpr size_t kLinkQueueBytesMax = 1024 * 1024;  // bytes on their way, per connection
inline constexpr size_t kLinkQueueLowBytes = 128 * 1024;   // below it a write counts as written
inline constexpr int32_t kLinkStreamWindow = 1024 * 1024;  // received and not taken, per stream
inline constexpr int32_t kLinkConnectionWindow = 16 * 1024 * 1024;
// Of one HTTP/2 frame, either way; with its header it fits one piece of a send queue.
inline constexpr uint32_t kLinkFrameBytesMax = 64 * 1024 - 64;
inline constexpr size_t kLinkHeaderBytesMax = 16 * 1024;   // of one answer's headers
inline constexpr size_t kLinkReserveBytesMax = 64 * 1024;  // on a length's word alone
inline constexpr size_t kLinkDrainingMax =
    4;  // connections that a shard closes after their streams
inline constexpr uint32_t kLinkConnectionsMax = 8 * 1024;  // per worker
static_assert(kLinkConnectTimeoutNs < kWelcomeTimeoutNs);
static_assert(kLinkQueueLowBytes < kLinkQueueBytesMax);
static_assert(kLinkFrameBytesMax + 9 <= kLinkQueueBytesMax - kLinkQueueLowBytes);
static_assert(static_cast<size_t>(kLinkStreamWindow) <= kLinkEventBytesMax);

// Byte buffers that a thread keeps for its next ones: so many bytes of each power of two.
inline constexpr size_t kSpareBytesMin = 64;
inline constexpr size_t kSpareBytesMax = 64 * 1024;
inline constexpr size_t kSpareBytesPerSize = 512 * 1024;
// Replies to pushes that a thread keeps.
inline constexpr size_t kSpareRepliesMax = 1024;

// A connection that waits is read on until this much is parked; then reading stops.
inline constexpr size_t kParkedBytesUnpaused = 16 * 1024;
// Input of all connections of a worker that waits or is not complete.
inline constexpr size_t kInputBytesPerWorker = 512 * 1024 * 1024;
// Connections that a window which opens lets go on in one turn.
inline constexpr size_t kWindowWakesPerTurn = 256;

// Sessions.
inline constexpr size_t kKeysPerConnection = 4;
inline constexpr size_t kConnectionsPerKey = 4096;  // a further one closes an older one
inline constexpr size_t kSessionsPerConnection = 16;
inline constexpr size_t kSessionsPerKey = 4096;
inline constexpr int64_t kNegativeKeyCacheNs = 2LL * 1'000'000'000;
inline constexpr size_t kUnknownKeysRemembered = 16 * 1024;  // per worker
inline constexpr size_t kAddressBudgetEntries = 1 << 16;  // client addresses tracked, whole process
// What one cached key costs: the record, its map node and its place in the order. An estimate.
inline constexpr size_t kKeyCacheEntryBytes = 512;

// Descriptors that are not client connections: listeners, shard links, files; and of each worker.
inline constexpr uint64_t kReservedFiles = 512;
inline constexpr uint64_t kFilesPerWorker = 32;

// Temporary keys.
inline constexpr size_t kBindPushesMax = 16;  // held back until the key is bound, one key
inline constexpr size_t kBindPushBytesMax = 64 * 1024;
inline constexpr size_t kBindScanPackedMax =
    16;  // packed ones of a bound key's container looked at
inline constexpr size_t kBindScanHeadBytes = 64;  // of each; more only when that does not tell
inline constexpr int64_t kBindAskAgainNs = 200LL * 1'000'000;   // between questions about one key
inline constexpr int64_t kUnboundRememberedNs = 1'000'000'000;  // "no binding" is good for so long
inline constexpr int64_t kBindingRecheckNs = 300LL * 1'000'000'000;  // a binding is, while in use

// Configuration: what a file may ask for.
inline constexpr size_t kConfigFileBytesMax = 1024 * 1024;
inline constexpr uint32_t kWorkersMax = 256;
inline constexpr int kCoreNumberMax = 4095;
inline constexpr uint32_t kRingEntriesMin = 64;
inline constexpr uint32_t kRingEntriesMax = 32768;  // the kernel's own limit
inline constexpr uint32_t kReceiveBuffersMin = 16;
inline constexpr uint32_t kReceiveBuffersMax = 32768;  // a buffer ring's ids are 15 bits
inline constexpr uint32_t kReceiveBufferBytesMin = 512;
inline constexpr uint32_t kReceiveBufferBytesMax = 1024 * 1024;
inline constexpr uint32_t kConnectionsPerWorkerMax = 4 * 1024 * 1024;
inline constexpr uint32_t kKeyCacheEntriesCeiling = 64 * 1024 * 1024;
inline constexpr uint32_t kTurnCompletionsFloor = 16;
inline constexpr uint32_t kTurnCompletionsCeiling = 64 * 1024;
inline constexpr uint32_t kBatchMessagesCeiling = 4096;
inline constexpr uint32_t kBatchBytesFloor = 4096;
inline constexpr uint32_t kBatchBytesCeiling = 1024 * 1024;
inline constexpr uint32_t kBatchesPerTurnCeiling = 64;
inline constexpr uint32_t kWindowMessagesFloor = 64;
inline constexpr uint32_t kWindowMessagesCeiling = 1024 * 1024;
inline constexpr uint32_t kWindowBytesFloor = 128 * 1024;
inline constexpr uint32_t kWindowBytesCeiling = 1024 * 1024 * 1024;
inline constexpr uint32_t kBusyPollMicrosecondsMax = 10'000;
inline constexpr uint32_t kSubmissionPollIdleMsMax = 60'000;
static_assert(kGrpcMessageBytesMax > kFrameBytesCeiling + kBatchBytesCeiling,
              "a largest batch must fit one RPC");
static_assert(kWindowBytesFloor >= 2 * kWindowChunkBytes, "one chunk fills while another leaves");
inline constexpr uint32_t kConnectionBytesCeiling =
    64 * 1024 * 1024;  // input or output of one connection
inline constexpr uint32_t kFrameBytesFloor = 4096;
inline constexpr uint32_t kSocketBufferBytesMax = 64 * 1024 * 1024;
inline constexpr size_t kListenersMax = 256;
inline constexpr size_t kSocketNameBytesMax = 255;  // of a socket of systemd: FileDescriptorName
inline constexpr size_t kProxySourcesMax = 256;  // ranges of one listener, looked through in turn
inline constexpr uint32_t kListenerConnectionsCeiling = kWorkersMax * kConnectionsPerWorkerMax;
inline constexpr size_t kShardEndpointsMax = 4096;
inline constexpr size_t kEtcdHostsMax = 64;
static_assert(kFrameBytesFloor >= kUnencryptedBytesMax, "a key exchange must fit a frame");
static_assert(kConnectionBytesCeiling > kFrameBytesCeiling);

// Metrics and health.
inline constexpr size_t kMetricsThreads = 8;    // requests answered at the same time
inline constexpr size_t kMetricsQueueMax = 32;  // accepted connections that wait for a thread
inline constexpr size_t kMetricsBacklog = 64;   // connections that wait to be accepted
inline constexpr size_t kMetricsRequestBytesMax = 4096;
inline constexpr int64_t kMetricsRequestTimeoutNs = 2LL * 1'000'000'000;
// A worker looks around every half second; one that has not for so long is stuck.
inline constexpr int64_t kWorkerStuckNs = 5LL * 1'000'000'000;
static_assert(kWorkerStuckNs > 10 * kStatusIntervalNs);

// Logging.
inline constexpr size_t kLogLinesMax = 8 * 1024;                    // queued for the log's thread
inline constexpr size_t kLogBytesMax = 8 * 1024 * 1024;             // of them
inline constexpr size_t kLogLineBytesMax = 64 * 1024;               // of one: the rest is cut off
inline constexpr int64_t kLogFlushTimeoutNs = 2LL * 1'000'000'000;  // at the end of the process
inline constexpr int64_t kLogRetryNs = 1'000'000'000;  // until a file that failed is tried again
static_assert(kLogLineBytesMax < kLogBytesMax);
inline constexpr uint32_t kLogFileMibMax = 1024 * 1024;
inline constexpr uint32_t kLogBackupsMax = 100'000;
inline constexpr uint32_t kLogKeepDaysMax = 36'500;
inline constexpr size_t kHttpPathBytesMax = 256;  // of Prometheus.Path

// The client role (load tool, tests, proxy).
inline constexpr size_t kClientPendingMax = 4096;  // requests of one session, sent or waiting
inline constexpr size_t kClientContainerMessagesMax = 1020;
inline constexpr size_t kClientContainerBytesMax = 32 * 1024;
inline constexpr size_t kClientInflateBytesMax = 16 * 1024 * 1024;
inline constexpr size_t kClientReceivedIdsMax = 1000;   // remembered to refuse repeats
inline constexpr size_t kClientAcksMax = 8192;          // owed to the server; of one msgs_ack
inline constexpr int kClientResendsMax = 5;             // of one request
inline constexpr size_t kClientConnectsInFlight = 256;  // of one load thread
inline constexpr int64_t kMetricsProbeTimeoutNs = 500LL * 1'000'000;  // a gateway's answer
inline constexpr int64_t kMetricsProbePauseNs = 2LL * 1'000'000'000;  // after one that failed
inline constexpr size_t kMetricsPageBytesMax = 16 * 1024 * 1024;
static_assert(kClientContainerBytesMax < kFrameBytesMax);

// Schemas, and what is transcoded between TL and protobuf.
inline constexpr size_t kSchemaBytesMax = 4 * 1024 * 1024;
inline constexpr size_t kSchemaCombinatorsMax = 32 * 1024;
inline constexpr size_t kSchemaParamsMax = 256;         // of one constructor or method
inline constexpr size_t kSchemaFlagsWordsMax = 4;       // of one constructor or method
inline constexpr size_t kSchemaConstructorsMax = 4096;  // of one type: they are field numbers
inline constexpr size_t kSchemaProblemsMax = 50;        // of one file, told at once
inline constexpr size_t kTranscodeDepthMax = 64;        // objects inside objects
inline constexpr size_t kTranscodedBytesMax = 16 * 1024 * 1024;  // what one call may become
inline constexpr size_t kTlStringBytesMax = (1 << 24) - 1;       // its length has three bytes
inline constexpr size_t kIndexedFieldsMax = 1 << 20;  // of a message whose fields are out of order
inline constexpr size_t kIndexedFieldsKept = 16 * 1024;  // room for them that a thread keeps
static_assert(kIndexedFieldsKept < kIndexedFieldsMax);
static_assert(kSchemaConstructorsMax < 19'000, "protobuf keeps the field numbers from there on");

// Reference shard.
inline constexpr size_t kShardStripes = 256;          // locks over keys and sessions
inline constexpr size_t kShardSessionsMax = 1 << 20;  // the least recently heard one is forgotten
inline constexpr size_t kShardRecentIdsMax = 4096;    // msg_ids remembered, per session
inline constexpr size_t kShardUnackedMax = 64;        // answers kept for sending again, per session
inline constexpr size_t kShardUnackedBytesMax = 256 * 1024;
inline constexpr size_t kShardContainerMessagesMax = 1024;
inline constexpr size_t kShardInflatedBytesMax = 4 * 1024 * 1024;  // all gzip_packed of one message
inline constexpr size_t kShardVectorMax = 8192;                    // msg_ids in one service message
inline constexpr size_t kShardFutureSaltsMax = 64;
inline constexpr size_t kShardAnswerBytesMax = 512 * 1024;  // of one container of answers
inline constexpr int64_t kShardMsgAgeMaxSeconds = 300;      // older msg_ids are refused
inline constexpr int64_t kShardMsgAheadMaxSeconds = 30;
inline constexpr int64_t kShardHttpWaitMaxMs = 25'000;
static_assert(kShardHttpWaitMaxMs * 1'000'000 < kHttpCallTimeoutNs, "a poll ends before its call");
inline constexpr size_t kShardHttpPollsMax = 4;             // held open, per session
inline constexpr size_t kShardGatewaysMax = 256;            // addresses that answers go to
inline constexpr size_t kShardGatewayQueueMax = 16 * 1024;  // pushes unanswered, per gateway
inline constexpr size_t kShardLinkQueueBytesMax = 8 * 1024 * 1024;  // above it a link is not read
inline constexpr size_t kShardPushesTrackedMax = 64 * 1024;         // unanswered pushes, per link
inline constexpr size_t kShardKeyQueueMax = 64 * 1024;              // keys waiting for their commit
inline constexpr size_t kShardKeyMapBytes = size_t{1} << 30;        // address space of the key file
static_assert(kShardAnswerBytesMax < kServerFrameBytesMax);

// The reference shard's messenger: enough for tests and demonstrations, and bounded for hostile
// clients. All of it is in memory; the file only survives it.
inline constexpr size_t kMessengerUsersMax = 256;
inline constexpr size_t kMessengerMessagesPerUserMax = 2000;  // the oldest one goes
inline constexpr size_t kMessengerTextBytesPerUserMax = 1024 * 1024;
inline constexpr size_t kMessengerTextCharactersMax =
    4096;  // of one message, as help.getConfig has it
inline constexpr size_t kMessengerNameCharactersMax = 64;
inline constexpr size_t kMessengerPhoneDigitsMin = 5;
inline constexpr size_t kMessengerPhoneDigitsMax = 15;
inline constexpr size_t kMessengerAuthorizationsMax = 16 * 1024;  // keys that are signed in
inline constexpr size_t kMessengerSessionsPerUserMax = 64;        // that updates go to
inline constexpr size_t kMessengerAnswerMessagesMax = 100;  // of one history, difference or list
inline constexpr size_t kMessengerCodesMax = 1024;          // sign-in codes that were sent
inline constexpr int64_t kMessengerCodeLifeSeconds = 300;
inline constexpr int kMessengerCodeTriesMax = 5;
inline constexpr int kMessengerCodeSendsMax = 10;            // of one code
inline constexpr size_t kMessengerPasswordChecksMax = 1024;  // keys that may prove a password
inline constexpr int kMessengerPasswordTriesMax = 5;         // then a pause
inline constexpr int64_t kMessengerPasswordPauseSeconds = 60;
inline constexpr size_t kMessengerUsersFileBytesMax = 64 * 1024;
inline constexpr size_t kMessengerMapBytes = size_t{1} << 30;  // address space of its file
// TL that is read value by value: a value takes about a hundred bytes of memory.
inline constexpr size_t kTlQueryValuesMax = 16 * 1024;     // in what a client sent
inline constexpr size_t kTlAnswerValuesMax = 1024 * 1024;  // in what a server sent
inline constexpr size_t kTlValueDepthMax = 16;             // objects inside objects
static_assert(kMessengerAnswerMessagesMax < kMessengerMessagesPerUserMax);

}  // namespace ringway
