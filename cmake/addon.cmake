# flatproxy_addon: the addon, under cmake-js only (it sets CMAKE_JS_INC); for sanitizers. binding.gyp builds the released one.
flatproxy_sources(addon_sources native/sources.txt dpdk addon)
foreach(kind cflags ldflags)
  execute_process(
    COMMAND ${NODE} ${PROJECT_SOURCE_DIR}/scripts/lib/dpdk.mjs ${kind}
    OUTPUT_VARIABLE dpdk_${kind} OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  string(REPLACE "\n" ";" dpdk_${kind} "${dpdk_${kind}}")
endforeach()
execute_process(
  COMMAND ${NODE} -p "require('path').resolve(require('node-addon-api').include_dir)"
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
  OUTPUT_VARIABLE node_addon_api OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)

# Compiler options are made unique one by one: the pairs "-include FILE" and "-isystem FOLDER" must stay together.
list(JOIN dpdk_cflags " " flags)
string(REGEX REPLACE "(-isystem|-include) " "\\1" flags "${flags}")
separate_arguments(flags)

add_library(flatproxy_addon MODULE EXCLUDE_FROM_ALL ${addon_sources})
target_include_directories(flatproxy_addon SYSTEM PRIVATE ${CMAKE_JS_INC} ${node_addon_api})
target_compile_definitions(flatproxy_addon PRIVATE NAPI_VERSION=8 NAPI_CPP_EXCEPTIONS NODE_ADDON_API_DISABLE_DEPRECATED)
target_compile_options(flatproxy_addon PRIVATE ${flags})
target_link_options(flatproxy_addon PRIVATE
  -Wl,--exclude-libs,ALL -Wl,-Bsymbolic -Wl,-z,nodelete -Wl,--version-script=${PROJECT_SOURCE_DIR}/native/addon.map)
list(JOIN dpdk_ldflags " " link_line)
target_link_libraries(flatproxy_addon PRIVATE core "${link_line}")
set_target_properties(flatproxy_addon PROPERTIES
  PREFIX "" SUFFIX ".node" OUTPUT_NAME flatproxy LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
