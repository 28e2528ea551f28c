// Known answers for opening and sealing messages, hexadecimal, in wire order. K is the key 00 01 ..
// ff.
#pragma once

#include <string_view>

namespace ringway::mtproto {

// gotd/td: K, client to server; the plaintext is text, not a message.
inline constexpr std::string_view kRawFrame =
    "32d1586ea457dfc8a81729d46db54019a2bfd7f744f9b96c4f716cfdc4477db2a2c15f6ddb85235fb9552f1d8407"
    "c6aaea00cc844c5a1bf6ac44b79b5edc2a23868b3d6073a590992c0f2975243d563ea180d218ee757c9a";

// gotd/td: a container that a server sent.
inline constexpr std::string_view kRealKey =
    "5d2e7d65f49ec28bd029a88761ea27b8a4c79f12226525443e7d7c596ef3303530db2107e89aa997c7a0164ab694"
    "187adeff156bd6ef7118a1962347753c0e7e89a0354b8ec364f9997e71bc6923fb86e8e43491e010606a6ce845e2"
    "fa01940977ef0aa32adf5a97dbf6d428ec0434d717a2d3ad19622cc05887642113c7965ffb862a3e3ccb0ab95add"
    "da57f89245dbd76b492348f8e94bd5a7c0e0b84808523cfd1ea80b32fe9ad198bc2e103fceb7d52492ecc0273a28"
    "674bc923eee59265ab17a002df1f4aa2c59b819a5e5e1d105ec117336f5c76c6b187037d4b4270cee9cc21071d97"
    "e9bca220c6d7b01b998cf2e5cdb9a50ecda1852a36e635690c8e";

inline constexpr std::string_view kRealFrame =
    "7a7183c2c10e4f4df945fa9a9abd35e7c3840b61f045304f39674c19c0e209784f50f6226a073529d675c92cbf0b"
    "fa8c99a79b3f39c72a5d9a026d431ab7407ca04ecc55187d6c45f17871524edd90cea02ed728e14d7cb18aea2a63"
    "6158f09459a9437710d894c79f368c4e8164b7647ea98612aefe942c5d92121acb8db02dccceb66d0f8720ac12a0"
    "6db0582bfd955be34f365118e3bab8cd080ce6b45b28eac56dcd2a29374e";

inline constexpr std::string_view kRealPlaintext =
    "fc826a02248b28fd60f2c4822443ad6801f0c1c2918b305e0200000058000000dcf8f1730200000001a8c1c2918b"
    "305e010000001c0000000809c29ec4fd33ad918b305e18a88ea607ee5816fc826a02248b28fd01ccc1c2918b305e"
    "0200000014000000c5737734c4fd33ad918b305e6408300000000000fce66704a3cd8ee9d0ae6fab672c60c04a3f"
    "1fd4490e51f6";

// K, client to server: a ping with 20 bytes of padding.
inline constexpr std::string_view kPingPlaintext =
    "887766554433221108070605040302010400000000000065000000000c000000ec77be7a11100f0e0d0c0b0aeeee"
    "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";

inline constexpr std::string_view kPingFrame =
    "32d1586ea457dfc8c26b2e5c913b4a73921a60d185bcf769262d084294092cb96131ab50dc3d3b69e3a26bbb9ab9"
    "abcb24b912008bd45250e4b38aff5065e66d63e0cc9fd863a5c579b0e5dc64f1787ea5dd49e1d6da43b6";

// The same ping, wrong in one respect each, with a valid msg_key.
inline constexpr std::string_view kFourPaddingBytesFrame =
    "32d1586ea457dfc83e6482b4933e288edcdd6fd6c4945ad4abe735803325f8e65212afee609c0fd17fb413ff6520"
    "3d5fd0c5d81bbcd2bc8bfecdce2c9ece3ab3fa7f4315379c5a50";

inline constexpr std::string_view kOverflowLengthFrame =
    "32d1586ea457dfc8f5e31ccb632f77b1334d895b7fe53bd2f6ad5fdfc0c9d8cd298cced1f1a1c446d3c930e3be5a"
    "25029950913ba73ab9dc1cf17a321d815f56da62527106cbad23e345d148339087e5bbcc7ef3cf109ce2";

inline constexpr std::string_view kUnalignedLengthFrame =
    "32d1586ea457dfc8f7e5bb8c3431ffd2fb5956fbddd64d0e0514271598478f521d6d6d667d39da71c6fe3c155e1b"
    "768ab609bc68a5a1517d1d21f8235fb9e99e2f2c6eacd8c5e44a7cc7115e1441aa1d1843a2cff3b88972";

// K, server to client: the pong, with 12 bytes of padding.
inline constexpr std::string_view kPongPlaintext =
    "8877665544332211080706050403020101000000010000650000000014000000c573773404000000000000651110"
    "0f0e0d0c0b0adddddddddddddddddddddddd";

inline constexpr std::string_view kPongFrame =
    "32d1586ea457dfc8230d42d53d7cebf0fa49b2bd5131cd1828968784bdd2d6d4d519939b00b7413cd383e14c8f9f"
    "d825055cf276ee818c7bdef581f3fd3bf934e025e6814204427d97b3f9cd72edce5f9020b24e3693b7d0";

}  // namespace ringway::mtproto
