#include "loss/pairwise_table.h"

#include <algorithm>
#include <cmath>

#include "base/reject.h"

namespace convnative {
namespace {

// -- losses of the difference e = x - t: h(e) and its derivatives -------------------------------------------

struct SquaredError {
  static double h(double e, double) { return e * e; }
  static double d(double e, double) { return 2 * e; }
  static double dd(double, double) { return 2; }
};

struct AbsoluteError {
  static double h(double e, double) { return std::fabs(e); }
  static double d(double e, double) { return static_cast<double>((e > 0) - (e < 0)); }
  static double dd(double, double) { return 0; }
};

// A square up to |e| = beta, then a line of slope 1; the line alone where beta is 0.
struct SmoothAbsoluteError {
  static double h(double e, double beta) {
    const double size = std::fabs(e);
    return size < beta ? 0.5 * size * size / beta : size - 0.5 * beta;
  }
  static double d(double e, double beta) {
    return std::fabs(e) >= beta ? AbsoluteError::d(e, beta) : e / beta;
  }
  static double dd(double e, double beta) { return std::fabs(e) < beta ? 1 / beta : 0; }
};

// A square up to |e| = delta, then a line of slope delta.
struct HuberError {
  static double h(double e, double delta) {
    const double size = std::fabs(e);
    return size <= delta ? 0.5 * size * size : delta * (size - 0.5 * delta);
  }
  static double d(double e, double delta) {
    return std::fabs(e) >= delta ? delta * AbsoluteError::d(e, delta) : e;
  }
  static double dd(double e, double delta) { return std::fabs(e) < delta ? 1 : 0; }
};

template <class Error>
struct OfDifference {
  static double value(double x, double t, double p) { return Error::h(x - t, p); }
  static double dx(double x, double t, double p) { return Error::d(x - t, p); }
  static double dt(double x, double t, double p) { return -Error::d(x - t, p); }
  static double dxx(double x, double t, double p) { return Error::dd(x - t, p); }
  static double dxt(double x, double t, double p) { return -Error::dd(x - t, p); }
  static double dtt(double x, double t, double p) { return Error::dd(x - t, p); }
};

// -- losses of probabilities and logits ---------------------------------------------------------------------

double softplus(double x) {
  return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x)));
}

double sigmoid(double x) {
  const double e = std::exp(-std::fabs(x));
  return (x < 0 ? e : 1) / (1 + e);
}

// f = -t log x - (1 - t) log(1 - x). The logarithms are no less than -100 and the denominators no less than
// 1e-12, which are torch's bounds.
struct BinaryCrossEntropy {
  static double bounded_log(double x) { return std::max(std::log(x), -100.0); }
  static double variance(double x) { return std::max(x * (1 - x), 1e-12); }

  static double value(double x, double t, double) {
    return (t - 1) * std::max(std::log1p(-x), -100.0) - t * bounded_log(x);
  }
  static double dx(double x, double t, double) { return (x - t) / variance(x); }
  static double dt(double x, double, double) { return std::log1p(-x) - std::log(x); }
  static double dxx(double x, double t, double) {
    return (x * x - 2 * x * t + t) / (variance(x) * variance(x));
  }
  static double dxt(double x, double, double) { return -1 / variance(x); }
  static double dtt(double, double, double) { return 0; }
};

// f = softplus(x) - t x. Written as torch does, which decides where infinities cancel to NaN.
struct BinaryCrossEntropyWithLogits {
  static double value(double x, double t, double) { return (1 - t) * x + softplus(-x); }
  static double dx(double x, double t, double) { return sigmoid(x) - t; }
  static double dt(double x, double, double) { return -x; }
  static double dxx(double x, double, double) { return sigmoid(x) * sigmoid(-x); }
  static double dxt(double, double, double) { return -1; }
  static double dtt(double, double, double) { return 0; }
};

// The two terms of the former, which a weight of the positives tells apart:
// f = (1 - t) softplus(x) + t softplus(-x).
struct NegativeLogits {
  static double value(double x, double t, double) { return (1 - t) * softplus(x); }
  static double dx(double x, double t, double) { return (1 - t) * sigmoid(x); }
  static double dt(double x, double, double) { return -softplus(x); }
  static double dxx(double x, double t, double) { return (1 - t) * sigmoid(x) * sigmoid(-x); }
  static double dxt(double x, double, double) { return -sigmoid(x); }
  static double dtt(double, double, double) { return 0; }
};

