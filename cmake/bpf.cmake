# The eBPF programs' skeletons, shared by every build folder; scripts/build/bpf.mjs leaves untouched what has not changed.
set(GENERATED_DIR ${PROJECT_SOURCE_DIR}/build/generated)
find_program(NODE node REQUIRED)
flatproxy_sources(bpf_sources native/sources.txt bpf)
file(GLOB bpf_inputs CONFIGURE_DEPENDS native/bpf/*)
list(TRANSFORM bpf_sources REPLACE "^.*/(.*)\\.bpf\\.c$" "${GENERATED_DIR}/\\1.skel.h" OUTPUT_VARIABLE bpf_headers)
add_custom_command(
  OUTPUT ${GENERATED_DIR}/bpf.stamp
  BYPRODUCTS ${bpf_headers} # or ninja would look at them before they are made, and build with the last ones
  COMMAND ${NODE} ${PROJECT_SOURCE_DIR}/scripts/build/bpf.mjs
  DEPENDS ${bpf_inputs} native/sources.txt scripts/build/bpf.mjs
  COMMENT "eBPF skeletons")
add_custom_target(bpf DEPENDS ${GENERATED_DIR}/bpf.stamp)
