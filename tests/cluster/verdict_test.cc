// The table of answers, read out in full.
#include "cluster/verdict.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "base/limits.h"

namespace ringway::cluster {
namespace {

struct Case {
  int32_t code;
  Verdict verdict;
  const char* name;  // in errors of Go's gRPC
};

constexpr std::array<Case, 17> kGrpc = {{{0, Verdict::kServed, "OK"},
                                         {1, Verdict::kRetry, "Canceled"},
                                         {2, Verdict::kRefused, "Unknown"},
                                         {3, Verdict::kRefused, "InvalidArgument"},
                                         {4, Verdict::kRetry, "DeadlineExceeded"},
                                         {5, Verdict::kRefused, "NotFound"},
                                         {6, Verdict::kRefused, "AlreadyExists"},
                                         {7, Verdict::kRefused, "PermissionDenied"},
                                         {8, Verdict::kRetry, "ResourceExhausted"},
                                         {9, Verdict::kRefused, "FailedPrecondition"},
                                         {10, Verdict::kRetryFew, "Aborted"},
                                         {11, Verdict::kRefused, "OutOfRange"},
                                         {12, Verdict::kRefused, "Unimplemented"},
                                         {13, Verdict::kRetryFew, "Internal"},
                                         {14, Verdict::kRetry, "Unavailable"},
                                         {15, Verdict::kRefused, "DataLoss"},
                                         {16, Verdict::kRefused, "Unauthenticated"}}};

TEST(Verdict, KnowsEveryStatusOfGrpc) {
  for (const Case& c : kGrpc) EXPECT_EQ(verdict_of(c.code, "text"), c.verdict) << c.code;
}

TEST(Verdict, KnowsTeamgramsCodes) {
  EXPECT_EQ(verdict_of(401, ""), Verdict::kUnregistered);
  EXPECT_EQ(verdict_of(401, "AUTH_KEY_UNREGISTERED"), Verdict::kUnregistered);
  EXPECT_EQ(verdict_of(2, "AUTH_KEY_UNREGISTERED"), Verdict::kUnregistered);
  EXPECT_EQ(verdict_of(700, "REDIRECT_TO_10.0.0.1:20120"), Verdict::kRedirected);
  EXPECT_EQ(verdict_of(400, "unknown payload"), Verdict::kRefused);
  EXPECT_EQ(verdict_of(500, "something"), Verdict::kRefused);
  EXPECT_EQ(verdict_of(500, ""), Verdict::kRefused);
}

TEST(Verdict, A500MeansWhatItQuotes) {
  for (const Case& c : kGrpc) {
    const std::string text = std::string("rpc error: code = ") + c.name + " desc = it broke";
    const Verdict expected = c.verdict == Verdict::kServed ? Verdict::kRefused : c.verdict;
    EXPECT_EQ(verdict_of(500, text), expected) << c.name;
  }
  EXPECT_EQ(verdict_of(500, "rpc error: code = Code(401) desc = AUTH_KEY_UNREGISTERED"),
            Verdict::kUnregistered);
  EXPECT_EQ(verdict_of(500, "rpc error: code = Code(700) desc = REDIRECT_TO_a:1"),
            Verdict::kRedirected);
  EXPECT_EQ(verdict_of(500, "rpc error: code = Code(14)"), Verdict::kRetry);
  EXPECT_EQ(verdict_of(500, "rpc error: code = Code(x) desc = "), Verdict::kRefused);
  EXPECT_EQ(verdict_of(500, "rpc error: code = "), Verdict::kRefused);
  EXPECT_EQ(verdict_of(500, "code = Unavailable"), Verdict::kRetry);
  EXPECT_EQ(verdict_of(500, "rpc error: code = Unavailable2 desc = x"), Verdict::kRefused);
}

TEST(Verdict, WhatIsNotKnownIsFinal) {
  for (const int32_t code : {-1, 17, 18, 99, 399, 402, 499, 501, 699, 701, INT32_MIN, INT32_MAX}) {
    EXPECT_EQ(verdict_of(code, "text"), Verdict::kRefused) << code;
  }
}

TEST(Verdict, FindsTheNodeOfARedirect) {
  EXPECT_EQ(redirect_target("REDIRECT_TO_10.0.0.1:20120"), "10.0.0.1:20120");
  EXPECT_EQ(redirect_target("rpc error: code = Code(700) desc = REDIRECT_TO_[::1]:5 (moved)"),
            "[::1]:5");
  EXPECT_EQ(redirect_target("REDIRECT_TO_"), "");
  EXPECT_EQ(redirect_target("elsewhere"), "");
  EXPECT_EQ(redirect_target(""), "");
}

TEST(Verdict, AStreamsEndObjectsToAMessageOrNot) {
  for (const Case& c : kGrpc) {
    const bool innocent = c.code == 0 || c.code == 1 || c.code == 4 || c.code == 8 || c.code == 14;
    EXPECT_EQ(is_objection(c.code, 100), !innocent) << c.code;
  }
  EXPECT_TRUE(is_objection(8, kBatchBytesMax + 1)) << "a large one never fits perhaps";
  EXPECT_TRUE(is_objection(700, 100));
}

}  // namespace
}  // namespace ringway::cluster
