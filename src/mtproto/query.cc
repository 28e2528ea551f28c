#include "mtproto/query.h"

#include "base/limits.h"
#include "mtproto/tl.h"

namespace ringway::mtproto {
namespace {

constexpr uint32_t kInitConnectionHasProxy = 1;
constexpr uint32_t kInitConnectionHasParams = 2;
constexpr uint32_t kInitConnectionFlags = kInitConnectionHasProxy | kInitConnectionHasParams;

Result<void> skip_strings(ByteReader& reader, int count) {
  for (int i = 0; i < count; ++i) RW_TRY(read_tl_string(reader));
  return {};
}

// The count of a boxed vector whose elements take at least `element_bytes` each.
Result<uint32_t> vector_count(ByteReader& reader, size_t element_bytes) {
  RW_TRY_ASSIGN(const uint32_t number, reader.u32());
  if (number != constructor::kVector) return Error::kMalformed;
  RW_TRY_ASSIGN(const uint32_t count, reader.u32());
  if (count > reader.remaining() / element_bytes) return Error::kTruncated;
  return count;
}

Result<void> skip_json(ByteReader& reader, size_t depth);

Result<void> skip_json_array(ByteReader& reader, size_t depth) {
  RW_TRY_ASSIGN(const uint32_t count, vector_count(reader, 4));
  for (uint32_t i = 0; i < count; ++i) RW_TRY(skip_json(reader, depth));
  return {};
}

Result<void> skip_json_object(ByteReader& reader, size_t depth) {
  RW_TRY_ASSIGN(const uint32_t count, vector_count(reader, 12));
  for (uint32_t i = 0; i < count; ++i) {
    RW_TRY_ASSIGN(const uint32_t number, reader.u32());
    if (number != constructor::kJsonObjectValue) return Error::kMalformed;
    RW_TRY(read_tl_string(reader));
    RW_TRY(skip_json(reader, depth));
  }
  return {};
}

Result<void> skip_json(ByteReader& reader, size_t depth) {
  if (depth == 0) return Error::kTooLarge;
  RW_TRY_ASSIGN(const uint32_t number, reader.u32());
  switch (number) {
    case constructor::kJsonNull:
      return {};
    case constructor::kJsonBool:
      return reader.skip(4);
    case constructor::kJsonNumber:
      return reader.skip(8);
    case constructor::kJsonString:
      return skip_strings(reader, 1);
    case constructor::kJsonArray:
      return skip_json_array(reader, depth - 1);
    case constructor::kJsonObject:
      return skip_json_object(reader, depth - 1);
    default:
      return Error::kMalformed;
  }
}

Result<void> skip_init_connection(ByteReader& reader, uint32_t number) {
  uint32_t flags = 0;
  if (number != constructor::kInitConnectionNoFlags) {
    RW_TRY_ASSIGN(flags, reader.u32());
  }
  if ((flags & ~kInitConnectionFlags) != 0) return Error::kNotFound;
  RW_TRY(reader.skip(4));  // api_id
  RW_TRY(skip_strings(reader, 6));
  if ((flags & kInitConnectionHasProxy) != 0) {
    RW_TRY_ASSIGN(const uint32_t proxy, reader.u32());
    if (proxy != constructor::kInputClientProxy) return Error::kMalformed;
    RW_TRY(skip_strings(reader, 1));
    RW_TRY(reader.skip(4));
  }
  if ((flags & kInitConnectionHasParams) != 0 && number == constructor::kInitConnection) {
    RW_TRY(skip_json(reader, kQueryJsonDepthMax));
  }
  return {};
}

Result<void> skip_msg_ids(ByteReader& reader) {
  RW_TRY_ASSIGN(const uint32_t count, vector_count(reader, 8));
  return reader.skip(size_t{count} * 8);
}

Result<void> skip_message_range(ByteReader& reader) {
  RW_TRY_ASSIGN(const uint32_t number, reader.u32());
  if (number != constructor::kMessageRange) return Error::kMalformed;
  return reader.skip(8);
}

// Skips what stands between a wrapper's constructor and its query. kNotFound when it is no wrapper.
Result<void> skip_wrapper(ByteReader& reader, uint32_t number, int32_t& layer) {
  switch (number) {
    case constructor::kInvokeWithLayer: {
      RW_TRY_ASSIGN(layer, reader.i32());
      return {};
    }
    case constructor::kInvokeAfterMsg:
    case constructor::kInvokeWithTakeout:
      return reader.skip(8);
    case constructor::kInvokeAfterMsgs:
      return skip_msg_ids(reader);
    case constructor::kInvokeWithoutUpdates:
      return {};
    case constructor::kInvokeWithMessagesRange:
      return skip_message_range(reader);
    case constructor::kInvokeWithBusinessConnection:
    case constructor::kInvokeWithReCaptcha:
      return skip_strings(reader, 1);
    case constructor::kInvokeWithGooglePlayIntegrity:
    case constructor::kInvokeWithApnsSecret:
      return skip_strings(reader, 2);
    case constructor::kInitConnection:
    case constructor::kInitConnectionNoParams:
    case constructor::kInitConnectionNoFlags:
      return skip_init_connection(reader, number);
    default:
      return Error::kNotFound;
  }
}

}  // namespace

bool is_query_wrapper(uint32_t number) noexcept {
  ByteReader nothing{ByteView()};
  int32_t layer = 0;
  const auto skipped = skip_wrapper(nothing, number, layer);
  return skipped.ok() || skipped.error() != Error::kNotFound;
}

Result<Query> unwrap_query(ByteView body, bool may_be_packed, InflateBudget& budget) {
  Query query;
  ByteReader reader(body);
  for (size_t depth = 0; depth <= kQueryWrapperDepthMax; ++depth) {
    const size_t start = reader.position();
    RW_TRY_ASSIGN(query.constructor, reader.u32());
    if (query.constructor == constructor::kGzipPacked && may_be_packed && !query.packed) {
      RW_TRY_ASSIGN(const ByteView packed, read_tl_string(reader));
      RW_TRY_ASSIGN(query.inflated, inflate_gzip(packed, budget));
      query.packed = true;
      query.outside = body.first(start);
      reader = ByteReader(query.inflated);
      continue;
    }
    const auto skipped = skip_wrapper(reader, query.constructor, query.layer);
    if (!skipped.ok() && skipped.error() == Error::kNotFound) {
      query.arguments = reader.rest();
      return query;
    }
    RW_TRY(skipped);
    query.wrapped = true;
    if (query.constructor == constructor::kInvokeWithBusinessConnection) query.business = true;
  }
  return Error::kTooLarge;
}

}  // namespace ringway::mtproto
