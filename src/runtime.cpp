#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "arguments.h"
#include "base/cpu.h"
#include "base/fma_peak.h"
#include "base/parallel.h"
#include "bindings.h"
#include "convnative/runtime.h"

namespace convnative::python {
namespace {

// Serves Ctrl-C in the middle of long work: true leaves Python's exception set.
bool signals_pending() {
  const py::gil_scoped_acquire acquire;
  return PyErr_CheckSignals() != 0;
}

Isa take_isa(const std::string& word) {
  std::string names;
  for (const Isa level : available_isas()) {
    if (word == name(level)) return level;
    names += (names.empty() ? "" : ", ") + std::string(name(level));
  }
  throw py::value_error("isa: expected one of " + names + " on this machine, received '" + word + "'");
}

Precision take_precision(const std::string& word) {
  for (const Precision mode : {Precision::standard, Precision::strict})
    if (word == name(mode)) return mode;
  throw py::value_error("precision: expected 'default' or 'strict', received '" + word + "'");
}

void set_threads(py::handle value) {
  const std::int64_t threads = take_int(value, "threads");
  constexpr std::int64_t most = 4096;
  if (threads < 1 || threads > most)
    throw py::value_error("threads: expected an int from 1 to 4096, received " + std::to_string(threads));
  set_num_threads(static_cast<int>(threads));
}

// In all threads; a tenth of a second, so that an interrupt is served in time.
double measure_fma_peak() {
  const py::gil_scoped_release release;
  constexpr int samples = 5;
  return fma_peak(isa(), num_threads(), samples);
}

py::dict build_info() {
  py::dict info;
  info["compiler"] = CONVNATIVE_COMPILER;
  info["build_type"] = CONVNATIVE_BUILD_TYPE;
  info["detected_isa"] = name(detect_isa());
  info["usable_cpus"] = usable_cpus();
  return info;
}

}  // namespace

void bind_runtime(py::module_& module) {
  using py::arg;
  initialize_from_environment();
  set_interrupt_check(&signals_pending);
  py::register_local_exception_translator([](std::exception_ptr exception) {
    try {
      if (exception) std::rethrow_exception(exception);
    } catch (const Interrupted&) {
      // signals_pending() has set KeyboardInterrupt or what the handler raised.
    }
  });

  module.def("set_num_threads", &set_threads, arg("threads"));
  module.def("get_num_threads", &num_threads);
  module.def("available_isas", [] {
    std::vector<std::string> names;
    for (const Isa level : available_isas()) names.emplace_back(name(level));
    return names;
  });
  module.def("isa", [] { return name(isa()); });
  module.def("set_isa", [](py::handle word) { set_isa(take_isa(take_str(word, "isa"))); }, arg("isa"));
  module.def("precision", [] { return name(precision()); });
  module.def(
      "set_precision", [](py::handle word) { set_precision(take_precision(take_str(word, "precision"))); },
      arg("precision"));
  module.def("build_info", &build_info);
  module.def("fma_peak", &measure_fma_peak);
}

}  // namespace convnative::python
