// The form of every message about a wrong argument: its name, what was expected and what was received.
#pragma once

#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace convnative {

[[noreturn]] inline void reject_argument(const std::string& argument, const std::string& expected,
                                         const std::string& received) {
  throw std::invalid_argument(argument + ": expected " + expected + ", received " + received);
}

// As Python prints a tuple.
inline std::string tuple_text(const std::vector<std::int64_t>& sizes) {
  std::ostringstream out;
  out << "(";
  for (std::size_t i = 0; i < sizes.size(); ++i) out << (i == 0 ? "" : ", ") << sizes[i];
  out << (sizes.size() == 1 ? ",)" : ")");
  return out.str();
}

}  // namespace convnative
