// client/account/credentials: a sign-in as it is stored.
//
// FILE is what mtprotod wrote, one JSON object of less than 4096 bytes, and a few fields more; its
// programs can go on reading it. FILE.state has what changes more often: the keys of other DCs and
// the state of updates. Both are for their owner's eyes only; with a passphrase they are sealed
// (crypto/passphrase). FILE.lock is locked for as long as the store exists: two programs with one
// key would cost the sign-in. One thread; saving waits for the disk.
#pragma once

#include <memory>
#include <string>

#include "base/secret.h"
#include "client/account/account.h"

namespace ringway::client {

struct Credentials {
  std::string phone;
  int32_t api_id = 0;
  std::string api_hash;
  int32_t layer = 0;  // 0: not said
  bool temporary_keys = false;
  // Read from a file that says nothing of a user, as mtprotod's, which wrote one only once somebody
  // was signed in.
  bool user_unsaid = false;
  AccountState account;
  Bytes updates;  // the state of updates, as whoever keeps it wrote it
};

// The JSON alone, for `check` and for tests. kMalformed with the field that is wrong in `problem`.
[[nodiscard]] std::string format_credentials(const Credentials& credentials);
Result<void> parse_credentials(std::string_view json, Credentials& credentials,
                               std::string& problem);
// Of FILE.state; what was parsed from FILE stays.
[[nodiscard]] std::string format_credentials_state(const Credentials& credentials);
Result<void> parse_credentials_state(std::string_view json, Credentials& credentials,
                                     std::string& problem);

class CredentialsStore {
 public:
  // Null, and why: another program has it, or the folder cannot be written. An empty passphrase is
  // none.
  [[nodiscard]] static std::unique_ptr<CredentialsStore> open(std::string path,
                                                              SecretString passphrase,
                                                              std::string& problem);
  ~CredentialsStore();
  CredentialsStore(const CredentialsStore&) = delete;
  CredentialsStore& operator=(const CredentialsStore&) = delete;

  // kNotFound: there is no FILE. kNotAllowed: others may read it, or the passphrase is another.
  // kMalformed, kTooLarge, kIo. A FILE.state that cannot be read is a problem as well: nothing is
  // forgotten in silence.
  Result<Credentials> load(std::string& problem) const;
  // Both files, each only if it differs from what was saved last.
  Result<void> save(const Credentials& credentials, std::string& problem);

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  // What is saved is sealed, which takes its time.
  [[nodiscard]] bool seals() const noexcept { return passphrase_.size() != 0; }

 private:
  CredentialsStore(std::string path, SecretString passphrase, int lock_fd);
  Result<Bytes> read(const std::string& path, size_t bytes_max, std::string& problem) const;
  Result<void> write(const std::string& path, const std::string& text, SecretString& saved,
                     std::string& problem);

  std::string path_;
  SecretString passphrase_;
  int lock_fd_;
  SecretString saved_;
  SecretString saved_state_;
};

}  // namespace ringway::client
