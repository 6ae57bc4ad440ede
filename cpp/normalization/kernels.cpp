// The kernel table of one instruction-set level; this source is compiled once per level. Contract:
// normalization/kernels.h.
#include "normalization/kernels.h"

#include <type_traits>

#include "simd/vec.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

using V = Vec<double>;
using Reg = V::Reg;

// Every loop body is written once, for an X that is a register or, in tails, a double.

template <class X>
constexpr int lanes_of = std::is_same_v<X, double> ? 1 : V::lanes;

template <class X, class T>
CONVNATIVE_INLINE X load(const T* p) {
  if constexpr (std::is_same_v<X, double>) {
    return static_cast<double>(*p);
  } else if constexpr (std::is_same_v<T, double>) {
    return V::load(p);
  } else {
    typedef T Narrow __attribute__((vector_size(sizeof(Reg) / 2), aligned(alignof(T)), may_alias));
    return __builtin_convertvector(*reinterpret_cast<const Narrow*>(p), Reg);
  }
}

template <class T, class X>
CONVNATIVE_INLINE void store(T* p, X x) {
  if constexpr (std::is_same_v<X, double>) {
    *p = static_cast<T>(x);
  } else if constexpr (std::is_same_v<T, double>) {
    V::store(p, x);
  } else {
    typedef T Narrow __attribute__((vector_size(sizeof(Reg) / 2)));
    typedef Narrow Unaligned __attribute__((aligned(alignof(T)), may_alias));
    *reinterpret_cast<Unaligned*>(p) = __builtin_convertvector(x, Narrow);
  }
}

// A parameter of a span: one number, or one per element.
struct Scalar {
  double value;
  template <class X>
  CONVNATIVE_INLINE X at(std::int64_t) const {
    if constexpr (std::is_same_v<X, double>)
      return value;
    else
      return V::broadcast(value);
  }
};
struct PerElement {
  const double* values;
  template <class X>
  CONVNATIVE_INLINE X at(std::int64_t i) const {
    return load<X>(values + i);
  }
};

// Calls body(i, X{}) for consecutive i, each for lanes_of<X> elements.
template <class Body>
CONVNATIVE_INLINE void for_each(std::int64_t size, const Body& body) {
  std::int64_t i = 0;
  for (; i + V::lanes <= size; i += V::lanes) body(i, Reg{});
  for (; i < size; ++i) body(i, double{});
}

// -- sums over a span ---------------------------------------------------------------------------------------

constexpr int partial_sums = 16;

CONVNATIVE_INLINE double total(double (&sums)[partial_sums]) {
  for (int width = partial_sums / 2; width > 0; width /= 2)
    for (int lane = 0; lane < width; ++lane) sums[lane] += sums[lane + width];
  return sums[0];
}

// Sums of u and of u * d; `terms(i, X{})` returns both for lanes_of<X> elements.
template <class X>
struct Terms {
  X u, d;
};

template <class Body>
CONVNATIVE_INLINE NormSums accumulate(std::int64_t size, const Body& terms) {
  constexpr int registers = partial_sums / V::lanes;
  Reg first[registers] = {}, second[registers] = {};
  const std::int64_t whole = size / partial_sums * partial_sums;
  for (std::int64_t i = 0; i < whole; i += partial_sums)
#pragma GCC unroll 16
    for (int r = 0; r < registers; ++r) {
      const auto term = terms(i + r * V::lanes, Reg{});
      first[r] += term.u;
      second[r] += term.u * term.d;
    }
  double firsts[partial_sums], seconds[partial_sums];
  for (int r = 0; r < registers; ++r) {
    V::store(firsts + r * V::lanes, first[r]);
    V::store(seconds + r * V::lanes, second[r]);
  }
  for (int lane = 0; lane < size - whole; ++lane) {
    const auto term = terms(whole + lane, double{});
    firsts[lane] += term.u;
    seconds[lane] += term.u * term.d;
  }
  return {total(firsts), total(seconds)};
}

template <class T>
double sum(std::int64_t size, const T* x) {
  return accumulate(size,
                    [=](std::int64_t i, auto kind) {
                      using X = decltype(kind);
                      return Terms<X>{load<X>(x + i), X{}};
                    })
      .first;
}

template <class T>
NormSums deviations(std::int64_t size, const T* x, double mean) {
  return accumulate(size, [=](std::int64_t i, auto kind) {
    using X = decltype(kind);
    const X d = load<X>(x + i) - mean;
    return Terms<X>{d, d};
  });
}

template <class T>
NormSums products_plane(std::int64_t size, const T* x, const T* g, double mean) {
  return accumulate(size, [=](std::int64_t i, auto kind) {
    using X = decltype(kind);
    return Terms<X>{load<X>(g + i), load<X>(x + i) - mean};
  });
}

template <class T>
NormSums products_row(std::int64_t size, const T* x, const T* g, double mean, const double* a) {
  return accumulate(size, [=](std::int64_t i, auto kind) {
    using X = decltype(kind);
    return Terms<X>{load<X>(a + i) * load<X>(g + i), load<X>(x + i) - mean};
  });
}

