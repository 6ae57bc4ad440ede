// The namespace of the instruction-set level that a source is being compiled for.
//
// A kernel source is compiled once per level (cmake/isa.cmake), with CONVNATIVE_ISA set to `baseline`, `avx2`
// or `avx512`, and keeps everything but its table inside
//     namespace convnative { namespace CONVNATIVE_ISA { namespace { ... } } }
// The inner namespace without a name matters: it gives every template instance internal linkage. An inline
// function or template with external linkage would be a weak symbol, of which the linker keeps one copy,
// maybe the AVX-512 one, for all levels, and older CPUs would crash in it. For the same reason such a source
// calls no function of the standard library (types such as std::integer_sequence are fine).
#pragma once

#ifndef CONVNATIVE_ISA
  #error "compile this source through convnative_add_isa_sources() of cmake/isa.cmake"
#endif

#define CONVNATIVE_STRINGIZE_(text) #text
#define CONVNATIVE_STRINGIZE(text) CONVNATIVE_STRINGIZE_(text)
#define CONVNATIVE_ISA_NAME CONVNATIVE_STRINGIZE(CONVNATIVE_ISA)
#define CONVNATIVE_INLINE inline __attribute__((always_inline))
