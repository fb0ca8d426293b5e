#include "log/log_format.h"

#include "packet/error.h"

namespace flatproxy {
namespace {

constexpr char kHex[] = "0123456789abcdef";

void add_hex(unsigned char byte, std::string& out) {
  out.push_back(kHex[byte >> 4]);
  out.push_back(kHex[byte & 15]);
}

bool is_plain(unsigned char byte) { return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\'; }

/// Bytes beyond ASCII, which have no character set here, as the characters of the same number.
void add_json_text(std::string_view text, std::string& out) {
  out.push_back('"');
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_plain(byte)) {
      out.push_back(c);
    } else if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else {
      out.append("\\u00");
      add_hex(byte, out);
    }
  }
  out.push_back('"');
}

void add_escaped(std::string_view text, std::string& out) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_plain(byte)) {
      out.push_back(c);
    } else {
      out.append("\\x");
      add_hex(byte, out);
    }
  }
}

[[noreturn]] void refuse(std::string_view name) {
  std::string message = "the access log has no field '";
  throw Error("ERR_FLATPROXY_INTERNAL", message.append(name).append("'"));
}

}  // namespace

LogFormat::LogFormat(std::string_view format) {
  if (format == "json") return;
  pieces_.emplace_back();
  while (!format.empty()) {
    const size_t begin = format.find('%');
    pieces_.back().text.append(format.substr(0, begin));
    if (begin == std::string_view::npos) break;
    const size_t end = format.find('%', begin + 1);
    const std::string_view name = format.substr(begin + 1, end == std::string_view::npos ? end : end - begin - 1);
    if (end == std::string_view::npos) refuse(name);
    format.remove_prefix(end + 1);
    if (name.empty()) {
      pieces_.back().text.push_back('%');
      continue;
    }
    pieces_.back().field = log_field_of(name);
    if (!pieces_.back().field) refuse(name);
    pieces_.emplace_back();
  }
}

void LogFormat::write(const ExchangeRecord& record, Nanoseconds to_wall, std::string& out) const {
  if (pieces_.empty()) return write_json(record, to_wall, out);
  for (const Piece& piece : pieces_) {
    out.append(piece.text);
    if (!piece.field) continue;
    const LogValue value = value_of(*piece.field, record, to_wall);
    value.there ? add_escaped(value.text, out) : out.push_back('-');
  }
  out.push_back('\n');
}

void LogFormat::write_json(const ExchangeRecord& record, Nanoseconds to_wall, std::string& out) const {
  for (uint32_t i = 0; i < kLogFields; ++i) {
    const auto field = static_cast<LogField>(i);
    out.append(i == 0 ? "{\"" : ",\"").append(name_of(field)).append("\":");
    const LogValue value = value_of(field, record, to_wall);
    if (!value.there) {
      out.append("null");
    } else if (value.quoted) {
      add_json_text(value.text, out);
    } else {
      out.append(value.text);
    }
  }
  out.append("}\n");
}

}  // namespace flatproxy
