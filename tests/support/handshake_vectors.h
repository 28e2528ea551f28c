// Known answers of the key exchange.
//
// "Official" is the run that https://core.telegram.org/mtproto/samples-auth_key prints; "own" is a
// run with fixed inputs and a throw-away RSA key, computed by an independent implementation.
#pragma once

#include <string_view>

namespace ringway::handshake_vectors {

inline constexpr std::string_view kOfficialNonce = "15a084b3b9ca2a17f03925f44b78fe68";
inline constexpr std::string_view kOfficialServerNonce = "d6701fcd212ceb87c966e5318f5564a8";
inline constexpr std::string_view kOfficialNewNonce =
    "845fad32d10a4c7967da49a89fbe508ad24aa3150992b499b3b2c72cdc0f364c";
inline constexpr std::string_view kOfficialTmpKey =
    "d32e4a7f18252ae2b0406b84633e1117833ed75bda40011d1e1700e3e08a8ae7";
inline constexpr std::string_view kOfficialTmpIv =
    "4ffc40d969d49934ed3740ff66d9179947a5e1d85c4c7f15555920c1845fad32";
inline constexpr std::string_view kOfficialAnswerHash = "adddf2feb5e14f93ee8d3a5181f9d89a39e4439c";
inline constexpr std::string_view kOfficialAnswerPadding = "7607b7374780e1c0";
inline constexpr std::string_view kOfficialNewNonceHash1 = "677f483bb89fd206b244a2d1ac38cb31";
inline constexpr std::string_view kOfficialNewNonceHash2 = "5f76f126317168f0b0aa0f8a7cde8d52";
inline constexpr std::string_view kOfficialNewNonceHash3 = "f0d720c06e826b5920c6020c882acbe6";
inline constexpr std::string_view kOfficialAuthKeyId = "8ae7a271969a9b1f";
inline constexpr std::string_view kOfficialAuxHash = "26d6ceeff1381295";
inline constexpr std::string_view kOfficialSalt = "522fb2fff026a7fe";
// The payload as received: random words follow the object, inside the declared length.
inline constexpr std::string_view kOfficialDhGenOk =
    "000000000000000001c0a6f6fdc0ab657000000034f7cb3b15a084b3b9ca2a17f03925f44b78fe68d6701fcd212c"
    "eb87c966e5318f5564a8677f483bb89fd206b244a2d1ac38cb31";
inline constexpr std::string_view kOfficialReqPq =
    "000000000000000064f70d00fcc0ab6514000000f18e7ebe15a084b3b9ca2a17f03925f44b78fe68";
inline constexpr std::string_view kOfficialInnerData =
    "955ff5a9081460e7d3fa727791000000043c2357cf0000000456bfb29f00000015a084b3b9ca2a17f03925f44b78"
    "fe68d6701fcd212ceb87c966e5318f5564a8845fad32d10a4c7967da49a89fbe508ad24aa3150992b499b3b2c72c"
    "dc0f364c02000000";
inline constexpr std::string_view kOfficialEncryptedAnswer =
    "fef627ac3a88027bc6583f95d82e610066a87b839614ee343cd8d37f2b2c81fc964561ba164f44e4b3c39a6cc74c"
    "6e2f2687c2e5872658e4301734b3814d420c684d94c0b93c4b335dbb346266cdad20b3eec91ae49b59e130eab877"
    "fd03c07ba786da8eff7bddcb773e0c4c1c7c66fe5c5a39d32a76400d71fbd2a09d5bfdf3b3976f17c1da7fd77349"
    "cbd97ebc5217181541f43d8dedb3027dc3989623dcf849ff391832f409903e7620ebbf7675cefa13cec90570bb0e"
    "e196c5bb67db169db902c1192f67d9a74b1b9782ff02fd4db78c76117d6639a6ed87f5deb37ed49296f2c94ea835"
    "d0988a270749c3e6d1d0b0be88f3985d683e48f2e2ac7648175ee72bea1b52641c23ec8eefbd6025516e91cce20c"
    "25cb5159b5c9d9ca19a15dd4a44f422946b758ec4c968bde0832e2389d5b9f3c3ac520ac58753747717f7276a7df"
    "3ff841a7abd18524a3150f537471f73a9818097e82d9645a9ce38f858d510ffc79ce11d96173c22dde2b0ae490b8"
    "cc7b10bcc7bb8879027872e724dcc648ddf7ae6f14c3229e7d611463e513d38be913d0d50e9d439337c0fd8d71c9"
    "ef70c602a47173d699308216c7c44c40615bf8e9806a5dfa56f4529ad70e784c1904a9488a019a6c7ab7d822a9a6"
    "926a1916891302c1827ce54e9d8829ee079d19730dfeba218d317eb4f22a2418ef9343da75131fc6f37a80d5eeb9"
    "3309711244ae3a1d4ca1906f10b4f06c8f9bf547a6fea9a8d0cc910b15e7da9a0acf0c2e7934f7a7dba8effe4d13"
    "5dbd207c609bfc3bac89ba949ddf754879712f6b97c50a54f560d0a75da8a078a039f21bca129fcb";
inline constexpr std::string_view kOfficialGA =
    "9828b2e4caec188bb94216f5e2db632a17630a21fd00c67465e741d26137c8e2b757f349d8dd1b62b601642acb9e"
    "3b390abf153d3a11615a128ed1d79379d763c14d2df5cef99c96945c51290c1fd82c4b482078863b2bc7022c7886"
    "c21c0f1d24814c768321c05934303e50ae22cbc83f2a3994bbc3c72e77bf10cdb695cbd86655d1bc0a083551e59d"
    "0fbfcfa13825a182105a78da35af5a15c064275b6e6729049c84209b898675c9110adcd1cbb2aab333c05d3e9f70"
    "d05fee7c54efce927e1b40a719d04d15c7e950eb885e60aaae990231719dbddd84c65b2f3a606fe1f78dea7c8fad"
    "25c1cd7876eb6f5a46270b82d549e31edd3c2dc2f82970a4999c";
inline constexpr std::string_view kOfficialB =
    "a521c97b9d210812c56055c62fe8c3ce7fc97a75e51d4428f78f7d5f7325fce03ff70d99039502fb75059dc40e36"
    "cf4f4d7a073937cc6dbc86ab864e7b3f26efe833f766856033931bc41f031507dd571fcfebb28f1b3df1577a90c2"
    "5b95c56894aab64c681961ac68afa9aadf03752d0e26eadd645a02d7895b64846eb83b3ddd458d856870cd8c0765"
    "b985c1ed50d5d802dde67b159c899898a9b738d17802f3d50b83a868738d8502bbe33b8d7fbc3348e3e444352816"
    "fd84d300a2a8e2117cac0eaec654235183187d85548791bf25abfd1ac97eab7fa685f67a57e7bbe47b96a99b8f34"
    "b8eb523c18aee074eabacb6fa9a28a41f4f961f41d86b19f4ec1";
inline constexpr std::string_view kOfficialGB =
    "a0bb357c5a5fbc4ec9d8b2171c030cb68a693a8024cd9e3630bae4ce000a14a5dbf8a40dfb322678a797ed3d5910"
    "32d0a1c529be4e76b7ebd5436e7bf7539a9ab5a5fe9dd62f37cae704efe0c10dd608e5d9554f7b2f7198e99ce29a"
    "9a86cce0fbb1491eba269deb6aa20c5cb2134e75e5c70a7c0e7d47ee16f87189d135edae37ead992063c11aea4ac"
    "660cf3ebe61b6c21adaac2a9317120a6f4d1da65978fa74bf94cc65a0ca2479d064906e78575049e7654d346ca57"
    "6c6778f478cdb48fca2fd9202e6e5f95fef623a206207afb41619c419357b49f4f8825b37ef7e74811fba22bdf45"
    "730f423793c5049514363232f3358bc5f60a416bdce7d7bbfb49";
inline constexpr std::string_view kOfficialClientPadding = "c320374a97c7bb863cff9f97";
inline constexpr std::string_view kOfficialClientEncrypted =
    "79ca5b557095ad847c53d6308a38b62fc9a6f2356c07f298d21c9b0db4002d90c4c0fb9c72626f9f146b4e3a81f5"
    "9ed5cc6a0b4f59bc7411cdca6bda8c27b6c3b6db548f076bb6ccb6791db116e6368c7328ba21212121446ce754ec"
    "118cf380ed0cb0d798418ce54d7f68fcae7af146f4f8df31f98794ff6ee06c35de10a86518434a9f83cdc05fd5b1"
    "51a50f63ad87d8529d7aa032498af9c17c6f02e7ee1e8733f5752186880fa475f2977c7f00e1d8384e20613971f9"
    "8efd81a3c6bfb3b8f97969fb39d172527961341bbfdc9d2895306365a52f2cb9087c122e53990800bd596e05aa25"
    "a5642996afb43061178a580f21e3c47080418b4cf0b6b10fc0c78595d486b3a3dd401d1bf37257c2584bfd5d71a7"
    "08b138a6e22f853e522696aa6d1a8532461abaea7935a975e3c978a7a00c792cb3adf688d0b1480c6c016b04cd1b"
    "c36546cd9acabaa0c84db571749b";
inline constexpr std::string_view kOfficialAuthKey =
    "77379866d71627e6c3635361f9681b03c9ee8a7aab9552ef513a13315eabc18a118ed649614ae1f01dab8f71d833"
    "41309c5999ad4889e5d9f3e911aaad00d9ddc24273d7b97dd92151f969242f347c8f9d5de44e8d7e87a69c2ae175"
    "7f5ecd20aafc586edd34c89ac8d5b8f7c9eb33a0c7f06a69632bceb8de03e336e5af0332d4b1f52ba73fbe7a3a6f"
    "e8c2268c10b9357e5474a7cceb0e39fe3b4a92900cd09af3c307d8fa90cb9da2ad35643fb0335bd0b7e6d30d1038"
    "741eb632e6a97b692a1f76f418af74337d05539b59df1d4e16b7e0c87240595ddfd26037cdb7e70db4b6c5cae532"
    "f49bc6974f6f46fd3cbdcd90ebb6795fd9a43421bcdf893d5c46";

// An older published sample.
inline constexpr std::string_view kOlderNewNonce =
    "311c85db234aa2640afc4a76a735cf5b1f0fd68bd17fa181e1229ad867cc024d";
inline constexpr std::string_view kOlderServerNonce = "a5cf4d33f4a11ea877ba4aa573907330";
inline constexpr std::string_view kOlderTmpKey =
    "f011280887c7bb01df0fc4e17830e0b91fbb8be4b2267cb985ae25f33b527253";
inline constexpr std::string_view kOlderTmpIv =
    "3212d579ee35452ed23e0d0c92841aa7d31b2e9bdef2151e80d15860311c85db";
// new_nonce = 00 01 .. 1f, server_nonce = 00 21 22 .. 2f.
inline constexpr std::string_view kLeadingZeroTmpKey =
    "0a2d0f607499a866848e41798a34315e4922c39fe55c6caf5bc322c4b8c08c6a";
inline constexpr std::string_view kLeadingZeroTmpIv =
    "9cb702d4fd6e5d25e864070e166e6218f6783e8511471a5ab7802cf200010203";

// RSA_PAD of 144 times "a" under a production key, all random bytes being zero (gotd/td,
// TestRSAPad).
inline constexpr std::string_view kProductionPem =
    "-----BEGIN RSA PUBLIC KEY-----\n"
    "MIIBCgKCAQEA6LszBcC1LGzyr992NzE0ieY+BSaOW622Aa9Bd4ZHLl+TuFQ4lo4g\n"
    "5nKaMBwK/BIb9xUfg0Q29/2mgIR6Zr9krM7HjuIcCzFvDtr+L0GQjae9H0pRB2OO\n"
    "62cECs5HKhT5DZ98K33vmWiLowc621dQuwKWSQKjWf50XYFw42h21P2KXUGyp2y/\n"
    "+aEyZ+uVgLLQbRA1dEjSDZ2iGRy12Mk5gpYc397aYp438fsJoHIgJ2lgMv5h7WY9\n"
    "t6N/byY9Nw9p21Og3AoXSL2q/2IJ1WRUhebgAdGVMlV1fkuOQoEzR7EdpqtQD9Cs\n"
    "5+bfo3Nhmcyvk5ftB0WkJ9z6bNZ7yxrP8wIDAQAB\n"
    "-----END RSA PUBLIC KEY-----\n";
inline constexpr std::string_view kProductionPadResult =
    "bf68719e836806b040cd261ecaf66eb3c4ba19f3bbea3031b2e6cf29167bab647201d101b291dc5b716a42e789a3"
    "8d947fe59e9bcce8f30ef46a946743ea8b6babbce7fc0afc46b802aa453e83471d82a4dfad83f971f350b4b4fb47"
    "4cd1c48fdf427e4b5fecce9ec3178ae7dac3985856fdefa21d6fdc5e0e0fd8a57bc4f51580d637d372be8d87c9aa"
    "3fde8e6f8287bcb3be846aadcdd59465375479e248f62ed438f9804fbe36d41ca906243a5f740f3937949aa149ba"
    "8a8b8e68b3f3e1e3cd3f946387520e21eee55845e1f015a919a22f6a72bfaecd2cae946c91983b41f9ffabe97963"
    "bbde8f30eaf5fd3c5b8cecab8711bd269e441b6084f385726ff0";

// A throw-away key, used by nobody; fingerprint 0x3acd07196f528bd6.
inline constexpr std::string_view kOwnPem =
    "-----BEGIN RSA PRIVATE KEY-----\n"
    "MIIEpAIBAAKCAQEA31bpABe/ap76QaDlU+rWeO5cE58tzSk4cDWD5X4xyovlNWwI\n"
    "quu+Yr8QKZkVnJ8H2mPng837gijwoRFK69kX45s9XxWgexW4EkozaJy/hCNSEyrC\n"
    "i8/W4LDL6E7pwApCg36/FYBFkb2ouqBYSGkEL0JsHwVtYLYBx2tJRxsu4rOyn/B7\n"
    "OQLJtTwX0tHDxfXC6OqpABBMWm/R/SNbsjUrDwK9en8d2S5hHNHkSJMI2Tx91h5i\n"
    "bF4G+3ZKggXDzcAZjbb8nD8fuxS8MFeUFgURoh3Mkea5Xjsyz+6SgFXvZhzQtDA9\n"
    "ouQIppRthPMF6Pt2neusfJnkTbMN712CfjtbhwIDAQABAoIBAB58sda6PH4p+yB3\n"
    "/bDBtwrlWCVc48wvQHiKHZn3atrq04bs20FgZ+n5NJQbxRL5tIE6hQZ9g5kwzH7i\n"
    "1OwyriulloWYdq0xTvdphfCrAQu2ee7gNelkSEFTcP+iZ2SNzKbq54ZgWbQmLyu2\n"
    "qrEhFhn7bQtOWtrKTZ4yxjB82fQbxpF52ROkqMm+HZJyG/1hcspUvENe9shC076A\n"
    "8HtR5N1WtW6tJBhW1XbpJA/P8rwwH2qA0VlQ2TtzTvNs3dg3oRXLzRePsrDogplG\n"
    "blmr5sBAa1S7RSNsX1h6FG+P8ybpZ4fP3QrbEJqgaRWy4k8mOT+IaUOtfg+Df5du\n"
    "MzeBRwUCgYEA+7k/yybKV2dyiZVk1sLCPrbgBc2RdP8xKQDaMt7RAR3Z+gDpeAou\n"
    "ia6jWS8NtkocjvDmDKBtglVPT4uSRKcubHKE1dTOkR+dFBYJ1mnngJsRtRtaa2pc\n"
    "9m7YE4utYCbQYn+tgb/FdirKkysZA0mCdJiU4jgokKSaONAhqv7PZ3MCgYEA4yI3\n"
    "wvBLccgz8H/Z96rWh6PzNBDD9m5qAgEC+ujLZh5nNtKuktsohPtZYH9F2NHSfxJP\n"
    "wuFaR7LikqDWps4CXr/R6mY4KawXkySoKttlRRit2nNGASNU4MVMDqszX1ztq+sD\n"
    "t9sL9+ufZUgKDj1rnSwPmHMmewpLAciRXC607p0CgYBitFchb8pzz2qILH5n/+Ju\n"
    "+QKLA/p/Z/l83Iqy29AUogHxGB50JXnuHv6KX/r+eb0NB8UNOnL2YkFBLbdjGDMJ\n"
    "7zXLKzD8kurjD2k4HDrcoPGmlF02NXTSZNBxiZmoVE/t76a3c90X4tugLYwXT+HJ\n"
    "mnL26ZJudTzL/kDVbikhpQKBgQCj5BfqUKuPoY9g1VA5Notv+mxNwF82XTue0I4O\n"
    "8JV7zSpa07DmBL97HUbDq3KB3f0Ode8ZxrP3EmwMs4PPfs0VA0J76WBTKXslUIkL\n"
    "y52KOyGPhCgaQB1JxvN3ji8We55/s6fOLX+4V8t/MHkZB1a0ZYunTEeS9r1ivw+s\n"
    "PYOOvQKBgQCjctPX005YXi1P73b15dV0lyHZsvjLPmk+pP/GAcOIiETjec4p/z/i\n"
    "3FgidUPHctIQN1WQ+RK3Auc1CIQMyWjTXcA0Qheodqru8TJNVbuXJaKFimW6ebxw\n"
    "JcwdIBXZlp2raRjJ6sTfar48KHfrrjTQQSLG1qPmxGJ+PforwU2YAw==\n"
    "-----END RSA PRIVATE KEY-----\n";
// Whole unencrypted messages.
inline constexpr std::string_view kOwnReqPq =
    "0000000000000000040000000000006514000000f18e7ebe000102030405060708090a0b0c0d0e0f";
inline constexpr std::string_view kOwnResPq =
    "000000000000000001000000000000654000000063241605000102030405060708090a0b0c0d0e0f101112131415"
    "161718191a1b1c1d1e1f0817ed48941a08f98100000015c4b51c01000000d68b526f1907cd3a";
inline constexpr std::string_view kOwnDhGenOk =
    "000000000000000005000000000000653400000034f7cb3b000102030405060708090a0b0c0d0e0f101112131415"
    "161718191a1b1c1d1e1f1cf169e05a3e0fefa13ec6676abdf4b0";
// The four forms of p_q_inner_data: plain, dc 2, temporary 86400, and temporary with dc -2.
inline constexpr std::string_view kOwnInnerData =
    "ec5ac9830817ed48941a08f98100000004494c553b0000000453911073000000000102030405060708090a0b0c0d"
    "0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b"
    "3c3d3e3f";
inline constexpr std::string_view kOwnInnerDataDc =
    "955ff5a90817ed48941a08f98100000004494c553b0000000453911073000000000102030405060708090a0b0c0d"
    "0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b"
    "3c3d3e3f02000000";
inline constexpr std::string_view kOwnInnerDataTemp =
    "d4846a3c0817ed48941a08f98100000004494c553b0000000453911073000000000102030405060708090a0b0c0d"
    "0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b"
    "3c3d3e3f80510100";
inline constexpr std::string_view kOwnInnerDataTempDc =
    "88dffd560817ed48941a08f98100000004494c553b0000000453911073000000000102030405060708090a0b0c0d"
    "0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b"
    "3c3d3e3ffeffffff80510100";
// RSA_PAD of the last form, padding 88 x aa, temp_key zero: the block before RSA, and after it.
inline constexpr std::string_view kOwnPadBlock =
    "aef02cd90f14edc2b68d3998797217f57a56fd4d3ccbc482c517f603e8b95da6b5ebfc02a7268eef24412b9a99d0"
    "41d78c24a908cc63986b4f5651abfe90457531bc6ff44c3a0b413a6980d93e94b13c9fa36028ef49b2f803e278a8"
    "e17ba310bef3941be67e9e469c151cd572c29ae77b66d664f7f04e9f3197daa5729673d677250d8f56c082317317"
    "3d4014f044711900a28c766335650f3ec19c34f2511995b2b0cfe2ae6930992e2c4ccf43538bf762abfebc7ffaa9"
    "f477071a3996392be3207884bb2fef15edb8a7f19c90a3d3fe9362c59d72b83afec63c90e9202361cb095b013160"
    "e1ca837aad283d0307c72d02c10a547ca5d567f012f5ebbccfa9";
inline constexpr std::string_view kOwnPadEncrypted =
    "a9195c5d7e37b41b81c3fa8a8a5d24b425241e2b42720b3d735dc35e1621e2cd558eb6cd726abe3d683bdf0b1c1d"
    "ebcd231f85fb62b11a8afeabbadd79376a2ad8cbd05826b62076764460fd1868157ffd95cfc43e81fab2aeb6b0a7"
    "ac3e04cca8127174d24afc4dc5454b2b28e4177ba6c393c4ee6bd3301a63b96462a8148e636e06609f5d8ebdb79c"
    "de646ca2d3b415a7fc807d41af3c4a2d151647cdbc0f586b9d46529c3c107384a1962bf81fb2065cc987d681a2ce"
    "3c3e384513316375b62db714b52c084545a5bdf8dd488ea8bc4557f4a77f94f3496f28737c429b72bc1e90c071f9"
    "9b408c4716efcb71c38d1756e7330f2e06254763371fdf941f58";
// A temp_key that makes the block begin with a zero byte.
inline constexpr std::string_view kOwnZeroTempKey =
    "36c2298641040d27e5bf75412761c5f9114e6f33e4f1f393bf8a959fa611f02f";
inline constexpr std::string_view kOwnZeroEncrypted =
    "be408ab3ff36911e9859e150772e1afae399bb8fd713084286df25deed96b22458eab3c58f59ce11849bf37afcfc"
    "d3216d7f87f7070f36b5e5cc1418f507bd54c4c469be6e80a600582ea6a5a6ee47bc83fa12f88ff041d870be884e"
    "b2fabad5a5509a2ea9139db30fe1e368bc404383a7d7a9d6c79c0d91e0c223d06d07d24ec13ca6db9e1fd33c7a5c"
    "609be350e4073f2acf39c3ef2585b2256d3fea48c6ced3b18a6f91d7c92763a5ed06ab88013c22ba184cb29964d8"
    "2289012ae7491f436f9abaa6e85ee1f61d32b3a663a6d37b16a3408fd6f40ed080572f32ed902327fea163ebc3b2"
    "7f43dc461d684c028afdbdec693cbe0f007686c1014d02af6453";
// One bit of the hash flipped: must be refused.
inline constexpr std::string_view kOwnFlippedEncrypted =
    "9bff762f450cd34768f905e4090a73b844d15ce8e8e01ea3a98b73fb7f850a255f23eaba623562ad8393ccbf4d84"
    "6fa423dd9ac75c45806bb443a79ed63fcb043396bd4391703a48defdd29a87910555cb185a07b38d56fe1d0e0052"
    "cc0ea66b1b9e949ba7ef46169557665eeffcec6a1c1308ba36db9c7b91de64e051b5a66b56c07a058791750d5960"
    "bc14c6e38bd07e33480c4c409f9c48470b01e4f1054373f53c9cc32ef004953c39d09b862b0ca4eaad94ad299627"
    "1833f59ef02f6c21556aad1e857934dd999dd2e3549d29b7c80760ffa550a29de1e894acd8e8d3ad8b6054385123"
    "7db689f53f0e94ac92bef9eb76e0cc1ef3cbd0606e4f45f1418b";
// The older padding of the plain form, padding bb.
inline constexpr std::string_view kOwnLegacyEncrypted =
    "627a6acbd480fb9025bfcf791f386bc2206795af81288aa09e1dec538ac9e67eb9c6a2f5f0e9142ee6ec3488204d"
    "cea302a59e42ed9e55c8aedefe797fa68040de5be2375573adf082eaffa4ac1b5a548eede2e429db4132af50e861"
    "ba747b275b3906f5a6a8416c5ca2221be5245ec6f42fb7d6de470021134e73ef2367010197f8ba6835c27bc3e664"
    "a9ed689eafdc35dbdde3fa079bd157b2436e0eaf408ce7490bbdcc7c42fd344d2f08b5cb1411f33f18cecdc9c854"
    "fc72a171b0cab7e98b552fd20610e1d33c8e702719525210cd6d226e018abe53051ee2dc492fab0ec5aef42c120e"
    "934bc2081dbb47beb35d00ed0be85976e2f34c30c19e54c18dde";
// a = da 31 x 5a, b = 256 x 3c, server_time 0x65000000, answer padding cc, client padding dd.
inline constexpr std::string_view kOwnTmpKey =
    "d560e7c143d1315eb193247505a0cf79d744739abfe19b75be693be4b386e03f";
inline constexpr std::string_view kOwnTmpIv =
    "c06f559e964f70a958b1c56a7fe8c6e6e1436b219d7f2c12af8f95b420212223";
inline constexpr std::string_view kOwnAnswerHash = "a1509d5276a44149094823142009b2b51a68b1f3";
inline constexpr std::string_view kOwnAnswerSha256 =
    "c06b6a3ce706cbb8604808b61bf19b1fbcd2060768d52ba72068e881f1b785b5";
inline constexpr std::string_view kOwnAnswerHead =
    "1d7ebd0aa9989ea25424b57c7cb27e210a64e9771afdd1129886ca5ef42ca5bd";
inline constexpr std::string_view kOwnAnswerTail = "0ed0173e216dbbe6991ced1011d705a6";
inline constexpr std::string_view kOwnAuthKeyId = "7fba0090c7f8475a";
inline constexpr std::string_view kOwnAuxHash = "21afb8e18d2fd324";
inline constexpr std::string_view kOwnNewNonceHash1 = "1cf169e05a3e0fefa13ec6676abdf4b0";
inline constexpr std::string_view kOwnNewNonceHash2 = "662b94d12e7bbc0579cc612b74d4b035";
inline constexpr std::string_view kOwnNewNonceHash3 = "da167eda1abf78aa2bdadc900d24c7c0";
inline constexpr std::string_view kOwnGA =
    "0fc2651b109958cf2023604fcb96cbbf45a124f9b2a210bba24ce22bdd491c7de8e460a301f5dd4afe0cff210431"
    "a09e248e9815cfccbbc5c1d23385c47c2d5b58695b044a97d171c9bd1e615006ee1d1987209de3d1e1e5ca81adf5"
    "f87b60f446d35b4c57dc3794cb1874c2fdc406c8ef617506a48b23be2e0ca48e37802d9f444ebb4fe445e28aaf38"
    "0c654cd250c0deb48cd2cc2d2b770d94f56c1ad4aa7f8741eed1fec3719cf0b88f18789c1250c5a56f74da42ed47"
    "8053ec8243135dcbf5c7e8bc984a4fb05c8e81505e380388a89ac25227a2cc53e7a5d1774d9ce9b87c68aa4902aa"
    "51917958eb6d7a465d5cf3454f09b042d4f4e66380dc32a5be5a";
inline constexpr std::string_view kOwnGB =
    "500471a1e3a41cd8be6055a0b43a8e8eaba6003a6dd4717f8534237b132624425bebf316a49664b3254ee9d98cd9"
    "fb4b83edd6391ca2e541a9e25261d4fbc2a4fe77182898a65e0830cdd209c6b0d5c49ef81f25368a6a527d42e8a8"
    "7ff3ee44bcc5f2859ac5dc8e7e982ba70fb85547b0a63ada7ee2459ce1b464892b3c6614e31367f82fe8c3672117"
    "0692a7279f42f726fe9ecb094dee8d40de272d5d8b9f24876ee72db629ea43c0bade48545e4b7003ec7a8607fa1d"
    "6c164a996ec692d6f747ef270b9e9c8a747c896e97925f41e4ebbd3889eccf9a2f3982347620af3b5b55657fc075"
    "f91bcf27ef5365b34125152d7dc1205f8229b4cd9841a81c89f0";
inline constexpr std::string_view kOwnClientEncrypted =
    "0cb648983dd383ccde564081d62ca495a9a7cabca37327269a5754c8953abad6a3b23fa69af2fe4a3c9f2387db95"
    "bc956447ba400ed05441d46b2d2f508bbbf98659e8931714828d739a3d39c0653f67932f0199e92de39b7e6f3ee3"
    "1e273911709c19eb3deca52d3e471da52d7b4dd48bd91f192cbb0b9a0a89949179c3b56712f16e42f1c2fcdd8bfa"
    "ba744f24eacaac4864d8341e32b3ccdafd6f08c93c4d07d62fda89779c932e25eb761bb60cbbf04558d83ff29be1"
    "bda5f27f4783dbd3fe7cbdb965570de57ac28cbb91f7c29292982550e2ccd2d7af92f8c7cd42fa9b84eee6060d54"
    "132dde935dc6015e281805cf11082a911a1d071f1159177f2142af9444263e64ecbcf4d1587e75972d05257c3ba0"
    "c9907df82b63faf1b3c489345efd618264fe8b43f798ad988d7d5d3f44ef99c3f382a7e1cc7bffa91f4ef6827756"
    "2fdccafcd0a4cce21bcb7d205fb2";
inline constexpr std::string_view kOwnAuthKey =
    "6a85ad0bcc6c69c041c9db3ae925071f66ce51c445fc87927dec6e8ecfec2d5ed699449224332e59d963d30f828c"
    "4252c2d19fba995e262493726649a98e6e8d72b5eb6eb9a264267c9896ae3b72f4f7e72df0fea1d018f6ac4fde09"
    "ca43f94250af3c756285dad84048806dbe550447a750020acb5d7a495f9ff6aff496be8ca06cdc05a4401f61abec"
    "951bd5271c04b18a14c94df995e6220c3b2a29c39657aa919f53ddcb3e612269ac6e789e212c76bd8d0005c7eae0"
    "33ac376fb79374b7301e9578a047c8ee9481bd4d68ba9e8905c9877707b655de80edb1ea3c0beafbd5a01fad7a94"
    "b96a0dbdc0c27d81cfad715bec2c8d0161a0264615d2a614f48d";
// client_DH_inner_data with forbidden g_b: 1 (whole), p - 1 and 2^1983 (SHA-256 of encrypted_data).
inline constexpr std::string_view kOwnGBOneEncrypted =
    "846010c1de76ca2396f8cd16898a07957b2f62bbe614ebaeab88ceffa16bddccda869ec71da99d350959653f9f23"
    "ddf44a2b2db2a61e02135057931e7290140a4020fe194bfff41fff8bced239a61e95";
inline constexpr std::string_view kOwnGBMinusOneSha256 =
    "31a31c9a0f4be4f1735123bcc3e2b4e4b15127f77ecd35e244938f86eb1f4be6";
inline constexpr std::string_view kOwnGB1983Sha256 =
    "e4365d8a03391a575a89f3c26cc35f335b533d3a8edf60a28d573866a727207a";

}  // namespace ringway::handshake_vectors
