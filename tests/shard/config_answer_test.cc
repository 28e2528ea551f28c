// help.getConfig: each form is read field by field, as a client of its layer reads it.
#include <gtest/gtest.h>

#include <map>

#include "service_bench.h"

namespace ringway::shard {
namespace {

namespace mt = mtproto::constructor;

// The fields of the three forms, in the order of the schemas; "a?n" is there when bit n of flags is
// set.
constexpr const char* kLayer144 =
    "date:i expires:i test_mode:B this_dc:i dc_options:D dc_txt_domain_name:s chat_size_max:i "
    "megagroup_size_max:i forwarded_count_max:i online_update_period_ms:i "
    "offline_blur_timeout_ms:i "
    "offline_idle_timeout_ms:i online_cloud_timeout_ms:i notify_cloud_delay_ms:i "
    "notify_default_delay_ms:i "
    "push_chat_period_ms:i push_chat_limit:i saved_gifs_limit:i edit_time_limit:i "
    "revoke_time_limit:i "
    "revoke_pm_time_limit:i rating_e_decay:i stickers_recent_limit:i stickers_faved_limit:i "
    "channels_read_media_period:i tmp_sessions:i?0 pinned_dialogs_count_max:i "
    "pinned_infolder_count_max:i "
    "call_receive_timeout_ms:i call_ring_timeout_ms:i call_connect_timeout_ms:i "
    "call_packet_timeout_ms:i "
    "me_url_prefix:s autoupdate_url_prefix:s?7 gif_search_username:s?9 venue_search_username:s?10 "
    "img_search_username:s?11 static_maps_provider:s?12 caption_length_max:i message_length_max:i "
    "webfile_dc_id:i suggested_lang_code:s?2 lang_pack_version:i?2 base_lang_pack_version:i?2";
constexpr const char* kLayer154 =
    "date:i expires:i test_mode:B this_dc:i dc_options:D dc_txt_domain_name:s chat_size_max:i "
    "megagroup_size_max:i forwarded_count_max:i online_update_period_ms:i "
    "offline_blur_timeout_ms:i "
    "offline_idle_timeout_ms:i online_cloud_timeout_ms:i notify_cloud_delay_ms:i "
    "notify_default_delay_ms:i "
    "push_chat_period_ms:i push_chat_limit:i edit_time_limit:i revoke_time_limit:i "
    "revoke_pm_time_limit:i "
    "rating_e_decay:i stickers_recent_limit:i channels_read_media_period:i tmp_sessions:i?0 "
    "call_receive_timeout_ms:i call_ring_timeout_ms:i call_connect_timeout_ms:i "
    "call_packet_timeout_ms:i "
    "me_url_prefix:s autoupdate_url_prefix:s?7 gif_search_username:s?9 venue_search_username:s?10 "
    "img_search_username:s?11 static_maps_provider:s?12 caption_length_max:i message_length_max:i "
    "webfile_dc_id:i suggested_lang_code:s?2 lang_pack_version:i?2 base_lang_pack_version:i?2 "
    "autologin_token:s?16";

struct Decoded {
  uint32_t constructor = 0;
  std::map<std::string, int32_t> numbers;
  std::map<std::string, std::string> texts;
  uint32_t dc_flags = 0;
};

void read_dc_options(ByteReader& in, Decoded& out) {
  ASSERT_EQ(*in.u32(), mt::kVector);
  ASSERT_EQ(*in.u32(), 1u);
  ASSERT_EQ(*in.u32(), constructor::kDcOption);
  out.dc_flags = *in.u32();
  out.numbers["dc.id"] = *in.i32();
  out.texts["dc.ip_address"] = as_text(*mtproto::read_tl_string(in));
  out.numbers["dc.port"] = *in.i32();
}

void decode(ByteView bytes, std::string fields, Decoded& out) {
  ByteReader in(bytes);
  out.constructor = *in.u32();
  const uint32_t flags = *in.u32();
  // reactions_default would follow in the forms from layer 146 on.
  ASSERT_EQ(flags & (1u << 15), 0u);
  fields += ' ';
  for (size_t at = 0; at < fields.size();) {
    const size_t end = fields.find(' ', at);
    const std::string field = fields.substr(at, end - at);
    at = end + 1;
    const std::string name = field.substr(0, field.find(':'));
    const char type = field[name.size() + 1];
    const size_t optional = field.find('?');
    if (optional != std::string::npos &&
        ((flags >> std::stoi(field.substr(optional + 1))) & 1) == 0)
      continue;
    switch (type) {
      case 'i':
        out.numbers[name] = *in.i32();
        break;
      case 's':
        out.texts[name] = as_text(*mtproto::read_tl_string(in));
        break;
      case 'B':
        ASSERT_EQ(*in.u32(), constructor::kBoolFalse);
        break;
      default:
        ASSERT_NO_FATAL_FAILURE(read_dc_options(in, out));
        break;
    }
  }
  EXPECT_TRUE(in.empty());
}

Bytes config_of(ServiceBench& bench, ByteView query) {
  const auto answers = bench.query(query);
  RW_ASSERT(answers.size() == 1);
  RW_ASSERT(answers[0].constructor == mt::kRpcResult);
  return Bytes(answers[0].body.begin() + 8, answers[0].body.end());
}

TEST(Config, EachLayerGetsTheFormItReads) {
  struct Case {
    int32_t layer;
    uint32_t constructor;
    const char* fields;
  };
  const Case cases[] = {{71, constructor::kConfigLayer144, kLayer144},
                        {144, constructor::kConfigLayer144, kLayer144},
                        {145, constructor::kConfigLayer144, kLayer144},
                        {146, constructor::kConfigLayer146, kLayer144},
                        {152, constructor::kConfigLayer146, kLayer144},
                        {153, constructor::kConfigLayer146, kLayer144},
                        {154, constructor::kConfigLayer154, kLayer154},
                        {228, constructor::kConfigLayer154, kLayer154}};
  for (const Case& one : cases) {
    ServiceOptions options;
    options.dc = {3, "203.0.113.9", 4443};
    ServiceBench bench(options);
    bench.settle();
    Decoded config;
    ASSERT_NO_FATAL_FAILURE(
        decode(config_of(bench, with_layer(one.layer, get_config())), one.fields, config))
        << one.layer;
    EXPECT_EQ(config.constructor, one.constructor) << one.layer;
    EXPECT_EQ(config.numbers["date"], kStartSeconds);
    EXPECT_GT(config.numbers["expires"], kStartSeconds);
    EXPECT_EQ(config.numbers["this_dc"], 3);
    EXPECT_EQ(config.numbers["dc.id"], 3);
    EXPECT_EQ(config.numbers["dc.port"], 4443);
    EXPECT_EQ(config.texts["dc.ip_address"], "203.0.113.9");
    EXPECT_EQ(config.dc_flags, 0u);
    EXPECT_EQ(config.numbers["message_length_max"], 4096);
    EXPECT_EQ(config.numbers["webfile_dc_id"], 3);
    EXPECT_EQ(config.texts["me_url_prefix"], "https://t.me/");
  }
}

TEST(Config, AnIpv6GatewayIsMarked) {
  ServiceOptions options;
  options.dc = {2, "2001:db8::1", 443};
  ServiceBench bench(options);
  bench.settle();
  Decoded config;
  ASSERT_NO_FATAL_FAILURE(decode(config_of(bench, get_config()), kLayer144, config));
  EXPECT_EQ(config.dc_flags, 1u);
}

TEST(Config, TheLayerIsRememberedBySessionThenByKey) {
  ServiceBench bench;
  bench.settle();
  EXPECT_EQ(load_le<uint32_t>(config_of(bench, get_config()).data()), constructor::kConfigLayer144);
  config_of(bench, with_layer(150, get_config()));
  EXPECT_EQ(load_le<uint32_t>(config_of(bench, get_config()).data()), constructor::kConfigLayer146);
  bench.key().layer = 200;
  EXPECT_EQ(load_le<uint32_t>(config_of(bench, get_config()).data()), constructor::kConfigLayer146);
  bench.session().layer = 0;
  EXPECT_EQ(load_le<uint32_t>(config_of(bench, get_config()).data()), constructor::kConfigLayer154);
}

TEST(NearestDc, NamesThisDc) {
  ServiceOptions options;
  options.dc.dc_id = 4;
  ServiceBench bench(options);
  bench.settle();
  const Bytes answer = config_of(bench, Tl(constructor::kHelpGetNearestDc));
  ByteReader in(answer);
  EXPECT_EQ(*in.u32(), constructor::kNearestDc);
  EXPECT_EQ(as_text(*mtproto::read_tl_string(in)), "XX");
  EXPECT_EQ(*in.i32(), 4);
  EXPECT_EQ(*in.i32(), 4);
  EXPECT_TRUE(in.empty());
}

}  // namespace
}  // namespace ringway::shard
