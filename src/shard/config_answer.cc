#include "shard/config_answer.h"

#include "mtproto/tl.h"
#include "shard/constructors.h"

namespace ringway::shard {
namespace {

constexpr uint32_t kDcOptionIpv6 = 1;
constexpr uint32_t kConfigDefaultP2pContacts = 1u << 3;
constexpr int64_t kConfigLifeSeconds = 3600;
constexpr int32_t kNeverSeconds = INT32_MAX;

void write_text(ByteAppender& out, std::string_view text) {
  mtproto::write_tl_string(out, as_bytes(text));
}

void write_dc_options(ByteAppender& out, const DcInfo& dc) {
  out.u32(mtproto::constructor::kVector);
  out.u32(1);
  out.u32(constructor::kDcOption);
  out.u32(dc.public_host.find(':') != std::string::npos ? kDcOptionIpv6 : 0);
  out.i32(dc.dc_id);
  write_text(out, dc.public_host);
  out.i32(dc.public_port);
}

// chat_size_max to push_chat_limit, alike in all forms.
void write_sizes_and_delays(ByteAppender& out) {
  out.i32(200);     // chat_size_max
  out.i32(200000);  // megagroup_size_max
  out.i32(100);     // forwarded_count_max
  out.i32(210000);  // online_update_period_ms
  out.i32(5000);    // offline_blur_timeout_ms
  out.i32(30000);   // offline_idle_timeout_ms
  out.i32(300000);  // online_cloud_timeout_ms
  out.i32(30000);   // notify_cloud_delay_ms
  out.i32(1500);    // notify_default_delay_ms
  out.i32(60000);   // push_chat_period_ms
  out.i32(2);       // push_chat_limit
}

void write_calls(ByteAppender& out) {
  out.i32(20000);  // call_receive_timeout_ms
  out.i32(90000);  // call_ring_timeout_ms
  out.i32(30000);  // call_connect_timeout_ms
  out.i32(10000);  // call_packet_timeout_ms
}

// me_url_prefix to webfile_dc_id; every optional field in between is left out.
void write_texts(ByteAppender& out, const DcInfo& dc) {
  write_text(out, "https://t.me/");
  out.i32(1024);      // caption_length_max
  out.i32(4096);      // message_length_max
  out.i32(dc.dc_id);  // webfile_dc_id
}

void write_limits_to_layer_153(ByteAppender& out) {
  out.i32(200);            // saved_gifs_limit
  out.i32(172800);         // edit_time_limit
  out.i32(kNeverSeconds);  // revoke_time_limit
  out.i32(kNeverSeconds);  // revoke_pm_time_limit
  out.i32(2419200);        // rating_e_decay
  out.i32(200);            // stickers_recent_limit
  out.i32(5);              // stickers_faved_limit
  out.i32(604800);         // channels_read_media_period
  out.i32(5);              // pinned_dialogs_count_max
  out.i32(100);            // pinned_infolder_count_max
}

void write_limits_from_layer_154(ByteAppender& out) {
  out.i32(172800);         // edit_time_limit
  out.i32(kNeverSeconds);  // revoke_time_limit
  out.i32(kNeverSeconds);  // revoke_pm_time_limit
  out.i32(2419200);        // rating_e_decay
  out.i32(200);            // stickers_recent_limit
  out.i32(604800);         // channels_read_media_period
}

uint32_t config_constructor(int32_t layer) noexcept {
  if (layer < kConfigLayer146) return constructor::kConfigLayer144;
  return layer < kConfigLayer154 ? constructor::kConfigLayer146 : constructor::kConfigLayer154;
}

}  // namespace

void write_config(ByteAppender& out, const DcInfo& dc, int32_t layer, int64_t unix_seconds) {
  out.u32(config_constructor(layer));
  out.u32(kConfigDefaultP2pContacts);
  out.i32(static_cast<int32_t>(unix_seconds));
  out.i32(static_cast<int32_t>(unix_seconds + kConfigLifeSeconds));
  out.u32(constructor::kBoolFalse);  // test_mode
  out.i32(dc.dc_id);                 // this_dc
  write_dc_options(out, dc);
  write_text(out, "");  // dc_txt_domain_name
  write_sizes_and_delays(out);
  if (layer < kConfigLayer154) {
    write_limits_to_layer_153(out);
  } else {
    write_limits_from_layer_154(out);
  }
  write_calls(out);
  write_texts(out, dc);
}

void write_nearest_dc(ByteAppender& out, const DcInfo& dc) {
  out.u32(constructor::kNearestDc);
  write_text(out, "XX");  // country: not known
  out.i32(dc.dc_id);
  out.i32(dc.dc_id);
}

}  // namespace ringway::shard
