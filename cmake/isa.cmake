# The only file that knows compiler flags for instruction sets.
#
# convnative_add_isa_sources(<target> <source>...) compiles each source once per instruction-set level that the
# target's architecture has, with CONVNATIVE_ISA naming the level, and links all objects into <target>.
# Levels beyond the baseline exist on x86-64 only; CONVNATIVE_X86_KERNELS tells the core so.

include_guard(GLOBAL)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(CONVNATIVE_X86 1)
  set(CONVNATIVE_ISAS baseline avx2 avx512)
else()
  set(CONVNATIVE_X86 0)
  set(CONVNATIVE_ISAS baseline)
endif()

set(CONVNATIVE_ISA_FLAGS_baseline "")
if(CONVNATIVE_X86)
  # There the baseline serves CPUs of before 2013: a quarter smaller is worth more than -O3's few per cent.
  set(CONVNATIVE_ISA_FLAGS_baseline $<$<CONFIG:Release>:-O2>)
endif()
set(CONVNATIVE_ISA_FLAGS_avx2 -mavx2 -mfma -mbmi -mbmi2)
set(CONVNATIVE_ISA_FLAGS_avx512
    -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mbmi -mbmi2 -mprefer-vector-width=512)

# GCC 12 takes the deliberately undefined registers of its own <immintrin.h> for mistakes (GCC bug 105593).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND CONVNATIVE_ISA_FLAGS_avx512 -Wno-maybe-uninitialized -Wno-uninitialized)
endif()

function(convnative_add_isa_sources target)
  target_compile_definitions(${target} PUBLIC CONVNATIVE_X86_KERNELS=${CONVNATIVE_X86})
  foreach(isa IN LISTS CONVNATIVE_ISAS)
    add_library(${target}_${isa} OBJECT ${ARGN})
    target_compile_definitions(${target}_${isa} PRIVATE CONVNATIVE_ISA=${isa})
    target_compile_options(${target}_${isa} PRIVATE ${CONVNATIVE_ISA_FLAGS_${isa}})
    # Link-time optimisation could inline or merge code across levels.
    set_target_properties(${target}_${isa} PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF)
    target_link_libraries(${target}_${isa} PRIVATE convnative_options)
    target_link_libraries(${target} PRIVATE ${target}_${isa})
  endforeach()
endfunction()
