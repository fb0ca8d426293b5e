#include "config/plan_value.h"

#include "packet/error.h"

namespace flatproxy {

void malformed_plan(const std::string& what) {
  throw Error("ERR_FLATPROXY_INTERNAL", "the engine cannot read its plan: " + what,
              "this is a bug in flatproxy: please report it");
}

PlanValue PlanValue::below(Step step, const nlohmann::json& json) const {
  PlanValue value = *this;
  value.json_ = &json;
  if (depth_ == kDeepest) wrong("no deeper value");
  value.place_[value.depth_++] = step;
  return value;
}

PlanValue PlanValue::at(const char* member) const {
  if (!json_->is_object()) wrong("an object");
  const auto found = json_->find(member);
  if (found == json_->end()) wrong(std::string("an object with '") + member + "'");
  return below({member}, *found);
}

const PlanValue& PlanValue::members(size_t count) const {
  if (!json_->is_object() || json_->size() != count) wrong("an object with " + std::to_string(count) + " members");
  return *this;
}

uint64_t PlanValue::number(uint64_t lowest, uint64_t highest) const {
  if (json_->is_number_unsigned()) {
    const auto value = json_->get<uint64_t>();
    if (value >= lowest && value <= highest) return value;
  }
  wrong("a whole number from " + std::to_string(lowest) + " to " + std::to_string(highest));
}

Nanoseconds PlanValue::duration(uint64_t lowest) const {
  constexpr uint64_t kLongest = 0xffff'ffff;
  constexpr Nanoseconds kMillisecond = 1'000'000;
  return number(lowest, kLongest) * kMillisecond;
}

double PlanValue::share() const {
  const double value = json_->is_number() ? json_->get<double>() : -1;
  if (!(value >= 0 && value <= 1)) wrong("a number from 0 to 1");
  return value;
}

bool PlanValue::flag() const {
  if (!json_->is_boolean()) wrong("true or false");
  return json_->get<bool>();
}

const std::string& PlanValue::text() const {
  if (!json_->is_string()) wrong("a text");
  return json_->get_ref<const std::string&>();
}

wire::Prefix PlanValue::prefix() const {
  const auto prefix = wire::Prefix::parse(text());
  if (!prefix) wrong("an IP prefix");
  return *prefix;
}

std::string PlanValue::object_text() const {
  if (!json_->is_object()) wrong("an object");
  return json_->dump();
}

void PlanValue::wrong(const std::string& expected) const {
  std::string place = "plan";
  for (size_t i = 0; i < depth_; ++i) {
    if (place_[i].member == nullptr) {
      place += '[' + std::to_string(place_[i].index) + ']';
    } else {
      place += std::string(".") + place_[i].member;
    }
  }
  malformed_plan(place + " should be " + expected);
}

}  // namespace flatproxy