// -- sums over columns --------------------------------------------------------------------------------------

template <class T>
void add_columns(std::int64_t size, const T* x, double* sum) {
  for_each(size, [=](std::int64_t i, auto kind) {
    using X = decltype(kind);
    store(sum + i, load<X>(sum + i) + load<X>(x + i));
  });
}

template <class T>
void add_deviations_columns(std::int64_t size, const T* x, const double* mean, double* first,
                            double* second) {
  for_each(size, [=](std::int64_t i, auto kind) {
    using X = decltype(kind);
    const X d = load<X>(x + i) - load<X>(mean + i);
    store(first + i, load<X>(first + i) + d);
    store(second + i, load<X>(second + i) + d * d);
  });
}

template <class T, class Mean>
CONVNATIVE_INLINE void add_products(std::int64_t size, const T* x, const T* g, Mean mean, double factor,
                                    double* first, double* second) {
  for_each(size, [=](std::int64_t i, auto kind) {
    using X = decltype(kind);
    const X u = load<X>(g + i);
    store(first + i, load<X>(first + i) + u);
    store(second + i, load<X>(second + i) + factor * u * (load<X>(x + i) - mean.template at<X>(i)));
  });
}

template <class T>
void add_products_row(std::int64_t size, const T* x, const T* g, double mean, double factor, double* first,
                      double* second) {
  add_products(size, x, g, Scalar{mean}, factor, first, second);
}

template <class T>
void add_products_columns(std::int64_t size, const T* x, const T* g, const double* mean, double* first,
                          double* second) {
  add_products(size, x, g, PerElement{mean}, 1, first, second);
}

// -- elementwise --------------------------------------------------------------------------------------------

template <class T, class Mean, class A, class B>
CONVNATIVE_INLINE void affine(std::int64_t size, const T* x, Mean mean, double factor, A a, B b, T* result) {
  for_each(size, [=](std::int64_t i, auto kind) {
    using X = decltype(kind);
    const X d = (load<X>(x + i) - mean.template at<X>(i)) * factor;
    store(result + i, d * a.template at<X>(i) + b.template at<X>(i));
  });
}

template <class T>
void affine_plane(std::int64_t size, const T* x, double mean, double a, double b, T* result) {
  affine(size, x, Scalar{mean}, a, Scalar{1}, Scalar{b}, result);
}

template <class T>
void affine_row(std::int64_t size, const T* x, double mean, double factor, const double* a, const double* b,
                T* result) {
  affine(size, x, Scalar{mean}, factor, PerElement{a}, PerElement{b}, result);
}

template <class T>
void affine_columns(std::int64_t size, const T* x, const double* mean, const double* a, const double* b,
                    T* result) {
  affine(size, x, PerElement{mean}, 1, PerElement{a}, PerElement{b}, result);
}

template <class T, class Mean, class A, class B>
CONVNATIVE_INLINE void combine(std::int64_t size, const T* x, const T* g, Mean mean, double factor, A a, B b,
                               B c, T* result) {
  for_each(size, [=](std::int64_t i, auto kind) {
    using X = decltype(kind);
    const X d = load<X>(x + i) - mean.template at<X>(i);
    const X scaled = factor * load<X>(g + i) * a.template at<X>(i);
    store(result + i, scaled + b.template at<X>(i) + c.template at<X>(i) * d);
  });
}

template <class T>
void combine_plane(std::int64_t size, const T* x, const T* g, double mean, double a, double b, double c,
                   T* result) {
  combine(size, x, g, Scalar{mean}, a, Scalar{1}, Scalar{b}, Scalar{c}, result);
}

template <class T>
void combine_row(std::int64_t size, const T* x, const T* g, double mean, double factor, const double* a,
                 double b, double c, T* result) {
  combine(size, x, g, Scalar{mean}, factor, PerElement{a}, Scalar{b}, Scalar{c}, result);
}

template <class T>
void combine_columns(std::int64_t size, const T* x, const T* g, const double* mean, const double* a,
                     const double* b, const double* c, T* result) {
  combine(size, x, g, PerElement{mean}, 1, PerElement{a}, PerElement{b}, PerElement{c}, result);
}

template <class T>
constexpr NormKernels<T> kernels{Isa::CONVNATIVE_ISA,
                                 sum<T>,
                                 deviations<T>,
                                 products_plane<T>,
                                 products_row<T>,
                                 add_columns<T>,
                                 add_deviations_columns<T>,
                                 add_products_row<T>,
                                 add_products_columns<T>,
                                 affine_plane<T>,
                                 affine_row<T>,
                                 affine_columns<T>,
                                 combine_plane<T>,
                                 combine_row<T>,
                                 combine_columns<T>};

}  // namespace

extern const NormKernels<float> norm_kernels_f32;
extern const NormKernels<double> norm_kernels_f64;
const NormKernels<float> norm_kernels_f32 = kernels<float>;
const NormKernels<double> norm_kernels_f64 = kernels<double>;

}  // namespace CONVNATIVE_ISA
}  // namespace convnative
