#include "result_memory.h"

#include <algorithm>
#include <cstring>

#include "base/kept_memory.h"
#include "bindings.h"

namespace convnative::python {
namespace {

// NumPy's interface for allocators (NEP 49), as numpy/ndarraytypes.h declares it: arrays that are made while a handler
// is set own their memory and give it back to that handler.
struct Allocator {
  void* context;
  void* (*malloc)(void* context, std::size_t bytes);
  void* (*calloc)(void* context, std::size_t count, std::size_t bytes);
  void* (*realloc)(void* context, void* memory, std::size_t bytes);
  void (*free)(void* context, void* memory, std::size_t bytes);
};
struct MemoryHandler {
  char name[127];
  std::uint8_t version;
  Allocator allocator;
};

void* allocate(void*, std::size_t bytes) {
  return take_memory(bytes);
}

void* allocate_zeros(void*, std::size_t count, std::size_t bytes) {
  std::size_t all = 0;
  if (__builtin_mul_overflow(count, bytes, &all)) return nullptr;
  void* const memory = take_memory(all);
  return memory == nullptr ? nullptr : std::memset(memory, 0, all);
}

void* reallocate(void*, void* memory, std::size_t bytes) {
  void* const larger = take_memory(bytes);
  if (larger != nullptr && memory != nullptr) {
    std::memcpy(larger, memory, std::min(bytes, memory_bytes(memory)));
    give_memory(memory);
  }
  return larger;
}

void release(void*, void* memory, std::size_t) {
  give_memory(memory);
}

MemoryHandler keeping_memory{"convnative", 1, {nullptr, allocate, allocate_zeros, reallocate, release}};

// Sets this thread's handler and returns the one before: entry 304 of the table of NumPy's C interface.
using SetHandler = PyObject* (*)(PyObject*);

// Both are found when the module is loaded, and stay.
SetHandler set_handler = nullptr;
PyObject* own_handler = nullptr;

void find_handlers() {
  const py::capsule table = py::module_::import("numpy._core.multiarray").attr("_ARRAY_API");
  set_handler = reinterpret_cast<SetHandler>(table.get_pointer<void*>()[304]);
  own_handler = py::capsule(&keeping_memory, "mem_handler").release().ptr();
}

class HandlerScope {
 public:
  HandlerScope() : before_(py::reinterpret_steal<py::object>(set_handler(own_handler))) {
    if (!before_) throw py::error_already_set();
  }
  ~HandlerScope() { py::reinterpret_steal<py::object>(set_handler(before_.ptr())); }
  HandlerScope(const HandlerScope&) = delete;
  HandlerScope& operator=(const HandlerScope&) = delete;

 private:
  py::object before_;
};

// Smaller ones cost less than asking another allocator does.
constexpr std::int64_t least_kept_bytes = 16 << 10;

}  // namespace

py::array new_array(const py::dtype& dtype, const std::vector<std::int64_t>& shape) {
  std::int64_t bytes = dtype.itemsize();
  for (const std::int64_t size : shape)
    if (__builtin_mul_overflow(bytes, size, &bytes)) bytes = 0;  // NumPy says what is wrong
  if (bytes < least_kept_bytes) return py::array(dtype, shape);
  const HandlerScope scope;
  return py::array(dtype, shape);
}

void bind_memory(py::module_& module) {
  find_handlers();
  module.def("release_memory", &convnative::release_memory);
}

}  // namespace convnative::python
