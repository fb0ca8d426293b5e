#include "http_mesh.h"

namespace flatproxy::sim {
namespace {

std::string number(const char* name, uint64_t value) {
  return std::string("\"") + name + "\":" + std::to_string(value);
}

std::string endpoint(uint32_t id, uint32_t host) {
  return "{" + number("id", id) + R"(,"address":"10.0.1.)" + std::to_string(2 + host) +
         R"(","port":8080,"weight":1,"drain":false,"name":"e"})";
}

std::string service(uint32_t id, const HttpMesh& mesh, const std::string& endpoints) {
  std::string text = "{" + number("id", id) + R"(,"name":"s)" + std::to_string(id);
  text += R"(","protocol":"tcp","addresses":["10.9.9.)" + std::to_string(9 + id);
  text += R"("],"port":80,"balance":"roundRobin","affinity":"none","healthCheck":null,)";
  text += number("maxConnections", mesh.max_connections) + R"(,"proxyProtocol":"none","http":{)";
  text += number("maxPending", mesh.max_pending) + R"(,"idleTimeout":60000,)";
  text += number("maxRequests", mesh.link_requests) + R"(,"affinityCookie":null,"hash":null,"eject":{)";
  text += number("failures", mesh.failures) + R"(,"for":2000}},"endpoints":[)";
  return text + endpoints + "]}";
}

std::string backend(uint32_t service, uint32_t weight) {
  return "{" + number("service", service) + "," + number("weight", weight) + R"(,"filters":[]})";
}

std::string retry(uint32_t attempts) {
  return "{" + number("attempts", attempts) + R"(,"codes":[503],"backoff":25,"connectFailure":true,"reset":true,"timeout":false})";
}

std::string rule(char name, const std::string& backends, uint32_t request, uint32_t try_timeout,
                 const std::string& retries) {
  std::string text = R"({"matches":[{"path":{"type":"PathPrefix","value":"/)";
  text.append(1, name).append(R"("},"method":null,"headers":[],"queryParams":[]}],"filters":[],"backends":[)");
  text += backends + R"(],"timeouts":{)" + number("request", request) + "," + number("backendRequest", try_timeout);
  return text + R"(},"retry":)" + retries + "}";
}

}  // namespace

std::string HttpMesh::services() const {
  std::string endpoints;
  for (uint32_t id = 0; id < hosts.size(); ++id) {
    if (id > 0) endpoints += ",";
    endpoints += endpoint(id, hosts[id]);
  }
  return "[" + service(0, *this, endpoints) + "," + service(1, *this, endpoint(kOther, kOther)) + "]";
}

std::string HttpMesh::listeners() const {
  return R"([{"id":0,"name":"door","addresses":["10.8.8.8"],"port":9000,"on":null,"protocol":"http","http":{)"
         R"("maxHeaderBytes":4096,"maxHeaders":100,"maxUriBytes":1024,)" +
         number("maxRequests", client_requests) +
         R"(,"headerTimeout":10000,"bodyTimeout":20000,"idleTimeout":75000,"tunnelTimeout":3600000,"via":null,)"
         R"("forwarded":"none","trustedForwarded":[],"dotSegments":"normalize","encodedSlashes":"keep",)"
         R"("doubleSlashes":"keep","trace":"pass"},"backends":[],"relay":{"connectTimeout":2000,"idleTimeout":200000,)"
         R"("maxConnections":0,"maxConnectionsPerClient":0},"trusted":null}])";
}

std::string HttpMesh::routes() const {
  std::string rules = rule('p', backend(0, 1), 0, 0, "null") + "," + rule('r', backend(0, 1), 0, 0, retry(attempts)) +
                      "," + rule('t', backend(0, 1), request_timeout, 4000, "null");
  if (has_w) rules += "," + rule('w', backend(0, 2) + "," + backend(1, 1), 0, 0, retry(1));
  return R"([{"id":0,"name":"shop","listeners":[{"id":0,"hostname":null}],"hostnames":[],"rules":[)" + rules + "]}]";
}

}  // namespace flatproxy::sim
