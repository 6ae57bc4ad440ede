#include "convnative/runtime.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <string>

#include "base/cpu.h"

namespace convnative {
namespace {

struct Settings {
  std::atomic<int> threads;
  std::atomic<Isa> isa;
  std::atomic<Precision> precision{Precision::standard};
  Isa best;
};

int threads_from_environment() {
  const char* value = std::getenv("CONVNATIVE_NUM_THREADS");
  if (value == nullptr) return usable_cpus();
  const std::string word(value);
  int threads = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), threads);
  if (error != std::errc{} || end != word.data() + word.size() || threads < 1)
    throw std::invalid_argument("CONVNATIVE_NUM_THREADS: expected an int >= 1, received '" + word + "'");
  return threads;
}

Isa cap_from_environment(Isa detected) {
  const char* value = std::getenv("CONVNATIVE_MAX_ISA");
  if (value == nullptr) return detected;
  for (const Isa level : {Isa::baseline, Isa::avx2, Isa::avx512})
    if (std::string(value) == name(level)) return std::min(level, detected);
  throw std::invalid_argument("CONVNATIVE_MAX_ISA: expected one of baseline, avx2, avx512, received '" +
                              std::string(value) + "'");
}

Settings& settings() {
  // A function-local static is retried by the next caller when its initialiser throws.
  struct Initialised : Settings {
    Initialised() {
      best = cap_from_environment(detect_isa());
      isa = best;
      threads = threads_from_environment();
    }
  };
  static Initialised instance;
  return instance;
}

}  // namespace

const char* name(DType dtype) {
  return dtype == DType::float32 ? "float32" : "float64";
}

const char* name(Isa isa) {
  switch (isa) {
    case Isa::avx512:
      return "avx512";
    case Isa::avx2:
      return "avx2";
    case Isa::baseline:
      break;
  }
  return "baseline";
}

const char* name(Precision precision) {
  return precision == Precision::strict ? "strict" : "default";
}

void initialize_from_environment() {
  settings();
}

int num_threads() {
  return settings().threads;
}

void set_num_threads(int threads) {
  if (threads < 1)
    throw std::invalid_argument("threads: expected an int >= 1, received " + std::to_string(threads));
  settings().threads = threads;
}

Isa isa() {
  return settings().isa;
}

std::vector<Isa> available_isas() {
  std::vector<Isa> levels;
  for (const Isa level : {Isa::baseline, Isa::avx2, Isa::avx512})
    if (level <= settings().best) levels.push_back(level);
  return levels;
}

void set_isa(Isa level) {
  if (level > settings().best)
    throw std::invalid_argument(std::string("isa: expected a level up to ") + name(settings().best) +
                                " on this machine, received " + name(level));
  settings().isa = level;
}

Precision precision() {
  return settings().precision;
}

void set_precision(Precision mode) {
  settings().precision = mode;
}

}  // namespace convnative
