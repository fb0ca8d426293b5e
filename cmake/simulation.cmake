# sim: whole engines in virtual time (test/sim).
file(GLOB sim_sources CONFIGURE_DEPENDS test/sim/*.cc)
add_executable(sim EXCLUDE_FROM_ALL ${sim_sources}
  test/native/support/frames.cc test/native/support/plans.cc test/native/support/simple_tcp.cc
  test/native/support/world.cc test/native/support/world_peer.cc)
target_include_directories(sim PRIVATE test/native)
target_link_libraries(sim PRIVATE core)
