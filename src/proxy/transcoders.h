// proxy/transcoders: conversion between protobuf and TL for whichever thread needs it.
//
// A converter has buffers that it keeps; callers take one, use it and give it back, so there are as
// many as ever were in use at once. Any thread.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "tl/layout.h"
#include "tl/output.h"
#include "tl/to_proto.h"
#include "tl/to_tl.h"

namespace ringway::proxy {

struct Transcoder {
  explicit Transcoder(const tl::Layout& layout) : to_tl(layout), to_proto(layout) {}

  tl::ToTl to_tl;
  tl::ToProto to_proto;
  tl::Output out;
};

class Transcoders {
 public:
  // Gives it back when it goes away; the pool must still be there.
  class Lease {
   public:
    explicit Lease(Transcoders& pool) : pool_(pool), transcoder_(pool.take()) {}
    ~Lease() { pool_.give_back(std::move(transcoder_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    // Its output is empty.
    Transcoder* operator->() noexcept { return transcoder_.get(); }
    Transcoder& operator*() noexcept { return *transcoder_; }

   private:
    Transcoders& pool_;
    std::unique_ptr<Transcoder> transcoder_;
  };

  // `layout` must outlive it.
  explicit Transcoders(const tl::Layout& layout) : layout_(layout) {}

 private:
  std::unique_ptr<Transcoder> take();
  void give_back(std::unique_ptr<Transcoder> transcoder);

  const tl::Layout& layout_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Transcoder>> idle_;  // guarded by mutex_
};

}  // namespace ringway::proxy
