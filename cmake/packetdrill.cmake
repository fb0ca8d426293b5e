# libflatproxy_packetdrill.so: packetdrill loads it with RTLD_DEEPBIND, so everything is linked in and nothing but its one
# entry is seen.
file(GLOB library_sources CONFIGURE_DEPENDS test/packetdrill/host/*.cc test/packetdrill/library/*.cc)
add_library(packetdrill SHARED EXCLUDE_FROM_ALL ${library_sources})
set_target_properties(packetdrill PROPERTIES OUTPUT_NAME flatproxy_packetdrill)
target_include_directories(packetdrill PRIVATE test/packetdrill)
target_link_libraries(packetdrill PRIVATE core)
target_link_options(packetdrill PRIVATE -static-libstdc++ -static-libgcc -Wl,-Bsymbolic
  -Wl,--version-script=${PROJECT_SOURCE_DIR}/test/packetdrill/library/library.map)
