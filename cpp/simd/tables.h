// Finds the kernel table of a level among those that the ISA sources provide.
//
// Each kernel family has one source compiled per level that defines, in the level's namespace, a constant
// table for each of its types. CONVNATIVE_DEFINE_TABLE(T, Table, family, table) declares `<level>::table` and
// defines  const Table<T>& family<T>(Isa);  CONVNATIVE_DEFINE_TABLES(Table, family) does so for float and
// `family_f32` and for double and `family_f64`.  Levels that this build lacks fall back to the baseline's; isa()
// never names one of them.
#pragma once

#include "convnative/types.h"

#define CONVNATIVE_DECLARE_TABLE(level, T, Table, table) \
  namespace level {                                      \
  extern const Table<T> table;                           \
  }

#if CONVNATIVE_X86_KERNELS
  #define CONVNATIVE_DECLARE_X86_TABLES(T, Table, table) \
    CONVNATIVE_DECLARE_TABLE(avx2, T, Table, table)      \
    CONVNATIVE_DECLARE_TABLE(avx512, T, Table, table)
  #define CONVNATIVE_RETURN_X86_LEVELS(table)     \
    if (isa == Isa::avx512) return avx512::table; \
    if (isa == Isa::avx2) return avx2::table;
#else
  #define CONVNATIVE_DECLARE_X86_TABLES(T, Table, table)
  #define CONVNATIVE_RETURN_X86_LEVELS(table)
#endif

#define CONVNATIVE_DEFINE_TABLE(T, Table, family, table)        \
  CONVNATIVE_DECLARE_TABLE(baseline, T, Table, table)           \
  CONVNATIVE_DECLARE_X86_TABLES(T, Table, table)                \
  template <>                                                   \
  const Table<T>& family<T>([[maybe_unused]] Isa isa) {         \
    CONVNATIVE_RETURN_X86_LEVELS(table) return baseline::table; \
  }

#define CONVNATIVE_DEFINE_TABLES(Table, family)               \
  CONVNATIVE_DEFINE_TABLE(float, Table, family, family##_f32) \
  CONVNATIVE_DEFINE_TABLE(double, Table, family, family##_f64)
