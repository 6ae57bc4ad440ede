// The gradients of a normalisation in two passes over the array: sums of grad_output and of its products with
// the input, from which everything but grad_input follows, and grad_input itself, which is a combination
//
//   grad_input = a * grad_output + b + c * (input - mean)
//
// of numbers of the channel and the group. Where planes are short and groups lie across them (layer norm), the
// sums over groups and those over channels take a pass each.
#include "convnative/normalization.h"
#include "normalization/kernels.h"
#include "normalization/row_parameters.h"
#include "normalization/spans.h"

namespace convnative {
namespace {

using Sums = std::vector<NormSums>;

void add(NormSums& sums, const NormSums& more, double factor = 1, double second_factor = 1) {
  sums.first += factor * more.first;
  sums.second += factor * second_factor * more.second;
}

template <class T>
class Gradient {
 public:
  Gradient(const NormShape& shape, const NormParameters& parameters, bool constant, const T* input,
           const T* grad_output, const NormGradients& gradients, Isa isa)
      : shape_(shape),
        mean_(parameters.mean),
        inverse_(parameters.inverse),
        weight_(parameters.weight, 1),
        constant_(constant),
        input_(input),
        grad_output_(grad_output),
        grad_input_(static_cast<T*>(gradients.grad_input)),
        grad_weight_(static_cast<T*>(gradients.grad_weight)),
        grad_bias_(static_cast<T*>(gradients.grad_bias)),
        kernels_(norm_kernels<T>(isa)),
        columns_(shape.channels * shape.inner),
        of_group_(index(shape.group_count())),
        of_channel_(index(shape.channels)) {}

  void run() {
    if (by_planes(shape_))
      run_planes();
    else if (shape_.across_batch)
      run_columns();
    else
      run_rows();
    for (std::int64_t channel = 0; channel < shape_.channels; ++channel) {
      const NormSums& sums = of_channel_[index(channel)];
      if (grad_bias_ != nullptr) grad_bias_[channel] = static_cast<T>(sums.first);
      if (grad_weight_ != nullptr) grad_weight_[channel] = static_cast<T>(sums.second);
    }
  }

 private:
  bool wants_groups() const { return grad_input_ != nullptr && !constant_; }
  bool wants_channels() const { return grad_weight_ != nullptr || grad_bias_ != nullptr; }

  // of_group_: sums of u and of u * (input - mean), where u = weight * grad_output.
  // of_channel_: sums of grad_output and of grad_output * z.

  double constant_term(std::int64_t group) const {
    return -inverse_[group] * of_group_[index(group)].first / static_cast<double>(shape_.group_size());
  }
  double slope(std::int64_t group) const {
    const double inverse = inverse_[group];
    return -inverse * inverse * inverse * of_group_[index(group)].second /
           static_cast<double>(shape_.group_size());
  }

  void run_planes() {
    const std::int64_t pieces = pieces_of(shape_.inner);
    if (wants_groups() || wants_channels()) {
      Sums measured(index(shape_.planes() * pieces));
      for_each_piece(shape_.planes(), shape_.inner,
                     [&](std::int64_t plane, std::int64_t begin, std::int64_t size, std::int64_t unit) {
                       const std::int64_t at = plane * shape_.inner + begin;
                       measured[index(unit)] = kernels_.products_plane(size, input_ + at, grad_output_ + at,
                                                                       mean_[group_of_plane(shape_, plane)]);
                     });
      for (std::int64_t plane = 0; plane < shape_.planes(); ++plane) {
        const std::int64_t channel = plane % shape_.channels, group = group_of_plane(shape_, plane);
        NormSums sums{};
        for (std::int64_t piece = 0; piece < pieces; ++piece)
          add(sums, measured[index(plane * pieces + piece)]);
        add(of_group_[index(group)], sums, weight_(channel));
        add(of_channel_[index(channel)], sums, 1, inverse_[group]);
      }
    }
    if (grad_input_ == nullptr) return;
    for_each_piece(shape_.planes(), shape_.inner,
                   [&](std::int64_t plane, std::int64_t begin, std::int64_t size, std::int64_t) {
                     const std::int64_t at = plane * shape_.inner + begin,
                                        group = group_of_plane(shape_, plane);
                     const double a = inverse_[group] * weight_(plane % shape_.channels);
                     if (constant_)
                       kernels_.affine_plane(size, grad_output_ + at, 0, a, 0, grad_input_ + at);
                     else
                       kernels_.combine_plane(size, input_ + at, grad_output_ + at, mean_[group], a,
                                              constant_term(group), slope(group), grad_input_ + at);
                   });
  }

  // Sums over the rows, by columns; `accumulate(row, begin, size, first, second)` adds a row.
  template <class Accumulate>
  Sums sums_of_columns(std::int64_t sections, const Accumulate& accumulate) const {
    const std::int64_t parts = ceil_div(shape_.batch, rows_per_part);
    Sums measured(index(parts * columns_)), sums(index(columns_));
    for_each_column_block(shape_.batch, columns_, sections,
                          [&](std::int64_t first_row, std::int64_t last_row, std::int64_t begin,
                              std::int64_t size, std::int64_t part) {
                            double first[columns_per_block] = {}, second[columns_per_block] = {};
                            for (std::int64_t row = first_row; row < last_row; ++row)
                              accumulate(row, begin, size, first, second);
                            for (std::int64_t i = 0; i < size; ++i)
                              measured[index(part * columns_ + begin + i)] = {first[i], second[i]};
                          });
    for (std::int64_t part = 0; part < parts; ++part)
      for (std::int64_t i = 0; i < columns_; ++i) add(sums[index(i)], measured[index(part * columns_ + i)]);
    return sums;
  }