struct PositiveLogits {
  static double value(double x, double t, double) { return t * softplus(-x); }
  static double dx(double x, double t, double) { return -t * sigmoid(-x); }
  static double dt(double x, double, double) { return softplus(-x); }
  static double dxx(double x, double t, double) { return t * sigmoid(x) * sigmoid(-x); }
  static double dxt(double x, double, double) { return -sigmoid(-x); }
  static double dtt(double, double, double) { return 0; }
};

// f = t log t - t x, with 0 log 0 = 0.
struct KullbackLeibler {
  static double value(double x, double t, double) { return (t == 0 ? 0 : t * std::log(t)) - t * x; }
  static double dx(double, double t, double) { return -t; }
  // t / t is NaN where t = 0: there is no derivative, and torch says NaN.
  static double dt(double x, double t, double) { return std::log(t) + t / t - x; }
  static double dxx(double, double, double) { return 0; }
  static double dxt(double, double, double) { return -1; }
  static double dtt(double, double t, double) { return 1 / t; }
};

// The same with the logarithm of the former's t as t: f = exp(t) (t - x).
struct KullbackLeiblerOfLog {
  static double value(double x, double t, double) { return std::exp(t) * (t - x); }
  static double dx(double, double t, double) { return -std::exp(t); }
  static double dt(double x, double t, double) { return std::exp(t) * (t - x + 1); }
  static double dxx(double, double, double) { return 0; }
  static double dxt(double, double t, double) { return -std::exp(t); }
  static double dtt(double x, double t, double) { return std::exp(t) * (t - x + 2); }
};

// -- the table ----------------------------------------------------------------------------------------------

template <class T, double (*f)(double, double, double)>
void evaluate(double parameter, std::int64_t size, const T* x, const T* t, double* values) {
  for (std::int64_t i = 0; i < size; ++i)
    values[i] = f(static_cast<double>(x[i]), static_cast<double>(t[i]), parameter);
}

void require_nothing(double) {}

void require_beta(double beta) {
  if (!(beta >= 0)) reject_argument("beta", "a number >= 0", std::to_string(beta));
}

void require_delta(double delta) {
  if (!(delta > 0)) reject_argument("delta", "a number > 0", std::to_string(delta));
}

bool is_probability(double x) {
  return x >= 0 && x <= 1;
}

template <class Loss>
constexpr PairwiseRow row(const char* name, void (*require_parameter)(double) = require_nothing) {
  return {name,
          {evaluate<float, Loss::value>, evaluate<float, Loss::dx>, evaluate<float, Loss::dt>,
           evaluate<float, Loss::dxx>, evaluate<float, Loss::dxt>, evaluate<float, Loss::dtt>},
          {evaluate<double, Loss::value>, evaluate<double, Loss::dx>, evaluate<double, Loss::dt>,
           evaluate<double, Loss::dxx>, evaluate<double, Loss::dxt>, evaluate<double, Loss::dtt>},
          require_parameter,
          nullptr,
          nullptr,
          nullptr};
}

constexpr PairwiseRow of_probabilities(PairwiseRow row) {
  row.input_in_domain = row.target_in_domain = is_probability;
  row.domain = "numbers from 0 to 1";
  return row;
}

constexpr PairwiseRow table[] = {
    row<OfDifference<SquaredError>>("mse"),
    row<OfDifference<AbsoluteError>>("l1"),
    row<OfDifference<SmoothAbsoluteError>>("smooth_l1", require_beta),
    row<OfDifference<HuberError>>("huber", require_delta),
    of_probabilities(row<BinaryCrossEntropy>("binary_cross_entropy")),
    row<BinaryCrossEntropyWithLogits>("binary_cross_entropy_with_logits"),
    row<NegativeLogits>("binary_cross_entropy_with_logits_negative"),
    row<PositiveLogits>("binary_cross_entropy_with_logits_positive"),
    row<KullbackLeibler>("kl_div"),
    row<KullbackLeiblerOfLog>("kl_div_log_target"),
};

}  // namespace

std::vector<std::string> pairwise_losses() {
  std::vector<std::string> names;
  for (const PairwiseRow& row : table) names.emplace_back(row.name);
  return names;
}

const PairwiseRow& pairwise_row(const std::string& name) {
  for (const PairwiseRow& row : table)
    if (name == row.name) return row;
  reject_argument("loss", "the name of a loss", "'" + name + "'");
}

}  // namespace convnative
