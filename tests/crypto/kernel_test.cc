#include "crypto/kernel.h"

#include <set>

#include "crypto/aes_kernel.h"
#include "crypto/sha_kernel.h"
#include "test_bytes.h"

namespace ringway::crypto {
namespace {

// Each test leaves the choice as it found it.
class KernelChoice : public testing::Test {
 protected:
  void TearDown() override { EXPECT_TRUE(use_kernel("auto")); }
};

TEST_F(KernelChoice, TheFastestIsInUseUnasked) {
  EXPECT_EQ(&aes_kernel(), aes_kernels().back());
  EXPECT_EQ(&sha_kernel(), sha_kernels().back());
}

TEST_F(KernelChoice, EachKernelOfThisProcessorCanBeChosen) {
  std::set<std::string_view> names;
  for (const AesKernel* kernel : aes_kernels()) {
    ASSERT_TRUE(use_kernel(kernel->name));
    EXPECT_EQ(&aes_kernel(), kernel);
    EXPECT_EQ(aes_kernel_name(), kernel->name);
    names.insert(kernel->name);
  }
  EXPECT_EQ(names.size(), aes_kernels().size());
  EXPECT_TRUE(use_kernel("auto"));
  EXPECT_EQ(&aes_kernel(), aes_kernels().back());
}

TEST_F(KernelChoice, OpensslMeansTheHashesToo) {
  ASSERT_TRUE(use_kernel("openssl"));
  EXPECT_EQ(sha_kernel_name(), "openssl");
  ASSERT_TRUE(use_kernel("auto"));
  EXPECT_EQ(sha_kernel_name(), sha_kernels().back()->name);
}

TEST_F(KernelChoice, WhatIsNotHereChangesNothing) {
  ASSERT_TRUE(use_kernel("openssl"));
  EXPECT_FALSE(use_kernel("altivec"));
  EXPECT_FALSE(use_kernel(""));
  EXPECT_EQ(aes_kernel_name(), "openssl");
  EXPECT_EQ(sha_kernel_name(), "openssl");
}

TEST_F(KernelChoice, TheListForPeopleNamesThemAll) {
  std::string expected = "auto";
  for (const AesKernel* kernel : aes_kernels()) expected += std::string(", ") + kernel->name;
  EXPECT_EQ(kernels_here(), expected);
}

}  // namespace
}  // namespace ringway::crypto
