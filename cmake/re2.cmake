# re2: the npm package's copy of RE2, hidden as everything native is. Its warnings are its authors' business.
flatproxy_sources(re2_sources native/sources.txt re2)
add_library(re2 STATIC EXCLUDE_FROM_ALL ${re2_sources})
target_include_directories(re2 SYSTEM PUBLIC node_modules/re2/vendor)
target_link_libraries(re2 PRIVATE flatproxy_flags)
target_compile_options(re2 PRIVATE -w)
