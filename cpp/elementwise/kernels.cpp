// The kernel table of one instruction-set level; this source is compiled once per level. Contract:
// elementwise/kernels.h.
#include "elementwise/kernels.h"

#include "elementwise/functions.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

template <class T, class Body>
CONVNATIVE_INLINE void map(std::int64_t size, const T* x, T* result, Body body) {
  using V = Vec<T>;
  std::int64_t i = 0;
  for (; i + V::lanes <= size; i += V::lanes) V::store(result + i, body(V::load(x + i)));
  const typename V::Mask rest = V::mask(first_lanes(size - i));
  V::store(rest, result + i, body(V::load(rest, x + i)));
}

template <class T, class Body>
CONVNATIVE_INLINE void map(std::int64_t size, const T* x, const T* g, T* result, Body body) {
  using V = Vec<T>;
  std::int64_t i = 0;
  for (; i + V::lanes <= size; i += V::lanes) V::store(result + i, body(V::load(x + i), V::load(g + i)));
  const typename V::Mask rest = V::mask(first_lanes(size - i));
  V::store(rest, result + i, body(V::load(rest, x + i), V::load(rest, g + i)));
}

template <class T, class F>
void value(const double* parameters, std::int64_t size, const T* x, T* result) {
  const F f(parameters);
  map(size, x, result, [&](typename F::Reg at) { return f.value(at); });
}

template <class T, class F>
void grad(const double* parameters, std::int64_t size, const T* x, const T* g, T* result) {
  using Reg = typename F::Reg;
  const F f(parameters);
  map(size, x, g, result, [&](Reg at, Reg by) { return f.grad(at, by); });
}

template <class T, class F>
void second(const double* parameters, std::int64_t size, const T* x, const T* g, T* result) {
  using Reg = typename F::Reg;
  const F f(parameters);
  map(size, x, g, result, [&](Reg at, Reg by) { return f.second(at, by); });
}

template <class T>
void exp_row(std::int64_t size, const T* x, T shift, T* result) {
  using Reg = typename Vec<T>::Reg;
  map(size, x, result, [=](Reg at) { return Math<T>::exp(at - shift); });
}

template <class T>
void exp_columns(std::int64_t size, const T* x, const T* shift, T* result) {
  using Reg = typename Vec<T>::Reg;
  map(size, x, shift, result, [](Reg at, Reg by) { return Math<T>::exp(at - by); });
}

template <class T>
void add(std::int64_t size, const T* a, const T* b, T* result) {
  using Reg = typename Vec<T>::Reg;
  map(size, a, b, result, [](Reg at, Reg by) { return at + by; });
}

template <class T, class F>
constexpr ElementwiseKernel<T> row{F::name, F::parameters, F::cost, value<T, F>, grad<T, F>, second<T, F>};

template <class T, template <class> class... F>
struct Table {
  static constexpr ElementwiseKernel<T> rows[] = {row<T, F<T>>...};
  static constexpr ElementwiseKernels<T> kernels{
      Isa::CONVNATIVE_ISA, rows, static_cast<int>(sizeof...(F)), exp_row<T>, exp_columns<T>, add<T>};
};

template <class T>
using Functions = Table<T, Relu, LeakyRelu, Threshold, Hardtanh, Hardsigmoid, Hardswish, Elu, Sigmoid, Silu,
                        Tanh, Softplus, LogSigmoid, Softsign, Mish, Gelu, GeluTanh>;

}  // namespace

extern const ElementwiseKernels<float> elementwise_kernels_f32;
extern const ElementwiseKernels<double> elementwise_kernels_f64;
const ElementwiseKernels<float> elementwise_kernels_f32 = Functions<float>::kernels;
const ElementwiseKernels<double> elementwise_kernels_f64 = Functions<double>::kernels;

}  // namespace CONVNATIVE_ISA
}  // namespace convnative
