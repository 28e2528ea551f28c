// crypto/simd: what the vector kernels of this room share. Only for .cc files of this room.
//
// Kernels carry a target attribute on each function instead of compiler flags for the file, so that
// nothing of a shared header can be compiled for a processor that has not been asked. For the same
// reason their loops over lanes are unrolled by RW_UNROLL and not by lambdas, which would not
// inherit the attribute.
#pragma once

#if defined(__clang__)
#define RW_UNROLL _Pragma("unroll")
#else
#define RW_UNROLL _Pragma("GCC unroll 16")
#endif
