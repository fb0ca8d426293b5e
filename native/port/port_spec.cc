#include "port/port_spec.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>

#include "packet/error.h"

namespace flatproxy {
namespace {

using Json = nlohmann::json;

constexpr double kNanosecondsPerMillisecond = 1e6;
constexpr double kLargestSeed = 9'007'199'254'740'991;  // Number.MAX_SAFE_INTEGER

[[noreturn]] void refuse(const std::string& where, const std::string& why) {
  throw Error("ERR_FLATPROXY_CONFIG", "port: " + where + " " + why);
}

/// The fields of one object: each is read once, and none may be left over.
class Fields {
 public:
  Fields(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
    if (!json.is_object()) refuse(where_, "must be an object");
  }

  const Json* find(const char* key) {
    known_.emplace_back(key);
    const auto found = json_.find(key);
    return found == json_.end() ? nullptr : &*found;
  }

  std::optional<std::string> text(const char* key) {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_string()) refuse(at(key), "must be a string");
    return value->get<std::string>();
  }

  std::string needed_text(const char* key) {
    auto value = text(key);
    if (!value) refuse(at(key), "is missing");
    return *value;
  }

  std::optional<double> number(const char* key, double least, double most) {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_number()) refuse(at(key), "must be a number");
    const auto number = value->get<double>();
    if (!(number >= least && number <= most)) refuse(at(key), "is out of its range");
    return number;
  }

  std::optional<double> whole(const char* key, double least, double most) {
    const auto value = number(key, least, most);
    if (value && *value != std::floor(*value)) refuse(at(key), "must be a whole number");
    return value;
  }

  /// Which of the words it is; the first one when it is absent.
  size_t word(const char* key, std::initializer_list<const char*> words) {
    const auto value = text(key);
    if (!value) return 0;
    size_t index = 0;
    for (const char* word : words) {
      if (*value == word) return index;
      ++index;
    }
    refuse(at(key), "is none of its words");
  }

  const Json& list(const char* key) {
    static const Json empty = Json::array();
    const Json* value = find(key);
    if (value == nullptr) return empty;
    if (!value->is_array()) refuse(at(key), "must be a list");
    return *value;
  }

  void done() {
    known_.emplace_back("type");
    known_.emplace_back("own");
    for (const auto& [key, value] : json_.items()) {
      if (std::find(known_.begin(), known_.end(), key) == known_.end()) refuse(at(key), "is not known");
    }
  }

  std::string at(const std::string& key) const { return where_ + "." + key; }

 private:
  const Json& json_;
  std::string where_;
  std::vector<std::string> known_;
};

wire::Prefix prefix(const std::string& text, const std::string& where) {
  const auto value = wire::Prefix::parse(text);
  if (!value) refuse(where, "is no prefix: " + text);
  return *value;
}

TapRoute tap_route(const Json& json, const std::string& where) {
  Fields fields(json, where);
  TapRoute route{prefix(fields.needed_text("to"), fields.at("to")), std::nullopt};
  if (const auto via = fields.text("via")) {
    route.via = wire::Address::parse(*via);
    if (!route.via) refuse(fields.at("via"), "is no address: " + *via);
  }
  fields.done();
  return route;
}

PortSpec tap(Fields& fields) {
  TapSpec spec;
  spec.config.name = fields.text("name").value_or("fp%d");
  spec.config.netns = fields.text("netns").value_or("");
  for (const Json& address : fields.list("addresses")) {
    if (!address.is_string()) refuse(fields.at("addresses"), "must be a list of strings");
    spec.config.addresses.push_back(prefix(address.get<std::string>(), fields.at("addresses")));
  }
  for (const Json& route : fields.list("routes")) {
    spec.config.routes.push_back(tap_route(route, fields.at("routes")));
  }
  spec.config.mtu = static_cast<uint16_t>(fields.whole("mtu", 576, 65'521).value_or(1500));
  spec.queues = static_cast<unsigned>(fields.whole("queues", 1, 256).value_or(0));
  return spec;
}

PortSpec iface(Fields& fields) {
  IfaceSpec spec;
  spec.config.interface = fields.needed_text("interface");
  spec.config.take = fields.word("take", {"all", "matched"}) == 0 ? Take::all : Take::matched;
  spec.config.delivery = fields.word("delivery", {"peer", "device"}) == 0 ? Delivery::peer : Delivery::device;
  spec.config.on_exit = fields.word("onExit", {"release", "block"}) == 0 ? OnExit::release : OnExit::block;
  const double watchdog = fields.number("watchdog", 1, 3'600'000).value_or(200);
  spec.config.watchdog = static_cast<Nanoseconds>(watchdog * kNanosecondsPerMillisecond);
  spec.netns = fields.text("netns").value_or("");
  return spec;
}

PortSpec pcap(Fields& fields) {
  return PcapSpec{{fields.text("read").value_or(""), fields.text("write").value_or("")}};
}

PortSpec memory(Fields& fields) {
  return MemorySpec{static_cast<uint16_t>(fields.whole("mtu", 576, 65'535).value_or(1500))};
}

PortSpec parse(const Json& json, const std::string& where, bool wrapped);

PortSpec fault(Fields& fields) {
  Faults faults;
  faults.seed = static_cast<uint64_t>(fields.whole("seed", 0, kLargestSeed).value_or(0));
  faults.drop = fields.number("drop", 0, 1).value_or(0);
  faults.duplicate = fields.number("duplicate", 0, 1).value_or(0);
  faults.reorder = fields.number("reorder", 0, 1).value_or(0);
  faults.corrupt = fields.number("corrupt", 0, 1).value_or(0);
  faults.delay = static_cast<Nanoseconds>(fields.number("delay", 0, 10'000).value_or(0) * kNanosecondsPerMillisecond);
  const Json* inner = fields.find("port");
  if (inner == nullptr) refuse(fields.at("port"), "is missing");
  return std::make_shared<const FaultSpec>(FaultSpec{parse(*inner, fields.at("port"), true), faults});
}

PortSpec of_type(const std::string& type, Fields& fields, bool wrapped) {
  if (type == "tap") return tap(fields);
  if (type == "iface") return iface(fields);
  if (type == "ethdev") return EthdevSpec{fields.needed_text("devargs")};
  if (type == "pcap") return pcap(fields);
  if (type == "memory") return memory(fields);
  if (type == "host" && !wrapped) return HostSpec{};
  if (type == "fault" && !wrapped) return fault(fields);
  refuse(fields.at("type"), "is no type of port here: " + type);
}

PortSpec parse(const Json& json, const std::string& where, bool wrapped) {
  Fields fields(json, where);
  PortSpec spec = of_type(fields.needed_text("type"), fields, wrapped);
  fields.done();
  return spec;
}

}  // namespace

PortSpec parse_port_spec(std::string_view json) {
  const Json parsed = Json::parse(json, nullptr, false);
  if (parsed.is_discarded()) refuse("$", "is no JSON");
  return parse(parsed, "$", false);
}

bool has_host(const PortSpec& spec) {
  if (const auto* fault = std::get_if<std::shared_ptr<const FaultSpec>>(&spec)) return has_host((*fault)->inner);
  const auto* iface = std::get_if<IfaceSpec>(&spec);
  return iface != nullptr && iface->config.take == Take::all;
}

}  // namespace flatproxy
