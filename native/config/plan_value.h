#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "packet/segment.h"
#include "wire/address.h"

namespace flatproxy {

/// Throws the Error that says that a plan is not what the mesh's planner writes.
[[noreturn]] void malformed_plan(const std::string& what);

/// A value of a plan and where it stands. Every access checks, and an Error names the place.
class PlanValue {
 public:
  explicit PlanValue(const nlohmann::json& json) : json_(&json) {}

  bool null() const { return json_->is_null(); }
  bool is_text() const { return json_->is_string(); }
  bool has(const char* member) const { return json_->is_object() && json_->contains(member); }
  /// The object has so many members: all that were read, and no others.
  const PlanValue& members(size_t count) const;
  PlanValue at(const char* member) const;

  template <typename Visit>
  void each(Visit&& visit) const {
    if (!json_->is_array()) wrong("a list");
    for (uint32_t i = 0; i < json_->size(); ++i) visit(below({nullptr, i}, (*json_)[i]));
  }

  uint64_t number(uint64_t lowest, uint64_t highest) const;
  template <typename T>
  T number_as(uint64_t lowest, uint64_t highest) const {
    return static_cast<T>(number(lowest, highest));
  }
  /// A number of milliseconds, in nanoseconds.
  Nanoseconds duration(uint64_t lowest = 0) const;
  double share() const;  ///< 0 to 1
  bool flag() const;
  const std::string& text() const;
  wire::Prefix prefix() const;
  /// An object as JSON of its own, its members in the order of their names.
  std::string object_text() const;
  /// What a word stands for.
  template <typename T>
  T one_of(std::initializer_list<std::pair<std::string_view, T>> words) const {
    for (const auto& [word, meaning] : words) {
      if (text() == word) return meaning;
    }
    wrong("a word that is known here");
  }

  [[noreturn]] void wrong(const std::string& expected) const;

 private:
  struct Step {
    const char* member = nullptr;  // null: an index
    uint32_t index = 0;
  };
  static constexpr size_t kDeepest = 12;

  PlanValue below(Step step, const nlohmann::json& json) const;

  const nlohmann::json* json_;
  std::array<Step, kDeepest> place_{};
  size_t depth_ = 0;
};

}  // namespace flatproxy