  // Groups are channels over the batch, in short planes.
  void run_columns() {
    const auto row = [&](const auto& value) { return row_parameters(shape_, value); };
    const std::vector<double> mean = row([&](std::int64_t c) { return mean_[c]; });
    if (wants_groups() || wants_channels()) {
      const Sums sums = sums_of_columns(
          1, [&](std::int64_t row, std::int64_t begin, std::int64_t size, double* first, double* second) {
            const std::int64_t at = row * columns_ + begin;
            kernels_.add_products_columns(size, input_ + at, grad_output_ + at, mean.data() + begin, first,
                                          second);
          });
      for (std::int64_t i = 0; i < columns_; ++i) {
        const std::int64_t channel = i / shape_.inner;
        add(of_group_[index(channel)], sums[index(i)], weight_(channel));
        add(of_channel_[index(channel)], sums[index(i)], 1, inverse_[channel]);
      }
    }
    if (grad_input_ == nullptr) return;
    const std::vector<double> zero = row([](std::int64_t) { return 0.0; });
    const std::vector<double> a = row([&](std::int64_t c) { return inverse_[c] * weight_(c); });
    const std::vector<double> b = constant_ ? zero : row([&](std::int64_t c) { return constant_term(c); });
    const std::vector<double> c = constant_ ? zero : row([&](std::int64_t c) { return slope(c); });
    for_each_piece(
        shape_.batch, columns_, [&](std::int64_t row, std::int64_t begin, std::int64_t size, std::int64_t) {
          const std::int64_t at = row * columns_ + begin;
          if (constant_)
            kernels_.affine_columns(size, grad_output_ + at, zero.data() + begin, a.data() + begin,
                                    zero.data() + begin, grad_input_ + at);
          else
            kernels_.combine_columns(size, input_ + at, grad_output_ + at, mean.data() + begin,
                                     a.data() + begin, b.data() + begin, c.data() + begin, grad_input_ + at);
        });
  }

  // Groups are parts of a row, in short planes.
  void run_rows() {
    const std::int64_t length = shape_.group_size(), pieces = pieces_of(length);
    const std::vector<double> weight = row_parameters(shape_, weight_);
    const auto column_of = [&](std::int64_t group, std::int64_t begin) {
      return group % shape_.groups * length + begin;
    };
    if (wants_groups()) {
      Sums measured(index(shape_.group_count() * pieces));
      for_each_piece(shape_.group_count(), length,
                     [&](std::int64_t group, std::int64_t begin, std::int64_t size, std::int64_t unit) {
                       const std::int64_t at = group * length + begin;
                       measured[index(unit)] =
                           kernels_.products_row(size, input_ + at, grad_output_ + at, mean_[group],
                                                 weight.data() + column_of(group, begin));
                     });
      for (std::int64_t group = 0; group < shape_.group_count(); ++group)
        for (std::int64_t piece = 0; piece < pieces; ++piece)
          add(of_group_[index(group)], measured[index(group * pieces + piece)]);
    }
    if (wants_channels()) {
      const Sums sums = sums_of_columns(shape_.groups, [&](std::int64_t row, std::int64_t begin,
                                                           std::int64_t size, double* first, double* second) {
        const std::int64_t at = row * columns_ + begin, group = row * shape_.groups + begin / length;
        kernels_.add_products_row(size, input_ + at, grad_output_ + at, mean_[group], inverse_[group], first,
                                  second);
      });
      for (std::int64_t i = 0; i < columns_; ++i) add(of_channel_[index(i / shape_.inner)], sums[index(i)]);
    }
    if (grad_input_ == nullptr) return;
    const std::vector<double> zero(index(constant_ ? columns_ : 0));
    for_each_piece(shape_.group_count(), length,
                   [&](std::int64_t group, std::int64_t begin, std::int64_t size, std::int64_t) {
                     const std::int64_t at = group * length + begin, column = column_of(group, begin);
                     if (constant_)
                       kernels_.affine_row(size, grad_output_ + at, 0, inverse_[group],
                                           weight.data() + column, zero.data() + column, grad_input_ + at);
                     else
                       kernels_.combine_row(size, input_ + at, grad_output_ + at, mean_[group],
                                            inverse_[group], weight.data() + column, constant_term(group),
                                            slope(group), grad_input_ + at);
                   });
  }

  const NormShape& shape_;
  const double *mean_, *inverse_;
  const ChannelValues<T> weight_;
  const bool constant_;
  const T *input_, *grad_output_;
  T *grad_input_, *grad_weight_, *grad_bias_;
  const NormKernels<T>& kernels_;
  const std::int64_t columns_;
  Sums of_group_, of_channel_;
};

}  // namespace

void norm_grad(const NormShape& shape, const NormParameters& parameters, bool constant, DType dtype,
               const void* input, const void* grad_output, const NormGradients& gradients, Isa isa) {
  if (dtype == DType::float32)
    Gradient<float>(shape, parameters, constant, static_cast<const float*>(input),
                    static_cast<const float*>(grad_output), gradients, isa)
        .run();
  else
    Gradient<double>(shape, parameters, constant, static_cast<const double*>(input),
                     static_cast<const double*>(grad_output), gradients, isa)
        .run();
}

}  // namespace convnative
