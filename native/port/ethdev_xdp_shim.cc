// What DPDK's net_af_xdp calls in libxdp and libbpf, forwarded to the shared libraries of the machine, which are loaded
// with the first call: their static libraries are not position-independent, and as NEEDED libraries they would keep the
// addon from loading where they are absent. Without them net_af_xdp's probe fails (ENOTSUP), and nothing else.
#include <dlfcn.h>
#include <rte_log.h>

#include <cerrno>
#include <cstdarg>
#include <cstdint>

struct bpf_map;
struct bpf_object;
struct bpf_object_open_opts;
struct bpf_program;
struct bpf_xdp_attach_opts;
struct xsk_ring_cons;
struct xsk_ring_prod;
struct xsk_socket;
struct xsk_socket_config;
struct xsk_umem;
struct xsk_umem_config;

namespace {

enum class Library { kXdp, kBpf };
using enum Library;

// Both libraries print on stderr unless told otherwise; their warnings belong in DPDK's log.
int log_warning(int level, const char* format, va_list arguments) {
  constexpr int kWarning = 0;  // LIBBPF_WARN, LIBXDP_WARN
  return level == kWarning ? rte_vlog(RTE_LOG_WARNING, RTE_LOGTYPE_USER1, format, arguments) : 0;
}

void* load(const char* library, const char* set_print_name) {
  using Print = int (*)(int, const char*, va_list);
  void* handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  void* set_print = handle == nullptr ? nullptr : dlsym(handle, set_print_name);
  if (set_print != nullptr) reinterpret_cast<Print (*)(Print)>(set_print)(log_warning);
  return handle;
}

// Only set-up calls come here, so what is looked up need not be cached; a library stays loaded once it was found.
void* find(Library library, const char* name) {
  static void* const xdp = load("libxdp.so.1", "libxdp_set_print");
  static void* const bpf = load("libbpf.so.1", "libbpf_set_print");
  void* handle = library == Library::kXdp ? xdp : bpf;
  void* symbol = handle == nullptr ? nullptr : dlsym(handle, name);
  if (symbol == nullptr) errno = ENOTSUP;
  return symbol;
}

template <typename Result, typename... Arguments>
Result forward(Library library, const char* name, Result absent, Arguments... arguments) {
  void* symbol = find(library, name);
  return symbol == nullptr ? absent : reinterpret_cast<Result (*)(Arguments...)>(symbol)(arguments...);
}

template <typename Object>
void release(Library library, const char* name, Object* object) {
  void* symbol = find(library, name);
  if (symbol != nullptr) reinterpret_cast<void (*)(Object*)>(symbol)(object);
}

}  // namespace

extern "C" {

int xsk_umem__create(xsk_umem** umem, void* area, std::uint64_t size, xsk_ring_prod* fill, xsk_ring_cons* completion,
                     const xsk_umem_config* config) {
  return forward(kXdp, "xsk_umem__create", -ENOTSUP, umem, area, size, fill, completion, config);
}

int xsk_umem__delete(xsk_umem* umem) { return forward(kXdp, "xsk_umem__delete", -ENOTSUP, umem); }

int xsk_socket__create(xsk_socket** socket, const char* interface, std::uint32_t queue, xsk_umem* umem,
                       xsk_ring_cons* rx, xsk_ring_prod* tx, const xsk_socket_config* config) {
  return forward(kXdp, "xsk_socket__create", -ENOTSUP, socket, interface, queue, umem, rx, tx, config);
}

int xsk_socket__create_shared(xsk_socket** socket, const char* interface, std::uint32_t queue, xsk_umem* umem,
                              xsk_ring_cons* rx, xsk_ring_prod* tx, xsk_ring_prod* fill, xsk_ring_cons* completion,
                              const xsk_socket_config* config) {
  return forward(kXdp, "xsk_socket__create_shared", -ENOTSUP, socket, interface, queue, umem, rx, tx, fill, completion,
                 config);
}

void xsk_socket__delete(xsk_socket* socket) { release(kXdp, "xsk_socket__delete", socket); }

int xsk_socket__fd(const xsk_socket* socket) { return forward(kXdp, "xsk_socket__fd", -ENOTSUP, socket); }

int xsk_socket__update_xskmap(xsk_socket* socket, int map) {
  return forward(kXdp, "xsk_socket__update_xskmap", -ENOTSUP, socket, map);
}

int bpf_map__fd(const bpf_map* map) { return forward(kBpf, "bpf_map__fd", -ENOTSUP, map); }

int bpf_map_update_elem(int map, const void* key, const void* value, std::uint64_t flags) {
  return forward(kBpf, "bpf_map_update_elem", -ENOTSUP, map, key, value, flags);
}

int bpf_obj_get(const char* path) { return forward(kBpf, "bpf_obj_get", -ENOTSUP, path); }

void bpf_object__close(bpf_object* object) { release(kBpf, "bpf_object__close", object); }

bpf_map* bpf_object__find_map_by_name(const bpf_object* object, const char* name) {
  return forward<bpf_map*>(kBpf, "bpf_object__find_map_by_name", nullptr, object, name);
}

int bpf_object__load(bpf_object* object) { return forward(kBpf, "bpf_object__load", -ENOTSUP, object); }

bpf_program* bpf_object__next_program(const bpf_object* object, bpf_program* previous) {
  return forward<bpf_program*>(kBpf, "bpf_object__next_program", nullptr, object, previous);
}

bpf_object* bpf_object__open_file(const char* path, const bpf_object_open_opts* options) {
  return forward<bpf_object*>(kBpf, "bpf_object__open_file", nullptr, path, options);
}

int bpf_program__fd(const bpf_program* program) { return forward(kBpf, "bpf_program__fd", -ENOTSUP, program); }

long libbpf_get_error(const void* pointer) {
  return forward(kBpf, "libbpf_get_error", static_cast<long>(-ENOTSUP), pointer);
}

int bpf_xdp_attach(int interface, int program, std::uint32_t flags, const bpf_xdp_attach_opts* options) {
  return forward(kBpf, "bpf_xdp_attach", -ENOTSUP, interface, program, flags, options);
}

int bpf_xdp_detach(int interface, std::uint32_t flags, const bpf_xdp_attach_opts* options) {
  return forward(kBpf, "bpf_xdp_detach", -ENOTSUP, interface, flags, options);
}

int bpf_xdp_query_id(int interface, int flags, std::uint32_t* program) {
  return forward(kBpf, "bpf_xdp_query_id", -ENOTSUP, interface, flags, program);
}

}  // extern "C"
