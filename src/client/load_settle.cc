// The end of a stage: what is open is counted as unfinished. The end of a run: the shard is asked
// what arrived of what it was sent. And in between: measurements are given to the coordinator.
#include "client/load_worker.h"
#include "client/objects.h"

namespace ringway::client {

void LoadWorker::publish() {
  LoadShared::Slot& slot = *shared_.workers[index_];
  {
    const std::lock_guard lock(slot.mutex);
    slot.stats.merge(stats_);
  }
  stats_.reset();
}

// In an open loop what was due and is not done counts with the time that it has waited so far, or a
// gateway that stops answering would have the best of latencies.
void LoadWorker::settle() {
  settled_number_ = shared_.settle_number.load(std::memory_order_acquire);
  for (const auto& client : clients_) settle_client(*client);
  if (pacer_) {
    for (; pacer_->next_due_ns() <= now_.mono_ns && in_stage(pacer_->next_due_ns());
         pacer_->advance()) {
      if (!is_measured(pacer_->next_due_ns())) continue;
      ++stats_.overdue;
      ++stats_.unfinished_recorded;
      stats_.latency.record(now_.mono_ns - pacer_->next_due_ns());
    }
  }
  publish();
  shared_.settled.fetch_add(1, std::memory_order_release);
}

void LoadWorker::settle_client(const Client& client) {
  if (client.reconnect_since_ns != 0) note_unfinished(client.reconnect_since_ns);
  if (client.under_way == 0) return;
  switch (options_.mode) {
    case LoadMode::kHandshake:
      note_unfinished(client.exchange_since_ns);
      return;
    case LoadMode::kReconnect:
      return;
    case LoadMode::kEcho:
      for (const EchoUnderWay& echo : client.echoes) note_unfinished(echo.started_ns);
      return;
    case LoadMode::kPing:
    case LoadMode::kQuickAck:
      client.session->for_each_pending([this](int64_t started_ns) { note_unfinished(started_ns); });
      return;
  }
}

void LoadWorker::note_unfinished(int64_t started_ns) {
  if (!is_measured(started_ns)) return;
  ++stats_.unfinished;
  if (!options_.open_loop()) return;
  ++stats_.unfinished_recorded;
  stats_.latency.record(now_.mono_ns - started_ns);
}

void LoadWorker::begin_verify() {
  verifying_ = true;
  for (const auto& owned : clients_) {
    Client& client = *owned;
    std::vector<PastSession> questions = client.past;
    if (client.session && client.sequence > 0) {
      questions.push_back({client.session->session_id(), client.sequence, client.acknowledged});
    }
    for (const PastSession& question : questions) {
      if (client.step != Step::kReady ||
          !client.session->send(make_tally_question(question.session_id), {}, now_).ok()) {
        ++stats_.verdict.unasked;
        continue;
      }
      client.asked.push_back(question);
      ++verify_left_;
    }
    mark_dirty(client);
  }
  if (verify_left_ == 0) shared_.verified.fetch_add(1, std::memory_order_relaxed);
}

void LoadWorker::on_tally(Client& client, ByteView answer) {
  if (client.asked.empty()) {
    ++stats_.errors["tally for nothing"];
    return;
  }
  // One session's questions are answered in their order.
  const PastSession session = client.asked.front();
  client.asked.pop_front();
  const auto tally = read_tally(answer);
  if (tally.ok() && tally->session_id == session.session_id) {
    compare(session, tally->count, tally->sum, tally->out_of_order);
  } else {
    ++stats_.verdict.unasked;
    const auto error = read_rpc_error(answer);
    ++stats_.errors["no tally: " + (error ? error->message : std::string("unexpected answer"))];
  }
  if (--verify_left_ == 0) {
    publish();
    shared_.verified.fetch_add(1, std::memory_order_relaxed);
  }
}

// Sequences run from 1; count and sum tell without a list whether each came exactly once.
void LoadWorker::compare(const PastSession& session, uint64_t arrived, uint64_t sum,
                         uint64_t disorder) {
  LoadVerdict& verdict = stats_.verdict;
  ++verdict.sessions;
  verdict.sent += session.sent;
  verdict.acknowledged += session.acknowledged;
  verdict.arrived += arrived;
  verdict.out_of_order += disorder;
  if (session.acknowledged > arrived) verdict.lost += session.acknowledged - arrived;
  if (arrived > session.sent) verdict.surplus += arrived - session.sent;
  const uint64_t all = session.sent * (session.sent + 1) / 2;
  if (arrived == session.sent && sum != all) ++verdict.mixed_up;
}

}  // namespace ringway::client
