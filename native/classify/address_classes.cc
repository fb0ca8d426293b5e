#include "classify/address_classes.h"

#include <algorithm>
#include <iterator>
#include <map>

namespace flatproxy {
namespace {

using Sorted = std::vector<uint32_t>;

/// A prefix that some selector names, and which do; or which hold for its addresses.
struct Area {
  wire::Prefix prefix;
  Sorted within;
  Sorted except;
};

Sorted united(const Sorted& a, const Sorted& b) {
  Sorted all;
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(all));
  return all;
}

Sorted without(const Sorted& a, const Sorted& b) {
  Sorted rest;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(rest));
  return rest;
}

void note(Sorted& list, uint32_t selector) {
  if (list.empty() || list.back() != selector) list.push_back(selector);
}

/// The prefixes of one family in the order of addresses, what contains before what is contained.
std::vector<Area> areas_of(const std::vector<Selector>& selectors, bool v4) {
  std::map<wire::Prefix, Area> all;
  const auto mention = [&](const wire::Prefix& prefix, Sorted Area::*list, uint32_t selector) {
    if (prefix.address.is_v4() == v4) note(all[prefix.network()].*list, selector);
  };
  for (uint32_t i = 0; i < selectors.size(); ++i) {
    for (const wire::Prefix& prefix : selectors[i].within) mention(prefix, &Area::within, i);
    for (const wire::Prefix& prefix : selectors[i].except) mention(prefix, &Area::except, i);
  }
  std::vector<Area> ordered;
  for (auto& [prefix, area] : all) {
    area.prefix = prefix;
    ordered.push_back(std::move(area));
  }
  return ordered;
}

}  // namespace

AddressClasses::AddressClasses(const std::vector<Selector>& selectors) {
  std::map<Sorted, uint32_t> known{{{}, kNone}};
  std::vector<PrefixMap::Entry> entries;
  for (const bool v4 : {true, false}) {
    std::vector<Area> around;  // from the widest to the narrowest that contains the present one
    for (Area& area : areas_of(selectors, v4)) {
      while (!around.empty() && !around.back().prefix.contains(area.prefix.address)) around.pop_back();
      if (!around.empty()) {
        area.within = united(area.within, around.back().within);
        area.except = united(area.except, around.back().except);
      }
      const auto next = static_cast<uint32_t>(known.size());
      entries.emplace_back(area.prefix, known.emplace(without(area.within, area.except), next).first->second);
      around.push_back(std::move(area));
    }
  }
  by_prefix_ = PrefixMap(std::move(entries));
  selectors_.resize(known.size());
  for (const auto& [list, id] : known) selectors_[id] = list;
}

}  // namespace flatproxy
