// net/unix_listener: a listening unix socket, and the file it leaves in the file system.
//
// The file of a unix socket outlives the process that made it, so whoever comes next finds one of a
// dead process, of a living one, or something that is no socket at all. Only the first is removed.
// Called on the main thread at start and at the end; nothing here is called by a worker.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "net/listener.h"
#include "net/owned_fd.h"

namespace ringway::net {

// The file of a socket that was opened here. Removes it when it goes, unless something else has
// taken its place.
class UnixSocketFile {
 public:
  UnixSocketFile() = default;
  // The file is there and is the caller's.
  explicit UnixSocketFile(std::string path);
  UnixSocketFile(UnixSocketFile&& other) noexcept;
  UnixSocketFile& operator=(UnixSocketFile&& other) noexcept;
  UnixSocketFile(const UnixSocketFile&) = delete;
  UnixSocketFile& operator=(const UnixSocketFile&) = delete;
  ~UnixSocketFile() { remove(); }

  void remove() noexcept;

 private:
  std::string path_;  // empty: nothing to remove
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

struct UnixListenerResult {
  OwnedFd fd;  // invalid on failure
  UnixSocketFile file;
  std::string error;  // "cannot listen on unix:/run/s: ...", with what to do about it
};

// Listens on `path`, whose permissions become `mode` before anybody can connect. A socket there to
// which nobody listens is replaced. Refused: a file that is no socket, and a socket that somebody
// listens to. Two processes that start at once are kept apart by a lock on PATH.lock, for as long
// as this call takes; the other one's is waited for, for a second. Changes the umask for a moment:
// called before there are threads that make files.
[[nodiscard]] UnixListenerResult open_unix_listener(const std::string& path, uint32_t mode,
                                                    const ListenerOptions& options);

}  // namespace ringway::net
