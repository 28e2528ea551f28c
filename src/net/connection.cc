#include "net/connection.h"

namespace ringway::net {
namespace {

constexpr unsigned bit(ConnectionState state) noexcept {
  return 1U << static_cast<unsigned>(state);
}

// By state: where it may go.
constexpr std::array<unsigned, 8> kEdges = {
    /* kConnecting */ bit(ConnectionState::kOpen) | bit(ConnectionState::kJoining),
    /* kOpen */ bit(ConnectionState::kFlushing) | bit(ConnectionState::kDetaching) |
        bit(ConnectionState::kJoining),
    /* kFlushing */ bit(ConnectionState::kLingering) | bit(ConnectionState::kJoining),
    /* kLingering */ bit(ConnectionState::kJoining),
    /* kDetaching */ bit(ConnectionState::kFlushing) | bit(ConnectionState::kJoining) |
        bit(ConnectionState::kGone),
    /* kJoining */ bit(ConnectionState::kClosing),
    /* kClosing */ bit(ConnectionState::kGone),
    /* kGone */ 0,
};

}  // namespace

void Connection::set_state(ConnectionState to) noexcept {
  RW_ASSERT((kEdges[static_cast<size_t>(state_)] & bit(to)) != 0);
  state_ = to;
}

}  // namespace ringway::net
