#include "config/key_notes.h"

#include <algorithm>
#include <array>

namespace ringway::config {
namespace {

constexpr std::array kNotes = {
    KeyNote{"Name", "", "The service's name in logs."},
    KeyNote{
        "ListenOn", "",
        "The gateway's own gRPC service, and its name at the shards, which call it with pushes."},
    KeyNote{"MaxProc", "", "Workers when Ringway.Workers.Count is auto; 0 leaves it to the cores."},
    KeyNote{"RSAKey", "", "Keys of the key exchange; all are offered to clients."},
    KeyNote{"RSAKey.KeyFile", "", "A PEM file with a private key."},
    KeyNote{"RSAKey.KeyFingerprint", "",
            "What clients have built in; computed from the key when it is not given."},
    KeyNote{"KeyFile", "", "An older form for a single key, used when RSAKey is not there."},
    KeyNote{"KeyFingerprint", "", "That key's fingerprint."},

    KeyNote{"Etcd.Hosts", "", "The etcd where the gateway registers: host:port of each member."},
    KeyNote{"Etcd.Key", "", "The gateway registers below it; none: it does not."},
    KeyNote{"Etcd.ID", "", "The last part of its key; 0: the id of its lease."},
    KeyNote{"Etcd.User", "", "For an etcd that asks who calls."},
    KeyNote{"Etcd.Pass", "", "The password beside User."},
    KeyNote{"Etcd.CertFile", "", "The certificate shown to etcd."},
    KeyNote{"Etcd.CertKeyFile", "", "The private key of that certificate."},
    KeyNote{"Etcd.CACertFile", "", "Who may have signed etcd's certificate."},
    KeyNote{"Etcd.InsecureSkipVerify", "", "Takes any certificate of etcd: for trials only."},

    KeyNote{"Gnetway.Server", "", "What clients connect to."},
    KeyNote{"Gnetway.Server.Proto", "",
            "tcp is the plain transports, websocket upgrades alone, http POST alone."},
    KeyNote{"Gnetway.Server.PPV1", "",
            "PROXY protocol, version 1 or 2, believed from anybody and needed from nobody: every "
            "client "
            "may claim any address. Ringway.Listeners can say who is believed."},
    KeyNote{"Gnetway.Server.Addresses", "",
            "Addresses to listen on; port 0 is any free one, :PORT all addresses."},
    KeyNote{
        "Gnetway.SendBuf", "bytes",
        "A client's socket buffer; 0 leaves it to the kernel. Fixed ones bound the kernel's memory "
        "and slow distant clients down."},
    KeyNote{"Gnetway.ReceiveBuf", "bytes", "The same for what clients send."},
    KeyNote{"Gnetway.AuthKeyCacheM", "MiB",
            "Keys kept for all workers together. More: fewer questions to shards after reconnects. "
            "Less: "
            "512 bytes saved per key; keys in use are never dropped."},

    KeyNote{
        "Session.Endpoints", "",
        "The shards. All gateways and shards must agree on the list: it decides who owns a key."},
    KeyNote{"Session.Target", "", "A gRPC target instead, when Endpoints is not there."},
    KeyNote{"Session.Etcd.Hosts", "", "Where to look the shards up; else the hosts of Etcd."},
    KeyNote{"Session.Etcd.Key", "", "The prefix of the shards' keys in etcd."},
    KeyNote{"Session.Etcd.ID", "", "Without effect here."},
    KeyNote{"Session.Etcd.User", "", "For an etcd that asks who calls."},
    KeyNote{"Session.Etcd.Pass", "", "The password beside User."},
    KeyNote{"Session.Etcd.CertFile", "", "The certificate shown to etcd."},
    KeyNote{"Session.Etcd.CertKeyFile", "", "The private key of that certificate."},
    KeyNote{"Session.Etcd.CACertFile", "", "Who may have signed etcd's certificate."},
    KeyNote{"Session.Etcd.InsecureSkipVerify", "",
            "Takes any certificate of etcd: for trials only."},
    KeyNote{"Session.Timeout", "ms",
            "One call to a shard. More: a slow shard is waited for. Less: clients hear sooner."},

    KeyNote{"Log.ServiceName", "", "Field \"service\" of JSON lines; else Name."},
    KeyNote{
        "Log.Mode", "",
        "console is standard error; file is Path/ringway.log; volume, for containers that share a "
        "directory, Path/ServiceName/HOSTNAME/ringway.log."},
    KeyNote{"Log.Path", "", "The directory of the log file."},
    KeyNote{"Log.Level", "", "debug, info, warning or error: what is less grave is not logged."},
    KeyNote{"Log.Encoding", "", "plain for people, json for programs."},
    KeyNote{"Log.Stat", "", "A line each minute: processor time, memory, connections, rates."},
    KeyNote{"Log.Rotation", "", "When a file is set aside: each day, or at MaxSize."},
    KeyNote{"Log.MaxSize", "MiB", "Of a file, with Rotation size; 0: it just grows."},
    KeyNote{"Log.MaxBackups", "files", "Kept of those set aside by size; 0: all."},
    KeyNote{"Log.KeepDays", "days", "Files set aside are deleted after so long; 0: never."},
    KeyNote{"Log.Compress", "", "Files set aside are compressed: disk for processor time."},
    KeyNote{"Log.MaxContentLength", "bytes",
            "Of a line's text, the rest is cut off; 0 is the log's own limit, 64 KiB."},

    KeyNote{
        "Prometheus.Host", "",
        "Where metrics, /healthz and /readyz are served; none: they are not. No password: choose "
        "an address of the private network."},
    KeyNote{"Prometheus.Port", "", "Its port; 0: not served."},
    KeyNote{"Prometheus.Path", "", "The path of the metrics."},

    KeyNote{"Ringway.Workers.Count", "workers",
            "More: more cores' worth of messages, smaller turns in each. Fewer: larger turns and "
            "cheaper "
            "messages, until a core is full."},
    KeyNote{"Ringway.Workers.Cores", "",
            "Pinned workers keep their caches; other programs on these cores then delay them."},
    KeyNote{"Ringway.Workers.RingEntries", "entries",
            "More: a turn with many sends stays one system call. Less: less locked memory."},
    KeyNote{
        "Ringway.Workers.Buffers", "buffers",
        "More: larger turns under load before reading pauses (receive_buffers_exhausted counts). "
        "Less: they stay in the cache; times BufferBytes it is the memory spent."},
    KeyNote{"Ringway.Workers.BufferBytes", "bytes",
            "More: uploads come in fewer pieces. Less: more small messages for the same memory."},
    KeyNote{"Ringway.Workers.MaxConnections", "connections",
            "Beyond it clients are refused at once, instead of running out of files."},
    KeyNote{"Ringway.Workers.KeyCacheEntries", "keys",
            "Keys this worker keeps that no connection uses, and those in use. More: fewer "
            "questions to "
            "shards after reconnects. Less: 512 bytes saved each."},
    KeyNote{
        "Ringway.Workers.TurnCompletions", "completions",
        "What one turn takes in at most. More: larger batches under load. Less: a turn, and so the "
        "wait of whoever comes next, stays short."},
    KeyNote{"Ringway.Workers.BatchMessages", "messages",
            "One batch to a shard at most; a shard may ask for fewer. More: fewer batches and "
            "acknowledgements. Less: a shard begins with the first messages sooner."},
    KeyNote{
        "Ringway.Workers.BatchBytes", "bytes",
        "One batch at most; a larger message goes alone. More: fewer batches of large messages. "
        "Less: a small message waits behind fewer bytes."},
    KeyNote{
        "Ringway.Workers.BatchesPerTurn", "batches",
        "Handed to a shard's link at once. More: a shard that was slow is caught up with sooner. "
        "Less: one shard takes less of a turn."},
    KeyNote{
        "Ringway.Workers.WindowMessages", "messages",
        "Taken over and not yet acknowledged, for each shard: rate = window / round trip. More: "
        "distant or halting shards keep their rate. Less: back pressure reaches clients sooner, "
        "and "
        "less is lost should this process be killed."},
    KeyNote{"Ringway.Workers.WindowBytes", "bytes",
            "The same in memory, workers x shards times at the most. A message larger than what is "
            "left "
            "waits."},
    KeyNote{
        "Ringway.Workers.BusyPollMicroseconds", "us",
        "How long the kernel polls the network card before a worker sleeps; 0 is off. More: some "
        "microseconds less latency below half load. Less: an idle core sleeps. Needs Linux 6.9."},
    KeyNote{
        "Ringway.Workers.SubmissionPoll", "",
        "A kernel thread on this core takes a worker's operations without a system call. On: that "
        "core is busy, and the worker's own has less to do. Off: nothing runs without work."},
    KeyNote{
        "Ringway.Workers.SubmissionPollIdleMilliseconds", "ms",
        "How long that thread polls without work before it sleeps. More: fewer wake-ups. Less: an "
        "idle core sleeps sooner."},
    KeyNote{"Ringway.Workers.PerCore", "", "Other values for single workers."},
    KeyNote{"Ringway.Workers.PerCore.Core", "",
            "Whose: a core of Cores, or the worker's number from 0 when Cores is none."},

    KeyNote{"Ringway.Listeners", "", "More to connect to, beside Gnetway.Server or instead of it."},
    KeyNote{"Ringway.Listeners.Address", "",
            "host:port with a numeric host, :PORT for all addresses, unix:PATH, or systemd:NAME "
            "for sockets that systemd hands over."},
    KeyNote{"Ringway.Listeners.Mode", "",
            "Permissions of a unix socket; who may write may connect."},
    KeyNote{"Ringway.Listeners.Proto", "",
            "As in Gnetway.Server; auto is all of them, told apart by the first bytes."},
    KeyNote{"Ringway.Listeners.Tls.Cert", "", "A PEM file with the certificate and its chain."},
    KeyNote{"Ringway.Listeners.Tls.Key", "", "A PEM file with the private key."},
    KeyNote{"Ringway.Listeners.Tls.MinVersion", "", "1.2 or 1.3, which older clients lack."},
    KeyNote{
        "Ringway.Listeners.ProxyProtocol.From", "",
        "Balancers whose PROXY header is believed. They may claim any address, and with it that "
        "address's budgets."},
    KeyNote{"Ringway.Listeners.ProxyProtocol.Require", "",
            "On: who comes without a header that is believed is closed. Off: the address of "
            "such a connection is taken for the client's."},
    KeyNote{"Ringway.Listeners.Secrets", "",
            "With any, an obfuscated client must know one; those with ee are fake TLS. None: those "
            "of Ringway.Transports. Each costs a trial per connection."},
    KeyNote{"Ringway.Listeners.Mask", "",
            "Where fake TLS sends those who know no secret, so that the port looks like that site. "
            "None: they are closed without an answer."},
    KeyNote{
        "Ringway.Listeners.MaxConnections", "connections",
        "Of all workers together; beyond it clients are refused at this address. 0: no limit of "
        "its own."},
    KeyNote{"Ringway.Listeners.HttpErrorStyle", "",
            "As Ringway.Transports.HttpErrorStyle, which is its default."},

    KeyNote{
        "Ringway.Session.Link", "",
        "ring is HTTP/2 on each worker's ring; grpc is the gRPC library with its threads, which "
        "costs a multiple and is there for comparison."},
    KeyNote{"Ringway.Session.Wire", "",
            "auto takes the best way that a shard knows; a name allows that one alone. "
            "UseStreamSession forbids nothing."},
    KeyNote{"Ringway.Session.NoShardTimeout", "",
            "How long connections wait while there is no shard at all; then they are closed. What "
            "was acknowledged to them stays."},

    KeyNote{"Ringway.Limits.FrameBytes", "bytes",
            "A client's largest frame. Shards with gRPC's default limits take up to 4 MiB."},
    KeyNote{
        "Ringway.Limits.InputBytesPerConnection", "bytes",
        "Received and not handed on; beyond it reading stops. The bound on memory under attack."},
    KeyNote{"Ringway.Limits.OutputBytesPerConnection", "bytes",
            "Sealed and not taken by the client; beyond it the connection is closed."},
    KeyNote{"Ringway.Limits.KeysPerConnection", "keys",
            "A client that renews its temporary key uses two."},
    KeyNote{"Ringway.Limits.ConnectionsPerKey", "connections",
            "A further one closes an older one."},
    KeyNote{"Ringway.Limits.SessionsPerConnection", "sessions",
            "A further one pushes the oldest off this connection."},
    KeyNote{"Ringway.Limits.HandshakesPerConnection", "key exchanges",
            "The dearest thing that a stranger can ask for."},
    KeyNote{
        "Ringway.Limits.HandshakesPerAddressPerSecond", "a second",
        "More: large NATs may make many keys at once. Less: one address takes less of the pool."},
    KeyNote{"Ringway.Limits.UnknownKeysPerAddressPerSecond", "a second",
            "Questions to shards about keys that nobody knows; then clients are answered -429."},
    KeyNote{"Ringway.Limits.TlsHandshakesPerAddressPerSecond", "a second",
            "Connections of one address that may begin TLS; further ones are closed."},
    KeyNote{"Ringway.Limits.MaskConnections", "connections",
            "Relayed to masks at once, each with two sockets. Beyond it they are closed without an "
            "answer, which tells a prober something."},
    KeyNote{"Ringway.Limits.ConnectionsPerAddress", "connections",
            "Clients behind one carrier's NAT share an address."},
    KeyNote{"Ringway.Limits.CryptoJobsPerAddress", "jobs",
            "Computations of one address that wait for the pool."},

    KeyNote{"Ringway.Timeouts.FirstByte", "", "Connected, and nothing sent."},
    KeyNote{"Ringway.Timeouts.Detection", "", "First byte to a recognised transport."},
    KeyNote{"Ringway.Timeouts.Frame", "", "First to last byte of one frame."},
    KeyNote{"Ringway.Timeouts.Handshake", "", "First request of a key exchange to its end."},
    KeyNote{"Ringway.Timeouts.Idle", "",
            "No frame from the client, which pings about once a minute."},
    KeyNote{
        "Ringway.Timeouts.Drain", "",
        "To send what is left, at a close and at shutdown. More: less is cut off. Less: a restart "
        "is quicker."},
    KeyNote{"Ringway.Timeouts.KeyLookup", "", "A shard's answer to the question for a key."},

    KeyNote{"Ringway.Transports.Abridged", "", "Whether clients may speak it."},
    KeyNote{"Ringway.Transports.Intermediate", "", "Whether clients may speak it."},
    KeyNote{"Ringway.Transports.Padded", "", "Whether clients may speak it."},
    KeyNote{"Ringway.Transports.Full", "", "Whether clients may speak it."},
    KeyNote{"Ringway.Transports.Obfuscated", "",
            "Obfuscation with any of them inside. Costs AES-CTR over every byte."},
    KeyNote{
        "Ringway.Transports.LegacyRsaPadding", "",
        "The SHA-1 padding of older clients in the key exchange. Off: they cannot make new keys."},
    KeyNote{"Ringway.Transports.Secrets", "",
            "With any, an obfuscated client must know one of them; each costs a trial decryption. "
            "A listener with secrets of its own takes those instead."},
    KeyNote{
        "Ringway.Transports.HttpErrorStyle", "",
        "How HTTP clients hear of transport errors: status is a 404 with the error as its body, "
        "gnetway a 200 with the same body."},

    KeyNote{"Ringway.Crypto.Kernel", "",
            "Which code encrypts; auto is the fastest that the processor runs."},
    KeyNote{"Ringway.Crypto.Cores", "",
            "Where key exchanges are computed: a thread at idle priority for each core, and one "
            "that is "
            "prompt; auto is half as many as there are cores, anywhere. A list keeps them off the "
            "workers' caches and bounds what a storm of exchanges takes."},
    KeyNote{
        "Ringway.Grpc.Cores", "",
        "Where gRPC's threads run; auto is the cores that no worker is pinned to. On the workers' "
        "cores they delay messages."},
};

constexpr std::string_view kPerCore = "Ringway.Workers.PerCore.";
constexpr std::string_view kWorkers = "Ringway.Workers.";

const KeyNote* find(std::string_view section, std::string_view name) noexcept {
  const auto* found = std::find_if(kNotes.begin(), kNotes.end(), [&](const KeyNote& note) {
    return note.key.starts_with(section) && note.key.substr(section.size()) == name;
  });
  return found == kNotes.end() ? nullptr : found;
}

}  // namespace

std::span<const KeyNote> key_notes() noexcept { return kNotes; }

const KeyNote* key_note(std::string_view key) noexcept {
  const KeyNote* note = find("", key);
  if (note == nullptr && key.starts_with(kPerCore)) {
    note = find(kWorkers, key.substr(kPerCore.size()));
  }
  return note;
}

}  // namespace ringway::config
