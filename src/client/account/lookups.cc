#include "client/account/lookups.h"

#include <system_error>
#include <utility>

#include "client/account/limits.h"

namespace ringway::client {

Lookups::~Lookups() {
  alive_.reset();
  for (auto& [text, lookup] : under_way_) lookup.thread.join();
}

void Lookups::find(const std::string& text, Done done) {
  const auto known = under_way_.find(text);
  if (known != under_way_.end()) {
    known->second.waiting.push_back(std::move(done));
    return;
  }
  if (under_way_.size() >= kLookupsMax) {
    loop_.at_turn_end([done = std::move(done)] {
      done(Error::kFull, "too many names are being looked up already");
    });
    return;
  }
  std::thread thread;
  try {
    thread = std::thread([this, text, alive = std::weak_ptr(alive_)] {
      Answer answer{text, Error::kNotFound, ""};
      answer.address = resolve_(text, answer.why);
      loop_.post([this, alive, answer = std::move(answer)] {
        if (!alive.expired()) on_answer(answer);
      });
    });
  } catch (const std::system_error&) {
    loop_.at_turn_end([done = std::move(done)] {
      done(Error::kIo, "the system has no thread left to look the name up on");
    });
    return;
  }
  Lookup& lookup = under_way_[text];
  lookup.waiting.push_back(std::move(done));
  lookup.thread = std::move(thread);
}

void Lookups::on_answer(const Answer& answer) {
  // Whoever hears of it may ask again.
  auto node = under_way_.extract(answer.text);
  Lookup& lookup = node.mapped();
  lookup.thread.join();
  const std::weak_ptr<int> here = alive_;
  for (const Done& done : lookup.waiting) {
    if (here.expired()) return;
    done(answer.address, answer.why);
  }
}

}  // namespace ringway::client
