#include "route/conditions.h"

#include <algorithm>
#include <utility>

namespace flatproxy::route {

std::optional<std::string_view> Conditions::Place::value_in(const Request& request, Scratch& scratch) const {
  switch (part) {
    case Part::method:
      return request.head.method_name;
    case Part::field:
      return field_value(request.head.fields, name, scratch);
    case Part::parameter:
      return query_value(request.query, name, scratch);
  }
  return std::nullopt;
}

struct Conditions::Wanted {
  Candidate candidate;
  std::vector<Place> places;  // sorted; the shape
  std::vector<std::string> values;
  std::vector<ValueRegex> regexes;
};

Conditions::Wanted Conditions::wanted_of(const Member& member) {
  Wanted wanted{member.candidate, {}, {}, {}};
  std::vector<std::pair<Place, std::string>> exact;
  if (!member.match->method.empty()) exact.push_back({{Part::method, {}}, member.match->method});
  const auto take = [&](Part part, const std::vector<ValueMatch>& values) {
    for (const ValueMatch& value : values) {
      if (value.regex) {
        wanted.regexes.push_back({{part, value.name}, regex(value.value)});
      } else {
        exact.push_back({{part, value.name}, value.value});
      }
    }
  };
  take(Part::field, member.match->headers);
  take(Part::parameter, member.match->query);
  std::sort(exact.begin(), exact.end());
  for (auto& [place, value] : exact) {
    wanted.places.push_back(std::move(place));
    wanted.values.push_back(std::move(value));
  }
  return wanted;
}

uint32_t Conditions::regex(const std::string& pattern) {
  const auto known = known_regexes_.find(pattern);
  if (known != known_regexes_.end()) return known->second;
  regexes_.emplace_back(pattern);
  const auto index = static_cast<uint32_t>(regexes_.size() - 1);
  known_regexes_.emplace(pattern, index);
  return index;
}

void Conditions::add(std::span<const Member> members) {
  Set set{{}, {static_cast<uint32_t>(shapes_.size()), 0}};
  std::map<std::vector<Place>, std::vector<Wanted>> by_shape;
  for (const Member& member : members) {
    Wanted wanted = wanted_of(member);
    if (wanted.places.empty() && wanted.regexes.empty()) {
      set.otherwise = member.candidate;
      break;  // nothing behind it is ever reached
    }
    by_shape[wanted.places].push_back(std::move(wanted));
  }
  for (const auto& [shape, of_shape] : by_shape) add_shape(of_shape);
  set.shapes.count = static_cast<uint32_t>(by_shape.size());
  std::ranges::sort(shapes_.begin() + set.shapes.first, shapes_.end(), {}, &Shape::best_rank);
  sets_.push_back(set);
}

void Conditions::add_shape(std::span<const Wanted> members) {
  const std::vector<Place>& places = members.front().places;
  const Range range{static_cast<uint32_t>(places_.size()), static_cast<uint32_t>(places.size())};
  places_.insert(places_.end(), places.begin(), places.end());
  std::map<std::vector<std::string>, std::vector<const Wanted*>> by_values;
  for (const Wanted& wanted : members) by_values[wanted.values].push_back(&wanted);

  Shape shape{members.front().candidate.rank, states_++, range};
  for (const auto& [values, of_values] : by_values) {
    const uint32_t choices = add_choices(of_values);
    if (values.empty()) shape.state = choices;
    lead(shape.state, values, choices);
  }
  shapes_.push_back(shape);
}

/// Adds those that ask for the same values; gives the index of their range.
uint32_t Conditions::add_choices(std::span<const Wanted* const> members) {
  Range range{static_cast<uint32_t>(choices_.size()), 0};
  for (const Wanted* wanted : members) {
    choices_.push_back({wanted->candidate, static_cast<uint32_t>(value_regexes_.size()),
                        static_cast<uint32_t>(wanted->regexes.size())});
    value_regexes_.insert(value_regexes_.end(), wanted->regexes.begin(), wanted->regexes.end());
    ++range.count;
    if (wanted->regexes.empty()) break;  // nothing behind it is ever reached
  }
  ranges_.push_back(range);
  return static_cast<uint32_t>(ranges_.size() - 1);
}

/// Makes values lead from a state to a range of choices.
void Conditions::lead(uint32_t state, std::span<const std::string> values, uint32_t range) {
  for (size_t i = 0; i < values.size(); ++i) {
    const bool last = i + 1 == values.size();
    const uint32_t next = values_.add(state, values[i], last ? range : states_);
    if (!last && next == states_) ++states_;
    state = next;
  }
}

Candidate Conditions::find(uint32_t set, const Request& request) const {
  const Set& its = sets_[set];
  if (its.shapes.count == 0) return its.otherwise;
  Candidate best = its.otherwise;
  Scratch scratch;
  for (const Shape& shape : std::span(shapes_).subspan(its.shapes.first, its.shapes.count)) {
    if (shape.best_rank >= best.rank) break;
    const Range* range = choices(shape, request, scratch);
    if (range == nullptr) continue;
    for (const Choice& choice : std::span(choices_).subspan(range->first, range->count)) {
      if (choice.candidate.rank >= best.rank) break;
      if (!meets_regexes(choice, request, scratch)) continue;
      best = choice.candidate;
      break;
    }
  }
  return best;
}

const Conditions::Range* Conditions::choices(const Shape& shape, const Request& request, Scratch& scratch) const {
  uint32_t state = shape.state;
  for (const Place& place : std::span(places_).subspan(shape.places.first, shape.places.count)) {
    const auto value = place.value_in(request, scratch);
    if (!value) return nullptr;
    state = values_.find(state, *value);
    if (state == TextIndex::kNone) return nullptr;
  }
  return &ranges_[state];
}

bool Conditions::meets_regexes(const Choice& choice, const Request& request, Scratch& scratch) const {
  const auto wanted = std::span(value_regexes_).subspan(choice.first_regex, choice.regexes);
  return std::all_of(wanted.begin(), wanted.end(), [&](const ValueRegex& each) {
    const auto value = each.place.value_in(request, scratch);
    return value && regexes_[each.regex].matches(*value);
  });
}

}  // namespace flatproxy::route
