# core_tests and lanes_tests: one GoogleTest binary a group of test/native/tests.txt.
find_package(GTest REQUIRED)
foreach(group core lanes)
  flatproxy_sources(test_sources test/native/tests.txt ${group})
  if(test_sources)
    add_executable(${group}_tests ${test_sources})
    target_link_libraries(${group}_tests PRIVATE core GTest::gtest GTest::gtest_main)
    target_include_directories(${group}_tests PRIVATE test/native test/packetdrill)
    target_compile_definitions(${group}_tests PRIVATE
      FLATPROXY_SCRIPTS="${PROJECT_SOURCE_DIR}/test/packetdrill/scripts"
      FLATPROXY_MESSAGES="${PROJECT_SOURCE_DIR}/test/http/messages")
    target_compile_options(${group}_tests PRIVATE -O1)
    target_precompile_headers(${group}_tests PRIVATE <gtest/gtest.h>)
  endif()
endforeach()

# dpdk_tests: the ports over DPDK's drivers, linked like the addon.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS scripts/lib/dpdk.mjs)
flatproxy_sources(test_sources test/native/tests.txt dpdk)
flatproxy_sources(dpdk_sources native/sources.txt dpdk)
execute_process(COMMAND ${NODE} scripts/lib/dpdk.mjs cflags WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
  OUTPUT_VARIABLE dpdk_cflags RESULT_VARIABLE no_dpdk ERROR_QUIET)
if(NOT no_dpdk AND NOT SANITIZE AND NOT FUZZ)
  execute_process(COMMAND ${NODE} scripts/lib/dpdk.mjs ldflags WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
    OUTPUT_VARIABLE dpdk_ldflags COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(dpdk_cflags UNIX_COMMAND "${dpdk_cflags}")
  separate_arguments(dpdk_ldflags UNIX_COMMAND "${dpdk_ldflags}")
  add_executable(dpdk_tests ${test_sources} ${dpdk_sources})
  target_compile_options(dpdk_tests PRIVATE "SHELL:$<JOIN:${dpdk_cflags}, >")
  target_link_libraries(dpdk_tests PRIVATE core GTest::gtest GTest::gtest_main ${dpdk_ldflags} ${CMAKE_DL_LIBS})
endif()
