// Finds the kernel table of a level among those that the ISA sources provide.
//
// Each kernel family has one source compiled per level that defines, in the level's namespace, a constant
// table for float and one for double. CONVNATIVE_DEFINE_TABLES(Table, family) declares
// `<level>::<family>_f32` and `_f64` and defines  const Table<T>& family<T>(Isa).  Levels that this build
// lacks fall back to the baseline's; isa() never names one of them.
#pragma once

#include "convnative/types.h"

#define CONVNATIVE_DECLARE_LEVEL(level, Table, family) \
  namespace level {                                    \
  extern const Table<float> family##_f32;              \
  extern const Table<double> family##_f64;             \
  }

#if CONVNATIVE_X86_KERNELS
  #define CONVNATIVE_DECLARE_X86_LEVELS(Table, family) \
    CONVNATIVE_DECLARE_LEVEL(avx2, Table, family)      \
    CONVNATIVE_DECLARE_LEVEL(avx512, Table, family)
  #define CONVNATIVE_RETURN_X86_LEVELS(table)     \
    if (isa == Isa::avx512) return avx512::table; \
    if (isa == Isa::avx2) return avx2::table;
#else
  #define CONVNATIVE_DECLARE_X86_LEVELS(Table, family)
  #define CONVNATIVE_RETURN_X86_LEVELS(table)
#endif

#define CONVNATIVE_DEFINE_TABLE(T, Table, family, table)        \
  template <>                                                   \
  const Table<T>& family<T>([[maybe_unused]] Isa isa) {         \
    CONVNATIVE_RETURN_X86_LEVELS(table) return baseline::table; \
  }

#define CONVNATIVE_DEFINE_TABLES(Table, family)               \
  CONVNATIVE_DECLARE_LEVEL(baseline, Table, family)           \
  CONVNATIVE_DECLARE_X86_LEVELS(Table, family)                \
  CONVNATIVE_DEFINE_TABLE(float, Table, family, family##_f32) \
  CONVNATIVE_DEFINE_TABLE(double, Table, family, family##_f64)
